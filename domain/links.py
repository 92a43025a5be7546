"""
Which company a debtor is: linked with its reasons, cut in one step, and what was cut is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from domain.companies import LinkedHow, Owner, Side, StoredCompany, What, owners_of, said_by_debtor, take_change
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


class LinkStore(Protocol):
    """Links of a firm's debtors inside one transaction."""

    def debtor(self, agreement: int, number: int) -> LinkedDebtor | None:
        """The living debtor under a number, locked: its link is nobody else's until the transaction ends."""
        ...

    def company_of(self, debtor: int) -> int | None:
        """The company a debtor is linked to."""
        ...

    def debtors_of(self, company: int) -> list[int]:
        """The debtors a company is linked to."""
        ...

    def refused(self, debtor: int) -> set[int]:
        """The companies somebody said this debtor is not."""
        ...

    def add(self, link: NewLink) -> None:
        """Also forgets that somebody said it is not this company, and closes what is asked about the debtor."""
        ...

    def cut(self, debtor: int, *, who: str, refused: bool) -> None:
        """End the living link and the differences it shows; `refused` = remember: not this company."""
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
    said = said_by_debtor(debtor.values)
    owners = owners_of([debtor.owners])
    if links.debtors_of(company.id):
        before: Mapping[str, str | None] = said
        owners |= companies.owners([company.id]).get(company.id, {})
    else:
        before = {name: value for name, value in said.items() if owners[name] is Owner.NEWEST}
    change = take_change(company, Side.ECONOMIC, said, owners=owners, before=before)
    # A new link is a new start: what happened before it was no disagreement.
    row = change.company._replace(changed_by={})
    changes = CompanyChanges(
        update={row.id: row},
        history=[
            Entry(row.id, What.LINKED, {"agreement": debtor.agreement, "debtor": debtor.number, "how": how.value}),
        ],
        refused={(row.id, name): refused for name, refused in change.refused.items()},
        speaker=debtor.id,
    )
    if change.changed:
        changes.changed[row.id] = None
        detail = {name: list(pair) for name, pair in change.changed.items()}
        changes.history.append(Entry(row.id, What.UPDATED, detail))
    companies.write(changes, who=who)
    links.add(NewLink(debtor, row.id, how, reasons, said, who, score, run_id))
    if change.changed:
        outbox.add([company_event(EventType.COMPANY_UPDATED, row, changed=list(change.changed))])
    return row


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
    links.cut(debtor.id, who=who, refused=True)
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
