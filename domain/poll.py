"""
Use case: look for changes without being told, and learn whether webhooks arrive.

Webhooks may be lost or never have been set up; the poller is the second source of the same knowledge. It asks for what
changed since the last good read, with an overlap, so that a weekend switched off costs nothing but its pages.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from domain.accounting_api import AccountingApi
from domain.debtor_reader import Readings, last_number, listed
from domain.hints import Hint, HintTracker, Kind
from domain.invoice_reader import InvoiceReader
from domain.ports import FailureReport, UnitOfWork, WorkPort
from domain.refresh_debtors import Refreshed, store_debtors
from domain.refresh_invoices import store_invoices
from domain.trust import DeletionGuard

EVERY_S = 60
"""Seconds between looks while webhooks are not known to arrive."""

EVERY_WITH_HOOKS_S = 600

OVERLAP = dt.timedelta(minutes=10)
"""What is read again: e-conomic's clock is not ours, and records may show up late (e-conomic.md §2.4)."""

PATIENCE = dt.timedelta(minutes=10)
"""A change that no webhook announced for so long is proof that webhooks are lost (crm.md §7)."""

LATE_INVOICES = dt.timedelta(days=31)
"""How far back hand-picked lower invoice numbers are looked for, by date."""

MOST_OUTSTANDING = 10_000
MOST_UNANNOUNCED = 1_000


@dataclass(slots=True)
class PollState:
    """Where the last good look ended; kept in the agreement's row of the poll table."""

    debtors_since: dt.datetime | None = None  # the largest lastUpdated read
    invoices_after: int = 0  # the largest number read
    invoices_short: int = 0  # so many fewer than e-conomic has, after looking for lower numbers
    unannounced: dict[str, str] = field(default_factory=dict)  # debtor number → when the poller met its change
    hooks_arrive: bool = False

    @property
    def every_s(self) -> int:
        """Seconds until the next look."""
        return EVERY_WITH_HOOKS_S if self.hooks_arrive else EVERY_S


def look_for_changes(
    work: WorkPort,
    api: AccountingApi,
    hints: Sequence[Hint],
    *,
    more_time: Callable[[], bool],
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> Refreshed:
    """
    Read the debtors changed and the invoices booked since the last good read.

    A list answer holds whole debtors, so what it shows is stored from it; outstanding hints it answers are handled
    with it. Nothing is deleted by a look: what is gone shows in no list of changes.

    Raises:
        TransientError: the agreement's work has to wait; the next look begins where the last good one ended.
    """
    done = Refreshed(hints=len(hints))
    started = now()
    with work.transaction() as uow:
        state = uow.poll.load()
        newest = uow.invoices.last_number()
        compared = newest > 0 or uow.comparisons.invoices_compared()
    _debtors(work, api, state, done, started)
    if compared:  # before the first resync there is nothing to go on from
        _invoices(work, api, state, done, max(state.invoices_after, 0) or newest, started)
    with work.transaction(release=True) as uow:
        _judge_hooks(uow, state, done.changed, started)
        uow.poll.save(state, every_s=state.every_s)
        uow.inbox.handled([hint.id for hint in hints])
    return done


def _debtors(work: WorkPort, api: AccountingApi, state: PollState, done: Refreshed, started: dt.datetime) -> None:
    since = (state.debtors_since or started) - OVERLAP
    newest = state.debtors_since or started - OVERLAP
    guard = DeletionGuard(work, api)
    after = 0
    while True:
        with work.transaction() as uow:
            outstanding = uow.inbox.outstanding(work.agreement, Kind.DEBTORS, MOST_OUTSTANDING)
        stamp = work.stamp()
        page = listed(lambda number: api.debtors_after(number, changed_since=since), after)
        readings = Readings()
        readings.take_page(stamp, page)
        readings.total = None  # of a filtered list: how many changed, not how many there are
        store_debtors(work, readings, HintTracker(outstanding), done, guard)
        newest = max([newest, *(debtor.last_updated for debtor in page.items if debtor.last_updated)])
        after = last_number(page, after)
        if not page.more:
            break
    state.debtors_since = newest


def _invoices(
    work: WorkPort, api: AccountingApi, state: PollState, done: Refreshed, after: int, started: dt.datetime
) -> None:
    """New numbers, and, when e-conomic has more than we do, lower ones that were picked by hand."""
    total = None
    while True:
        stamp = work.stamp()
        page = listed(api.invoices_after, after)
        reader = InvoiceReader(work, api, len(page.items))
        store_invoices(work, reader.complete(stamp, page, ()), done)
        after, total = last_number(page, after), page.total
        if not page.more:
            break
    state.invoices_after = after
    with work.transaction() as uow:
        if uow.comparisons.unfinished():  # a resync is about to fill the gap, or is in the middle of it
            return
        short = 0 if total is None else max(0, total - uow.invoices.count())
    if short > state.invoices_short:
        _late_invoices(work, api, done, (started - LATE_INVOICES).date(), after)
        with work.transaction() as uow:
            short = max(0, (total or 0) - uow.invoices.count())
            uow.failures.report(_short(short))
    elif not short and state.invoices_short:
        with work.transaction() as uow:
            uow.failures.resolve("invoices", ["count"])
    state.invoices_short = short


def _late_invoices(work: WorkPort, api: AccountingApi, done: Refreshed, since: dt.date, until: int) -> None:
    after = 0
    while after < until:
        stamp = work.stamp()
        page = listed(lambda number: api.invoices_after(number, since=since), after)
        store_invoices(work, InvoiceReader(work, api, len(page.items)).complete(stamp, page, ()), done)
        if not page.more:
            return
        after = last_number(page, after)


def _short(short: int) -> list[FailureReport]:
    if not short:
        return []
    return [
        FailureReport(
            "invoices",
            "count",
            "invoices_missing",
            f"e-conomic has {short} more booked invoices than Debitor, none of them dated in the last 31 days.",
            "Read them all anew: debitor resync NUMBER --invoices",
        )
    ]


def _judge_hooks(uow: UnitOfWork, state: PollState, changed: Collection[int], now: dt.datetime) -> None:
    """Hold what the poller met against what webhooks announced."""
    met = {int(number): dt.datetime.fromisoformat(at) for number, at in state.unannounced.items()}
    for number in changed:
        met.setdefault(number, now)
    announced = uow.inbox.announced(met, now - 3 * PATIENCE) if met else set()
    heard = uow.inbox.last_announced()
    waiting = {number: at for number, at in met.items() if number not in announced}
    missed = sorted(number for number, at in waiting.items() if now - at > PATIENCE)
    if missed:
        state.hooks_arrive = False
        if heard is not None:  # never set up is no fault: polling does the work
            uow.failures.report([_hooks_missed(missed)])
    elif announced or (heard is not None and now - heard < 3 * PATIENCE):
        state.hooks_arrive = True
        uow.failures.resolve("hooks", ["customer"])
    kept = [(number, at) for number, at in waiting.items() if number not in missed][:MOST_UNANNOUNCED]
    state.unannounced = {str(number): at.isoformat() for number, at in kept}


def _hooks_missed(missed: Sequence[int]) -> FailureReport:
    return FailureReport(
        "hooks",
        "customer",
        "hooks_missing",
        f"Debtor {missed[0]} changed more than ten minutes ago and no webhook announced it; the poller found it.",
        "Look whether e-conomic has switched the webhook off, and compare its address with"
        " `debitor agreement webhooks NUMBER --print`. Until then changes are found every minute.",
    )
