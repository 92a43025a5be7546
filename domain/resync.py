"""
Use case: a full resync, the fallback for everything a hint may have missed.

It walks the lists by key, page by page, and stores where it is in each page's own transaction: killed at any moment
it goes on from there. Memory holds one page at a time.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from domain.debtors import MAX_NUMBER
from domain.errors import PermanentError
from domain.hints import Kind, NewHint, Source
from domain.invoices import Line, LinesState
from domain.ports import AccountingApi, FailureReport, Tally, UnitOfWork, WorkPort
from domain.refresh_debtors import (
    GUARD_COUNT,
    GUARD_SHARE,
    DeletionGuard,
    Readings,
    Refreshed,
    listed,
    read_singly,
    store_debtors,
)
from domain.refresh_invoices import InvoiceReader, InvoiceReadings, singles_allowed

SAMPLE = 10  # suspects re-read singly before a person is asked
MOST_SUSPECTS = 10_000  # kept for one run; more is a case for a person anyway
OPEN_PAGE = 1_000


class Phase(StrEnum):
    """What a resync is reading; in this order."""

    DEBTORS = "debtors"
    GONE = "gone"
    INVOICES = "invoices"
    LINES = "lines"
    REPAIR = "repair"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ResyncOptions:
    """What was asked for; `since` limits invoices to those dated from then on."""

    debtors: bool = True
    invoices: bool = True
    since: dt.date | None = None
    dry_run: bool = False
    allow_deletions: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "since": self.since.isoformat() if self.since else None}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ResyncOptions:
        since = stored.get("since")
        return cls(**{**stored, "since": dt.date.fromisoformat(since) if since else None})

    def first_phase(self) -> Phase:
        return Phase.DEBTORS if self.debtors else Phase.INVOICES


@dataclass(slots=True)
class ResyncState:
    """Where a resync is; kept in its row."""

    phase: Phase
    after: int = 0  # the last key whose record is stored
    suspects: list[int] = field(default_factory=list)  # living debtors the list did not show
    suspect_count: int = 0
    total: int | None = None  # records of this phase, for the forecast
    read: int = 0  # records of this phase so far
    singles: int | None = None  # invoices that may still be read singly
    first_invoice: int | None = None  # with `since`: the smallest number read
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "phase": self.phase.value}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ResyncState:
        return cls(**{**stored, "phase": Phase(stored["phase"])})

    def count(self, what: str, **numbers: int) -> None:
        total = Counter(self.counts.get(what, {}))
        total.update(numbers)
        self.counts[what] = dict(total)

    def enter(self, phase: Phase) -> None:
        self.phase, self.after, self.total, self.read = phase, 0, None, 0


class RunPort(WorkPort, Protocol):
    """A run's lease; what it saves is committed with the transaction it is saved in."""

    def save(self, uow: UnitOfWork, state: ResyncState) -> None: ...


