"""
Use case: a full resync, the fallback for everything a hint may have missed.

It walks the lists by key, page by page, and stores where it is in each page's own transaction: killed at any moment
it goes on from there. Memory holds one page at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.accounting_api import AccountingApi, Page
from domain.debtor_reader import SAMPLE, SINGLES_AT_ONCE, Readings, last_number, listed, read_singly
from domain.debtors import MAX_NUMBER, Debtor
from domain.errors import PermanentError
from domain.hints import Kind, NewHint, Source, match_hint
from domain.invoice_reader import InvoiceReader, InvoiceReadings, singles_allowed
from domain.invoices import Invoice
from domain.ports import FailureReport, Tally, UnitOfWork
from domain.reference import ask_for_names, of_invoices
from domain.refresh_debtors import Refreshed, store_debtors
from domain.refresh_invoices import lines_refused, settle_failures, unreadable_invoices
from domain.resync_lines import LinesWalk
from domain.resync_state import Phase, ResyncOptions, ResyncState
from domain.run_kinds import RunPort
from domain.trust import DeletionGuard

MOST_SUSPECTS = 10_000  # kept for one run; more is a case for a person anyway
OPEN_PAGE = 1_000


class Resync:
    """
    One resync, a page at a time.

    Args:
        work: its lease; with `dry_run` the port rolls back everything but the progress.
        on_debtors: told of each page of debtors in the transaction that stores it.
    """

    def __init__(
        self,
        work: RunPort,
        api: AccountingApi,
        options: ResyncOptions,
        state: ResyncState,
        *,
        on_debtors: Callable[[UnitOfWork, Page[Debtor]], None] = lambda uow, page: None,
    ) -> None:
        self._work = work
        self._api = api
        self._options = options
        self._guard = DeletionGuard(work, api, allowed=options.allow_deletions)
        self._on_debtors = on_debtors
        self.state = state
        self._walk: LinesWalk | None = None

    def step(self) -> bool:
        """
        Read and store one page; False when everything is done.

        Raises:
            TransientError: it has to wait; it goes on from the last stored page.
        """
        match self.state.phase:
            case Phase.DEBTORS:
                self._debtors()
            case Phase.GONE:
                self._gone()
            case Phase.INVOICES:
                self._invoices()
            case Phase.LINES:
                self._lines()
            case Phase.REPAIR:
                self._repair()
            case Phase.DONE:
                return False
        return True

    def _save(self, uow: UnitOfWork) -> None:
        self._work.save(uow, self.state)

    def _enter(
        self,
        phase: Phase,
        *,
        closes: Sequence[tuple[str, str]] = (),
        reports: Sequence[FailureReport] = (),
        look: bool = False,
    ) -> None:
        """Go on with the next phase; `look` = all debtors were read: their companies are to be looked at."""
        self.state.enter(phase)
        with self._work.transaction() as uow:
            if look and uow.follows_companies:
                uow.inbox.add([match_hint(self._work.agreement, None, "")])
            for kind, subject in closes:
                uow.failures.resolve(kind, [subject])
            uow.failures.report(reports)
            self._save(uow)

    def _debtors(self) -> None:
        state, allowed = self.state, self._options.allow_deletions
        if allowed and state.suspects:  # a person said so: nobody needs to know first how many there are
            self._read_suspects()
            return
        stamp, page = self._work.ahead.take((Phase.DEBTORS, state.after), lambda: self._read_debtors(state.after))
        last = last_number(page, state.after) if page.more else MAX_NUMBER
        if page.more:
            self._work.ahead.start((Phase.DEBTORS, last), lambda: self._read_debtors(last))
        readings = Readings()
        readings.take_page(stamp, page)
        covered = readings.covered()
        done = Refreshed()

        def save(uow: UnitOfWork) -> None:
            unseen = [number for number in living if number not in covered]
            state.suspects += unseen if allowed else unseen[: MOST_SUSPECTS - len(state.suspects)]
            state.suspect_count += len(unseen)
            state.after, state.total = last, page.total
            state.read += len(page.items) + len(page.unreadable)
            state.count("debtors", read=len(page.items) + len(page.unreadable), **_debtor_counts(done))
            self._on_debtors(uow, page)
            if not page.more:
                self._close_unknown(uow, "debtor")
                state.enter(Phase.GONE)
                state.total = len(state.suspects)
            self._save(uow)

        with self._work.transaction() as uow:
            living = uow.debtors.living_between(state.after + 1, last)
        store_debtors(self._work, readings, None, done, self._guard, also=save)

    def _read_debtors(self, after: int) -> tuple[int, Page[Debtor]]:
        stamp = self._work.stamp()
        return stamp, listed(self._api.debtors_after, after)

    def _close_unknown(self, uow: UnitOfWork, what: str) -> None:
        """The whole list could be read: what once could not, and had no number, is mended."""
        if not self.state.counts[f"{what}s"].get("unreadable"):
            uow.failures.resolve(what, ["unknown number"])

    def _gone(self) -> None:
        """Debtors the list did not show: gone only when a read of their own says so, and only while they are few."""
        state = self.state
        onward = Phase.INVOICES if self._options.invoices else Phase.DONE
        if state.read == 0 and not self._options.allow_deletions:  # before the first is read
            with self._work.transaction() as uow:
                most = min(MOST_SUSPECTS, self._guard.room(uow))
            if state.suspect_count > most:
                self._ask_a_person(onward, most)
                return
        if state.suspects:
            self._read_suspects()
        else:
            kept = state.counts["debtors"].get("kept")
            self._enter(onward, closes=[] if kept else [("deletions", "debtors")], look=True)

    def _read_suspects(self) -> None:
        state, done, readings = self.state, Refreshed(), Readings()
        numbers = state.suspects[:SINGLES_AT_ONCE]
        read_singly(self._work, self._api, numbers, readings)

        def save(uow: UnitOfWork) -> None:
            state.suspects = state.suspects[len(numbers) :]
            if state.phase is Phase.GONE:
                state.read += len(numbers)
            state.count("debtors", **_debtor_counts(done))
            self._save(uow)

        store_debtors(self._work, readings, None, done, self._guard, also=save)

    def _ask_a_person(self, onward: Phase, most: int) -> None:
        state, readings = self.state, Readings()
        read_singly(self._work, self._api, state.suspects[:SAMPLE], readings)
        still_there = sum(debtor is not None for debtor in readings.read.values())
        state.count("debtors", kept=state.suspect_count)
        state.suspects = []
        self._enter(
            onward,
            reports=[
                FailureReport(
                    "deletions",
                    "debtors",
                    "deletion_guard",
                    f"{state.suspect_count} debtors are missing from e-conomic's list, more than the {most} that may"
                    f" go without a person's word; of"
                    f" {len(readings.read)} read singly {still_there} are still there. Nothing was removed.",
                    "Check that the right agreement answers; if they are deleted: debitor resync NUMBER"
                    " --allow-deletions",
                )
            ],
        )

    def _invoices(self) -> None:
        state, since = self.state, self._options.since
        stamp, page = self._work.ahead.take((Phase.INVOICES, state.after), lambda: self._read_invoices(state.after))
        last = last_number(page, state.after)
        if page.more:
            self._work.ahead.start((Phase.INVOICES, last), lambda: self._read_invoices(last))
        numbers = [invoice.number for invoice in page.items]
        count = len(page.items) + len(page.unreadable)
        with self._work.transaction() as uow:
            written = uow.invoices.write(page.items, dict.fromkeys(numbers, stamp), {})
            orphans = uow.invoices.orphans(numbers)
            uow.inbox.add(
                [
                    NewHint(self._work.agreement, Kind.DEBTORS, Source.INVOICE, "", number, number)
                    for number in sorted(orphans)
                ]
            )
            uow.failures.resolve("invoice", numbers)
            uow.failures.report(unreadable_invoices(page.unreadable))
            if state.first_invoice is None and numbers:
                state.first_invoice = numbers[0]
            state.after = last
            state.total, state.read = page.total, state.read + count
            state.count("invoices", read=count, **_tally(written.tally), unreadable=len(page.unreadable))
            if not page.more:
                self._close_unknown(uow, "invoice")
                state.singles = singles_allowed(state.read)
                state.enter(Phase.LINES if since is None or state.first_invoice is not None else Phase.DONE)
            self._save(uow)
            ask_for_names(uow, self._work.agreement, of_invoices(page.items))

    def _read_invoices(self, after: int) -> tuple[int, Page[Invoice]]:
        stamp = self._work.stamp()
        return stamp, listed(lambda number: self._api.invoices_after(number, since=self._options.since), after)

    def _lines_after(self) -> int:
        """Lines of earlier invoices are not wanted, or stored already."""
        first = self.state.first_invoice if self._options.since else None
        return max(self.state.after, (first or 1) - 1)

    def _lines(self) -> None:
        """A page of the bulk lines; after trouble the walk begins anew behind what is stored."""
        state = self.state
        walk, self._walk = self._walk or LinesWalk(self._work, self._api, self._lines_after()), None
        try:
            page = self._work.ahead.take((Phase.LINES, walk), walk.read)
        except PermanentError as error:  # refused or gone: headers stand, lines wait
            self._lines_refused(error)
            return
        if not page.ended:
            self._work.ahead.start((Phase.LINES, walk), walk.read)
        with self._work.transaction() as uow:
            readings = page.readings
            tally = Tally(created=page.new if self._options.dry_run else 0, unchanged=page.unchanged)
            tally.add(uow.invoices.write_lines(readings.lines, readings.states, readings.lines_stamps))
            state.after = max(page.last, state.after)
            state.read += len(page.items)
            state.count("lines", read=page.complete, **_tally(tally))
            if page.ended:
                state.enter(Phase.REPAIR)
            self._save(uow)
            ask_for_names(uow, self._work.agreement, of_invoices((), page.items))
        self._walk = walk

    def _lines_refused(self, error: PermanentError) -> None:
        self.state.count("lines", refused=1)
        self._enter(Phase.DONE, reports=[lines_refused(error)])

    def _repair(self) -> None:
        """Invoices whose lines the list did not bring, or that do not add up: asked for by number, then singly."""
        state = self.state
        with self._work.transaction() as uow:
            numbers = uow.invoices.open_lines(self._lines_after(), OPEN_PAGE)
            stored = uow.invoices.stored(numbers)
        if not numbers or self._options.dry_run:
            self._enter(Phase.DONE, closes=[("lines", "invoices")])
            return
        reader = InvoiceReader(self._work, self._api, 0)
        reader.singles_left = state.singles or 0
        todo = numbers[: self._api.fits_one_call(numbers)]
        readings = InvoiceReadings()
        reader.read_lines(readings, {number: stored[number].net for number in todo})
        with self._work.transaction() as uow:
            uow.invoices.write(list(readings.headers.values()), readings.stamps, {})
            tally = uow.invoices.write_lines(readings.lines, readings.states, readings.lines_stamps)
            settle_failures(uow, readings)
            state.singles = reader.singles_left
            state.after = todo[-1]
            unread = sum(number not in readings.states for number in todo)
            state.count("lines", **_tally(tally))
            state.count("invoices", lines_unverified=readings.count_doubtful() + unread)
            if readings.refused is not None:
                state.count("lines", refused=1)
                state.enter(Phase.DONE)
            self._save(uow)
            ask_for_names(uow, self._work.agreement, of_invoices(readings.headers.values(), readings.all_lines()))

    def closing(self) -> str | None:
        return said_at_the_end(self.state)


def said_at_the_end(state: ResyncState) -> str | None:
    """What a person must know of a resync."""
    kept = state.counts.get("debtors", {}).get("kept", 0)
    if kept:
        return f"{kept} debtors look deleted in e-conomic and were kept: see the failures, then use --allow-deletions"
    if state.counts.get("lines", {}).get("refused"):
        return "e-conomic refused the list of invoice lines: headers are stored, lines wait; see the failures"
    return None


def _tally(tally: Tally) -> dict[str, int]:
    return {
        "new": tally.created,
        "changed": tally.updated,
        "unchanged": tally.unchanged + tally.stale,
    }


def _debtor_counts(done: Refreshed) -> dict[str, int]:
    outcomes = done.outcomes
    return {
        "new": outcomes["created"] + outcomes["replaced"],
        "changed": outcomes["updated"] + outcomes["moved"],
        "unchanged": outcomes["unchanged"] + outcomes["stale"],
        "gone": outcomes["gone"],
        "unreadable": outcomes["unreadable"],
        **({"kept": outcomes["kept"]} if outcomes["kept"] else {}),
    }
