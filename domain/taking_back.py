"""
Links taken back by value, and companies that were made from a debtor with them: as long as nobody changed since what
they brought. Imports are reverted, and answers about duplicates undone, by this one function.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from domain.companies import CompanyFields, StoredCompany, What
from domain.events import EventType, NewEvent, Outbox
from domain.links import LivingLink
from domain.match_debtors import MatchLinks
from domain.merge_companies import Conversions
from domain.proposals import LinkedCompany
from domain.take_companies import CompanyChanges, CompanyStore, Entry, company_event


class LinkMade(NamedTuple):
    """
    What a link did.

    Attributes:
        debtor: our own id; `agreement` and `number` are what people call it.
        changed: field → before, after: what it changed of the company.
        created: the fields of the company that was made for it; None = it was there before.
        run_id: the import that made it; None = a person.
    """

    debtor: int
    agreement: int
    number: int
    company: int
    changed: Mapping[str, tuple[str | None, str | None]] = {}
    created: Mapping[str, str | None] | None = None
    run_id: int | None = None


class TakingBackStores(Protocol):
    """What taking back needs, in one transaction."""

    @property
    def companies(self) -> CompanyStore: ...
    @property
    def links(self) -> MatchLinks: ...
    @property
    def outbox(self) -> Outbox: ...


def take_back(
    stores: TakingBackStores,
    conversions: Conversions,
    made: Sequence[LinkMade],
    *,
    who: str,
    run_id: int | None = None,
) -> dict[int, str]:
    """
    End links, and give their companies the values they had before; one that was made for a link is deleted.

    Debtors are locked here, then companies. That they are no pair is not remembered.

    Args:
        made: each debtor once, the last one made first: whoever joined a company goes before the debtor it was made
            from.
        run_id: of the revert, for the history.

    Returns:
        Debtor → why its link stays: something is not any more what the link made of it.
    """
    if not made:
        return {}
    return _TakingBack(stores, conversions, run_id).out(made, who)


class _TakingBack:
    """One transaction."""

    def __init__(self, stores: TakingBackStores, conversions: Conversions, run_id: int | None) -> None:
        self._stores = stores
        self._conversions = conversions
        self._changes = CompanyChanges(run_id=run_id)
        self._companies: dict[int, LinkedCompany] = {}
        self._links: Mapping[int, LivingLink] = {}
        self._wanted_by: Mapping[int, int] = {}  # company → its running conversion
        self._told: dict[int, set[str]] = defaultdict(set)  # company → what changed

    def out(self, made: Sequence[LinkMade], who: str) -> dict[int, str]:
        stores = self._stores
        debtors, companies = {each.debtor for each in made}, {each.company for each in made}
        stores.links.debtors(debtors)
        stores.companies.lock(companies)
        self._links = stores.links.living(debtors)
        self._companies = dict(stores.links.companies(companies))
        self._wanted_by = self._conversions.running(companies)
        kept: dict[int, str] = {}
        for each in made:
            if why := self._why_not(each):
                kept[each.debtor] = why
            else:
                self._take(each)
        stores.links.cut(debtors - set(kept), who=who, refused=False)
        if self._changes.history:
            stores.companies.write(self._changes, who=who)
        stores.outbox.add([self._event(company) for company in sorted(self._told)])
        return kept

    def _why_not(self, made: LinkMade) -> str | None:
        linked = self._companies.get(made.company)
        if linked is None:
            return f"company #{made.company} is not there any more"
        row = linked.company
        name = f"company #{row.id} {row.fields.name}".strip()
        if row.merged_into is not None:
            return f"{name} is part of #{row.merged_into} now: undo that merge first"
        link = self._links.get(made.debtor)
        if link is None:
            return f"debtor {made.number} is not linked to {name} any more"
        if link.company != row.id:
            return f"debtor {made.number} is linked to company #{link.company} since"
        if link.run_id != made.run_id:
            return f"debtor {made.number} was linked to {name} anew since"
        brought = made.created
        if brought is None:
            brought = {field: after for field, (_, after) in made.changed.items()}
        fields = row.fields._asdict()
        if row.deleted and made.created is not None:
            return f"{name} was deleted since"
        if changed := [field for field, value in brought.items() if fields[field] != value]:
            return f"{name} was changed since: {', '.join(changed)}"
        return self._in_use(linked, name) if made.created is not None else None

    def _in_use(self, linked: LinkedCompany, name: str) -> str | None:
        """Why a company that was made is needed by others."""
        row = linked.company
        if row.crm_id is not None:
            return f"{name} is known to the CRM since, as {row.crm_id}"
        if len(linked.debtors) > 1:
            return f"{name} has other debtors since"
        if row.id in self._wanted_by:
            return f"deal {self._wanted_by[row.id]} waits for {name} to become a debtor"
        return None

    def _take(self, made: LinkMade) -> None:
        linked, changes = self._companies[made.company], self._changes
        row = linked.company
        detail = {"agreement": made.agreement, "debtor": made.number}
        changes.history.append(Entry(row.id, What.UNLINKED, detail))
        if made.created is not None:
            row = row._replace(deleted=True)
            changes.history.append(Entry(row.id, What.DELETED, {}))
            self._told[row.id] = {"deleted"}
        elif made.changed:
            row = _as_before(row, made)
            back = {name: [after, before] for name, (before, after) in made.changed.items()}
            changes.history.append(Entry(row.id, What.UPDATED, back))
            self._told[row.id] |= set(back)
        if row is not linked.company:
            changes.update[row.id] = row
            changes.changed[row.id] = None
        rest = {each: agreement for each, agreement in linked.debtors.items() if each != made.debtor}
        self._companies[row.id] = linked._replace(company=row, debtors=rest)

    def _event(self, company: int) -> NewEvent:
        row = self._companies[company].company
        event = company_event(EventType.COMPANY_UPDATED, row, changed=sorted(self._told[company]))
        return event._replace(data={**event.data, "deleted": True}) if "deleted" in self._told[company] else event


def _as_before(row: StoredCompany, made: LinkMade) -> StoredCompany:
    before = {name: pair[0] for name, pair in made.changed.items()}
    return row._replace(
        fields=CompanyFields(**row.fields._asdict() | before),
        apart={name: said for name, said in row.apart.items() if name not in before or said != before[name]},
        changed_by={name: side for name, side in row.changed_by.items() if name not in before},
    )
