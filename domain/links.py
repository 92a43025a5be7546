"""
Which company a debtor is: linked with its reasons, cut in one step, and what was cut is remembered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from domain.companies import (
    UNITS,
    Change,
    LinkedHow,
    Owner,
    Side,
    StoredCompany,
    Values,
    What,
    owners_of,
    said_by_debtor,
    same_value,
    take_change,
)
from domain.errors import PermanentError
from domain.events import EventType, Outbox
from domain.take_companies import CompanyChanges, CompanyStore, Entry, company_event, survivor


class NotLinked(PermanentError):
    """The link cannot be made or cut; the message says why."""

    reason = "not_linked"


class LinkedDebtor(NamedTuple):
    """A debtor as links see it; `values` are its columns by name, `owners` what its agreement says of fields."""

    id: int
    agreement: int
    number: int
    values: Mapping[str, object]
    owners: Mapping[str, str]


class NewLink(NamedTuple):
    """A link to be made; `seen` is what the debtor says of its company now, `run_id` the import that makes it."""

    debtor: LinkedDebtor
    company: int
    how: LinkedHow
    reasons: Sequence[str]
    seen: Mapping[str, str | None]
    who: str
    score: float | None = None
    run_id: int | None = None


class LivingLink(NamedTuple):
    """A link that is; `run_id` = the import that made it, None = a person."""

    company: int
    run_id: int | None


class LinkStore(Protocol):
    """Links of a firm's debtors inside one transaction."""

    def debtor(self, agreement: int, number: int) -> LinkedDebtor | None:
        """The living debtor under a number, locked: its link is nobody else's until the transaction ends."""
        ...

    def debtors(self, ids: Collection[int]) -> dict[int, LinkedDebtor]:
        """The living ones of these, locked in the order of their ids."""
        ...

    def company_of(self, debtor: int) -> int | None:
        """The company a debtor is linked to."""
        ...

    def living(self, debtors: Collection[int]) -> dict[int, LivingLink]:
        """The links of these debtors; those without one are left out."""
        ...

    def refused(self, debtor: int) -> set[int]:
        """The companies somebody said this debtor is not."""
        ...

    def add(self, links: Sequence[NewLink]) -> None:
        """Also forgets that somebody said one is not this company, and closes what is asked about the debtors."""
        ...

    def saw(self, seen: Mapping[int, Mapping[str, str | None]]) -> None:
        """Debtor → what it says of its company, which has been held against that now."""
        ...

    def cut(self, debtors: Collection[int], *, who: str, refused: bool) -> None:
        """End the living links and the differences they show; `refused` = remember: not this company."""
        ...


def link(
    companies: CompanyStore,
    links: LinkStore,
    outbox: Outbox,
    debtor: LinkedDebtor,
    company_id: int,
    *,
    how: LinkedHow,
    who: str,
    reasons: Sequence[str] = (),
    score: float | None = None,
    run_id: int | None = None,
) -> StoredCompany:
    """
    Make a debtor this company's; a merged company stands for its survivor. Doing it again changes nothing.

    What e-conomic owns becomes the debtor's, blank fields are filled, and fields of whoever changed them last stay as
    they are: neither side has changed anything yet. A company's second debtor only fills blanks. The debtor must be
    locked already, the company is locked here.

    Raises:
        NotLinked: the company is deleted or of another firm, or the debtor has another company.
    """
    company = _survivor(companies, company_id)
    linked = links.company_of(debtor.id)
    if linked == company.id:
        return company
    if linked is not None:
        raise NotLinked(f"debtor {debtor.number} is linked to company #{linked}; unlink it first")
    if company.deleted:
        raise NotLinked(f"company #{company.id} was deleted in the CRM")
    owners = companies.owners([company.id]).get(company.id)
    change = joined(company, debtor, owners)
    changes = CompanyChanges()
    note_link(changes, debtor, change, how)
    companies.write(changes, who=who)
    links.add([NewLink(debtor, company.id, how, reasons, said_by_debtor(debtor.values), who, score, run_id)])
    if change.changed:
        outbox.add([company_event(EventType.COMPANY_UPDATED, change.company, changed=list(change.changed))])
    return change.company


def joined(company: StoredCompany, debtor: LinkedDebtor, owners: Mapping[str, Owner] | None) -> Change:
    """
    What a new link changes of a company.

    Args:
        owners: of a company that has debtors already; this one then only fills blanks.
    """
    said = said_by_debtor(debtor.values)
    own = owners_of([debtor.owners])
    if owners is not None:
        before: Values = said
        own |= owners
    else:
        before = {name: value for name, value in said.items() if own[name] is Owner.NEWEST}
    change = take_change(company, Side.ECONOMIC, said, owners=own, before=before)
    # A new link is a new start: what happened before it was no disagreement.
    change.company = change.company._replace(changed_by={})
    return change


