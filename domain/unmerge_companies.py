"""
Undoing a merge: the companies are what they were, by value, but for what happened since (crm.md §2, Merge).

What was attached or changed later stays with the survivor, and is listed. The others catch up on what their debtors
and the CRM said meanwhile.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from domain.companies import (
    UNITS,
    CompanyFields,
    Side,
    StoredCompany,
    Values,
    What,
    said_by_debtor,
    same_value,
    take_change,
)
from domain.events import EventType
from domain.links import LinkedDebtor, followed, note_change
from domain.merge_companies import Head, NewMerge, Part, Shown, Stores, crm_word, merge_event, write
from domain.merging import NotMerged
from domain.take_companies import CRM, CompanyChanges, Entry


class StoredMerge(NamedTuple):
    """A merge as it was remembered."""

    head: Head
    made: NewMerge
    undone_by: str | None = None
    undone_at: dt.datetime | None = None

    @property
    def companies(self) -> list[int]:
        """The survivor first."""
        return [self.made.survivor, *(part.company for part in self.made.parts)]


class ReturnedLink(NamedTuple):
    """A link that lived when the companies were merged, and is the one's again whose it was then."""

    company: int
    debtor: LinkedDebtor
    living: bool  # nobody cut it meanwhile
    seen: Values  # what the company had been held against


class Kept(NamedTuple):
    """What stays with the survivor: a field, or the link to a debtor (agreement/number)."""

    kind: str  # field, link
    name: str
    value: str | None = None


class UnmergeStore(Protocol):
    """Merges that are undone, inside one transaction; their companies are locked."""

    def load(self, merge: int) -> StoredMerge | None: ...

    def newer(self, merge: StoredMerge) -> Head | None:
        """The newest one after it, not undone, that its survivor had a part in."""
        ...

    def return_links(self, merge: StoredMerge) -> list[ReturnedLink]:
        """Give every link back to the company whose it was."""
        ...

    def attached(self, merge: StoredMerge) -> list[LinkedDebtor]:
        """The debtors that the survivor was linked to after the merge, and is."""
        ...

    def end(self, merge: StoredMerge, *, who: str, kept: Sequence[Kept]) -> None:
        """
        It is undone: conversions that still run are of the companies again whose they were.

        Failures that say the CRM still knows the merged companies are closed.
        """
        ...


class Unmerged(NamedTuple):
    """A merge that was undone: the companies as they are now, the survivor first, and what stayed with it."""

    id: int
    companies: Sequence[StoredCompany]
    kept: Sequence[Kept]


def unmerge(stores: Stores, merges: UnmergeStore, merge_id: int, *, who: str) -> Unmerged:
    """
    Undo a merge.

    Raises:
        NotMerged: there is none, it was undone, or a newer one of the same company must be undone first.
    """
    rows = stores.companies.lock(_checked(merges, merge_id).companies)
    merge = _checked(merges, merge_id)  # somebody may have undone it, or merged the survivor, while we waited
    links = merges.return_links(merge)
    survivor, kept = _survivor(rows[merge.made.survivor], merge.made, links)
    kept += [Kept("link", f"{each.agreement}/{each.number}") for each in merges.attached(merge)]
    parts = [_part(rows[part.company], part, rows[survivor.id], survivor, links) for part in merge.made.parts]
    before, after = rows[survivor.id].fields._asdict(), survivor.fields._asdict()
    changed = {name: [before[name], value] for name, value in after.items() if value != before[name]}
    told = {"merge": merge_id, "companies": [part.company for part in merge.made.parts], "changed": changed}
    # The survivor first: two companies never have one CRM id.
    write(stores, [survivor], [Entry(survivor.id, What.UNMERGED, told)], who)
    write(stores, parts, [Entry(row.id, What.UNMERGED, {"merge": merge_id, "from": survivor.id}) for row in parts], who)
    now = {row.id: row for row in (survivor, *parts)}
    _show_differences(stores, merge, now, links)
    _catch_up(stores, merge, rows[survivor.id], now, links, who)
    if stores.alerts is not None:
        for moved in reversed(merge.made.alerts):
            stores.alerts.move_back(moved)
    merges.end(merge, who=who, kept=kept)
    stores.outbox.add([merge_event(EventType.COMPANY_UNMERGED, merge_id, survivor, merge.made.parts, list(changed))])
    return Unmerged(merge_id, [now[row_id] for row_id in merge.companies], kept)


def _checked(merges: UnmergeStore, merge_id: int) -> StoredMerge:
    merge = merges.load(merge_id)
    if merge is None:
        raise NotMerged(f"there is no merge {merge_id}")
    if merge.undone_at is not None:
        raise NotMerged(
            f"merge {merge_id} was undone by {merge.undone_by} on {merge.undone_at:%Y-%m-%d at %H:%M:%S} UTC"
        )
    newer = merges.newer(merge)
    if newer is not None:
        raise NotMerged(
            f"company #{merge.made.survivor} is part of a newer merge: undo merge {newer.id} first, which {newer.who}"
            f" made on {newer.at:%Y-%m-%d at %H:%M:%S} UTC"
        )
    return merge


def _donated(now: StoredCompany, merge: NewMerge) -> bool:
    """Whether the survivor's CRM id is one of the merged companies'."""
    return now.crm_id is not None and now.crm_id in {part.crm_id for part in merge.parts}