class Resync:
    """
    One resync, a page at a time.

    Args:
        work: its lease; with `dry_run` the port rolls back everything but the progress.
    """

    def __init__(self, work: RunPort, api: AccountingApi, options: ResyncOptions, state: ResyncState) -> None:
        self._work = work
        self._api = api
        self._options = options
        self.state = state
        self._cursor: str | None = None
        self._held: list[Line] = []  # lines of the invoice a page may have cut

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

    def _enter(self, phase: Phase) -> None:
        self.state.enter(phase)
        with self._work.transaction() as uow:
            self._save(uow)

    def _debtors(self) -> None:
        state = self.state
        stamp = self._work.stamp()
        page = listed(self._api.debtors_after, state.after)
        readings = Readings()
        readings.take_page(stamp, page)
        last = max((*readings.covered(), state.after)) if page.more else MAX_NUMBER
        done = Refreshed()

        def save(uow: UnitOfWork) -> None:
            unseen = [number for number in living if number not in readings.covered()]
            state.suspects += unseen[: MOST_SUSPECTS - len(state.suspects)]
            state.suspect_count += len(unseen)
            state.after, state.total = last, page.total
            state.read += len(page.items) + len(page.unreadable)
            state.count("debtors", read=len(page.items) + len(page.unreadable), **_debtor_counts(done))
            self._save(uow)

        with self._work.transaction() as uow:
            living = uow.debtors.living_between(state.after + 1, last)
        store_debtors(self._work, readings, None, done, also=save)
        if not page.more:
            self._enter(Phase.GONE)

    def _gone(self) -> None:
        """Debtors the list did not show: gone only when a read of their own says so, and only while they are few."""
        state = self.state
        with self._work.transaction() as uow:
            most = max(GUARD_COUNT, int(uow.debtors.count_living() * GUARD_SHARE))
        if state.suspect_count > most and not self._options.allow_deletions:
            self._ask_a_person(state.suspects, most)
        else:
            while state.suspects:
                self._read_suspects(state.suspects[:20])
        self._enter(Phase.INVOICES if self._options.invoices else Phase.DONE)

    def _read_suspects(self, numbers: list[int]) -> None:
        state, done, readings = self.state, Refreshed(), Readings()
        read_singly(self._work, self._api, numbers, readings, DeletionGuard(0, allowed=True))

        def save(uow: UnitOfWork) -> None:
            state.suspects = state.suspects[len(numbers) :]
            state.count("debtors", **_debtor_counts(done))
            if self._options.allow_deletions:
                uow.failures.resolve("deletions", ["debtors"])
            self._save(uow)

        store_debtors(self._work, readings, None, done, also=save)

    def _ask_a_person(self, suspects: Sequence[int], most: int) -> None:
        readings = Readings()
        read_singly(self._work, self._api, suspects[:SAMPLE], readings, DeletionGuard(0, allowed=True))
        still_there = sum(debtor is not None for debtor in readings.read.values())
        self.state.count("debtors", kept=self.state.suspect_count)
        with self._work.transaction() as uow:
            uow.failures.report(
                [
                    FailureReport(
                        "deletions",
                        "debtors",
                        "deletion_guard",
                        f"{self.state.suspect_count} debtors are missing from e-conomic's list, more than {most}; of"
                        f" {len(readings.read)} read singly {still_there} are still there. Nothing was removed.",
                        "Check that the right agreement answers; if they are deleted: debitor resync NUMBER"
                        " --allow-deletions",
                    )
                ]
            )
            self._save(uow)

    def _invoices(self) -> None:
        state = self.state
        stamp = self._work.stamp()
        page = listed(lambda after: self._api.invoices_after(after, since=self._options.since), state.after)
        numbers = [invoice.number for invoice in page.items]
        bad = [unreadable.number for unreadable in page.unreadable if unreadable.number is not None]
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
            uow.failures.report(
                FailureReport(
                    "invoice",
                    str(problem.number) if problem.number is not None else "unknown number",
                    "unreadable",
                    f"e-conomic's answer for this invoice cannot be stored: {problem.problem}",
                    "Look the invoice up in e-conomic; when it reads well there, replay.",
                )
                for problem in page.unreadable
            )
            if state.first_invoice is None and numbers:
                state.first_invoice = numbers[0]
            state.after = max((*numbers, *bad, state.after))
            state.total, state.read = page.total, state.read + count
            state.count("invoices", read=count, **_tally(written.tally), unreadable=len(page.unreadable))
            self._save(uow)
        if not page.more:
            state.singles = singles_allowed(state.read)
            self._enter(Phase.LINES)

    def _lines(self) -> None:
        """The bulk lines, held against their headers; the last invoice of a page may go on in the next one."""
        state = self.state
        if self._cursor is None:
            self._held = []
        after = max(state.after, (state.first_invoice or 1) - 1 if self._options.since else 0)
        stamp = self._work.stamp()
        try:
            page = self._api.lines_page(self._cursor, after=after)
        except PermanentError as error:  # refused or gone: headers stand, lines wait
            self._lines_refused(error)
            return
        lines = [*self._held, *page.items]
        last = lines[-1].invoice if lines and page.cursor is not None else None
        held = [line for line in lines if line.invoice == last]
        complete: dict[int, list[Line]] = {}
        for line in lines:
            if line.invoice != last:
                complete.setdefault(line.invoice, []).append(line)
        unreadable = {problem.number for problem in page.unreadable}
        with self._work.transaction() as uow:
            tally = self._store_lines(uow, complete, unreadable, stamp)
            state.after = max((*complete, state.after))
            state.read += len(page.items)
            state.count("lines", read=len(page.items), **_tally(tally))
            self._save(uow)
        self._held, self._cursor = held, page.cursor
        if page.cursor is None:
            self._enter(Phase.REPAIR)

    def _store_lines(
        self, uow: UnitOfWork, complete: dict[int, list[Line]], unreadable: set[int | None], stamp: int
    ) -> Tally:
        stored = uow.invoices.stored(complete)
        readings = InvoiceReadings()
        tally = Tally()
        for number, lines in complete.items():
            header = stored.get(number)
            if header is None:  # booked since the headers were read: its hook brings it whole
                tally.created += len(lines) if self._options.dry_run else 0
            elif header.lines_state is LinesState.COMPLETE:
                tally.unchanged += len(lines)  # read singly once; booked lines never change
            elif number not in unreadable:  # the others stay pending, for the repair
                readings.add_lines(stamp, number, header.net, lines)
        tally.add(uow.invoices.write_lines(readings.lines, readings.states, readings.lines_stamps))
        return tally

    def _lines_refused(self, error: PermanentError) -> None:
        with self._work.transaction() as uow:
            uow.failures.report(
                [
                    FailureReport(
                        "lines",
                        "invoices",
                        error.reason,
                        f"e-conomic refuses the bulk list of invoice lines: {error}",
                        "Check the app's roles and DEBITOR_ECONOMIC_Q2C_URL (an old version may be retired), then"
                        " debitor resync NUMBER --invoices. Headers are stored, lines wait.",
                    )
                ]
            )
            self.state.count("lines", refused=1)
            self._save(uow)
        self._enter(Phase.DONE)

    def _repair(self) -> None:
        """Invoices whose lines the list did not bring, or that do not add up: asked for by number, then singly."""
        state = self.state
        with self._work.transaction() as uow:
            numbers = uow.invoices.open_lines(state.after, OPEN_PAGE)
            stored = uow.invoices.stored(numbers)
        if not numbers or self._options.dry_run:
            with self._work.transaction() as uow:
                uow.failures.resolve("lines", ["invoices"])
            self._enter(Phase.DONE)
            return
        reader = InvoiceReader(self._work, self._api, 0)
        reader.singles_left = state.singles or 0
        todo = numbers[: self._api.fits_one_call(numbers)]
        readings = InvoiceReadings()
        reader.read_lines(readings, {number: stored[number].net for number in todo})
        with self._work.transaction() as uow:
            uow.invoices.write(list(readings.headers.values()), readings.stamps, {})
            tally = uow.invoices.write_lines(readings.lines, readings.states, readings.lines_stamps)
            state.singles = reader.singles_left
            state.after = todo[-1]
            open_still = sum(readings.states.get(n) in (None, LinesState.UNVERIFIED) for n in todo)
            state.count("lines", **_tally(tally))
            state.count("invoices", lines_unverified=open_still)
            self._save(uow)


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
    }
