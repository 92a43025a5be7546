"""
The inbox inside a transaction: outstanding events, marked handled by their exact ids.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.hints import Hint, Kind, NewHint
from infra.database.dialect import Sql

COLUMNS = ("agreement", "kind", "source", "old_number", "new_number", "correlation_id", "body")


class SqlInbox:
    """`domain.ports.Inbox` on either database."""

    def __init__(self, connection: Connection, sql: Sql) -> None:
        self._connection = connection
        self._sql = sql

    def outstanding(self, agreement: int, kind: Kind, limit: int) -> list[Hint]:
        """The oldest unhandled events, at most `limit`, sorted by id."""
        rows = self._connection.execute(
            sa.text(
                "SELECT id, old_number, new_number, correlation_id, body FROM inbox"
                " WHERE agreement = :agreement AND kind = :kind AND handled_at IS NULL ORDER BY id LIMIT :limit"
            ),
            {"agreement": agreement, "kind": kind.value, "limit": limit},
        )
        return [Hint(*row) for row in rows]

    def handled(self, ids: Collection[int]) -> None:
        """Mark exactly these events: a later one may have a lower id and not be visible yet."""
        if ids:
            self._connection.execute(
                sa.text(
                    f"UPDATE inbox SET handled_at = {self._sql.now}"
                    f" WHERE id IN {self._sql.set_of('ids')} AND handled_at IS NULL"
                ),
                {"ids": self._sql.numbers(ids)},
            )

    def add(self, hints: Sequence[NewHint]) -> None:
        if hints:
            self._connection.execute(
                sa.text(
                    f"INSERT INTO inbox ({', '.join(COLUMNS)}, received_at)"
                    f" VALUES ({', '.join(':' + name for name in COLUMNS)}, {self._sql.now})"
                ),
                [dict(zip(COLUMNS, as_row(hint), strict=True)) for hint in hints],
            )


def as_row(hint: NewHint) -> tuple[object, ...]:
    """One event in the order of COLUMNS."""
    return (
        hint.agreement,
        hint.kind.value,
        hint.source.value,
        hint.old,
        hint.new,
        hint.correlation_id,
        hint.body,
    )
