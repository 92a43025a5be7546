"""
Taking in what the CRM or a file says of companies: found, adopted or created, changed as far as they may.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from domain.alerts import AlertStore, alerts_of_companies
from domain.companies import Change, CompanyFields, Owner, Refusal, Side, StoredCompany, Values, What, take_change
from domain.events import EventType, NewEvent, Outbox, company_subject
from domain.matching.growing import GrowingIndex
from domain.matching.index import CompanyIndex, look_up
from domain.matching.records import Record
from domain.matching.verdicts import LADDER_KINDS, Climbed, climb
from domain.normal_forms import company_form


class Upsert(NamedTuple):
    """
    A company as the CRM or a file says it is.

    `values` holds the fields spoken of. `stamp` orders what the CRM says (microseconds since 1970); None is never
    older than anything, and makes nothing older. `cause` is a correlation id.
    """

    values: Values
    crm_id: str | None = None
    stamp: int | None = None
    cause: str | None = None


class Deletion(NamedTuple):
    """A company the CRM deleted."""

    crm_id: str
    stamp: int | None = None
    cause: str | None = None


class Mode(StrEnum):
    """What records may do."""

    BOTH = "both"
    CREATE = "create"
    UPDATE = "update"


class Outcome(StrEnum):
    """What became of a record."""

    CREATED = "created"
    ADOPTED = "adopted"  # a company without a CRM id, which has this one now
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    SUPERSEDED = "superseded"  # older than what is stored
    MERGED = "merged"  # of a company that is part of another now: only its snapshot changed
    DOUBTFUL = "doubtful"  # fits companies, but no single one beyond doubt
    EXISTS = "exists"  # and only new ones were wanted
    ABSENT = "absent"  # and only known ones were wanted
    NAMELESS = "nameless"  # new, but without a name
    GONE = "gone"  # deleted in the CRM, and this record cannot say that it is newer


class Taken(NamedTuple):
    """What became of one record; `refused` are the changes that are shown as differences."""

    outcome: Outcome
    company: int | None = None
    refused: Mapping[str, tuple[str, Refusal]] = {}
    doubtful: tuple[int, ...] = ()


class Entry(NamedTuple):
    """A line of a company's history; `detail`: field → before, after, or what that kind of change needs."""

    company: int
    what: What
    detail: Mapping[str, object]
    cause: str | None = None


CRM = 0
"""Stands for the CRM where a debtor's id would stand."""

Said = tuple[int, int, str]
"""A company, who speaks of it (CRM, or a debtor by its id), and the field."""


@dataclass(slots=True)
class CompanyChanges:
    """What a batch does; companies as they are in the end, by id."""

    insert: dict[int, StoredCompany] = field(default_factory=dict)
    update: dict[int, StoredCompany] = field(default_factory=dict)
    changed: dict[int, str | None] = field(default_factory=dict)  # those whose content is new → correlation id
    history: list[Entry] = field(default_factory=list)
    refused: dict[Said, tuple[str, Refusal]] = field(default_factory=dict)  # → theirs, why
    agreed: set[Said] = field(default_factory=set)  # no difference any more
    run_id: int | None = None  # the run that does it


class CompanyStore(CompanyIndex, Protocol):
    """The companies of one firm inside one transaction."""

    def known(self, crm_ids: Collection[str]) -> dict[str, int]:
        """CRM id → id, of deleted and merged companies too."""
        ...

    def create_alone(self) -> None:
        """Until the end of the transaction nobody else creates companies of this firm. Call it before `lock`."""
        ...

    def lock(self, ids: Collection[int], *, follow: Collection[int] = ()) -> dict[int, StoredCompany]:
        """
        These companies, locked in the order of their ids until the end of the transaction.

        Those of `follow` come with what they were merged into (`survivor`). A transaction that follows calls this
        once, before it has locked any company: so nobody waits in a circle.
        """
        ...

    def owners(self, ids: Collection[int]) -> dict[int, dict[str, Owner]]:
        """Who owns the fields of those that are linked to a debtor; the others are left out."""
        ...

    def former_owners(self, ids: Collection[int]) -> dict[int, dict[str, Owner]]:
        """Of merged companies, by the links that went with them."""
        ...

    def new_ids(self, count: int) -> list[int]: ...

    def write(self, changes: CompanyChanges, *, who: str) -> None: ...


