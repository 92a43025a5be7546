"""
The port to the accounting system: what is asked of e-conomic, and what its answers hold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

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
    """Who a pair of tokens speaks for (e-conomic.md §2.2). `kind`: the country it was made for, such as "denmark"."""

    agreement: int
    user_id: str | None
    company: str | None
    base_currency: str | None
    roles: tuple[str, ...] = ()
    kind: str | None = None


Value = str | int | bool | Decimal
"""What a field of a debtor that is written can be; lists are referred to by number."""


class DebtorBody(NamedTuple):
    """
    A debtor as e-conomic holds it at this moment.

    `properties` are all of it in e-conomic's own words, read-only ones too: what a replacement must give back.
    """

    debtor: Debtor
    properties: Mapping[str, Any]


class Written(NamedTuple):
    """
    What e-conomic answered to a write.

    `created`: it made a new record. `replayed`: the answer is the first one to this key, which may be an hour old;
    the debtor may have changed or gone since (e-conomic.md §2.10).
    """

    debtor: Debtor
    created: bool
    replayed: bool


class AccountingApi(Protocol):
    """
    One agreement of e-conomic, both hosts.

    Every method is one HTTP call unless it says otherwise, and raises TransientError when the agreement's work
    has to wait, Rejected when e-conomic refuses the request.
    """

    @property
    def confirmed(self) -> bool:
        """Whether `identity` of these tokens named this very agreement a short while ago; asks nobody."""
        ...

    def identity(self) -> Identity:
        """Who the tokens speak for. The answer of a short while ago may be given again: tokens keep their agreement."""
        ...

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


class AccountingWriter(Protocol):
    """
    Debtors of one agreement, made and changed; calls that people and conversions wait for.

    A write is sent once; what it means that it did not succeed:

    * Rejected: e-conomic refused it for good and nothing was written; `complaints` says which field and why.
      NumberTaken: a debtor with the number exists.
    * AnswerLost: it may have taken effect.
    * any other TransientError: nothing was written, the agreement's work has to wait.

    Fields are named as in `Debtor`; one that is not named is left empty, and none may be None.
    """

    def create_debtor(self, body: Mapping[str, Value], key: str) -> Written:
        """
        Make a debtor: `name`, `currency`, `debtor_group`, `payment_terms`, `vat_zone` and whatever else is known.

        Without `number` e-conomic gives it one. The same body always makes the same request, so that `key`, the
        idempotency key, finds the first answer within the hour.
        """
        ...

    def debtor_body(self, number: int) -> DebtorBody | None:
        """All of one debtor; None = 404. PermanentError: unreadable."""
        ...

    def replacement(self, body: DebtorBody, changes: Mapping[str, Value | None]) -> str:
        """
        A debtor as it is to be written back with these fields changed; None empties one. Asks nobody.

        Every other property stays as it was read, also those we do not know. The same text is the same request.
        """
        ...

    def replace_debtor(self, number: int, replacement: str, key: str) -> Written:
        """
        Write a debtor back.

        e-conomic checks no version: whatever anybody changed between the reading and this call is undone. `created`
        in the answer: the debtor had been deleted meanwhile, and was made anew (e-conomic.md §2.1).
        """
        ...

    def find_debtors(self, *, cvr: str | None = None, name: str | None = None) -> Page[Debtor]:
        """
        Debtors whose CVR number or name contains one of these texts, capitals or not: at most 1,000, sorted by number.

        `more`: there are others. A long name is looked for by its beginning. ValueError: neither text is given.
        """
        ...


class Accounting(AccountingApi, AccountingWriter, Protocol):
    """Everything asked of e-conomic for one agreement."""
