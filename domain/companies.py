"""
Companies: what the CRM, e-conomic and people may change of them (crm.md §2).

A company has one value for each field. Two sides speak of it, the CRM and, through a link, e-conomic's debtor. Each
side's change is held against who owns the field; what is refused is a difference that is shown, never lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from domain.countries import country_code
from domain.debtors import cvr_key


class CompanyFields(NamedTuple):
    """The fields of a company; absent text is None. `country` is ISO 3166 where it could be told."""

    name: str
    department: str | None = None
    vat: str | None = None
    pno: str | None = None
    ean: str | None = None
    street: str | None = None
    zip: str | None = None
    city: str | None = None
    country: str | None = None
    phone: str | None = None
    mail: str | None = None
    web: str | None = None
    relation: str | None = None  # prospect, customer, or the CRM's own word
    customer_number: str | None = None  # the debtor's number as the CRM knows it
    other_key: str | None = None
    account_manager: str | None = None
    description: str | None = None
    billing_name: str | None = None
    billing_street: str | None = None
    billing_zip: str | None = None
    billing_city: str | None = None
    billing_country: str | None = None
    billing_mail: str | None = None


Values = Mapping[str, str | None]
"""Field → value; fields that are not spoken of are left out."""

LONGEST = dict.fromkeys(CompanyFields._fields, 500) | {"description": 20_000, "relation": 50, "country": 100}
"""Characters a field holds at most."""

LONGEST_ID = 200


class Side(StrEnum):
    """Who speaks of a company."""

    CRM = "crm"
    ECONOMIC = "e-conomic"
    PERSON = "person"


class Owner(StrEnum):
    """Who may change a field of a linked company."""

    ECONOMIC = "e-conomic"
    CRM = "crm"
    NEWEST = "newest"  # whoever changed it last, unless both did


class Refusal(StrEnum):
    """Why a change was not taken."""

    OWNED = "owned"  # the field is the other side's
    BOTH_CHANGED = "both_changed"


class What(StrEnum):
    """An entry of a company's history."""

    CREATED = "created"
    UPDATED = "updated"
    ADOPTED = "adopted"  # a company without a CRM id was given one
    DELETED = "deleted"
    REVIVED = "revived"
    SUPERSEDED = "superseded"  # an event older than what is stored: nothing changed
    SNAPSHOT = "snapshot"  # the CRM still speaks of a company that was merged into another
    LINKED = "linked"
    UNLINKED = "unlinked"
    KEPT = "kept"  # a person kept it as it is, whatever the other side says
    MERGED = "merged"  # into another, or with others into this one
    UNMERGED = "unmerged"  # that was undone


class LinkedHow(StrEnum):
    """How a debtor found its company."""

    LADDER = "ladder"  # a key that points at exactly one company
    SCORE = "score"
    CREATED = "created"  # the company was made from the debtor
    CONVERSION = "conversion"  # the debtor was made from the company
    PERSON = "person"


_ADDRESS = ("street", "zip", "city", "country")
_BILLING = ("billing_name", "billing_street", "billing_zip", "billing_city", "billing_country", "billing_mail")

UNITS: dict[str, tuple[str, ...]] = {name: (name,) for name in CompanyFields._fields} | {
    "street": _ADDRESS,
    "zip": _ADDRESS,
    "city": _ADDRESS,
    "country": _ADDRESS,
    **dict.fromkeys(_BILLING, _BILLING),
}
"""Fields that are decided on together: half an address of each side is nobody's."""

DEFAULT_OWNERS: dict[str, Owner] = {
    **dict.fromkeys(CompanyFields._fields, Owner.CRM),
    **dict.fromkeys(("customer_number", "vat", "ean", "pno", *_BILLING), Owner.ECONOMIC),
    **dict.fromkeys(("name", *_ADDRESS, "phone", "mail", "web"), Owner.NEWEST),
}
"""Per agreement, unless its settings say otherwise."""

_STRICTEST = (Owner.CRM, Owner.NEWEST, Owner.ECONOMIC)


def owners_of(settings: Iterable[Mapping[str, str]]) -> dict[str, Owner]:
    """
    Who owns each field of a company linked to debtors of these agreements.

    Args:
        settings: per agreement, what differs from DEFAULT_OWNERS. Of several agreements the one that lets the CRM
            change least decides.
    """
    each = [{name: Owner(own.get(name, default)) for name, default in DEFAULT_OWNERS.items()} for own in settings]
    return {name: max((owners[name] for owners in each), key=_STRICTEST.index) for name in DEFAULT_OWNERS}


class StoredCompany(NamedTuple):
    """A company as stored. `stamp`: microseconds since 1970 of the newest CRM event applied."""

    id: int
    fields: CompanyFields
    crm_id: str | None = None
    stamp: int | None = None
    apart: Mapping[str, str | None] = {}  # field → what the CRM said last, where the value is another
    changed_by: Mapping[str, str] = {}  # field → the side whose change came last, until both agree
    deleted: bool = False
    merged_into: int | None = None

    @property
    def living(self) -> bool:
        """Neither deleted nor merged into another."""
        return not self.deleted and self.merged_into is None


@dataclass(slots=True)
class Change:
    """What one side's words do to a company."""

    company: StoredCompany
    changed: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)  # field → before, after
    refused: dict[str, tuple[str, Refusal]] = field(default_factory=dict)  # field → what they say, why not
    agreed: set[str] = field(default_factory=set)  # fields in which this side says what is stored


