"""
One slice of work: take the lease, check the pace, call the use case, say how it went.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from consumers.convert import convert_agreement
from domain.accounting_api import AccountingApi
from domain.company_events import take_company_events
from domain.comparison import FOLD_AFTER_S, fold
from domain.errors import LeaseLost, TransientError, Unavailable, WrongAgreement
from domain.follow_debtors import follow_debtors
from domain.hints import Hint, Kind
from domain.poll import look_for_changes
from domain.ports import WorkPort
from domain.read_ahead import ReadAhead
from domain.read_names import read_names
from domain.refresh_debtors import Refreshed, refresh_debtors
from domain.refresh_invoices import refresh_invoices, turn_into_failures
from domain.refresh_payments import refresh_payments
from domain.work import Lease, postpone_s
from domain.write_edits import write_edits
from infra.bootstrap import Services
from infra.database.engine import DatabaseAway
from infra.database.unit_of_work import LeasedWork
from infra.database.work import Taken
from infra.metrics import DRAIN_SECONDS, DRAINS, RECORDS

log = structlog.get_logger()

SLICE_S = 2.0
"""So long one agreement keeps a thread before others get their turn (design.md §2)."""

SOON_S = 2.0
"""What waits no longer than this is woken to the moment; the sweep, which comes every second, finds the rest."""

MOST_HINTS = 200_000
MOST_LINKS = 20_000  # what turns out to be too many at once, waits all together
MOST_EVENTS = 2_000  # their bodies, 64 KiB at most each, are in memory


class Refresh(Protocol):
    def __call__(
        self, work: WorkPort, api: AccountingApi, hints: Sequence[Hint], *, more_time: Callable[[], bool]
    ) -> Refreshed: ...


REFRESH: dict[Kind, Refresh] = {
    Kind.DEBTORS: refresh_debtors,
    Kind.INVOICES: refresh_invoices,
    Kind.PAYMENTS: refresh_payments,
    Kind.POLL: look_for_changes,
    Kind.REFERENCE: read_names,
}


class Take(Protocol):
    def __call__(self, work: WorkPort, hints: Sequence[Hint], *, more_time: Callable[[], bool]) -> Refreshed: ...


TAKE: dict[Kind, Take] = {Kind.COMPANIES: take_company_events, Kind.LINKS: follow_debtors}
"""
Events that carry what they say, or are about what the mirror says: nothing is asked of e-conomic, so neither its budget
nor its trouble delays them.
"""


_ALWAYS_ASK, _HEARD = (Kind.POLL, Kind.DEBTORS, Kind.INVOICES), ("drained", "sliced")
"""Work that is never done without e-conomic's answer, and the outcomes that say it was."""

PEOPLES = frozenset({Kind.CONVERSIONS, Kind.EDITS})
"""Somebody waits for each of these calls: no pace holds them up."""


def drain(services: Services, agreement: int, kind: Kind) -> None:
    """
    Work on one kind of an agreement's events for about two seconds.

    Never raises for the surroundings: the work waits, with a reason, and the sweep comes back to it.
    """
    started = time.monotonic()
    try:
        taken = services.work.take(agreement, kind)
    except DatabaseAway as error:
        log.warning("work.database_away", agreement=agreement, kind=kind.value, error=str(error))
        return
    if taken is None:
        return  # somebody holds it and will look again, or nothing is due
    lease, outcome = taken.lease, "failed"
    try:
        outcome = _work(services, taken)
        if taken.was_refused and kind in _ALWAYS_ASK and outcome in _HEARD:
            services.work.try_now(agreement)  # the token is accepted again: the others need not wait for their hour
    except LeaseLost:
        outcome = "lease_lost"
        log.warning("work.lease_lost", agreement=agreement, kind=kind.value)
    except DatabaseAway as error:
        outcome = error.reason
        services.work.owe(lease)
        log.warning("work.database_away", agreement=agreement, kind=kind.value, error=str(error))
    except TransientError as error:
        outcome = error.reason
        _wait(services, lease, error)
    except Exception as error:
        log.exception("work.bug", agreement=agreement, kind=kind.value)
        _wait(services, lease, Unavailable(f"Debitor failed: {error!r}; see the log"))
    finally:
        DRAINS.labels(kind.value, outcome).inc()
        DRAIN_SECONDS.labels(kind.value).observe(time.monotonic() - started)
    _look_again(services, agreement, kind)


