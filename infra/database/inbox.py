"""
The inbox inside a transaction: outstanding events, marked handled by their exact ids.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.hints import Hint, Kind, NewHint
from infra.database.dialect import Sql, UtcDateTime, as_time, text

_RECENT = "(SELECT COALESCE(max(id), 0) - 100000 FROM inbox)"  # bounds a look back that no index serves

STORED_HINT = "id, old_number, new_number, correlation_id, body, webhook_id"
"""The columns of `domain.hints.Hint`, in its order."""

HINT_COLUMNS = ("agreement", "kind", "source", "old_number", "new_number", "correlation_id", "body")
COLUMNS = (*HINT_COLUMNS, "webhook_id")

STORED_ONCE = " ON CONFLICT (agreement, webhook_id) WHERE webhook_id IS NOT NULL DO NOTHING"


class SqlInbox:
    """`domain.ports.Inbox` on either database."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int = 0) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement

    def outstanding(self, agreement: int, kind: Kind, limit: int, *, people_only: bool = False) -> list[Hint]:
        """The oldest unhandled events, at most `limit`, sorted by id; `people_only`: those a person asked for."""
        people = " AND source = 'sync'" if people_only else ""
        found = self._connection.execute(
            text(
                f"SELECT {self._sql.as_json(STORED_HINT)} FROM (SELECT {STORED_HINT} FROM inbox"
                f" WHERE agreement = :agreement AND kind = :kind AND handled_at IS NULL{people}"
                " ORDER BY id LIMIT :limit) AS oldest"
            ),
            {"agreement": agreement, "kind": kind.value, "limit": limit},
        )
        return read_hints(found.scalar_one())

    def handled(self, ids: Collection[int]) -> None:
        """Mark exactly these events: a later one may have a lower id and not be visible yet."""
        if ids:
            self._connection.execute(
                text(
                    f"UPDATE inbox SET handled_at = {self._sql.now}"
                    f" WHERE {self._sql.among('id', 'ids')} AND handled_at IS NULL"
                ),
                {"ids": self._sql.numbers(ids)},
            )

    def note(self, ids: Collection[int], body: str) -> None:
        self._connection.execute(
            text(f"UPDATE inbox SET body = :body WHERE {self._sql.among('id', 'ids')} AND handled_at IS NULL"),
            {"body": body, "ids": self._sql.numbers(ids)},
        )

    def announced(self, numbers: Collection[int], since: dt.datetime) -> set[int]:
        """Of these debtor numbers, those that a webhook named since then."""
        rows = self._connection.execute(
            text(
                "SELECT old_number, new_number FROM inbox WHERE agreement = :agreement AND kind = 'debtors'"
                f" AND source = 'hook' AND received_at >= :since AND id > {_RECENT}"
                f" AND ({self._sql.among('new_number', 'numbers')} OR {self._sql.among('old_number', 'numbers')})"
            ).bindparams(sa.bindparam("since", type_=UtcDateTime())),
            {"agreement": self._agreement, "since": since, "numbers": self._sql.numbers(numbers)},
        )
        return {number for row in rows for number in row if number is not None}

    def last_announced(self) -> dt.datetime | None:
        """When the agreement's last webhook came in, among the newest events."""
        moment = self._connection.execute(
            text(
                "SELECT received_at FROM inbox WHERE agreement = :agreement AND source = 'hook'"
                f" AND id > {_RECENT} ORDER BY id DESC LIMIT 1"
            ),
            {"agreement": self._agreement},
        ).scalar()
        return None if moment is None else as_time(moment)

    def add(self, hints: Sequence[NewHint]) -> None:
        """Store these events, except those whose webhook-id is stored already."""
        if hints:
            self._connection.execute(
                text(
                    f"INSERT INTO inbox ({', '.join(COLUMNS)}, received_at)"
                    f" VALUES ({', '.join(':' + name for name in COLUMNS)}, {self._sql.now}){STORED_ONCE}"
                ),
                [dict(zip(COLUMNS, as_row(hint), strict=True)) for hint in hints],
            )


def read_hints(found: str | None) -> list[Hint]:
    """An aggregate of STORED_HINT, sorted by id: a hundred thousand as one text take a third of the time of rows."""
    return [] if found is None else sorted(msgspec.json.decode(found, type=list[Hint]))


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
        hint.webhook_id,
    )
