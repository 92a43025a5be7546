"""
What the rules need from the outside world.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

from domain.alerts import AlertStore
from domain.conversions import ConversionStore
from domain.debtor_edits import EditStore
from domain.debtor_traces import DebtorSearch
from domain.debtors import MAX_NUMBER, Debtor, DebtorChanges, Edge, StoredDebtor
from domain.events import Outbox
from domain.hints import Hint, Kind, NewHint
from domain.invoices import Invoice, Line, LinesState
from domain.mails import Mailbox
from domain.new_debtor_settings import Lists, NewDebtorSettings
from domain.read_ahead import ReadAhead
from domain.reference import Keys, Listing
from domain.resync_state import ResyncOptions
from domain.take_companies import CompanyStore

if TYPE_CHECKING:
    from domain.follow_debtors import Register
    from domain.imports import ImportStore
    from domain.match_debtors import MatchStores
    from domain.poll import PollState
    from domain.told import Party


class StoredInvoice(NamedTuple):
    """What a decision needs to know of an invoice row."""

    number: int
    net: Decimal
    remainder: Decimal
    lines_fingerprint: str | None
    lines_state: LinesState


@dataclass(slots=True)
class Tally:
    """What writing did, in records."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0

    def add(self, other: Tally) -> None:
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.stale += other.stale


class Written(NamedTuple):
    """
    What writing headers did.

    `debtors` = the debtor numbers of those created or updated; `new` and `paid` = the invoices that were not there, and
    those of which nothing is left to pay now, sorted.
    """

    tally: Tally
    debtors: set[int]
    new: tuple[int, ...] = ()
    paid: tuple[int, ...] = ()


class FailureReport(NamedTuple):
    """One thing a person must look at: what happened, to which record, what to do."""

    subject_kind: str  # debtor, invoice, hook, run
    subject: str
    reason: str
    message: str
    advice: str
    detail: str | None = None


class DebtorStore(Protocol):
    """The mirrored debtors of one agreement inside one transaction."""

    def raise_stamps(self, stamps: Mapping[int, int]) -> set[int]:
        """Raise the stamp of each number and return those whose stamp rose; only these may be written."""
        ...

    def living(self, numbers: Collection[int]) -> dict[int, StoredDebtor]: ...

    def graves(self, numbers: Collection[int]) -> list[StoredDebtor]:
        """The tombstones under these numbers that did not become one with another row, newest first; locked."""
        ...

    def matters(self, updates: Sequence[tuple[int, Debtor]]) -> set[int]:
        """The numbers of those updates (row id, new content) in which something changes that companies take over."""
        ...

    def write(self, changes: DebtorChanges, causes: Mapping[int, str]) -> None:
        """Write what `decide` said; `causes` gives the correlation id per number."""
        ...

    def parties(self, ids: Collection[int]) -> dict[int, Party]:
        """These rows, tombstones too, as events name them, by id."""
        ...

    def remember_edges(self, edges: Iterable[Edge]) -> None: ...

    def edges_around(self, numbers: Collection[int]) -> list[Edge]:
        """The re-numberings of the last 30 days that lead to or from these numbers, directly or over others."""
        ...

    def adopt_invoices(self, numbers: Collection[int]) -> None:
        """Join invoices stored before their debtor to the living debtor of their number."""
        ...

    def living_between(self, low: int, high: int) -> list[int]:
        """Living numbers from `low` to `high`, sorted."""
        ...

    def count_gone(self, within: dt.timedelta) -> int:
        """How many debtors became tombstones so recently; those that became one with another row do not count."""
        ...

    def count_living(self, low: int = 0, high: int = MAX_NUMBER) -> int:
        """How many living debtors have a number from `low` to `high`."""
        ...


class InvoiceStore(Protocol):
    """The mirrored invoices and lines of one agreement inside one transaction."""

    def stored(self, numbers: Collection[int]) -> dict[int, StoredInvoice]: ...

    def write(self, invoices: Sequence[Invoice], stamps: Mapping[int, int], causes: Mapping[int, str]) -> Written:
        """Insert or update headers whose stamp rises; `stamps` and `causes` by invoice number."""
        ...

    def parties(self, numbers: Collection[int]) -> dict[int, Party]:
        """Whose these invoices are, by invoice number; those without a debtor are left out."""
        ...

    def write_lines(
        self, lines: Mapping[int, Sequence[Line]], states: Mapping[int, LinesState], stamps: Mapping[int, int]
    ) -> Tally:
        """Replace the lines of stored invoices where they differ and the stamp rises; counts lines."""
        ...

    def mark_lines(self, numbers: Collection[int], state: LinesState) -> None:
        """Say how far the lines of these invoices can be trusted, without touching them."""
        ...

    def open_lines(self, after: int, limit: int) -> list[int]:
        """Invoices above `after` whose lines are pending or unverified, sorted, at most `limit`."""
        ...

    def last_number(self) -> int:
        """The largest invoice number stored, 0 without any."""
        ...

    def count(self) -> int: ...

    def open_numbers(self, after: int, limit: int) -> list[int]:
        """Invoices above `after` with something left to pay, sorted, at most `limit`."""
        ...

    def orphans(self, numbers: Collection[int]) -> set[int]:
        """Debtor numbers of these invoices that no living debtor answers to."""
        ...


