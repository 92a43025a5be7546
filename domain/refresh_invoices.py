"""
Use cases: read the booked invoices that hints point at, with their lines; look for payments.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain

from domain.debtors import MAX_NUMBER
from domain.errors import PermanentError
from domain.hints import Hint, Kind, NewHint, Source
from domain.invoices import Invoice, InvoiceWithLines, Line, LinesState, facing, lines_agree, unique_lines
from domain.ports import (
    AccountingApi,
    FailureReport,
    ListedLines,
    Page,
    StoredInvoice,
    Tally,
    UnitOfWork,
    Unreadable,
    WorkPort,
    Written,
)
from domain.reading_plan import Walk, plan_reads
from domain.reference import ask_for_names, of_invoices
from domain.refresh_debtors import FEW, HintTracker, Refreshed, last_number, listed
from domain.told import INVOICE_TYPES, told_invoices

SINGLE_READS_LEAST = 20
SINGLE_READS_SHARE = 0.01
OPEN_AT_ONCE = 10_000


@dataclass(slots=True)
class InvoiceReadings:
    """Answers to be stored together, by invoice number."""

    headers: dict[int, Invoice] = field(default_factory=dict)
    stamps: dict[int, int] = field(default_factory=dict)
    lines: dict[int, list[Line]] = field(default_factory=dict)
    lines_stamps: dict[int, int] = field(default_factory=dict)
    states: dict[int, LinesState] = field(default_factory=dict)
    absent: list[int] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    refused: PermanentError | None = None  # the bulk list of lines

    def add_single(self, stamp: int, single: InvoiceWithLines) -> None:
        """A single reading is complete: header and lines belong together, text lines included."""
        header = single.header
        self.headers[header.number] = header
        self.stamps[header.number] = stamp
        self._add_lines(stamp, header.number, facing(header.net, unique_lines(single.lines)))
        agree = lines_agree(header.net, self.lines[header.number])
        self.states[header.number] = LinesState.COMPLETE if agree else LinesState.DIFFERENT

    def add_lines(self, stamp: int, number: int, net: Decimal, lines: Sequence[Line], *, certain: bool = True) -> bool:
        """
        Whether listed lines add up to the header's net amount; they are kept, with that verdict, either way.

        `certain`: every line could be read; otherwise even a sum that fits proves nothing.
        """
        self._add_lines(stamp, number, facing(net, unique_lines(lines)))
        agree = certain and lines_agree(net, self.lines[number])
        self.states[number] = LinesState.VERIFIED if agree else LinesState.UNVERIFIED
        return agree

    def _add_lines(self, stamp: int, number: int, lines: list[Line]) -> None:
        self.lines[number] = lines
        self.lines_stamps[number] = stamp

    def count_doubtful(self) -> int:
        """Invoices whose lines do not sum up."""
        return sum(state in (LinesState.UNVERIFIED, LinesState.DIFFERENT) for state in self.states.values())

    def all_lines(self) -> Iterator[Line]:
        return chain.from_iterable(self.lines.values())

    def covered(self) -> set[int]:
        """Numbers that have their answer."""
        return {*self.headers, *self.absent, *(bad.number for bad in self.unreadable if bad.number is not None)}


def refresh_invoices(
    work: WorkPort, api: AccountingApi, hints: Sequence[Hint], *, more_time: Callable[[], bool]
) -> Refreshed:
    """
    Read every invoice the hints name in the fewest calls; one transaction per page.

    A stored invoice leaves a hint for its debtor, whose balance it changed.

    Raises:
        TransientError: the agreement's work has to wait; what is stored so far stays stored.
    """
    done = Refreshed(hints=len(hints))
    tracker = HintTracker(hints)
    remaining = {number for hint in hints for number in hint.numbers()}
    if not remaining:
        _finish_empty(work, hints)
    for readings in InvoiceReader(work, api, len(remaining)).read(sorted(remaining)):
        remaining -= readings.covered()
        store_invoices(work, readings, done, tracker=tracker, release=not remaining)
        if remaining and not more_time():
            break
    done.finished = not remaining  # past the bound of single reads the next slice goes on
    return done


def refresh_payments(
    work: WorkPort, api: AccountingApi, hints: Sequence[Hint], *, more_time: Callable[[], bool]
) -> Refreshed:
    """
    Compare what is still to be paid with e-conomic's list of unpaid invoices: no webhook tells of a payment.

    Whatever differs gets a hint of its own and is read like any other invoice. When time is up, a hint with the
    last number compared stands for the rest of the list; newer hints wait until that is done.

    Raises:
        TransientError: the agreement's work has to wait.

    Source: e-conomic.md §5.13.
    """
    done = Refreshed(hints=len(hints))
    begun = [hint for hint in hints if hint.new is not None] or list(hints)
    after = min((hint.new or 0 for hint in begun), default=0)
    cause = begun[-1].correlation_id if begun else ""
    while True:
        page = listed(api.unpaid_after, after)
        last = last_number(page, after) if page.more else MAX_NUMBER
        done.finished = not page.more and len(begun) == len(hints)
        rests = not page.more or not more_time()
        with work.transaction() as uow:
            changed = sorted(_paid_since(uow, page.items, after, last))
            asked = [NewHint(work.agreement, Kind.INVOICES, Source.PAYMENT, cause, n, n) for n in changed]
            uow.inbox.add(asked)
            if rests:
                uow.inbox.handled([hint.id for hint in begun])
                if page.more:
                    uow.inbox.add([NewHint(work.agreement, Kind.PAYMENTS, Source.PAYMENT, cause, None, last)])
                elif done.finished:
                    uow.release()
        done.outcomes["asked"] += len(asked)
        if rests:
            return done
        after = last


def _paid_since(uow: UnitOfWork, unpaid: Sequence[Invoice], after: int, last: int) -> set[int]:
    """Invoices above `after`, up to `last`, whose remainder is another one in the mirror than in e-conomic's list."""
    stored = uow.invoices.stored([invoice.number for invoice in unpaid])
    listed_ones = {invoice.number for invoice in unpaid}
    changed = {
        invoice.number
        for invoice in unpaid
        if invoice.number not in stored or stored[invoice.number].remainder != invoice.remainder
    }
    while True:
        open_ones = uow.invoices.open_numbers(after, OPEN_AT_ONCE)
        changed.update(number for number in open_ones if number <= last and number not in listed_ones)
        if len(open_ones) < OPEN_AT_ONCE or open_ones[-1] >= last:
            return changed
        after = open_ones[-1]


