"""
What the rules need from the outside world.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Generic, NamedTuple, Protocol, TypeVar

from domain.debtors import Debtor, DebtorChanges, Edge, StoredDebtor
from domain.hints import Hint, Kind, NewHint
from domain.invoices import Invoice, InvoiceWithLines, Line, LinesState

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

    def debtor(self, number: int) -> Debtor | None:
        """One debtor; None = 404, which alone proves that a number is not in use. PermanentError: unreadable."""
        ...

    def debtors(self, numbers: Sequence[int]) -> Page[Debtor]:
        """The debtors among at most 200 numbers (`fits_one_call`), sorted by number. Missing ones are suspects only."""
        ...

    def debtors_after(self, number: int) -> Page[Debtor]:
        """At most 1,000 debtors above `number`, sorted by number."""
        ...

    def invoice(self, number: int) -> InvoiceWithLines | None:
        """One booked invoice with its lines; None = 404."""
        ...

    def invoices(self, numbers: Sequence[int]) -> Page[Invoice]:
        """The headers among at most 200 numbers, sorted by number."""
        ...

    def invoices_after(self, number: int) -> Page[Invoice]:
        """At most 1,000 headers above `number`, sorted by number."""
        ...

    def unpaid_after(self, number: int) -> Page[Invoice]:
        """At most 1,000 headers above `number` that are not paid, sorted by number; two columns are missing (§2.6)."""
        ...

    def lines(self, numbers: Sequence[int]) -> list[Line]:
        """All lines of at most 200 invoices, following the cursor: `ceil(lines / 1000)` calls."""
        ...

    def lines_page(self, cursor: str | None, *, after: int = 0) -> LinePage:
        """At most 1,000 lines of invoices above `after`, continued by `cursor`."""
        ...

    def fits_one_call(self, numbers: Sequence[int]) -> int:
        """How many of the first of `numbers` one filtered call can ask for: at most 200, URL under 2,000 characters."""
        ...


class AccountingApis(Protocol):
    """Opens an agreement's e-conomic. Raises CredentialsMissing."""

    def __call__(self, agreement: int) -> AccountingApi: ...


class Clock(Protocol):
    """Time for people; leases and budgets use the database's own."""

    def now(self) -> dt.datetime: ...


class StoredInvoice(NamedTuple):
    """What a decision needs to know of an invoice row."""

    number: int
    debtor_number: int
    net: object
    fingerprint: str
    lines_fingerprint: str | None
    lines_state: LinesState


class FailureReport(NamedTuple):
    """One thing a person must look at: what happened, to which record, what to do."""

    subject_kind: str  # debtor, invoice, hook, run …
    subject: str
    reason: str
    message: str
    advice: str
    detail: str | None = None


class Mirror(Protocol):
    """The mirrored debtors and invoices inside one transaction."""

    def raise_stamps(self, numbers: Collection[int], stamp: int) -> set[int]:
        """Raise the stamp of each debtor number and return those whose stamp rose; only these may be written."""
        ...

    def debtors(self, numbers: Collection[int]) -> dict[int, StoredDebtor]:
        """The living rows under these numbers."""
        ...

    def graves(self, numbers: Collection[int]) -> dict[int, StoredDebtor]:
        """The newest tombstone under each of these numbers."""
        ...

    def write_debtors(self, changes: DebtorChanges, causes: Mapping[int, str]) -> None:
        """Write what `decide` said, in its order; `causes` gives the correlation id per number."""
        ...

    def remember_edges(self, edges: Iterable[Edge]) -> None: ...

    def adopt_invoices(self, numbers: Collection[int]) -> None:
        """Join invoices stored before their debtor to the living debtor of their number."""
        ...

    def stored_invoices(self, numbers: Collection[int]) -> dict[int, StoredInvoice]: ...

    def write_invoices(self, invoices: Sequence[Invoice], stamp: int, causes: Mapping[int, str]) -> dict[str, int]:
        """Insert or update headers whose stamp rises; counts by outcome: created, updated, unchanged, stale."""
        ...

    def write_lines(self, lines: Mapping[int, Sequence[Line]], states: Mapping[int, LinesState], stamp: int) -> int:
        """Replace the lines of these invoices where they differ and the stamp rises; returns lines written."""
        ...

    def orphans(self, numbers: Collection[int]) -> set[int]:
        """The debtor numbers, of these invoices, that we have no living debtor for."""
        ...


class Inbox(Protocol):
    """Outstanding events inside one transaction."""

    def outstanding(self, agreement: int, kind: Kind, limit: int) -> list[Hint]: ...

    def handled(self, ids: Collection[int]) -> None:
        """Mark exactly these events, never a range."""
        ...

    def add(self, hints: Sequence[NewHint]) -> None: ...


class Failures(Protocol):
    """Failures of one agreement inside one transaction."""

    def report(self, failures: Iterable[FailureReport]) -> None: ...

    def resolve(self, subject_kind: str, subjects: Collection[object]) -> None:
        """Close open failures of things that have succeeded now."""
        ...


class UnitOfWork(Protocol):
    """One transaction: everything it holds is committed together on leaving, or not at all."""

    mirror: Mirror
    inbox: Inbox
    failures: Failures


class UnitOfWorkFactory(Protocol):
    def __call__(self) -> AbstractContextManager[UnitOfWork]: ...
