"""
The port to the accounting system: what is asked of e-conomic, and what its answers hold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from domain.debtors import Debtor
from domain.invoices import Invoice, InvoiceWithLines, Line
from domain.reference import Listing, Name

T = TypeVar("T")


class Unreadable(NamedTuple):
    """One record of an answer that could not be read; its neighbours could. `number` is None when even that is bad."""

    number: int | None
    problem: str


class Page(NamedTuple, Generic[T]):
    """
    One answer of a list: `items` in the order asked for, `total` records without the filter, `more` = a next page.

    `items` holds at most 1,000 records (lines: 1,000 a call).
    """

    items: list[T]
    unreadable: list[Unreadable]
    total: int | None
    more: bool


class LinePage(NamedTuple):
    """One answer of the bulk lines: at most 1,000 lines; `cursor` is None at the end."""

    items: list[Line]
    unreadable: list[Unreadable]
    cursor: str | None


class ListedLines(NamedTuple):
    """
    The bulk lines of some invoices: those of invoices with a line in `unreadable` are left out.

    `unreadable` holds the invoices with a line that could not be read; None when such a line does not say whose it is.
    """

    items: list[Line]
    unreadable: frozenset[int | None] = frozenset()


class Identity(NamedTuple):
    """Who a pair of tokens speaks for (e-conomic.md §2.2)."""

    agreement: int
    user_id: str | None
    company: str | None
    base_currency: str | None
    roles: tuple[str, ...] = ()


class AccountingApi(Protocol):
    """
    One agreement of e-conomic, both hosts.

    Every method is one HTTP call unless it says otherwise, and raises TransientError when the agreement's work
    has to wait, Rejected when e-conomic refuses the request.
    """

    def identity(self) -> Identity: ...

    def debtor(self, number: int, *, bulk: bool = False) -> Debtor | None:
        """
        One debtor; None = 404, which alone proves that a number is not in use. PermanentError: unreadable.

        `bulk`: one of many, which leave alone what is kept for people.
        """
        ...

    def debtors(self, numbers: Sequence[int]) -> Page[Debtor]:
        """The debtors among at most 200 numbers (`fits_one_call`), sorted by number. Missing ones are suspects only."""
        ...

    def debtors_after(self, number: int, *, changed_since: dt.datetime | None = None) -> Page[Debtor]:
        """At most 1,000 debtors above `number`, changed then or later, sorted by number."""
        ...

    def invoice(self, number: int, *, bulk: bool = False) -> InvoiceWithLines | None:
        """One booked invoice with its lines; None = 404. `bulk` as for a debtor."""
        ...

    def invoices(self, numbers: Sequence[int]) -> Page[Invoice]:
        """The headers among at most 200 numbers, sorted by number."""
        ...

    def invoices_after(self, number: int, *, since: dt.date | None = None) -> Page[Invoice]:
        """At most 1,000 headers above `number`, dated `since` or later, sorted by number."""
        ...

    def unpaid_after(self, number: int) -> Page[Invoice]:
        """At most 1,000 headers above `number` that are not paid, sorted by number; two columns are missing (§2.6)."""
        ...

    def lines(self, numbers: Sequence[int]) -> ListedLines:
        """All lines of at most 200 invoices, following the cursor: `ceil(lines / 1000)` calls."""
        ...

    def lines_page(self, cursor: str | None, *, after: int = 0) -> LinePage:
        """At most 1,000 lines of invoices above `after`, continued by `cursor`."""
        ...

    def names(self, which: Listing, page: int) -> Page[Name]:
        """Page 0, 1, 2 … of a list: at most 1,000 records. Unlike the others `total` is this very list's."""
        ...

    def fits_one_call(self, numbers: Sequence[int]) -> int:
        """How many of the first of `numbers` one filtered call can ask for: at most 200, URL under 2,000 characters."""
        ...
