"""
Merging companies: they are one from now on, and everything follows (crm.md §2, Merge).

A merged company's row stays as it was: the CRM's own copy of that record, and what an undoing brings back. Its ids are
the survivor's for ever. Links go over by their rows, so invoices follow them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from domain.companies import CompanyFields, StoredCompany, What, owners_of, same_value
from domain.events import EventType, NewEvent, Outbox
from domain.links import LinkStore
from domain.merging import Member, NotMerged, Plan, Wish, WrongWish, called, plan
from domain.take_companies import CRM, CompanyChanges, CompanyStore, Entry, company_event


class Shown(NamedTuple):
    """A difference that was shown of a company; `debtor` is CRM or a debtor's id."""

    company: int
    debtor: int
    field: str
    theirs: str | None
    why: str
    since: dt.datetime


class Before(NamedTuple):
    """What a merge changes of the survivor beside its fields, as it was."""

    crm_id: str | None
    stamp: int | None
    apart: Mapping[str, str | None]
    changed_by: Mapping[str, str]


class Part(NamedTuple):
    """A company that became part of another; `crm_id` as it was."""

    company: int
    crm_id: str | None


class NewMerge(NamedTuple):
    """
    A merge to be remembered.

    `fields`: every field of the survivor → before, after; `alerts`: what moved of them.
    """

    survivor: int
    parts: Sequence[Part]
    fields: Mapping[str, tuple[str | None, str | None]]
    before: Before
    differences: Sequence[Shown]
    alerts: Sequence[Mapping[str, object]] = ()


class Head(NamedTuple):
    """Who merged what, when."""

    id: int
    survivor: int
    who: str
    at: dt.datetime


class MergeStore(Protocol):
    """Merges of one firm inside one transaction; the companies they are about are locked."""

    def companies(self, ids: Collection[int]) -> dict[int, StoredCompany]:
        """These as they are now; they are not locked."""
        ...

    def members(self, companies: Sequence[StoredCompany]) -> list[Member]: ...

    def merged_by(self, company: int) -> Head | None:
        """The merge that made it part of another company."""
        ...

    def end_of(self, company: int) -> int:
        """What it is part of in the end."""
        ...

    def family(self, companies: Collection[int]) -> set[int]:
        """These and all that are part of them."""
        ...

    def add(self, merge: NewMerge, *, who: str) -> int:
        """
        Remember a merge, every link of its companies, and the conversions of the parts that run.

        The links of the parts are the survivor's from now on; conversions follow by themselves.
        """
        ...

    def differences(self, companies: Collection[int]) -> list[Shown]: ...

    def hide(self, differences: Iterable[Shown]) -> None: ...

    def show(self, differences: Iterable[Shown]) -> None:
        """One that is there already stays as it is."""
        ...


class Conversions(Protocol):
    """Prospects that are on their way to be debtors."""

    def running(self, companies: Collection[int]) -> dict[int, int]:
        """Of these companies, those with a conversion that has not ended → its id."""
        ...


class Alerts(Protocol):
    """What people are asked about companies."""

    def move(self, from_company: int, to_company: int, *, who: str) -> Mapping[str, object]:
        """One company became part of another. Returns what moved, as JSON holds it."""
        ...

    def move_back(self, moved: Mapping[str, object]) -> None: ...


class Stores(NamedTuple):
    """What a merge needs, in one transaction."""

    companies: CompanyStore
    links: LinkStore
    merges: MergeStore
    outbox: Outbox
    alerts: Alerts | None = None
    conversions: Conversions | None = None


class Merged(NamedTuple):
    """A merge that was made; `survivor` as it is now, `changed` = the fields that are new in it."""

    id: int
    survivor: StoredCompany
    parts: Sequence[Part]
    changed: tuple[str, ...]


def preview(stores: Stores, wish: Wish) -> tuple[Plan, list[Member]]:
    """
    What a merge would make of these companies, and the companies in the order of the wish; nothing is locked.

    Raises:
        NotMerged: it cannot be, as things are.
    """
    return _planned(stores.merges.companies(wish.companies), stores, wish)


def merge(stores: Stores, wish: Wish, *, who: str) -> Merged:
    """
    Make several companies one.

    A survivor without a CRM id takes over the first one there is. A deleted company may become part of a living one:
    that is how the CRM's own merges look from here.

    Raises:
        NotMerged: one of them is part of another already (the message names who merged it, when, and what to go on
            with), or more than one has a running conversion; WrongWish where it can never be.
    """
    rows = stores.companies.lock(wish.companies)
    made, _ = _planned(rows, stores, wish)
    survivor, donor = _survivor(made)
    gone, moved = _differences(stores.merges, made, donor)
    merged = NewMerge(
        made.survivor.id,
        [Part(row.id, row.crm_id) for row in made.merged],
        {name: (value, getattr(made.fields, name)) for name, value in made.survivor.fields._asdict().items()},
        Before(made.survivor.crm_id, made.survivor.stamp, dict(made.survivor.apart), dict(made.survivor.changed_by)),
        gone,
        [] if stores.alerts is None else [stores.alerts.move(row.id, survivor.id, who=who) for row in made.merged],
    )
    stores.merges.hide(gone)
    merge_id = stores.merges.add(merged, who=who)
    parts = [row._replace(merged_into=survivor.id, crm_id=None if row is donor else row.crm_id) for row in made.merged]
    # The parts first: two companies never have one CRM id.
    write(stores, parts, [Entry(row.id, What.MERGED, {"merge": merge_id, "into": survivor.id}) for row in parts], who)
    changed = {name: list(pair) for name, pair in merged.fields.items() if pair[0] != pair[1]}
    detail = {"merge": merge_id, "companies": [part._asdict() for part in merged.parts], "changed": changed}
    write(stores, [survivor], [Entry(survivor.id, What.MERGED, detail)], who)
    stores.merges.show(moved)
    stores.outbox.add([merge_event(EventType.COMPANY_MERGED, merge_id, survivor, merged.parts, list(changed))])
    return Merged(merge_id, survivor, merged.parts, tuple(changed))


