"""
Reference data: what the numbers are called that debtors, invoices and lines carry: groups, terms, zones, products …
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from domain.debtors import Debtor
from domain.hints import Kind, NewHint, Source
from domain.invoices import Invoice, Line

if TYPE_CHECKING:
    from domain.ports import UnitOfWork


class Listing(StrEnum):
    """A list of e-conomic that gives numbers their names (e-conomic.md §2.5)."""

    DEBTOR_GROUPS = "debtor_groups"
    PAYMENT_TERMS = "payment_terms"
    VAT_ZONES = "vat_zones"
    LAYOUTS = "layouts"
    CURRENCIES = "currencies"
    EMPLOYEES = "employees"
    UNITS = "units"
    PRODUCTS = "products"


class Name(NamedTuple):
    """One record of a list: a number, or the code of a currency or product, and what it is called."""

    key: str
    name: str


Keys = Mapping[Listing, AbstractSet[str]]


class Why(StrEnum):
    """What has a list read."""

    NIGHT = "night"
    NUMBER = "number"  # a record carries one that nobody has met before
    PERSON = "person"  # waits for it
    ALLOW_DELETIONS = "allow_deletions"  # a person has looked: as many names may go as are missing


def wanted(agreement: int, which: Listing, why: Why, cause: str = "") -> NewHint:
    """The event that has a list read."""
    source = {Why.NIGHT: Source.POLL, Why.NUMBER: Source.NUMBER}.get(why, Source.SYNC)
    return NewHint(agreement, Kind.REFERENCE, source, cause, body=f"{which} {why}")


Fields = Mapping[str, Listing]

DEBTOR: Fields = {
    "debtor_group": Listing.DEBTOR_GROUPS,
    "payment_terms": Listing.PAYMENT_TERMS,
    "vat_zone": Listing.VAT_ZONES,
    "layout": Listing.LAYOUTS,
    "sales_person": Listing.EMPLOYEES,
    "currency": Listing.CURRENCIES,
}
INVOICE: Fields = {
    "payment_terms": Listing.PAYMENT_TERMS,
    "recipient_vat_zone": Listing.VAT_ZONES,
    "layout": Listing.LAYOUTS,
    "sales_person": Listing.EMPLOYEES,
    "currency": Listing.CURRENCIES,
}
LINE: Fields = {"unit": Listing.UNITS, "product": Listing.PRODUCTS}
"""Which fields of a record carry a number, and the list that names it."""


def carried(records: Iterable[object], fields: Fields) -> Keys:
    """The distinct numbers and codes that records carry in these fields; what is empty is none."""
    rows = list(records)
    return {
        which: {str(value) for value in {getattr(row, field) for row in rows} if value is not None and value != ""}
        for field, which in fields.items()
    }


def of_debtors(debtors: Iterable[Debtor | None]) -> Keys:
    """What these debtors carry."""
    return carried([debtor for debtor in debtors if debtor is not None], DEBTOR)


def of_invoices(invoices: Iterable[Invoice], lines: Iterable[Line] = ()) -> Keys:
    """What these invoices and lines carry."""
    return {**carried(invoices, INVOICE), **carried(lines, LINE)}


def ask_for_names(uow: UnitOfWork, agreement: int, carried: Keys, cause: str = "") -> None:
    """
    Leave one event for each list that knows none of these numbers yet; call it last in a transaction.

    A number that e-conomic has no name for stays known as such: it asks once, and again with every night's reading.
    """
    lists = uow.names.meet(carried)
    uow.inbox.add([wanted(agreement, which, Why.NUMBER, cause) for which in sorted(lists)])
