"""
The walk through an agreement's invoice lines: pages in, whole invoices held against their headers out.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from domain.accounting_api import AccountingApi
from domain.invoice_reader import InvoiceReadings
from domain.invoices import Line
from domain.ports import UnitOfWork


class LookPort(Protocol):
    """What a walk needs of a run."""

    def stamp(self) -> int: ...

    def look(self) -> AbstractContextManager[UnitOfWork]:
        """What is committed, for reading only; any thread may look while another one writes."""
        ...


@dataclass(slots=True)
class LinesRead:
    """What one page completed."""

    items: list[Line]  # the page itself
    last: int  # the largest invoice that is complete now; 0 = none
    ended: bool
    readings: InvoiceReadings = field(default_factory=InvoiceReadings)
    complete: int = 0  # lines of the invoices that are complete now
    new: int = 0  # of those, lines of invoices that are not in the mirror
    unchanged: int = 0  # of those, lines of invoices that were read singly: a list says nothing better


class LinesWalk:
    """
    Reads page after page; the last invoice of a page may go on in the next one.

    It writes nothing, so that a page can be read, and held against its headers, while the one before is stored.

    Args:
        after: lines of invoices above this number are read.
    """

    def __init__(self, work: LookPort, api: AccountingApi, after: int) -> None:
        self._work = work
        self._api = api
        self._after = after
        self._cursor: str | None = None
        self._held: list[Line] = []  # lines of the invoice the last page may have cut
        self._bad: set[int | None] = set()  # that invoice, when a line of it could not be read

    def read(self) -> LinesRead:
        """
        The next page.

        Raises:
            TransientError: the agreement's work has to wait; the same page may be read again.
            PermanentError: the service refuses, or its version is gone.
        """
        stamp = self._work.stamp()
        page = self._api.lines_page(self._cursor, after=self._after)
        lines = [*self._held, *page.items]
        bad = self._bad | {problem.number for problem in page.unreadable}
        cut = lines[-1].invoice if lines and page.cursor is not None else None
        complete: dict[int, list[Line]] = {}
        for line in lines:
            if line.invoice != cut:
                complete.setdefault(line.invoice, []).append(line)
        read = LinesRead(page.items, last=max(complete, default=0), ended=page.cursor is None)
        self._judge(read, complete, bad, stamp)
        self._held, self._bad, self._cursor = [line for line in lines if line.invoice == cut], bad & {cut}, page.cursor
        return read

    def _judge(
        self, read: LinesRead, complete: dict[int, list[Line]], unreadable: Collection[int | None], stamp: int
    ) -> None:
        with self._work.look() as uow:
            stored = uow.invoices.stored(complete)
        for number, lines in complete.items():
            header = stored.get(number)
            read.complete += len(lines)
            if header is None:  # booked since the headers were read: its hook brings it whole
                read.new += len(lines)
            elif header.lines_state.read_singly:
                read.unchanged += len(lines)
            elif number not in unreadable:  # the others stay pending, for the repair
                read.readings.add_lines(stamp, number, header.net, lines)