def _survivor(now: StoredCompany, merge: NewMerge, links: Iterable[ReturnedLink]) -> tuple[StoredCompany, list[Kept]]:
    """The survivor without what the merge brought, and the fields that changed since: with its unit, each stays."""
    values: dict[str, str | None] = now.fields._asdict()
    later = {UNITS[name] for name, (_, after) in merge.fields.items() if values[name] != after}
    back = {name: before for name, (before, _) in merge.fields.items() if UNITS[name] not in later}
    leaving = {str(link.debtor.number) for link in links if link.company != now.id}
    if values["customer_number"] in leaving:  # no two companies have one debtor's number
        back["customer_number"] = merge.fields["customer_number"][0]
    kept = [
        Kept("field", name, values[name])
        for name, (before, _) in merge.fields.items()
        if name not in back and values[name] != before
    ]
    fields = CompanyFields(**(values | back))  # type: ignore[arg-type]  # it had a name before, too
    then = merge.before
    marks = {name: side for name, side in then.changed_by.items() if getattr(fields, name) == merge.fields[name][0]}
    row = now._replace(fields=fields, changed_by=marks | dict(now.changed_by))
    if _donated(now, merge):
        return row._replace(crm_id=None, stamp=then.stamp, apart=then.apart, deleted=False), kept
    return row._replace(apart=_apart(now, back) if now.crm_id is not None else {}), kept


def _apart(now: StoredCompany, back: Mapping[str, str | None]) -> dict[str, str | None]:
    """
    What the CRM said last, where it is not the value that comes back.

    Of a value that replaced another one its last word is known: that other one, until it said the new one itself.
    """
    word = {name: said for name, said in crm_word(now).items() if name in now.apart or back.get(name) is not None}
    values: dict[str, str | None] = now.fields._asdict() | dict(back)
    return {name: said for name, said in word.items() if said != values[name]}


def _part(
    row: StoredCompany, part: Part, then: StoredCompany, survivor: StoredCompany, links: Iterable[ReturnedLink]
) -> StoredCompany:
    """
    A merged company as one of its own again.

    Args:
        then, survivor: the survivor before and after this undoing.
    """
    row = row._replace(merged_into=None)
    if part.crm_id is not None and then.crm_id == part.crm_id != survivor.crm_id:
        row = row._replace(crm_id=part.crm_id, stamp=then.stamp, deleted=then.deleted)
    for link in links:
        number = str(link.debtor.number)
        if link.company == row.id and not link.living and row.fields.customer_number == number:
            row = row._replace(fields=row.fields._replace(customer_number=None))
    return row


def _show_differences(
    stores: Stores, merge: StoredMerge, now: Mapping[int, StoredCompany], links: Iterable[ReturnedLink]
) -> None:
    """Those that the merge took away are shown again as far as they are ones, each of the company it is of."""
    survivor = now[merge.made.survivor]
    debtors = {link.debtor.id: link for link in links if link.living}
    leaving = {debtor for debtor, link in debtors.items() if link.company != survivor.id}
    if survivor.crm_id is None:
        leaving.add(CRM)
    stores.merges.hide(
        each
        for each in stores.merges.differences([survivor.id])
        if each.debtor in leaving or same_value(each.field, each.theirs, getattr(survivor.fields, each.field))
    )

    def stands(each: Shown) -> bool:
        row, link = now[each.company], debtors.get(each.debtor)
        if each.debtor == CRM:
            said = crm_word(row)[each.field]
        elif link is None or link.company != each.company:
            return False
        else:
            said = said_by_debtor(link.debtor.values)[each.field]
        still = same_value(each.field, each.theirs, said)
        return still and not same_value(each.field, each.theirs, getattr(row.fields, each.field))

    stores.merges.show(filter(stands, merge.made.differences))


def _catch_up(
    stores: Stores,
    merge: StoredMerge,
    then: StoredCompany,
    now: dict[int, StoredCompany],
    links: Sequence[ReturnedLink],
    who: str,
) -> None:
    """What the CRM and the debtors said of the merged companies meanwhile reaches them; `now` is brought up to date."""
    owners = stores.companies.owners(list(now))
    changes, seen = CompanyChanges(), {}
    for part in merge.made.parts:
        row = now[part.company]
        if row.crm_id is not None and row.crm_id == then.crm_id:
            change = take_change(row, Side.CRM, _words(row, then, merge.made), owners=owners.get(row.id))
            note_change(changes, CRM, change)
            now[row.id] = change.company
    own = Counter(link.company for link in links if link.living)
    for link in links:
        said = said_by_debtor(link.debtor.values)
        if link.company != then.id and link.living and said != link.seen:
            shared = own[link.company] > 1
            change = followed(now[link.company], said, link.seen, owners.get(link.company), shared=shared)
            note_change(changes, link.debtor.id, change)
            now[link.company] = change.company
            seen[link.debtor.id] = said
    stores.companies.write(changes, who=who)
    stores.links.saw(seen)


def _words(row: StoredCompany, then: StoredCompany, merge: NewMerge) -> dict[str, str | None]:
    """What the CRM said of a company while its id was the survivor's, where that is news."""
    before, values = crm_word(row), then.fields._asdict()
    return {
        name: said
        for name, said in crm_word(then).items()
        if said != before[name] and (before[name] is not None or values[name] != merge.fields[name][1])
    }