class InboxStore(Protocol):
    """Events inside one transaction."""

    def outstanding(self, agreement: int, kind: Kind, limit: int) -> list[Hint]:
        """The oldest unhandled events, at most `limit`, sorted by id."""
        ...

    def handled(self, ids: Collection[int]) -> None:
        """Mark exactly these events, never a range."""
        ...

    def note(self, ids: Collection[int], body: str) -> None:
        """Say something of these events to whoever takes them next, those that are outstanding still."""
        ...

    def add(self, hints: Sequence[NewHint]) -> None: ...

    def announced(self, numbers: Collection[int], since: dt.datetime) -> set[int]:
        """Of these debtor numbers, those that a webhook named since then."""
        ...

    def last_announced(self) -> dt.datetime | None:
        """When the agreement's last webhook came in, of those still on record."""
        ...


class FailureStore(Protocol):
    """Failures of one agreement inside one transaction."""

    def report(self, failures: Iterable[FailureReport]) -> None:
        """Open a failure, or count it once more when it is open already."""
        ...

    def resolve(self, subject_kind: str, subjects: Collection[object]) -> None:
        """Close open failures of things that have succeeded now."""
        ...


class PollStore(Protocol):
    """Where the last look for changes ended, inside one transaction."""

    def load(self) -> PollState: ...

    def save(self, state: PollState, *, every_s: int) -> None:
        """A good look ended now; the next one is due in `every_s` seconds."""
        ...


class NameStore(Protocol):
    """The names of one agreement inside one transaction; `which` is the list they are in."""

    def meet(self, carried: Keys) -> set[Listing]:
        """Remember these numbers, and return the lists that did not know one of them."""
        ...

    def unnamed(self) -> set[Listing]:
        """Lists of which a number was met after their last whole reading began, and has no name."""
        ...

    def ages(self) -> dict[Listing, float]:
        """Seconds since somebody began to read each list; those never tried are left out."""
        ...

    def living(self, which: Listing) -> dict[str, str]:
        """What e-conomic's list held when it was last read: key → name."""
        ...

    def write(self, which: Listing, names: Mapping[str, str]) -> int:
        """Store key → name; tombstones live again. Returns how many are other than before."""
        ...

    def bury(self, which: Listing, keys: Collection[str]) -> None:
        """These are gone from e-conomic's list; their names stay, for what carries them."""
        ...

    def begin(self, which: Listing) -> None:
        """The list is about to be asked for."""
        ...

    def end(self, which: Listing, *, whole: bool, problem: str | None) -> None:
        """The reading that began last has come to an end: as a whole, or with a problem that is shown."""
        ...


class ComparisonStore(Protocol):
    """Full comparisons (resyncs) of one agreement, inside one transaction."""

    def unfinished(self) -> bool:
        """Whether one has not ended."""
        ...

    def invoices_compared(self) -> bool:
        """Whether one has read all invoices, even if there were none."""
        ...

    def begin(self, options: ResyncOptions) -> int:
        """Queue one."""
        ...


class UnitOfWork(Protocol):
    """One transaction: everything in it is committed together on leaving, or not at all."""

    @property
    def agreement(self) -> int: ...
    @property
    def debtors(self) -> DebtorStore: ...
    @property
    def invoices(self) -> InvoiceStore: ...
    @property
    def inbox(self) -> InboxStore: ...
    @property
    def failures(self) -> FailureStore: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def mails(self) -> Mailbox: ...
    @property
    def poll(self) -> PollStore: ...
    @property
    def names(self) -> NameStore: ...
    @property
    def companies(self) -> CompanyStore: ...
    @property
    def alerts(self) -> AlertStore: ...
    @property
    def imports(self) -> ImportStore: ...
    @property
    def matching(self) -> MatchStores:
        """The companies of the agreement's firm, as matching reads and writes them."""
        ...

    @property
    def register(self) -> Register: ...
    @property
    def follows_companies(self) -> bool:
        """Whether debtors are linked to companies: the agreement's first import was started."""
        ...

    @property
    def conversions(self) -> ConversionStore: ...
    @property
    def edits(self) -> EditStore: ...
    @property
    def debtor_search(self) -> DebtorSearch: ...
    @property
    def new_debtors(self) -> tuple[NewDebtorSettings, Lists]:
        """How the agreement makes new debtors, and e-conomic's lists for them; read once."""
        ...

    @property
    def comparisons(self) -> ComparisonStore: ...

    def debtors_total(self, total: int | None = None) -> int | None:
        """How many debtors e-conomic last said it has; with a number, remember that."""
        ...


class WorkPort(Protocol):
    """What a use case needs of the lease it works under."""

    @property
    def agreement(self) -> int: ...

    @property
    def ahead(self) -> ReadAhead:
        """What may be read while something is stored."""
        ...

    def stamp(self) -> int:
        """Draw a stamp, committed at once: before the request whose answer it dates."""
        ...

    def transaction(self, *, release: bool = False) -> AbstractContextManager[UnitOfWork]:
        """
        A transaction that first checks the lease under lock.

        `release`: the work is drained, and this very commit gives the lease back.

        Raises:
            LeaseLost: somebody else holds the work now; nothing is written.
        """
        ...