def survivor(rows: Mapping[int, StoredCompany], company: int) -> StoredCompany | None:
    """The company, or what it is part of now, among locked rows; None when there is no such company."""
    row = rows.get(company)
    while row is not None and row.merged_into is not None:
        row = rows.get(row.merged_into)
    return row


def take_companies(
    store: CompanyStore,
    records: Sequence[Upsert | Deletion],
    *,
    who: str,
    mode: Mode = Mode.BOTH,
    outbox: Outbox | None = None,
    alerts: AlertStore | None = None,
) -> list[Taken]:
    """
    Take in records in this order, in the transaction that `store` is part of.

    An older word of the CRM changes nothing (*superseded*). A CRM id that was merged away only changes that record's
    own snapshot. An unknown id adopts the one company without an id that the ladder finds, or makes a new one; a
    record without an id is the company the ladder finds.

    Args:
        who: for the history: crm, api, file or a person.
        outbox: where new and changed companies are told of. What a record with a CRM id says, the CRM knows already.
        alerts: where people are asked about new companies that a rung of the ladder says are known by another id.

    Returns:
        What became of each record, in their order.
    """
    taking = _Taking(store, who, mode)
    taking.load(records)
    taken = [taking.take(record) for record in records]
    store.write(taking.changes, who=who)
    doubtful = {each.company: each.doubtful for each in taken if each.company is not None and each.doubtful}
    if doubtful and alerts is not None:
        forms = store.records(set(doubtful).union(*doubtful.values()))
        alerts.raise_groups(alerts_of_companies(doubtful, forms))
    if outbox is not None:
        outbox.add(told_changes(taking.changes, taking.news))
    return taken


def told_changes(changes: CompanyChanges, news: Sequence[Entry] | None = None) -> list[NewEvent]:
    """
    What changes of companies are told as: each as it is in the end.

    Args:
        news: the lines of history that are told; without, all of them.
    """
    events = []
    for entry in changes.history if news is None else news:
        row = changes.update.get(entry.company) or changes.insert.get(entry.company)
        if row is None:
            continue
        if entry.what is What.CREATED:
            events.append(company_event(EventType.COMPANY_CREATED, row))
        elif entry.what in (What.UPDATED, What.REVIVED):
            events.append(company_event(EventType.COMPANY_UPDATED, row, changed=list(entry.detail)))
    return events


def company_event(kind: EventType, company: StoredCompany, *, changed: Sequence[str] = ()) -> NewEvent:
    """A company as it is now; `changed` names the fields that are new. `id` is the CRM's."""
    data: dict[str, object] = {
        "company": {"id": company.crm_id, "debitor_id": company.id, **company.fields._asdict()},
    }
    if changed:
        data["changed"] = list(changed)
    return NewEvent(kind, company_subject(company.id), data)


