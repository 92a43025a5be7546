"""Lists that give numbers their names."""

from __future__ import annotations

import msgspec
import pytest

from domain.reference import Listing, Name
from tests.unit.economic.support import Answers, agreement, listed

RECORDS = {
    Listing.DEBTOR_GROUPS: ("customer-groups", {"customerGroupNumber": 3, "name": "Offentlige"}, "3"),
    Listing.PAYMENT_TERMS: ("payment-terms", {"paymentTermsNumber": 2, "name": "Netto 14 dage"}, "2"),
    Listing.VAT_ZONES: ("vat-zones", {"vatZoneNumber": 1, "name": "Domestic", "enabledForCustomer": True}, "1"),
    Listing.LAYOUTS: ("layouts", {"layoutNumber": 19, "name": "Dansk std.", "deleted": False}, "19"),
    Listing.CURRENCIES: ("currencies", {"code": "EUR", "isoNumber": "EUR", "name": "Euro"}, "EUR"),
    Listing.EMPLOYEES: ("employees", {"employeeNumber": 4, "name": "Ane Lykke"}, "4"),
    Listing.UNITS: ("units", {"unitNumber": 1, "name": "stk."}, "1"),
    Listing.PRODUCTS: ("products", {"productNumber": "SRV/1 æ", "name": "Serviceeftersyn"}, "SRV/1 æ"),
}


@pytest.mark.parametrize("which", Listing)
def test_each_list_is_read(which: Listing) -> None:
    """Every list has its path and key; it is asked for in pages of 1,000, and its count is its own."""
    path, record, key = RECORDS[which]
    answers = Answers(listed([msgspec.json.encode(record)], results=1, resultsWithoutFilter=1))

    page = agreement(answers).names(which, 2)

    order = "&sort=productNumber" if which is Listing.PRODUCTS else ""
    assert answers.urls == [f"http://rest.example/{path}?skippages=2{order}&pagesize=1000"]
    assert page.items == [Name(key, str(record["name"]))]
    assert (page.total, page.more, page.unreadable) == (1, False, [])


def test_a_record_without_a_name_or_key() -> None:
    """Without a name it is there all the same; without a key it is unreadable, and its neighbours are read."""
    records = [b'{"unitNumber":1}', b'{"unitNumber":"2","name":null}', b'{"name":"stk."}', b'{"unitNumber":4,"name":7}']
    page = agreement(Answers(listed(records, resultsWithoutFilter=4))).names(Listing.UNITS, 0)

    assert page.items == [Name("1", ""), Name("2", ""), Name("4", "")]
    assert len(page.unreadable) == 1


def test_a_next_page_is_seen() -> None:
    """As long as e-conomic names a next page there is more."""
    page = agreement(Answers(listed([b'{"unitNumber":1}'], nextPage="…"))).names(Listing.UNITS, 0)

    assert page.more
    assert page.total is None
