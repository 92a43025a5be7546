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


def of_debtors(debtors: Iterable[Debtor | None]) -> Keys:
    """The numbers that these debtors carry."""
    found = _Keys()
    for debtor in debtors:
        if debtor is not None:
            found.add(Listing.DEBTOR_GROUPS, debtor.debtor_group)
            found.add(Listing.PAYMENT_TERMS, debtor.payment_terms)
            found.add(Listing.VAT_ZONES, debtor.vat_zone)
            found.add(Listing.LAYOUTS, debtor.layout)
            found.add(Listing.EMPLOYEES, debtor.sales_person)
            found.add(Listing.CURRENCIES, debtor.currency)
    return found.texts()


def of_invoices(invoices: Iterable[Invoice], lines: Iterable[Line] = ()) -> Keys:
    """The numbers that these invoices and lines carry."""
    found = _Keys()
    for invoice in invoices:
        found.add(Listing.PAYMENT_TERMS, invoice.payment_terms)
        found.add(Listing.VAT_ZONES, invoice.recipient_vat_zone)
        found.add(Listing.LAYOUTS, invoice.layout)
        found.add(Listing.EMPLOYEES, invoice.sales_person)
        found.add(Listing.CURRENCIES, invoice.currency)
    for line in lines:
        found.add(Listing.UNITS, line.unit)
        found.add(Listing.PRODUCTS, line.product)
    return found.texts()


class _Keys:
    """Distinct keys by list; numbers become text once each."""

    def __init__(self) -> None:
        self._found: dict[Listing, set[int | str]] = {which: set() for which in Listing}

    def add(self, which: Listing, key: int | str | None) -> None:
        if key is not None and key != "":
            self._found[which].add(key)

    def texts(self) -> Keys:
        return {which: {str(key) for key in keys} for which, keys in self._found.items() if keys}


def ask_for_names(uow: UnitOfWork, agreement: int, carried: Keys, cause: str = "") -> None:
    """
    Leave one event for each list that knows none of these numbers yet; call it last in a transaction.

    A number that e-conomic has no name for stays known as such: it asks once, and again with every night's reading.
    """
    lists = uow.names.meet(carried)
    uow.inbox.add([wanted(agreement, which, Why.NUMBER, cause) for which in sorted(lists)])