def _finish_empty(work: WorkPort, hints: Sequence[Hint]) -> None:
    with work.transaction() as uow:
        uow.inbox.handled([hint.id for hint in hints])
        uow.release()


def singles_allowed(invoices: int) -> int:
    """How many invoices whose lines do not add up are read singly in a run over so many (design.md §2)."""
    return max(SINGLE_READS_LEAST, int(invoices * SINGLE_READS_SHARE))


class InvoiceReader:
    """Reads invoices and the lines that are not known yet; reads singly what does not add up, within bounds."""

    def __init__(self, work: WorkPort, api: AccountingApi, invoices: int) -> None:
        self._work = work
        self._api = api
        self.singles_left = singles_allowed(invoices)
        self._bulk = True
        self._refused: PermanentError | None = None

    def read(self, numbers: list[int]) -> Iterator[InvoiceReadings]:
        """One answer after the other; the next call is made only when the last answer is stored."""
        if len(numbers) <= FEW:  # one call each brings header and lines, a list costs two calls
            self._bulk = False
            for number in numbers:
                readings = InvoiceReadings()
                self.read_singly(readings, [number])
                yield readings
            return
        # Invoice numbers are one series: how far they reach bounds what a walk passes.
        plan = plan_reads([{number} for number in numbers], expected_records=None, fits=self._api.fits_one_call)
        for step in plan:
            if isinstance(step, Walk):
                yield from self._walk(step.numbers)
            else:
                stamp = self._work.stamp()
                yield self.complete(stamp, listed(self._api.invoices, step.numbers), step.numbers)

    def _walk(self, numbers: list[int]) -> Iterator[InvoiceReadings]:
        after, position = numbers[0] - 1, 0
        while position < len(numbers):
            stamp = self._work.stamp()
            page = listed(self._api.invoices_after, after)
            after = last_number(page, after)
            end = bisect_right(numbers, after, position) if page.more else len(numbers)
            yield self.complete(stamp, page, numbers[position:end])
            position = end

    def complete(self, stamp: int, page: Page[Invoice], wanted: Sequence[int]) -> InvoiceReadings:
        """A page of headers with whatever of their lines is needed; `wanted` numbers it misses are read singly."""
        readings = InvoiceReadings(unreadable=list(page.unreadable))
        for invoice in page.items:
            readings.headers[invoice.number] = invoice
            readings.stamps[invoice.number] = stamp
        self.read_singly(readings, sorted(set(wanted) - readings.covered()))
        self._add_lines(readings)
        return readings

    def _add_lines(self, readings: InvoiceReadings) -> None:
        """Booked lines never change: only what is not stored and verified is read."""
        with self._work.transaction() as uow:
            stored = uow.invoices.stored(readings.headers)
        self.read_lines(
            readings,
            {
                number: header.net
                for number, header in sorted(readings.headers.items())
                if number not in readings.lines and needs_lines(header, stored.get(number))
            },
        )

    def read_lines(self, readings: InvoiceReadings, nets: Mapping[int, Decimal]) -> None:
        """
        Bulk lines of these invoices (number → net), held against their headers; what does not add up is read singly.

        Where the service refuses, invoices are read singly while the bound allows; the rest goes without lines.
        """
        todo = list(nets)
        while todo:
            room = self._api.fits_one_call(todo)
            batch, todo = todo[:room], todo[room:]
            stamp = self._work.stamp()
            try:
                found = ListedLines([]) if self._refused else self._api.lines(batch)
            except PermanentError as error:
                self._refused = error
            if self._refused:
                readings.refused = self._refused
                self.read_singly(readings, batch)
                continue
            by_invoice: dict[int, list[Line]] = {number: [] for number in batch}
            for line in found.items:
                if line.invoice in by_invoice:
                    by_invoice[line.invoice].append(line)
            doubtful = [
                number
                for number, lines in by_invoice.items()
                if not readings.add_lines(
                    stamp, number, nets[number], lines, certain=found.unreadable.isdisjoint((number, None))
                )
            ]
            self.read_singly(readings, doubtful)

    def read_singly(self, readings: InvoiceReadings, numbers: Sequence[int]) -> None:
        """Header and lines in one call each; past the bound a number keeps what it has."""
        for number in numbers:
            if self.singles_left <= 0:
                return
            self.singles_left -= 1
            stamp = self._work.stamp()
            try:
                single = self._api.invoice(number, bulk=self._bulk)
            except PermanentError as error:
                readings.unreadable.append(Unreadable(number, str(error)))
                continue
            if single is not None:
                readings.add_single(stamp, single)
            elif number not in readings.headers:  # else only the list knows it: headers stand, lines wait
                readings.absent.append(number)


