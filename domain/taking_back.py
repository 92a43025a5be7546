"""
A link, or a company that was made from a debtor, taken back by value: as long as nobody changed since what it brought.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from domain.companies import CompanyFields, StoredCompany, What
from domain.errors import PermanentError
from domain.events import EventType, Outbox
from domain.links import LinkedDebtor, LinkStore
from domain.take_companies import CompanyChanges, CompanyStore, Entry, company_event


class ChangedSince(PermanentError):
    """Something was changed since, and stays; the message says what."""

    reason = "changed_since"


class LinkMade(NamedTuple):
    """
    What a link did.

    Attributes:
        changed: field → before, after: what it changed of the company.
        created: the fields of the company that was made for it; None = it was there before.
    """

    company: int
    changed: Mapping[str, tuple[str | None, str | None]] = {}
    created: Mapping[str, str | None] | None = None


def take_back(
    companies: CompanyStore, links: LinkStore, outbox: Outbox, debtor: LinkedDebtor, made: LinkMade, *, who: str
) -> StoredCompany:
    """
    End a link, and give the company the values it had before; one that was made for the link is deleted.

    The debtor must be locked already, the company is locked here. That the two are no pair is not remembered.

    Raises:
        ChangedSince: the link is another by now, or the company; nothing was done.
    """
    row = companies.lock([made.company])[made.company]
    _check(row, links, debtor, made)
    links.cut(debtor.id, who=who, refused=False)
    detail = {"agreement": debtor.agreement, "debtor": debtor.number}
    changes = CompanyChanges(history=[Entry(row.id, What.UNLINKED, detail)])
    if made.created is not None:
        row = row._replace(deleted=True)
        changes.history.append(Entry(row.id, What.DELETED, {}))
    else:
        row = _as_before(row, made)
        if made.changed:
            changes.history.append(
                Entry(row.id, What.UPDATED, {name: [after, before] for name, (before, after) in made.changed.items()})
            )
    if made.changed or row.deleted:
        changes.update[row.id] = row
        changes.changed[row.id] = None
    companies.write(changes, who=who)
    if changes.changed:
        event = company_event(EventType.COMPANY_UPDATED, row, changed=list(made.changed))
        outbox.add([event._replace(data={**event.data, "deleted": True}) if row.deleted else event])
    return row


def _check(row: StoredCompany, links: LinkStore, debtor: LinkedDebtor, made: LinkMade) -> None:
    name = f"company #{row.id} {row.fields.name}".strip()
    if row.merged_into is not None:
        raise ChangedSince(f"{name} is part of #{row.merged_into} now: undo that merge first")
    if links.company_of(debtor.id) != row.id:
        raise ChangedSince(f"debtor {debtor.number} is not linked to {name} any more")
    if row.deleted:
        raise ChangedSince(f"{name} was deleted since")
    brought = {field: after for field, (_, after) in made.changed.items()} if made.created is None else made.created
    fields = row.fields._asdict()
    if changed := [field for field, value in brought.items() if fields[field] != value]:
        raise ChangedSince(f"{name} was changed since: {', '.join(changed)}")
    if made.created is None:
        return
    if row.crm_id is not None:
        raise ChangedSince(f"{name} is known to the CRM since, as {row.crm_id}")
    if len(links.debtors_of(row.id)) > 1:
        raise ChangedSince(f"{name} has other debtors since")


def _as_before(row: StoredCompany, made: LinkMade) -> StoredCompany:
    before = {name: pair[0] for name, pair in made.changed.items()}
    return row._replace(
        fields=CompanyFields(**row.fields._asdict() | before),
        apart={name: said for name, said in row.apart.items() if name not in before or said != before[name]},
        changed_by={name: side for name, side in row.changed_by.items() if name not in before},
    )