def _work(services: Services, taken: Taken) -> str:
    lease, arrivals = taken.lease, taken.arrivals
    people_first = False
    if lease.kind not in TAKE and lease.kind not in PEOPLES:
        seconds = postpone_s(arrivals)
        people_first = (seconds > 0 or arrivals.dear) and services.work.people_wait(lease)
        if seconds > 0 and not people_first:
            _postpone(services, lease, seconds)
            return "paced"
    old = lease.kind is Kind.DEBTORS and not people_first and arrivals.oldest_s >= FOLD_AFTER_S
    pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
    try:
        work = LeasedWork(
            services.database,
            lease,
            ReadAhead(pool),
            few=taken.few,
            mail_domain=services.settings.mail_domain,
        )
        return _slice(services, work, taken.grant, people_first, old)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _slice(services: Services, work: LeasedWork, grant: str | None, people_first: bool, old: bool) -> str:
    lease = work.lease
    most = MOST_HINTS if lease.kind in REFRESH else MOST_LINKS if lease.kind is Kind.LINKS else MOST_EVENTS
    hints = work.outstanding(most, people_only=people_first)
    if lease.kind is Kind.UNUSABLE:
        with work.transaction(release=True) as uow:
            turn_into_failures(uow, hints)
        return "drained"
    started = time.monotonic()  # fetching many events takes its time, too: a slice is for working on them

    def more_time() -> bool:
        return time.monotonic() - started < SLICE_S

    if lease.kind in TAKE:
        done = TAKE[lease.kind](work, hints, more_time=more_time)
    elif lease.kind is Kind.CONVERSIONS:
        done = convert_agreement(services, work, hints, more_time=more_time)
    elif lease.kind is Kind.EDITS:
        done = write_edits(work, services.economic(lease.agreement), hints, more_time=more_time)
    else:
        api = services.economic(lease.agreement, grant)
        if old:
            with work.transaction() as uow:
                hints = fold(uow, hints)
        done = REFRESH[lease.kind](work, api, hints, more_time=more_time)
    if done.again_in_s:
        _postpone(services, lease, done.again_in_s)
    elif not done.finished:
        services.work.release(lease)
    records = {name: count for name, count in done.outcomes.items() if count}
    for name, count in records.items():
        RECORDS.labels(lease.kind.value, name).inc(count)
    log.info(
        f"{lease.kind.value}.refreshed",
        agreement=lease.agreement,
        hints=done.hints,
        finished=done.finished,
        duration_ms=round((time.monotonic() - started) * 1000),
        correlation_ids=[hint.correlation_id for hint in hints[:5]],
        **records,
    )
    asks_for_debtors = lease.kind in REFRESH and lease.kind is not Kind.DEBTORS
    if asks_for_debtors and (done.outcomes["created"] or done.outcomes["updated"]):
        services.wake_ups.note(lease.agreement, Kind.DEBTORS)
    if done.outcomes["asked"]:
        services.wake_ups.note(lease.agreement, Kind.INVOICES)
    if done.matched:
        services.wake_ups.note(lease.agreement, Kind.LINKS)
    return "drained" if done.finished else "sliced"


def _postpone(services: Services, lease: Lease, seconds: float) -> None:
    services.work.postpone(lease, seconds)
    if seconds <= SOON_S:
        services.wake_ups.note(
            lease.agreement, lease.kind, in_s=seconds + 0.01
        )  # by the database's clock it is due then


def _wait(services: Services, lease: Lease, error: TransientError) -> None:
    try:
        if isinstance(error, WrongAgreement):
            services.agreements.doubt(lease.agreement)
        seconds = services.work.wait(lease, error)
    except DatabaseAway:
        services.work.owe(lease)
        return
    log.warning(
        "work.waits",
        agreement=lease.agreement,
        kind=lease.kind.value,
        reason=error.reason,
        error=str(error)[:300],
        seconds=round(seconds, 1),
    )


def _look_again(services: Services, agreement: int, kind: Kind) -> None:
    """An event that came in while the lease was held woke a consumer that found it taken: look in a new transaction."""
    try:
        if services.work.is_due(agreement, kind):
            services.wake_ups.note(agreement, kind)
    except DatabaseAway:
        pass  # the sweep looks every second