def _planned(rows: Mapping[int, StoredCompany], stores: Stores, wish: Wish) -> tuple[Plan, list[Member]]:
    for company_id in wish.companies:
        if company_id not in rows:
            raise WrongWish(f"there is no company #{company_id}", field="companies")
        if rows[company_id].merged_into is not None:
            raise _merged_already(rows[company_id], stores.merges)
    ids = list(dict.fromkeys(wish.companies))
    _one_conversion(rows, stores)
    members = stores.merges.members([rows[company_id] for company_id in ids])
    owners = stores.companies.owners(ids)
    return plan(members, wish, owners_of(owners.values()) if owners else None), members


def merge_event(
    kind: EventType, merge_id: int, survivor: StoredCompany, parts: Iterable[Part], changed: Sequence[str]
) -> NewEvent:
    """A merge, or its undoing, told under the survivor; `merged` names the others by the CRM's ids and ours."""
    event = company_event(kind, survivor, changed=changed)
    merged = [{"id": part.crm_id, "debitor_id": part.company} for part in parts]
    return event._replace(data={"merge": merge_id, **event.data, "merged": merged})


def crm_word(row: StoredCompany) -> dict[str, str | None]:
    """What the CRM said last of each field, as far as is known."""
    return row.fields._asdict() | dict(row.apart)


def apart_of(word: Mapping[str, str | None], fields: CompanyFields) -> dict[str, str | None]:
    """Where the CRM's last word is another than the company's value."""
    values = fields._asdict()
    return {name: said for name, said in word.items() if said is not None and said != values[name]}


def _survivor(made: Plan) -> tuple[StoredCompany, StoredCompany | None]:
    """The survivor as it will be, and the company whose CRM id it takes over."""
    row, donor = made.survivor, None
    if row.crm_id is None:
        donor = next((part for part in made.merged if part.crm_id is not None and not part.deleted), None)
    speaker = donor or row
    before = row.fields._asdict()
    changed = {name for name, value in made.fields._asdict().items() if value != before[name]}
    return (
        row._replace(
            fields=made.fields,
            crm_id=speaker.crm_id,
            stamp=speaker.stamp,
            apart={} if speaker.crm_id is None else apart_of(crm_word(speaker), made.fields),
            # What was merged is a new start: neither side has changed anything since.
            changed_by={name: side for name, side in row.changed_by.items() if name not in changed},
        ),
        donor,
    )


def _differences(merges: MergeStore, made: Plan, donor: StoredCompany | None) -> tuple[list[Shown], list[Shown]]:
    """
    The differences that go, and those that come instead.

    A debtor's follow it; the CRM's stay with the copy they are of. What says the same as the survivor is none any more.
    """
    survivor = made.survivor.id
    gone: list[Shown] = []
    moved: list[Shown] = []
    shown = merges.differences([survivor, *(row.id for row in made.merged)])
    taken = {(each.debtor, each.field) for each in shown if each.company == survivor}
    for each in shown:
        settled = same_value(each.field, each.theirs, getattr(made.fields, each.field))
        if each.company == survivor:
            if settled:
                gone.append(each)
        elif each.debtor != CRM or (donor is not None and each.company == donor.id):
            gone.append(each)
            if not settled and (each.debtor, each.field) not in taken:
                moved.append(each._replace(company=survivor))
    return gone, moved


def write(stores: Stores, rows: Iterable[StoredCompany], history: list[Entry], who: str) -> None:
    """These rows with all that follows from them: keys, normal form, history."""
    changes = CompanyChanges(update={row.id: row for row in rows}, history=history)
    changes.changed = dict.fromkeys(changes.update)
    stores.companies.write(changes, who=who)


def _merged_already(row: StoredCompany, merges: MergeStore) -> NotMerged:
    survivor = merges.end_of(row.id)
    head = merges.merged_by(row.id)
    by = "" if head is None else f" by {head.who} on {head.at:%Y-%m-%d at %H:%M:%S} UTC (merge {head.id})"
    return NotMerged(
        f"{called(row)} was merged into #{row.merged_into}{by}; go on with #{survivor}",
        field="companies",
        survivor=survivor,
    )


def _one_conversion(rows: Mapping[int, StoredCompany], stores: Stores) -> None:
    """A conversion goes on with the survivor; two would make two debtors of one company."""
    if stores.conversions is None:
        return
    running = {row_id: sorted(stores.conversions.running(stores.merges.family([row_id])).values()) for row_id in rows}
    named = [f"{called(rows[row_id])} (conversion {ones[0]})" for row_id, ones in sorted(running.items()) if ones]
    if len(named) > 1:
        raise NotMerged(f"{' and '.join(named)} are on their way to be debtors: wait until only one of them is")
