"""
Reading invoices and the lines that are not known yet; singly what does not add up, within bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain

from domain.accounting_api import AccountingApi, ListedLines, Page, Unreadable
from domain.debtor_reader import FEW, listed, walked
from domain.errors import PermanentError
from domain.invoices import Invoice, InvoiceWithLines, Line, LinesState, facing, lines_agree, unique_lines
from domain.ports import StoredInvoice, WorkPort
from domain.reading_plan import Walk, plan_reads

SINGLE_READS_LEAST = 20

SINGLE_READS_SHARE = 0.01


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
        for stamp, page, wanted in walked(self._work, self._api.invoices_after, numbers):
            yield self.complete(stamp, page, wanted)

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
