"""
Shown differences, settled by a person: take theirs, or keep ours until theirs changes again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from domain.companies import UNITS, Side, StoredCompany, What, take_change
from domain.errors import PermanentError
from domain.events import EventType, Outbox
from domain.merge_companies import Shown
from domain.merging import called
from domain.take_companies import CRM, CompanyChanges, CompanyStore, Entry, company_event


class NoDifference(PermanentError):
    """There is no such difference to settle, or more than one; the message says which."""

    reason = "no_difference"


class Differences(Protocol):
    """Differences that are shown, inside one transaction."""

    def differences(self, companies: Collection[int]) -> Sequence[Shown]: ...


def settle(
    companies: CompanyStore,
    shown: Differences,
    outbox: Outbox,
    company_id: int,
    field: str,
    *,
    take: bool,
    who: str,
    speaker: int | None = None,
) -> list[Shown]:
    """
    Write what the other side says of a field, or keep what is stored; fields that belong together are settled together.

    What is kept is shown again only when the other side says something else: saying the same again changes nothing.

    Args:
        speaker: whose words are meant: CRM, or a debtor by its id; None where only one side says something else.

    Returns:
        The differences that were settled.

    Raises:
        NoDifference: there is none in this field, or several sides say something else.
    """
    row = companies.lock([company_id]).get(company_id)
    if row is None or not row.living:
        raise NoDifference(f"there is no company #{company_id} any more" if row is None else f"{called(row)} is gone")
    differing = shown.differences([row.id])
    speakers = {each.debtor for each in differing if each.field == field and speaker in (None, each.debtor)}
    if not speakers:
        raise NoDifference(f"{called(row)} has no such difference in {field}")
    if len(speakers) > 1:
        raise NoDifference(f"several say something else of {field} of {called(row)}: say whose is meant")
    settled = [each for each in differing if each.debtor in speakers and each.field in UNITS[field]]
    changes = CompanyChanges(agreed={(row.id, each.debtor, each.field) for each in settled})
    if take:
        _take(row, settled, changes, outbox)
    else:
        detail = {each.field: [getattr(row.fields, each.field), each.theirs] for each in settled}
        changes.history.append(Entry(row.id, What.KEPT, detail))
    companies.write(changes, who=who)
    return settled


def _take(row: StoredCompany, settled: Sequence[Shown], changes: CompanyChanges, outbox: Outbox) -> None:
    said = {each.field: each.theirs for each in settled}
    side = Side.CRM if settled[0].debtor == CRM else Side.ECONOMIC
    if side is Side.CRM:  # as if the CRM said it just now
        row = row._replace(apart={name: value for name, value in row.apart.items() if name not in said})
    change = take_change(row, side, said, owners=None)
    by_nobody = {name: by for name, by in change.company.changed_by.items() if name not in said}
    now = change.company._replace(changed_by=by_nobody)
    changes.update[now.id] = now
    if change.changed:
        changes.changed[now.id] = None
        detail = {name: list(pair) for name, pair in change.changed.items()}
        changes.history.append(Entry(now.id, What.UPDATED, detail))
        if side is not Side.CRM:  # which knows its own words
            outbox.add([company_event(EventType.COMPANY_UPDATED, now, changed=list(change.changed))])
