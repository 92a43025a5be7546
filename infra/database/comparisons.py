"""
Full comparisons: queueing them, by hand or when they are due.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.comparison import DAILY, due_after
from domain.resync_state import ResyncOptions, ResyncState
from infra.database import tables
from infra.database.dialect import Sql
from infra.database.engine import Database

T = tables.run.c
RESYNC = "resync"
UNFINISHED = ("queued", "running", "waiting")
PROPOSED = "proposed"
"""The state of a run that nobody has asked for yet: it waits for a person's word."""


def queue_run(
    connection: Connection,
    sql: Sql,
    agreement: int,
    kind: str,
    options: dict[str, Any],
    progress: dict[str, Any],
    *,
    state: str = "queued",
) -> int:
    """A run that whoever looks next takes up, unless it waits for a person's word; returns its id."""
    queued = sa.insert(tables.run).values(
        agreement=agreement,
        type=kind,
        state=state,
        options=options,
        progress=progress,
        counts={},
        attempts=0,
        created_at=sa.text(sql.now),
    )
    return int(connection.execute(queued.returning(T.id)).scalar_one())


class ComparisonRows:
    """`domain.ports.ComparisonStore` on either database."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement

    def unfinished(self) -> bool:
        found = sa.select(T.id).where(T.agreement == self._agreement, T.type == RESYNC, T.state.in_(UNFINISHED))
        return self._connection.execute(found.limit(1)).first() is not None

    def invoices_compared(self) -> bool:
        ended = sa.select(T.options).where(T.agreement == self._agreement, T.type == RESYNC, T.state == "done")
        found = (ResyncOptions.from_json(options) for (options,) in self._connection.execute(ended))
        return any(options.invoices and not (options.dry_run or options.since) for options in found)

    def begin(self, options: ResyncOptions) -> int:
        """Returns the id of the run."""
        state = ResyncState(options.first_phase())
        return queue_run(self._connection, self._sql, self._agreement, RESYNC, options.as_json(), state.as_json())


def queue_due(database: Database, *, now: dt.datetime) -> list[int]:
    """
    Queue today's comparison of every agreement whose debtors were not compared for a day; returns the agreements.

    Agreements whose token nobody stored are left to the people who are asked for it.
    """
    sql, agreement = database.sql, tables.agreement.c
    since = sa.text(sql.after("ago"))
    with database.write() as connection:
        connected = connection.execute(
            sa.select(agreement.number).where(
                agreement.removed_at.is_(None),
                agreement.paused_at.is_(None),
                agreement.grant_token.is_not(None),
                agreement.created_at < since,
            ),
            {"ago": -due_after(now).total_seconds()},
        )
        due = {number for (number,) in connected}
        recent = connection.execute(
            sa.select(T.agreement, T.state, T.options).where(
                T.type == RESYNC, sa.or_(T.created_at >= since, T.state.in_(UNFINISHED))
            ),
            {"ago": -due_after(now).total_seconds()},
        )
        for number, state, stored in recent:
            options = ResyncOptions.from_json(stored)
            if state in UNFINISHED or (options.debtors and not options.dry_run):
                due.discard(number)
        for number in sorted(due):
            ComparisonRows(connection, sql, number).begin(DAILY)
    return sorted(due)
