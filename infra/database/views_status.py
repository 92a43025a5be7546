"""
What the status pages show: what waits and why, what came in, what failed, what is running. Read-only queries.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.call_forecast import DAY_S, CallForecast, SpentHour, forecast
from domain.hints import Kind
from infra.database import tables
from infra.database.comparisons import PROPOSED, UNFINISHED
from infra.database.dialect import Sql, UtcDateTime
from infra.database.views_debtors import columns_of

RECENT_EVENTS = 20_000
"""How far back the last event of a source is looked for: by key, so a busy inbox costs no more than a quiet one."""

LAST_RUNS = 10

_inbox, _work, _calls, _run, _failure = tables.inbox, tables.work, tables.calls, tables.run, tables.failure


class WorkState(NamedTuple):
    """One kind of an agreement's work; `reason` is None while nothing is wrong, `working` = somebody holds it now."""

    agreement: int
    kind: str
    reason: str | None
    message: str | None
    not_before: dt.datetime | None
    waiting_since: dt.datetime | None
    attempts: int
    drained_at: dt.datetime | None
    working: bool
    outstanding: int
    oldest_at: dt.datetime | None


class Trouble(NamedTuple):
    """Why an agreement's data may be old."""

    reason: str
    message: str | None
    waiting_since: dt.datetime | None


class LastEvent(NamedTuple):
    """When an agreement last heard from a source, among the newest RECENT_EVENTS events."""

    agreement: int
    source: str
    received_at: dt.datetime


class Run(NamedTuple):
    """A job a person asked for."""

    id: int
    agreement: int
    type: str
    state: str
    counts: dict[str, Any]
    message: str | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None


def work_states(connection: Connection, agreements: Collection[int]) -> list[WorkState]:
    """Every kind of work of these agreements, with its outstanding events, sorted by agreement and kind."""
    now = sa.func.now() if connection.dialect.name == "postgresql" else sa.func.strftime("%Y-%m-%dT%H:%M:%fZ", "now")
    held = sa.and_(_work.c.lease_token.is_not(None), _work.c.lease_until > now)
    query = sa.select(*columns_of(_work, WorkState), held).where(_work.c.agreement.in_(agreements))
    waiting = _outstanding(connection, agreements)
    states = []
    for row in connection.execute(query.order_by(_work.c.agreement, _work.c.kind)):
        count, oldest_at = waiting.get((row.agreement, row.kind), (0, None))
        states.append(WorkState._make((*row[:-1], bool(row[-1]), count, oldest_at)))
    return states


def _outstanding(
    connection: Connection, agreements: Collection[int]
) -> dict[tuple[int, str], tuple[int, dt.datetime | None]]:
    """Unhandled events per agreement and kind, and when the oldest came; counted inside the partial index."""
    keys = (_inbox.c.agreement, _inbox.c.kind)
    query = (
        sa.select(*keys, sa.func.count(), sa.func.min(_inbox.c.id))
        .where(_inbox.c.handled_at.is_(None), _inbox.c.agreement.in_(agreements))
        .group_by(*keys)
    )
    counted = connection.execute(query).all()
    oldest = sa.select(_inbox.c.id, _inbox.c.received_at).where(_inbox.c.id.in_([row[3] for row in counted]))
    received = {row.id: row.received_at for row in connection.execute(oldest)}
    return {(row[0], row[1]): (row[2], received.get(row[3])) for row in counted}


def trouble(connection: Connection, agreement: int) -> Trouble | None:
    """What holds an agreement's work back longest, if anything does; names that wait make no data old."""
    query = sa.select(*columns_of(_work, Trouble)).where(
        _work.c.agreement == agreement, _work.c.reason.is_not(None), _work.c.kind != Kind.REFERENCE.value
    )
    row = connection.execute(query.order_by(_work.c.waiting_since).limit(1)).first()
    return Trouble._make(row) if row else None


def last_events(connection: Connection, agreements: Collection[int]) -> list[LastEvent]:
    """The last event per agreement and source, sorted so."""
    recent = (
        sa.select(_inbox.c.agreement, _inbox.c.source, _inbox.c.received_at)
        .order_by(_inbox.c.id.desc())
        .limit(RECENT_EVENTS)
        .subquery()
    )
    last = sa.func.max(recent.c.received_at, type_=UtcDateTime())
    keys = (recent.c.agreement, recent.c.source)
    query = sa.select(*keys, last).where(recent.c.agreement.in_(agreements)).group_by(*keys).order_by(*keys)
    return [LastEvent._make(row) for row in connection.execute(query)]


def call_forecasts(connection: Connection, agreements: Collection[int]) -> dict[int, CallForecast]:
    """What each agreement has spent of e-conomic's calls, and how long the rest will last."""
    age_s = sa.literal_column(Sql(connection.dialect.name).seconds_since("hour"), sa.Float)
    query = sa.select(_calls.c.agreement, age_s, _calls.c.spent).where(
        _calls.c.agreement.in_(agreements), age_s < DAY_S
    )
    hours: dict[int, list[SpentHour]] = {agreement: [] for agreement in agreements}
    for agreement, age, spent in connection.execute(query):
        hours[agreement].append(SpentHour(float(age), int(spent)))
    return {agreement: forecast(spent) for agreement, spent in hours.items()}


def runs(connection: Connection, agreements: Collection[int]) -> list[Run]:
    """Every unfinished run, oldest first, then the LAST_RUNS that ended last."""
    mine = _run.c.agreement.in_(agreements)
    columns = columns_of(_run, Run)
    unfinished = sa.select(*columns).where(mine, _run.c.state.in_((*UNFINISHED, PROPOSED))).order_by(_run.c.id)
    ended = sa.select(*columns).where(mine, _run.c.state.in_(("done", "failed", "cancelled")))
    ended = ended.order_by(_run.c.id.desc()).limit(LAST_RUNS)
    return [Run._make(row) for query in (unfinished, ended) for row in connection.execute(query)]


def count_open_failures(connection: Connection, agreements: Collection[int]) -> dict[int, int]:
    """Open failures per agreement; agreements without any are left out."""
    query = (
        sa.select(_failure.c.agreement, sa.func.count())
        .where(_failure.c.agreement.in_(agreements), _failure.c.state == "open")
        .group_by(_failure.c.agreement)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
