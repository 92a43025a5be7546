"""
The list of failures as people and programs work through it: found by a filter, shown, replayed, dismissed.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.hints import Kind, NewHint, Source, usable
from infra.database import tables
from infra.database.engine import Database
from infra.database.failures import FailureRows
from infra.database.inbox import SqlInbox
from infra.database.views_debtors import columns_of

STATES = ("open", "replayed", "dismissed", "resolved")

AT_ONCE = 1_000
"""Failures that end in one transaction."""

_READ_AGAIN = {
    "debtor": Kind.DEBTORS,
    "invoice": Kind.INVOICES,
    "conversion": Kind.CONVERSIONS,
    "edit": Kind.EDITS,
}
_INSTEAD = {
    "hook": "it would say the same again: correct its body in e-conomic (debitor agreement webhooks {agreement}"
    " --print shows it), then dismiss this",
    "crm event": "it would say the same again: have the CRM send it right, then dismiss this",
    "company": "merge or delete the company in the CRM as well, or dismiss this",
    "delivery": "mend the endpoint, then send it again: debitor crm endpoint resend (the failure says which)",
    "endpoint": "mend the endpoint: it is tried by itself, and this closes when it accepts an event",
    "deletions": "look whether these debtors are deleted in e-conomic; if so: debitor resync {agreement}"
    " --allow-deletions",
    "renumbering": "compare the two debtors in e-conomic; when it is right as it stands, dismiss this",
    "invoices": "read them all anew: debitor resync {agreement} --invoices",
    "hooks": "look whether e-conomic has switched the webhook off (debitor agreement webhooks {agreement} --print)",
    "lines": "mend what e-conomic refuses, then: debitor resync {agreement} --invoices",
    "import": "start what waits, or drop it: debitor import {agreement} --waiting (the failure says how)",
    "mail": "do what the mail asks for, and mend its way: debitor agreement mail {agreement}; then dismiss this",
    "run": "start the run again: debitor resync {agreement} --resume",
}

_failure, _agreement = tables.failure, tables.agreement


class Failure(NamedTuple):
    """One thing a person must look at, or had to."""

    id: int
    agreement: int
    subject_kind: str
    subject: str
    reason: str
    message: str
    advice: str
    detail: str | None
    state: str
    note: str | None
    times: int
    first_seen_at: dt.datetime
    last_seen_at: dt.datetime
    ended_at: dt.datetime | None

    @property
    def read_again(self) -> Kind | None:
        """The work that a replay gives a hint to; None when a replay cannot help."""
        return None if usable(self.subject) is None else _READ_AGAIN.get(self.subject_kind)

    @property
    def instead(self) -> str:
        """What to do about one that cannot be replayed."""
        advice = _INSTEAD.get(self.subject_kind, "it names no number: mend it, then: debitor resync {agreement}")
        return advice.format(agreement=self.agreement)


class Filter(NamedTuple):
    """Which failures; None = any. Those of removed agreements are never among them."""

    firm: int | None = None
    agreement: int | None = None
    state: str | None = "open"
    kind: str | None = None
    reason: str | None = None
    since: dt.datetime | None = None  # seen last then or later


class Replay(NamedTuple):
    """What became of a failure that was asked to be replayed; `refusal` = nothing happened, and why."""

    failure: Failure
    correlation_id: str | None
    refusal: str | None


def failures(
    connection: Connection,
    wanted: Filter,
    *,
    after: int | None = None,
    limit: int,
    replayable: bool | None = None,
) -> list[Failure]:
    """
    At most `limit` failures, newest first.

    Args:
        after: the id of the last one of the page before.
        replayable: only kinds that a replay can help, or only those that it cannot; None = all.
    """
    query = _select(wanted.firm)
    for column, value in (
        (_failure.c.agreement, wanted.agreement),
        (_failure.c.state, wanted.state),
        (_failure.c.subject_kind, wanted.kind),
        (_failure.c.reason, wanted.reason),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(_failure.c.last_seen_at >= wanted.since)
    if replayable is not None:
        able = _failure.c.subject_kind.in_(_READ_AGAIN)
        query = query.where(able if replayable else ~able)
    if after is not None:
        query = query.where(_failure.c.id < after)
    rows = connection.execute(query.order_by(_failure.c.id.desc()).limit(limit))
    return [Failure._make(row) for row in rows]


def failure(connection: Connection, failure_id: int, *, firm: int | None = None) -> Failure | None:
    """One failure; None for another firm's."""
    row = connection.execute(_select(firm).where(_failure.c.id == failure_id)).first()
    return Failure._make(row) if row else None


def replay(database: Database, ids: Iterable[int]) -> list[Replay]:
    """
    Have the records behind these failures read again, sorted by id; unknown ids are left out.

    A hint and the end of its failure are one commit, so neither is ever without the other. Should the record fail
    again, a new failure opens.
    """
    done: list[Replay] = []
    for some in _portions(ids):
        with database.write() as connection:
            locked = _lock(connection, some)
            hints = {failure.id: _hint(failure) for failure in locked}
            SqlInbox(connection, database.sql).add([hint for hint in hints.values() if hint])
            _end(connection, database, [failure for failure in locked if hints[failure.id]], "replayed", None)
            for failure in _lock(connection, some):
                hint = hints[failure.id]
                done.append(Replay(failure, hint.correlation_id if hint else None, None if hint else _why_not(failure)))
    return done


def dismiss(database: Database, ids: Iterable[int], note: str | None = None) -> list[Failure]:
    """End these failures as they are; those that ended before stay as they were. Sorted by id, unknown left out."""
    done: list[Failure] = []
    for some in _portions(ids):
        with database.write() as connection:
            _end(connection, database, _lock(connection, some), "dismissed", note)
            done += _lock(connection, some)
    return done


def _select(firm: int | None) -> sa.Select[tuple[object, ...]]:
    query = (
        sa.select(*columns_of(_failure, Failure))
        .join(_agreement, _agreement.c.number == _failure.c.agreement)
        .where(_agreement.c.removed_at.is_(None))
    )
    return query if firm is None else query.where(_agreement.c.firm_id == firm)


def _lock(connection: Connection, ids: Collection[int]) -> list[Failure]:
    rows = connection.execute(
        _select(None).where(_failure.c.id.in_(ids)).order_by(_failure.c.id).with_for_update(of=_failure)
    )
    return [Failure._make(row) for row in rows]


def _hint(failure: Failure) -> NewHint | None:
    kind, number = failure.read_again, usable(failure.subject)
    if failure.state != "open" or kind is None:
        return None
    return NewHint(failure.agreement, kind, Source.SYNC, os.urandom(8).hex(), number, number)


def _why_not(failure: Failure) -> str:
    return f"it is {failure.state} already" if failure.state != "open" else failure.instead


def _end(connection: Connection, database: Database, ending: Iterable[Failure], state: str, note: str | None) -> None:
    by_agreement: dict[int, list[int]] = defaultdict(list)
    for failure in ending:
        by_agreement[failure.agreement].append(failure.id)
    for agreement, ids in by_agreement.items():
        FailureRows(connection, database.sql, agreement).end(ids, state, note)


def _portions(ids: Iterable[int]) -> list[list[int]]:
    ordered = sorted(set(ids))
    return [ordered[start : start + AT_ONCE] for start in range(0, len(ordered), AT_ONCE)]