def take_change(
    company: StoredCompany,
    side: Side,
    said: Values,
    *,
    owners: Mapping[str, Owner] | None,
    before: Values | None = None,
) -> Change:
    """
    What a side's words change.

    Only what the side itself changed counts: saying the same again undoes nobody's change. Blank never overwrites
    filled, and a blank field is filled by anybody. `owners` is None for a company without a debtor: nobody else
    speaks of it.

    Args:
        said: the fields this side speaks of.
        before: what it said the time before; of the CRM the company itself knows that.
    """
    taking = _Taking(company, side, owners, _crm_values(company) if side is Side.CRM else dict(before or {}))
    done: set[tuple[str, ...]] = set()
    for name in said:
        unit = UNITS[name]
        if unit not in done:
            done.add(unit)
            taking.take(unit, {each: said[each] for each in unit if each in said})
    return taking.made()


def _crm_values(company: StoredCompany) -> dict[str, str | None]:
    return company.fields._asdict() | dict(company.apart)


class _Taking:
    """One side's words, unit by unit."""

    def __init__(
        self, company: StoredCompany, side: Side, owners: Mapping[str, Owner] | None, before: dict[str, str | None]
    ) -> None:
        self._side = side
        self._owners = owners
        self._before = before
        self._values: dict[str, str | None] = company.fields._asdict()
        self._apart = dict(company.apart)
        self._changed_by = dict(company.changed_by)
        self._change = Change(company)
        self._has_crm = company.crm_id is not None

    def take(self, unit: tuple[str, ...], said: Values) -> None:
        news: dict[str, str] = {}
        for name, theirs in said.items():
            ours = self._values[name]
            if theirs == ours or (theirs and self._side is Side.ECONOMIC and same_value(name, theirs, ours)):
                self._agree(name)
            elif theirs is None:
                continue
            elif ours is None:
                self._put(name, theirs)
            elif theirs != self._before.get(name):
                news[name] = theirs
        if not news:
            return
        refusal = self._refusal(unit)
        for name, theirs in news.items():
            if refusal is None:
                self._put(name, theirs)
                if self._owners is not None:
                    self._changed_by[name] = self._side
            elif same_value(name, theirs, self._values[name]):
                self._agree(name)
            else:
                self._change.refused[name] = (theirs, refusal)
                if self._side is Side.CRM:
                    self._apart[name] = theirs

    def _refusal(self, unit: tuple[str, ...]) -> Refusal | None:
        if self._owners is None or self._side is Side.PERSON:
            return None
        owner = self._owners[unit[0]]
        if owner is Owner.NEWEST:
            others = {self._changed_by.get(name, self._side) for name in unit} - {self._side}
            return Refusal.BOTH_CHANGED if others else None
        return None if owner.value == self._side.value else Refusal.OWNED

    def _agree(self, name: str) -> None:
        self._change.agreed.add(name)
        if self._side is Side.CRM:
            self._apart.pop(name, None)
        if self._changed_by.get(name, self._side) != self._side:
            del self._changed_by[name]

    def _put(self, name: str, value: str) -> None:
        ours = self._values[name]
        self._change.changed[name] = (ours, value)
        self._change.agreed.add(name)
        self._values[name] = value
        if self._side is Side.CRM:
            self._apart.pop(name, None)
        elif self._has_crm and ours is not None:
            self._apart.setdefault(name, ours)

    def made(self) -> Change:
        change = self._change
        change.company = change.company._replace(
            fields=CompanyFields(**self._values),  # type: ignore[arg-type]  # name stays filled: blank overwrites nothing
            apart=self._apart,
            changed_by=self._changed_by,
        )
        return change


def same_value(name: str, a: str | None, b: str | None) -> bool:
    """Whether two values say the same, however they are written: capitals, spaces, `DK` before a number, `https://`."""
    if a is None or b is None:
        return a is b
    if name == "vat":
        return cvr_key(a) == cvr_key(b) or _folded(name, a) == _folded(name, b)
    return _folded(name, a) == _folded(name, b)


def _folded(name: str, text: str) -> str:
    text = " ".join(text.casefold().split())
    if name in ("phone", "pno", "ean", "customer_number"):
        return re.sub(r"^(\+|00)45(?=\d{8}$)", "", re.sub(r"[\s().-]", "", text))
    if name in ("country", "billing_country"):
        return country_code(text) or text
    if name == "web":
        return re.sub(r"^(https?://)?(www\.)?", "", text).rstrip("/")
    return text


def said_by_debtor(values: Mapping[str, object]) -> dict[str, str | None]:
    """
    What a debtor says of its company.

    Args:
        values: the debtor's columns by name. Its one address is both where the company is and where bills go.
    """
    told = {name: str(value).strip() or None for name, value in values.items() if value is not None}
    address = {name: told.get("address" if name == "street" else name) for name in _ADDRESS}
    address["country"] = country_code(told.get("country")) or told.get("country")
    return {
        "name": told.get("name"),
        "customer_number": told.get("number"),
        "vat": told.get("cvr") or told.get("vat_number"),
        "pno": told.get("p_number"),
        "ean": told.get("ean"),
        **address,
        "phone": told.get("phone") or told.get("mobile"),
        "mail": told.get("email"),
        "web": told.get("website"),
        "billing_name": told.get("name"),
        **{f"billing_{name}": value for name, value in address.items()},
        "billing_mail": told.get("email"),
    }