def needs_lines(header: Invoice, stored: StoredInvoice | None) -> bool:
    """Whether an invoice's lines must be read: unknown, unverified, or of another net amount than the header now."""
    return (
        stored is None or stored.lines_state in (LinesState.PENDING, LinesState.UNVERIFIED) or stored.net != header.net
    )


def store_invoices(
    work: WorkPort,
    readings: InvoiceReadings,
    done: Refreshed,
    *,
    tracker: HintTracker | None = None,
    release: bool = False,
) -> None:
    """One transaction: headers, lines, failures, hints; a changed invoice leaves a hint for its debtor."""
    covered = readings.covered()
    causes = tracker.causes(covered) if tracker else {}
    with work.transaction() as uow:
        written = uow.invoices.write(list(readings.headers.values()), readings.stamps, causes)
        lines = uow.invoices.write_lines(readings.lines, readings.states, readings.lines_stamps)
        settle_failures(uow, readings)
        # An event's invoice may be stored already, by a resync that read its debtor before: the balance is old then.
        named = {readings.headers[number].debtor_number for number in causes if number in readings.headers}
        uow.inbox.add(debtor_hints(work.agreement, readings, written.debtors | named, causes))
        if tracker:
            uow.inbox.handled([hint.id for hint in tracker.answered(covered)])
        if release:
            uow.release()
        lists = of_invoices(readings.headers.values(), readings.all_lines())
        ask_for_names(uow, work.agreement, lists, next(iter(causes.values()), ""))
        _tell(uow, work.agreement, readings, written)
    count(done, written.tally, lines, readings)


