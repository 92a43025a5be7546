"""
What several companies are as one: which of them lives on, and where each field comes from (crm.md §2, Merge).

Pure: the preview a person sees and the merge itself are the same sums.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from domain.companies import LONGEST, UNITS, CompanyFields, Owner, StoredCompany, same_value
from domain.crm_events import UNSTORABLE
from domain.errors import PermanentError

MOST = 50
"""Companies of one merge."""

ADDRESS, BILLING = UNITS["street"], UNITS["billing_name"]

GROUPS: dict[str, tuple[str, ...]] = {"address": ADDRESS, "billing": BILLING}
"""Names for fields that are mostly chosen together."""


class NotMerged(PermanentError):
    """
    A merge, or its undoing, cannot be; the message says why.

    `field` is the field of the wish that is wrong; `survivor` the company to go on with, where one that was asked for
    is part of another now.
    """

    reason = "not_merged"

    def __init__(self, message: str, *, field: str | None = None, survivor: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.survivor = survivor


class WrongWish(NotMerged):
    """What is asked for can never be; `field` says where."""


class Keep(StrEnum):
    """Whose values a merge keeps, unless it is told field by field."""

    LINKED = "linked"  # of the one that is linked to a debtor, otherwise the oldest
    OLDEST = "oldest"


class Wish(NamedTuple):
    """
    A merge as it is asked for, by our own ids.

    `survivor` lives on and is kept; `take` names the company a field comes from, `values` a value of its own.
    """

    companies: tuple[int, ...]
    survivor: int | None = None
    keep: Keep = Keep.LINKED
    take: Mapping[str, int] = {}
    values: Mapping[str, str | None] = {}


class Member(NamedTuple):
    """One of the companies; `address_at` is when its address was last given, `debtors` how many it is linked to."""

    company: StoredCompany
    created_at: dt.datetime
    address_at: dt.datetime
    debtors: int

    def value(self, name: str) -> str | None:
        """A field; blank is None."""
        found: str | None = getattr(self.company.fields, name)
        return found or None


class Plan(NamedTuple):
    """What a merge makes. `sources`: field → the company it comes from; those left out are blank or a given value."""

    survivor: StoredCompany
    merged: tuple[StoredCompany, ...]  # the preferred ones first
    fields: CompanyFields
    sources: Mapping[str, int]
    differing: tuple[str, ...]  # fields in which two of them say different things


def plan(members: Sequence[Member], wish: Wish, owners: Mapping[str, Owner] | None) -> Plan:
    """
    What these companies are as one.

    What e-conomic owns comes from a company that is linked, the address from whichever got one last, everything else
    from the survivor; blanks are filled from the others, the preferred ones first. Fields of one unit stay together.

    Args:
        owners: who owns the fields of those that are linked; None when none is.

    Raises:
        WrongWish: it names fields or companies that are not there, or leaves no name.
        NotMerged: the survivor was deleted in the CRM.
    """
    _check(wish, {member.company.id for member in members})
    order = sorted(members, key=lambda member: _rank(member, wish))
    survivor = order[0].company
    if survivor.deleted:
        raise NotMerged(
            f"{called(survivor)} was deleted in the CRM, so nothing can become part of it", field="survivor"
        )
    values: dict[str, str | None] = {}
    sources: dict[str, int] = {}
    for unit in dict.fromkeys(UNITS.values()):
        _decide(unit, _givers(unit, order, owners), values, sources)
    for name, company_id in wish.take.items():
        [chosen] = [member for member in members if member.company.id == company_id]
        values[name] = chosen.value(name)
        sources[name] = company_id
    for name, value in wish.values.items():
        values[name] = value
        sources.pop(name, None)
    if not values["name"]:
        raise WrongWish("a company needs a name", field="name")
    differing = [name for name in CompanyFields._fields if _differ(name, [member.value(name) for member in members])]
    return Plan(
        survivor,
        tuple(member.company for member in order[1:]),
        CompanyFields(**values),  # type: ignore[arg-type]  # it has a name
        {name: source for name, source in sources.items() if values[name] is not None},
        tuple(differing),
    )


def called(company: StoredCompany) -> str:
    """A company as messages name it: `#17 Nordvind Service A/S (crm-17)`."""
    name = f"#{company.id} {company.fields.name}".strip()
    return name if company.crm_id is None else f"{name} ({company.crm_id})"


def _check(wish: Wish, known: Collection[int]) -> None:
    if len(set(wish.companies)) < 2:
        raise WrongWish("a merge needs at least two different companies", field="companies")
    if len(wish.companies) > MOST:
        raise WrongWish(f"at most {MOST} companies become one at once", field="companies")
    if wish.survivor is not None and wish.survivor not in known:
        raise WrongWish("the survivor must be one of the companies", field="survivor")
    for name in (*wish.take, *wish.values):
        if name not in CompanyFields._fields:
            raise WrongWish(f"a company has no field {name!r}, only {', '.join(CompanyFields._fields)}", field=name)
    for name, company_id in wish.take.items():
        if company_id not in known:
            raise WrongWish(f"{name} must come from one of the companies", field=name)
        if name in wish.values:
            raise WrongWish(f"{name} comes from a company or is a value, not both", field=name)
    for name, value in wish.values.items():
        if value is not None and len(value) > LONGEST[name]:
            raise WrongWish(f"{name} is longer than {LONGEST[name]:,} characters", field=name)
        if value is not None and UNSTORABLE.search(value):
            raise WrongWish(f"{name} holds a character that cannot be stored", field=name)


def _rank(member: Member, wish: Wish) -> tuple[bool, bool, bool, dt.datetime, int]:
    """The survivor first, then those whose values are preferred."""
    company = member.company
    unlinked = wish.keep is Keep.LINKED and not member.debtors
    return wish.survivor not in (None, company.id), company.deleted, unlinked, member.created_at, company.id


def _givers(unit: tuple[str, ...], order: list[Member], owners: Mapping[str, Owner] | None) -> list[Member]:
    """Who may give these fields, the preferred ones first."""
    if owners is not None and owners[unit[0]] is Owner.ECONOMIC:
        givers = sorted(order, key=lambda member: not member.debtors)
    elif unit == ADDRESS:
        givers = sorted(order, key=lambda member: member.address_at, reverse=True)
    else:
        givers = order
    telling = [name for name in unit if not name.endswith("country")] if len(unit) > 1 else unit
    return [member for member in givers if any(member.value(name) for name in telling)] or order


def _decide(
    unit: tuple[str, ...], givers: list[Member], values: dict[str, str | None], sources: dict[str, int]
) -> None:
    """The first giver's, its blanks filled by those that say nothing else: half an address of each is nobody's."""
    values.update(dict.fromkeys(unit))
    for giver in givers:
        said = {name: value for name in unit if (value := giver.value(name)) is not None}
        if all(values[name] is None or same_value(name, value, values[name]) for name, value in said.items()):
            for name, value in said.items():
                if values[name] is None:
                    values[name] = value
                    sources[name] = giver.company.id


def _differ(name: str, values: Iterable[str | None]) -> bool:
    said = [value for value in values if value is not None]
    return any(not same_value(name, said[0], other) for other in said[1:])
