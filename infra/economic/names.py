"""
The lists that give numbers their names (e-conomic.md §2.5).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from domain.reference import Listing, Name
from infra.economic.pages import Shape
from infra.economic.wire import Wire


def _name(record: Any) -> Name:
    return Name(str(record.key), record.name or "")


def _shape(path: str, key: str) -> Shape[Any, Name]:
    """A list whose records have a key of this name, number or text, and a name."""
    record = msgspec.defstruct(
        key, [("key", int | str, field(name=key)), ("name", str | None, None)], bases=(Wire,), module=__name__
    )
    return Shape(path, key, record, _name)


NAMES: dict[Listing, Shape[Any, Name]] = {
    Listing.DEBTOR_GROUPS: _shape("customer-groups", "customerGroupNumber"),
    Listing.PAYMENT_TERMS: _shape("payment-terms", "paymentTermsNumber"),
    Listing.VAT_ZONES: _shape("vat-zones", "vatZoneNumber"),
    Listing.LAYOUTS: _shape("layouts", "layoutNumber"),
    Listing.CURRENCIES: _shape("currencies", "code"),
    Listing.EMPLOYEES: _shape("employees", "employeeNumber"),
    Listing.UNITS: _shape("units", "unitNumber"),
    Listing.PRODUCTS: _shape("products", "productNumber"),
}

SORTED = {Listing.PRODUCTS}
"""The list that outgrows a page, and may be sorted by its key; one page needs no order."""