class _Taking:
    """One batch. Rows are found, locked in one go, changed in memory, and written at the end."""

    def __init__(self, store: CompanyStore, who: str, mode: Mode) -> None:
        self._store = store
        self._who = who
        self._mode = mode
        self._known: dict[str, int] = {}
        self._rows: dict[int, StoredCompany] = {}
        self._owners: dict[int, dict[str, Owner]] = {}
        self._index = GrowingIndex(store)
        self._ids: list[int] = []
        self.changes = CompanyChanges()
        self.news: list[Entry] = []  # what the CRM does not know yet

    def load(self, records: Sequence[Upsert | Deletion]) -> None:
        crm_ids = {record.crm_id for record in records if record.crm_id is not None}
        self._known = self._store.known(crm_ids)
        strangers = self._strangers(records)
        if strangers:
            self._store.create_alone()
            self._known = self._store.known(crm_ids)  # somebody may have made them while we waited
            strangers = self._strangers(records)
            self._ids = self._store.new_ids(len(strangers))[::-1]
        forms = [company_form(each.values, each.crm_id) for each in strangers if isinstance(each, Upsert)]
        self._index.read_ahead(forms, kinds=LADDER_KINDS)
        pointed = {company for form in forms for company in self._climb(form).pointed}
        self._rows = self._store.lock(self._known.values(), follow=pointed)
        if any(self._rows[row_id].crm_id != crm_id for crm_id, row_id in self._known.items()):
            self._known = self._store.known(crm_ids)  # a merge, or its undoing, moved an id while we waited
            self._rows |= self._store.lock(set(self._known.values()) - self._rows.keys())
        for each in pointed:  # one may be merged or deleted while we wait for it
            self._see(each)
        merged = {row.id for row in self._rows.values() if row.merged_into is not None}
        self._owners = self._store.owners(self._rows.keys() - merged)
        if merged:
            self._owners |= self._store.former_owners(merged)

    def _see(self, company: int) -> None:
        """What a company is found as, now that it is locked."""
        row = survivor(self._rows, company)
        if row is None or row.id != company:
            self._index.put(company, None, now=None if row is None else row.id)
        if row is not None:
            form = company_form(row.fields._asdict(), row.crm_id)
            self._index.put(row.id, form if row.living else None)

    def _climb(self, form: Record) -> Climbed:
        (candidates,) = look_up([form], self._index, kinds=LADDER_KINDS)
        return climb(form, candidates)

    def _strangers(self, records: Sequence[Upsert | Deletion]) -> list[Upsert | Deletion]:
        return [record for record in records if record.crm_id is None or record.crm_id not in self._known]

    def take(self, record: Upsert | Deletion) -> Taken:
        row_id = self._known.get(record.crm_id) if record.crm_id is not None else None
        if isinstance(record, Deletion):
            return self._delete(record, row_id)
        if row_id is not None:
            return self._known_one(record, self._rows[row_id])
        found = self._climb(company_form(record.values, record.crm_id))
        if found.company is not None:
            row = self._rows[found.company]
            if record.crm_id is None:
                return self._known_one(record, row)
            if row.crm_id is None:
                if self._mode is Mode.CREATE:
                    return Taken(Outcome.EXISTS, row.id)
                self._known[record.crm_id] = row.id
                self._note(row.id, What.ADOPTED, {"crm_id": record.crm_id, "rung": found.rung}, record)
                taken = self._update(record, row._replace(crm_id=record.crm_id), owners=self._owners.get(row.id))
                return taken._replace(outcome=Outcome.ADOPTED)
            return self._create(record, (row.id,))  # which the CRM knows as another
        if found.doubtful and record.crm_id is None:
            return Taken(Outcome.DOUBTFUL, doubtful=found.doubtful)
        return self._create(record, found.doubtful)

    def _known_one(self, record: Upsert, row: StoredCompany) -> Taken:
        if self._mode is Mode.CREATE:
            return Taken(Outcome.EXISTS, row.id)
        if _older(record, row):
            return self._superseded(record, row)
        if row.merged_into is not None:
            taken = self._update(record, row._replace(deleted=False), owners=self._owners.get(row.id))
            return taken._replace(outcome=Outcome.MERGED)
        if row.deleted:
            if record.stamp is None:
                return Taken(Outcome.GONE, row.id)
            self._note(row.id, What.REVIVED, {}, record)
            taken = self._update(record, row._replace(deleted=False), owners=self._owners.get(row.id), touched=True)
            return taken._replace(outcome=Outcome.UPDATED)
        return self._update(record, row, owners=self._owners.get(row.id))

    def _update(
        self, record: Upsert, row: StoredCompany, *, owners: Mapping[str, Owner] | None, touched: bool = False
    ) -> Taken:
        before = self._rows[row.id]
        change = take_change(row, Side.CRM, record.values, owners=owners)
        row = change.company._replace(stamp=max(filter(None, (row.stamp, record.stamp)), default=None))
        if change.changed:
            what = What.UPDATED if row.merged_into is None else What.SNAPSHOT
            self._note(row.id, what, {name: list(pair) for name, pair in change.changed.items()}, record)
        if row != before:
            self._put(row, record, changed=touched or bool(change.changed) or row.crm_id != before.crm_id)
        self._settle(row.id, change)
        return Taken(Outcome.UPDATED if change.changed else Outcome.UNCHANGED, row.id, change.refused)

    def _settle(self, row_id: int, change: Change) -> None:
        for name in change.agreed:
            self.changes.refused.pop((row_id, CRM, name), None)
            self.changes.agreed.add((row_id, CRM, name))
        for name, refused in change.refused.items():
            self.changes.refused[row_id, CRM, name] = refused
            self.changes.agreed.discard((row_id, CRM, name))

    def _create(self, record: Upsert, doubtful: tuple[int, ...]) -> Taken:
        if self._mode is Mode.UPDATE:
            return Taken(Outcome.ABSENT)
        if not record.values.get("name"):
            return Taken(Outcome.NAMELESS)
        row = StoredCompany(
            self._ids.pop(),
            CompanyFields(**record.values),  # type: ignore[arg-type]  # it has a name
            crm_id=record.crm_id,
            stamp=record.stamp,
        )
        self._add(row, record)
        self._note(row.id, What.CREATED, {}, record)
        self._index.add(row.id, company_form(record.values, record.crm_id))
        return Taken(Outcome.CREATED, row.id, doubtful=doubtful)

    def _delete(self, record: Deletion, row_id: int | None) -> Taken:
        if row_id is None:  # remembered, so that an older word about it changes nothing
            row = StoredCompany(
                self._ids.pop(), CompanyFields(""), crm_id=record.crm_id, stamp=record.stamp, deleted=True
            )
            self._add(row, record)
        else:
            row = self._rows[row_id]
            if _older(record, row):
                return self._superseded(record, row)
            stamped = row._replace(deleted=True, stamp=record.stamp if record.stamp is not None else row.stamp)
            if row.deleted:
                self._put(stamped, record, changed=False)
                return Taken(Outcome.UNCHANGED, row.id)
            self._put(stamped, record, changed=True)
            self._index.put(row_id, None)
        self._note(row.id, What.DELETED, {}, record)
        return Taken(Outcome.DELETED, row.id)

    def _superseded(self, record: Upsert | Deletion, row: StoredCompany) -> Taken:
        self._note(row.id, What.SUPERSEDED, {"stamp": record.stamp, "stored": row.stamp}, record)
        return Taken(Outcome.SUPERSEDED, row.id)

    def _add(self, row: StoredCompany, record: Upsert | Deletion) -> None:
        self._rows[row.id] = self.changes.insert[row.id] = row
        self.changes.changed[row.id] = record.cause
        if row.crm_id is not None:
            self._known[row.crm_id] = row.id

    def _put(self, row: StoredCompany, record: Upsert | Deletion, *, changed: bool) -> None:
        self._rows[row.id] = row
        (self.changes.insert if row.id in self.changes.insert else self.changes.update)[row.id] = row
        if changed:
            self.changes.changed[row.id] = record.cause

    def _note(self, row_id: int, what: What, detail: Mapping[str, object], record: Upsert | Deletion) -> None:
        entry = Entry(row_id, what, detail, record.cause)
        self.changes.history.append(entry)
        if record.crm_id is None:
            self.news.append(entry)


def _older(record: Upsert | Deletion, row: StoredCompany) -> bool:
    return record.stamp is not None and row.stamp is not None and record.stamp < row.stamp