def _tell(uow: UnitOfWork, agreement: int, readings: InvoiceReadings, written: Written) -> None:
    if not written.new and not written.paid:
        return
    wanted = uow.outbox.wanted()
    if wanted.isdisjoint(INVOICE_TYPES):
        return
    booked, paid = ([readings.headers[number] for number in numbers] for numbers in (written.new, written.paid))
    owners = uow.invoices.parties([*written.new, *written.paid])
    today = dt.datetime.now(dt.UTC).date()
    uow.outbox.add(told_invoices(agreement, booked, paid, owners, readings.lines, wanted, today=today))


def debtor_hints(
    agreement: int, readings: InvoiceReadings, debtors: set[int], causes: Mapping[int, str]
) -> list[NewHint]:
    """One hint for each debtor whose invoices changed, carrying on the invoice's correlation id."""
    cause = {header.debtor_number: causes.get(number, "") for number, header in readings.headers.items()}
    return [
        NewHint(agreement, Kind.DEBTORS, Source.INVOICE, cause.get(number, ""), number, number)
        for number in sorted(debtors)
    ]


def count(done: Refreshed, headers: Tally, lines: Tally, readings: InvoiceReadings) -> None:
    done.outcomes.update(
        {
            "created": headers.created,
            "updated": headers.updated,
            "unchanged": headers.unchanged,
            "stale": headers.stale,
            "lines": lines.created,
            "absent": len(readings.absent),
            "unreadable": len(readings.unreadable),
            "lines_unverified": readings.count_doubtful(),
        }
    )


def settle_failures(uow: UnitOfWork, readings: InvoiceReadings) -> None:
    """Close the failures of what succeeded, and report what did not."""
    uow.failures.resolve("invoice", readings.headers)
    uow.failures.report([*unreadable_invoices(readings.unreadable), *_absent(readings.absent)])
    if readings.refused is not None:
        uow.failures.report([lines_refused(readings.refused)])


def unreadable_invoices(unreadable: Iterable[Unreadable]) -> list[FailureReport]:
    return [
        FailureReport(
            "invoice",
            str(bad.number) if bad.number is not None else "unknown number",
            "unreadable",
            f"e-conomic's answer for this invoice cannot be stored: {bad.problem}",
            "Look the invoice up in e-conomic; when it reads well there, replay.",
        )
        for bad in unreadable
    ]


def _absent(numbers: Iterable[int]) -> list[FailureReport]:
    return [
        FailureReport(
            "invoice",
            str(number),
            "not_found",
            "An event named this invoice, but e-conomic does not know a booked invoice of that number.",
            "Compare the number with e-conomic; if it is booked there, replay, otherwise dismiss.",
        )
        for number in numbers
    ]


def lines_refused(error: PermanentError) -> FailureReport:
    return FailureReport(
        "lines",
        "invoices",
        error.reason,
        f"e-conomic refuses the bulk list of invoice lines: {error}",
        "Check the app's roles and DEBITOR_ECONOMIC_Q2C_URL (an old version may be retired), then"
        " debitor resync NUMBER --invoices. Headers are stored, lines wait.",
    )


def turn_into_failures(uow: UnitOfWork, hints: Sequence[Hint]) -> None:
    """Events nobody can use: each becomes a failure with the body it came with."""
    uow.failures.report(_unusable(hint) for hint in hints)
    uow.inbox.handled([hint.id for hint in hints])


def _unusable(hint: Hint) -> FailureReport:
    if hint.webhook_id is not None:
        return FailureReport(
            "crm event",
            str(hint.id),
            "unknown_type",
            "The CRM sent an event of a type that Debitor does not know.",
            "Have the CRM send only company.upserted, company.deleted and prospect.converted; then dismiss this.",
            hint.body,
        )
    return FailureReport(
        "hook",
        str(hint.id),
        "unusable",
        "e-conomic's webhook was authenticated, but holds no debtor or invoice number.",
        "Compare the webhook's address and body in e-conomic with `debitor agreement webhooks NUMBER --print`.",
        hint.body,
    )
