"""
Looks for unannounced changes: where the last one ended, and which agreements are due.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.hints import Kind, Source
from domain.poll import PollState
from infra.database import tables
from infra.database.dialect import Sql
from infra.database.engine import Database

_T = tables.poll.c
_STATE = ("debtors_since", "invoices_after", "invoices_short", "unannounced", "hooks_arrive")


class PollRows:
    """`domain.ports.PollStore` on either database."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement

    def load(self) -> PollState:
        row = self._connection.execute(
            sa.select(*(_T[name] for name in _STATE)).where(_T.agreement == self._agreement)
        ).first()
        return PollState() if row is None else PollState(*row)

    def save(self, state: PollState, *, every_s: int) -> None:
        values = {name: getattr(state, name) for name in _STATE}
        times = {"good_at": sa.text(self._sql.now), "next_at": sa.text(self._sql.after("every_s"))}
        row = sa.select(_T.agreement).where(_T.agreement == self._agreement)
        statement: sa.Insert | sa.Update
        if self._connection.execute(row).first() is None:
            statement = sa.insert(tables.poll).values(agreement=self._agreement, **values, **times)
        else:
            statement = sa.update(tables.poll).where(_T.agreement == self._agreement).values(**values, **times)
        self._connection.execute(statement, {"every_s": every_s})


def ask(database: Database, kind: Kind, *, due_only: bool = False) -> list[int]:
    """
    Leave a hint of this kind for every connected agreement that has none outstanding; returns these agreements.

    Args:
        due_only: only where the time of the next look has come.
    """
    sql = database.sql
    due = f" AND (p.next_at IS NULL OR p.next_at <= {sql.now})" if due_only else ""
    with database.write() as connection:
        rows = connection.execute(
            sa.text(
                "INSERT INTO inbox (agreement, kind, source, correlation_id, received_at)"
                f" SELECT a.number, CAST(:kind AS varchar), :source, '', {sql.now} FROM agreement a"
                " LEFT JOIN poll p ON p.agreement = a.number"
                f" WHERE a.removed_at IS NULL AND a.paused_at IS NULL{due} AND NOT EXISTS (SELECT 1 FROM inbox i"
                " WHERE i.agreement = a.number AND i.kind = :kind AND i.handled_at IS NULL) RETURNING agreement"
            ),
            {"kind": kind.value, "source": Source.POLL.value},
        )
        return [number for (number,) in rows]
