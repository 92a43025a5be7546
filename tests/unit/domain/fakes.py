"""
In-memory stand-ins for the ports of the domain, obeying the rules of the real ones.

`Mirror` is the database: a transaction is rolled back on an exception, checks the lease first, refuses two living
debtors under one number, and writes nothing that does not raise its stamp. `Economic` is one agreement of e-conomic:
it answers from what it holds, counts its calls and can be told to fail.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, NamedTuple

from domain.accounting_api import Identity, LinePage, ListedLines, Page, Unreadable
from domain.debtors import MAX_NUMBER, Debtor, DebtorChanges, Edge, StoredDebtor
from domain.errors import LeaseLost, PermanentError, Rejected
from domain.events import NewEvent
from domain.hints import Hint, Kind, NewHint
from domain.invoices import Invoice, InvoiceWithLines, Line, LinesState, lines_fingerprint
from domain.poll import PollState
from domain.ports import FailureReport, StoredInvoice, Tally, Written
from domain.read_ahead import ReadAhead
from domain.reference import Keys, Listing, Name
from domain.resync_state import ResyncOptions, ResyncState
from domain.told import Party

AGREEMENT = 1442871
OUT_OF_SCOPE = 99  # a debtor group that is not synchronised


class DebtorRow(NamedTuple):
    """A row of the mirror; `gone` counts up, None = living."""

    id: int
    content: Debtor
    gone: int | None = None
    absorbed_by: int | None = None

    @property
    def number(self) -> int:
        return self.content.number

    @property
    def living(self) -> bool:
        return self.gone is None


class InvoiceRow(NamedTuple):
    header: Invoice
    debtor_id: int | None
    lines: tuple[Line, ...] = ()
    lines_fingerprint: str | None = None
    lines_state: LinesState = LinesState.PENDING


class InboxRow(NamedTuple):
    kind: Kind
    hint: Hint
    source: str
    handled: bool = False


class FailureRow(NamedTuple):
    report: FailureReport
    times: int = 1
    open: bool = True


class NameRow(NamedTuple):
    """`name` None: a record carries the number, nobody has named it."""

    name: str | None
    gone: bool = False


class ListRow(NamedTuple):
    """`age` in seconds since a reading began, which tests set; `began` and `read` count readings and meetings."""

    age: float
    began: int
    read: int = 0
    problem: str | None = None


@dataclass
class Tables:
    """Everything stored; values are immutable, so a shallow copy is a snapshot."""

    debtors: dict[int, DebtorRow] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)  # of the living: number → row id
    edges: dict[Edge, None] = field(default_factory=dict)
    invoices: dict[int, InvoiceRow] = field(default_factory=dict)
    readings: dict[tuple[str, int], int] = field(default_factory=dict)
    inbox: dict[int, InboxRow] = field(default_factory=dict)
    failures: dict[tuple[str, str], FailureRow] = field(default_factory=dict)
    events: dict[int, NewEvent] = field(default_factory=dict)
    wanted: dict[str, None] = field(default_factory=dict)  # types of events that somebody takes
    names: dict[tuple[Listing, str], NameRow] = field(default_factory=dict)
    met: dict[tuple[Listing, str], int] = field(default_factory=dict)  # when, in counts of `clock`
    lists: dict[Listing, ListRow] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    work: dict[str, Any] = field(default_factory=lambda: {"lease": "mine", "drained": 0, "total": None})
    counters: dict[str, int] = field(default_factory=lambda: {"debtor": 0, "inbox": 0, "grave": 0, "clock": 0})

    def copy(self) -> Tables:
        return Tables(**{f.name: dict(getattr(self, f.name)) for f in fields(self)})

    def next(self, counter: str) -> int:
        self.counters[counter] += 1
        return self.counters[counter]


class Mirror:
    """
    The database, as `WorkPort`, `RunPort` and `UnitOfWork` see it.

    Args:
        dry: as a dry run's port, keep a run's progress and nothing else.
    """

    def __init__(self, *, token: str = "mine", dry: bool = False) -> None:
        self.tables = Tables()
        self.agreement = AGREEMENT
        self.token = token
        self.dry = dry
        self.transactions = 0
        self.on_transaction: Callable[[], None] = lambda: None  # called when one begins
        self.follows_companies = False
        self.last_stamp = 0
        self._unsaved: ResyncState | None = None
        self.ahead = ReadAhead()

    # WorkPort and RunPort

    def stamp(self) -> int:
        self.last_stamp += 1
        return self.last_stamp

    @contextmanager
    def transaction(self, *, release: bool = False) -> Iterator[Mirror]:
        self.transactions += 1
        self.on_transaction()
        if self.tables.work["lease"] != self.token:
            raise LeaseLost("held by somebody else now")
        before = self.tables.copy()
        self._unsaved = None
        if release:
            self.tables.work["lease"] = None
            self.tables.work["drained"] += 1
        try:
            yield self
        except BaseException:
            self.tables = before
            raise
        if self.dry:
            self.tables = before
        if self._unsaved is not None:
            self.tables.run = self._unsaved.as_json()

    @contextmanager
    def look(self) -> Iterator[Mirror]:
        yield self

    def save(self, uow: object, state: ResyncState) -> None:
        self._unsaved = state

    def debtors_total(self, total: int | None = None) -> int | None:
        if total is not None:
            self.tables.work["total"] = total
        stored: int | None = self.tables.work["total"]
        return stored

    @property
    def debtors(self) -> DebtorTable:
        return DebtorTable(self.tables)

    @property
    def invoices(self) -> InvoiceTable:
        return InvoiceTable(self.tables)

    @property
    def inbox(self) -> InboxTable:
        return InboxTable(self.tables)

    @property
    def outbox(self) -> OutboxTable:
        return OutboxTable(self.tables)

    @property
    def poll(self) -> PollTable:
        return PollTable(self.tables)

    @property
    def names(self) -> NameTable:
        return NameTable(self.tables)

    @property
    def comparisons(self) -> ComparisonTable:
        return ComparisonTable(self.tables)

    @property
    def failures(self) -> FailureTable:
        return FailureTable(self.tables)

    # for tests

    def hint(self, old: int | None, new: int | None, kind: Kind = Kind.DEBTORS, body: str | None = None) -> Hint:
        """Store an event as a hook does, outside any transaction."""
        event = NewHint(AGREEMENT, kind, "hook", f"cause-{old}-{new}", old, new, body)  # type: ignore[arg-type]
        self.inbox.add([event])
        return self.tables.inbox[self.tables.counters["inbox"]].hint

    def take(self, kind: Kind = Kind.DEBTORS) -> list[Hint]:
        """Take the lease and the outstanding events, as a consumer does."""
        self.tables.work["lease"] = self.token
        return self.inbox.outstanding(AGREEMENT, kind, 1_000_000)

    def outstanding(self, kind: Kind = Kind.DEBTORS) -> list[tuple[int | None, int | None]]:
        return [(hint.old, hint.new) for hint in self.inbox.outstanding(AGREEMENT, kind, 1_000_000)]

    def add(self, *debtors: Debtor) -> list[int]:
        """Living rows as earlier readings left them; returns their ids."""
        self.debtors.write(DebtorChanges(insert=list(debtors)), {})
        return [row.id for row in self.tables.debtors.values()][-len(debtors) :]

    def an_hour_passes(self) -> None:
        """The tombstones there are now became so long ago."""
        self.tables.work["hour_began"] = self.tables.counters["grave"]

    def living(self) -> dict[int, Debtor]:
        return {row.number: row.content for row in self.tables.debtors.values() if row.living}

    def ids(self) -> dict[int, int]:
        """Number → row id of the living."""
        return {row.number: row.id for row in self.tables.debtors.values() if row.living}

    def graves(self) -> dict[int, int]:
        """Row id → number of the tombstones that did not become one with another row."""
        return {row.id: row.number for row in self.tables.debtors.values() if row.gone and row.absorbed_by is None}

    def open_failures(self) -> dict[tuple[str, str], str]:
        return {key: row.report.reason for key, row in self.tables.failures.items() if row.open}

    def headers(self) -> dict[int, Invoice]:
        return {number: row.header for number, row in self.tables.invoices.items()}

    def lines_states(self) -> dict[int, LinesState]:
        return {number: row.lines_state for number, row in self.tables.invoices.items()}

    def content(self) -> object:
        """What a run leaves behind, without the stamps it took to get there."""
        rows = [(row.content, row.living) for row in self.tables.debtors.values()]
        return rows, sorted(self.tables.invoices.values()), self.open_failures()


def raise_stamps(tables: Tables, what: str, stamps: Mapping[int, int]) -> set[int]:
    rising = {number for number, stamp in stamps.items() if stamp > tables.readings.get((what, number), 0)}
    tables.readings.update({(what, number): stamps[number] for number in rising})
    return rising


@dataclass
class DebtorTable:
    tables: Tables

    def _rows(self, numbers: Collection[int], *, living: bool) -> list[DebtorRow]:
        wanted = set(numbers)
        return [
            row
            for row in self.tables.debtors.values()
            if row.number in wanted and row.living is living and row.absorbed_by is None
        ]

    def raise_stamps(self, stamps: Mapping[int, int]) -> set[int]:
        return raise_stamps(self.tables, "debtor", stamps)

    def living(self, numbers: Collection[int]) -> dict[int, StoredDebtor]:
        return {row.number: _stored(row) for row in self._rows(numbers, living=True)}

    def graves(self, numbers: Collection[int]) -> list[StoredDebtor]:
        rows = self._rows(numbers, living=False)
        return [_stored(row) for row in sorted(rows, key=lambda row: (row.gone, row.id), reverse=True)]

    def parties(self, ids: Collection[int]) -> dict[int, Party]:
        return {row_id: _party(self.tables.debtors[row_id]) for row_id in ids}

    def write(self, changes: DebtorChanges, causes: Mapping[int, str]) -> None:
        for row_id in changes.bury:
            assert self.tables.debtors[row_id].living, f"row {row_id} is buried twice"
            self._put(self.tables.debtors[row_id]._replace(gone=self.tables.next("grave")))
        for ends, goes_on in changes.absorb:
            row = self.tables.debtors[ends]
            assert row.absorbed_by is None, f"row {ends} ends twice"
            self._put(row._replace(gone=self.tables.next("grave"), absorbed_by=goes_on))
            for number, invoice in self.tables.invoices.items():
                if invoice.debtor_id == ends:
                    self.tables.invoices[number] = invoice._replace(debtor_id=goes_on)
        for row_id in changes.free:
            row = self.tables.debtors[row_id]
            assert row.living, f"tombstone {row_id} has no number to give up"
            self._put(row._replace(content=row.content._replace(number=-row_id)))
        for row_id, debtor in changes.update:
            self._put(DebtorRow(row_id, debtor))
        for debtor in changes.insert:
            self._put(DebtorRow(self.tables.next("debtor"), debtor))

    def _put(self, row: DebtorRow) -> None:
        before = self.tables.debtors.get(row.id)
        if before is not None and before.living:
            del self.tables.numbers[before.number]
        if row.living:
            assert row.number not in self.tables.numbers, f"two living debtors under {row.number}"
            self.tables.numbers[row.number] = row.id
        self.tables.debtors[row.id] = row

    def remember_edges(self, edges: Iterable[Edge]) -> None:
        self.tables.edges.update(dict.fromkeys(edges))

    def edges_around(self, numbers: Collection[int]) -> list[Edge]:
        around, found = set(numbers), set[Edge]()
        while more := {edge for edge in self.tables.edges if not around.isdisjoint(edge)} - found:
            found |= more
            around.update(number for edge in more for number in edge)
        return sorted(found)

    def adopt_invoices(self, numbers: Collection[int]) -> None:
        owners = {number: row.id for number, row in self.living(numbers).items()}
        for number, row in self.tables.invoices.items():
            if row.debtor_id is None and row.header.debtor_number in owners:
                self.tables.invoices[number] = row._replace(debtor_id=owners[row.header.debtor_number])

    def living_between(self, low: int, high: int) -> list[int]:
        return sorted(row.number for row in self.tables.debtors.values() if row.living and low <= row.number <= high)

    def count_gone(self, within: dt.timedelta) -> int:
        since = self.tables.work.get("hour_began", 0)
        graves = [row for row in self.tables.debtors.values() if row.gone and row.absorbed_by is None]
        return sum((row.gone or 0) > since for row in graves)

    def count_living(self, low: int = 0, high: int = MAX_NUMBER) -> int:
        return len(self.living_between(low, high))


def _stored(row: DebtorRow) -> StoredDebtor:
    content = row.content
    return StoredDebtor(row.id, row.number, content.name, content.cvr, content.fingerprint(), not row.living)


def _party(row: DebtorRow) -> Party:
    return Party(row.id, row.number, row.content.name, in_scope=row.content.debtor_group != OUT_OF_SCOPE)


@dataclass
class InvoiceTable:
    tables: Tables

    def stored(self, numbers: Collection[int]) -> dict[int, StoredInvoice]:
        rows = {number: self.tables.invoices[number] for number in numbers if number in self.tables.invoices}
        return {
            n: StoredInvoice(n, row.header.net, row.header.remainder, row.lines_fingerprint, row.lines_state)
            for n, row in rows.items()
        }

    def parties(self, numbers: Collection[int]) -> dict[int, Party]:
        owners = {number: self.tables.invoices[number].debtor_id for number in numbers}
        return {n: _party(self.tables.debtors[owner]) for n, owner in owners.items() if owner is not None}

    def write(self, invoices: Sequence[Invoice], stamps: Mapping[int, int], causes: Mapping[int, str]) -> Written:
        by_number = {invoice.number: invoice for invoice in invoices}
        rising = raise_stamps(self.tables, "invoice", {number: stamps[number] for number in by_number})
        tally, debtors = Tally(stale=len(by_number) - len(rising)), set[int]()
        new, paid = [], []
        owners = {row.number: row.id for row in self.tables.debtors.values() if row.living}
        for number in sorted(rising):
            header, row = by_number[number], self.tables.invoices.get(number)
            if row is not None and row.header == header:
                tally.unchanged += 1
                continue
            debtors.add(header.debtor_number)
            owner = owners.get(header.debtor_number)
            if row is None:
                tally.created += 1
                new.append(number)
                self.tables.invoices[number] = InvoiceRow(header, owner)
            else:
                tally.updated += 1
                if row.header.remainder and not header.remainder:
                    paid.append(number)
                same = row.debtor_id is not None and row.header.debtor_number == header.debtor_number
                self.tables.invoices[number] = row._replace(
                    header=header, debtor_id=row.debtor_id if same else owner or row.debtor_id
                )
        return Written(tally, debtors, tuple(new), tuple(paid))

    def write_lines(
        self, lines: Mapping[int, Sequence[Line]], states: Mapping[int, LinesState], stamps: Mapping[int, int]
    ) -> Tally:
        rising = raise_stamps(self.tables, "lines", {number: stamps[number] for number in lines})
        tally = Tally()
        for number, fresh in lines.items():
            row = self.tables.invoices.get(number)
            assert len({line.number for line in fresh}) == len(fresh), f"a line of {number} comes twice"
            if row is None or number not in rising:
                tally.stale += len(fresh)
                continue
            print_ = lines_fingerprint(fresh)
            if row.lines_state.read_singly and not states[number].read_singly:
                tally.unchanged += len(fresh)
                continue
            if row.lines_fingerprint == print_:
                tally.unchanged += len(fresh)
            else:
                tally.created += len(fresh)
            self.tables.invoices[number] = row._replace(
                lines=tuple(fresh), lines_fingerprint=print_, lines_state=states[number]
            )
        return tally

    def mark_lines(self, numbers: Collection[int], state: LinesState) -> None:
        for number in numbers:
            self.tables.invoices[number] = self.tables.invoices[number]._replace(lines_state=state)

    def open_lines(self, after: int, limit: int) -> list[int]:
        return self._above(after, limit, lambda row: row.lines_state in (LinesState.PENDING, LinesState.UNVERIFIED))

    def open_numbers(self, after: int, limit: int) -> list[int]:
        return self._above(after, limit, lambda row: row.header.remainder != 0)

    def _above(self, after: int, limit: int, wanted: Callable[[InvoiceRow], bool]) -> list[int]:
        return sorted(n for n, row in self.tables.invoices.items() if n > after and wanted(row))[:limit]

    def last_number(self) -> int:
        return max(self.tables.invoices, default=0)

    def count(self) -> int:
        return len(self.tables.invoices)

    def orphans(self, numbers: Collection[int]) -> set[int]:
        rows = (self.tables.invoices[number] for number in numbers if number in self.tables.invoices)
        return {row.header.debtor_number for row in rows if row.debtor_id is None}


@dataclass
class InboxTable:
    tables: Tables

    def outstanding(self, agreement: int, kind: Kind, limit: int) -> list[Hint]:
        return [row.hint for row in self.tables.inbox.values() if row.kind is kind and not row.handled][:limit]

    def announced(self, numbers: Collection[int], since: dt.datetime) -> set[int]:
        rows = (row.hint for row in self.tables.inbox.values() if row.source == "hook" and row.kind is Kind.DEBTORS)
        return {number for hint in rows for number in hint.numbers()}

    def last_announced(self) -> dt.datetime | None:
        return self.tables.work.get("heard")

    def handled(self, ids: Collection[int]) -> None:
        for event in ids:
            self.tables.inbox[event] = self.tables.inbox[event]._replace(handled=True)

    def add(self, hints: Sequence[NewHint]) -> None:
        for new in hints:
            event = self.tables.next("inbox")
            hint = Hint(event, new.old, new.new, new.correlation_id, new.body, new.webhook_id)
            self.tables.inbox[event] = InboxRow(new.kind, hint, str(new.source))


@dataclass
class OutboxTable:
    tables: Tables

    def wanted(self) -> frozenset[str]:
        return frozenset(self.tables.wanted)

    def add(self, events: Sequence[NewEvent]) -> None:
        for event in events:
            self.tables.events[len(self.tables.events) + 1] = event


@dataclass
class PollTable:
    tables: Tables

    def load(self) -> PollState:
        stored = self.tables.work.get("poll")
        return PollState() if stored is None else replace(stored, unannounced=dict(stored.unannounced))

    def save(self, state: PollState, *, every_s: int) -> None:
        self.tables.work["poll"] = replace(state)
        self.tables.work["every_s"] = every_s


@dataclass
class ComparisonTable:
    tables: Tables

    def unfinished(self) -> bool:
        return bool(self.tables.work.get("comparing"))

    def invoices_compared(self) -> bool:
        return bool(self.tables.work.get("compared"))

    def begin(self, options: ResyncOptions) -> int:
        self.tables.work["comparing"] = options
        return 1


@dataclass
class FailureTable:
    tables: Tables

    def report(self, failures: Iterable[FailureReport]) -> None:
        for failure in failures:
            key = (failure.subject_kind, failure.subject)
            row = self.tables.failures.get(key)
            times = row.times + 1 if row and row.open else 1
            self.tables.failures[key] = FailureRow(failure, times)

    def resolve(self, subject_kind: str, subjects: Collection[object]) -> None:
        for subject in subjects:
            key = (subject_kind, str(subject))
            if key in self.tables.failures:
                self.tables.failures[key] = self.tables.failures[key]._replace(open=False)


@dataclass
class NameTable:
    tables: Tables

    def meet(self, carried: Keys) -> set[Listing]:
        new = {(which, key) for which, keys in carried.items() for key in keys} - self.tables.names.keys()
        self.tables.names.update(dict.fromkeys(new, NameRow(None)))
        self.tables.met.update(dict.fromkeys(new, self.tables.next("clock")))
        return {which for which, _ in new}

    def ages(self) -> dict[Listing, float]:
        return {which: row.age for which, row in self.tables.lists.items()}

    def living(self, which: Listing) -> dict[str, str]:
        return {
            key: row.name
            for (there, key), row in self.tables.names.items()
            if there is which and row.name is not None and not row.gone
        }

    def write(self, which: Listing, names: Mapping[str, str]) -> int:
        new = {(which, key): NameRow(name) for key, name in names.items()}
        changed = sum(self.tables.names.get(place) != row for place, row in new.items())
        self.tables.names.update(new)
        return changed

    def bury(self, which: Listing, keys: Collection[str]) -> None:
        for key in keys:
            self.tables.names[which, key] = self.tables.names[which, key]._replace(gone=True)

    def unnamed(self) -> set[Listing]:
        nobody = ListRow(0, 0)
        return {
            place[0]
            for place, row in self.tables.names.items()
            if row.name is None and self.tables.met[place] > self.tables.lists.get(place[0], nobody).read
        }

    def begin(self, which: Listing) -> None:
        row = self.tables.lists.get(which, ListRow(0, 0))
        self.tables.lists[which] = row._replace(age=0.0, began=self.tables.next("clock"))

    def end(self, which: Listing, *, whole: bool, problem: str | None) -> None:
        row = self.tables.lists[which]
        self.tables.lists[which] = row._replace(read=row.began if whole else row.read, problem=problem)


class Economic:
    """One agreement of e-conomic. `calls` names every call made; `page` and `room` shrink its pages and filters."""

    def __init__(self, *debtors: Debtor, page: int = 1_000, room: int = 200) -> None:
        self.customers = {debtor.number: debtor for debtor in debtors}
        self.booked: dict[int, InvoiceWithLines] = {}
        self.agreement = AGREEMENT  # whose books these are
        self.page = page
        self.room = room
        self.calls: list[str] = []
        self.on_call: Callable[[str], None] = lambda call: None  # may raise, or change what is answered
        self.unlisted: set[int] = set()  # debtors and invoices that lists do not show, though they exist
        self.unreadable: set[int] = set()
        self.missing_lines: set[int] = set()  # invoices whose lines the bulk list does not hold
        self.unreadable_lines: set[int] = set()  # invoices with a line that the bulk list cannot show
        self.refuses_lines = False
        self.bulk_reads: list[int] = []  # numbers of debtors and invoices read singly, as some of many
        self.reference: dict[Listing, dict[str, str]] = {}

    def book(self, *invoices: InvoiceWithLines) -> None:
        self.booked.update({invoice.header.number: invoice for invoice in invoices})

    def _called(self, call: str) -> None:
        self.calls.append(call)
        self.on_call(call)

    confirmed = False

    def identity(self) -> Identity:
        self._called("identity")
        return Identity(self.agreement, "MLJ", "Fjordlys Energi ApS", "DKK")

    def debtor(self, number: int, *, bulk: bool = False) -> Debtor | None:
        self._called(f"debtor {number}")
        self.bulk_reads += [number] * bulk
        if number in self.unreadable:
            raise PermanentError("name: not a text")
        return self.customers.get(number)

    def debtors(self, numbers: Sequence[int]) -> Page[Debtor]:
        self._called("debtors")
        assert len(numbers) <= self.room
        return self._listed(self.customers, sorted(set(numbers) & self.customers.keys()), more=False)

    def debtors_after(self, number: int, *, changed_since: dt.datetime | None = None) -> Page[Debtor]:
        if changed_since is None:
            self._called(f"debtors_after {number}")
            return self._after(self.customers, number)
        self._called(f"debtors_changed {changed_since:%H:%M} {number}")
        changed = {n: d for n, d in self.customers.items() if d.last_updated and d.last_updated >= changed_since}
        return self._after(changed, number)

    def invoice(self, number: int, *, bulk: bool = False) -> InvoiceWithLines | None:
        self._called(f"invoice {number}")
        self.bulk_reads += [number] * bulk
        if number in self.unreadable:
            raise PermanentError("date: not a date")
        return self.booked.get(number)

    def _headers(self) -> dict[int, Invoice]:
        return {number: single.header for number, single in self.booked.items()}

    def invoices(self, numbers: Sequence[int]) -> Page[Invoice]:
        self._called("invoices")
        assert len(numbers) <= self.room
        return self._listed(self._headers(), sorted(set(numbers) & self.booked.keys()), more=False)

    def invoices_after(self, number: int, *, since: dt.date | None = None) -> Page[Invoice]:
        self._called(f"invoices_after {number}")
        return self._after({n: h for n, h in self._headers().items() if since is None or h.date >= since}, number)

    def unpaid_after(self, number: int) -> Page[Invoice]:
        self._called(f"unpaid_after {number}")
        views = {
            n: header._replace(exchange_rate=None, gross_base=None)
            for n, header in self._headers().items()
            if header.remainder != 0
        }
        return self._after(views, number)

    def lines(self, numbers: Sequence[int]) -> ListedLines:
        self._called("lines")
        assert len(numbers) <= self.room
        self._check_lines()
        bad = self.unreadable_lines.intersection(numbers)
        return ListedLines(
            [line for number in sorted({*numbers} - bad) for line in self._bulk_lines(number)], frozenset(bad)
        )

    def lines_page(self, cursor: str | None, *, after: int = 0) -> LinePage:
        self._called(f"lines_page {cursor} {after}")
        self._check_lines()
        everything = [line for number in sorted(self.booked) if number > after for line in self._bulk_lines(number)]
        start = int(cursor or 0)
        end = start + self.page
        return LinePage(everything[start:end], [], str(end) if end < len(everything) else None)

    def _check_lines(self) -> None:
        if self.refuses_lines:
            raise Rejected("e-conomic refused the request (403)", status=403)

    def _bulk_lines(self, number: int) -> list[Line]:
        """Without text lines, in the numbering of this service."""
        if number not in self.booked or number in self.missing_lines:
            return []
        lines = [line for line in self.booked[number].lines if line.net is not None]
        return [line._replace(number=100 + line.number) for line in lines]

    def names(self, which: Listing, page: int) -> Page[Name]:
        self._called(f"{which} {page}")
        everything = [Name(key, name) for key, name in sorted(self.reference.get(which, {}).items())]
        end = (page + 1) * self.page
        return Page(everything[page * self.page : end], [], len(everything), end < len(everything))

    def fits_one_call(self, numbers: Sequence[int]) -> int:
        return min(len(numbers), self.room)

    def _after(self, records: Mapping[int, Any], number: int) -> Page[Any]:
        above = [n for n in sorted(records) if n > number and n not in self.unlisted]
        return self._listed(records, above[: self.page], more=len(above) > self.page)

    def _listed(self, records: Mapping[int, Any], numbers: Sequence[int], *, more: bool) -> Page[Any]:
        shown = [n for n in numbers if n not in self.unlisted]
        return Page(
            [records[n] for n in shown if n not in self.unreadable],
            [Unreadable(n, "currency: not a text") for n in shown if n in self.unreadable],
            len(records),
            more,
        )


def a_debtor(number: int, name: str = "Nordvind Service A/S", cvr: str | None = "31313139", **more: Any) -> Debtor:
    return Debtor(number, name, "DKK", cvr=cvr, **more)


def firm(number: int, of: int | None = None, **more: Any) -> Debtor:
    """One of many different firms, each with its own name and CVR number; `of` says which one."""
    which = number if of is None else of
    return a_debtor(number, f"Firma {which} ApS", f"{10_000_000 + which}", **more)


def an_invoice(number: int, debtor: int = 4711, *nets: str, **more: Any) -> InvoiceWithLines:
    """A booked invoice with one line for each of `nets`, and a text line."""
    amounts = [Decimal(net) for net in nets or ("100.00",)]
    net = sum(amounts, Decimal(0))
    header = Invoice(
        number, debtor, dt.date(2026, 5, 4), "DKK", net, net / 4, net * 5 / 4, more.pop("remainder", net * 5 / 4)
    )
    lines = [Line(number, place, place, "SRV-1", "Service", net=amount) for place, amount in enumerate(amounts, 1)]
    text = Line(number, len(lines) + 1, len(lines) + 1, description="Vedr. maj")
    return InvoiceWithLines(header._replace(**more), [*lines, text])


def ever() -> bool:
    """`more_time` of a slice that never ends."""
    return True