def followed(
    company: StoredCompany, said: Values, seen: Values, owners: Mapping[str, Owner] | None, *, shared: bool
) -> Change:
    """
    What a linked debtor's words change of its company.

    Of several debtors of one company, only the one whose number, CVR or billing address the company has speaks of
    these.

    Args:
        seen: what it said the time before.
        shared: the company has other debtors, too.
    """
    own_words = _own_words(company, said, seen, owners, shared=shared)
    return take_change(company, Side.ECONOMIC, own_words, owners=owners, before=seen)


def _own_words(
    company: StoredCompany, said: Values, seen: Values, owners: Mapping[str, Owner] | None, *, shared: bool
) -> Values:
    """What a debtor may speak of."""
    if not shared or owners is None:
        return said
    has = company.fields._asdict()
    return {
        name: value
        for name, value in said.items()
        if owners[name] is not Owner.ECONOMIC
        or all(has[each] is None or same_value(each, has[each], seen.get(each)) for each in UNITS[name])
    }


def settled(
    company: StoredCompany, said: Values, seen: Values, owners: Mapping[str, Owner] | None, *, shared: bool
) -> Change:
    """
    What a linked debtor says since the CRM had it written there: both sides say it, whoever owns the field.

    Args:
        said: only what was written.
        seen: what it said there the time before.
        shared: the company has other debtors, too.
    """
    has = company.fields._asdict()
    own_words = {
        name: has[name] if same_value(name, value, has[name]) else value
        for name, value in _own_words(company, said, seen, owners, shared=shared).items()
    }
    company = company._replace(  # as if the CRM said it just now, and nobody had said anything else
        apart={name: value for name, value in company.apart.items() if name not in own_words},
        changed_by={name: side for name, side in company.changed_by.items() if name not in own_words},
    )
    return take_change(company, Side.CRM, own_words, owners=None)


def note_link(
    changes: CompanyChanges, debtor: LinkedDebtor, change: Change, how: LinkedHow, *, cause: str | None = None
) -> None:
    """Add a new link, and what it changes of its company, to what a batch does."""
    detail = {"agreement": debtor.agreement, "debtor": debtor.number, "how": how.value}
    changes.history.append(Entry(change.company.id, What.LINKED, detail, cause))
    note_change(changes, debtor.id, change, cause=cause)


def note_change(changes: CompanyChanges, speaker: int, change: Change, *, cause: str | None = None) -> None:
    """Add what a debtor's words change of its company to what a batch does; `cause` is a correlation id."""
    row = change.company
    (changes.insert if row.id in changes.insert else changes.update)[row.id] = row
    changes.refused.update({(row.id, speaker, name): refused for name, refused in change.refused.items()})
    changes.agreed.update((row.id, speaker, name) for name in change.agreed)
    if change.changed:
        changes.changed[row.id] = cause
        detail = {name: list(pair) for name, pair in change.changed.items()}
        changes.history.append(Entry(row.id, What.UPDATED, detail, cause))


def unlink(
    companies: CompanyStore, links: LinkStore, outbox: Outbox, debtor: LinkedDebtor, company_id: int, *, who: str
) -> StoredCompany:
    """
    Say that a debtor is not this company: the link ends, is remembered, and the debtor's invoices leave with it.

    The company loses the debtor's number as its customer number; other values it took over stay.

    Raises:
        NotLinked: they are not linked.
    """
    company = _survivor(companies, company_id)
    if links.company_of(debtor.id) != company.id:
        raise NotLinked(f"debtor {debtor.number} is not linked to company #{company.id}")
    links.cut([debtor.id], who=who, refused=True)
    detail = {"agreement": debtor.agreement, "debtor": debtor.number}
    changes = CompanyChanges(history=[Entry(company.id, What.UNLINKED, detail)])
    if company.fields.customer_number == str(debtor.number):
        company = company._replace(fields=company.fields._replace(customer_number=None))
        changes.update[company.id] = company
        changes.changed[company.id] = None
        number = {"customer_number": [str(debtor.number), None]}
        changes.history.append(Entry(company.id, What.UPDATED, number))
        outbox.add([company_event(EventType.COMPANY_UPDATED, company, changed=list(number))])
    companies.write(changes, who=who)
    return company


def _survivor(companies: CompanyStore, company_id: int) -> StoredCompany:
    """The company, or what it was merged into, locked."""
    company = survivor(companies.lock((), follow=[company_id]), company_id)
    if company is None:
        raise NotLinked(f"there is no company #{company_id}")
    return company
