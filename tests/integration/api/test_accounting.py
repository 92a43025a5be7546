"""Debtors and invoices as programs read them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from infra.database import tables_mirror
from tests.integration.api.conftest import AGREEMENT, STRANGERS, Caller
from tests.integration.console.world import World

DEBTORS = f"/agreements/{AGREEMENT}/debtors"
INVOICES = f"/agreements/{AGREEMENT}/invoices"
MOMENT = dt.datetime(2026, 5, 4, 9, 12, 31, tzinfo=dt.UTC)


def test_debtor_in_full(api: Caller, world: World) -> None:
    """A debtor comes with every field, money as exact text beside its currency, times ending in Z."""
    world.debtor(
        AGREEMENT,
        4711,
        cvr="31313139",
        zip="8700",
        city="Horsens",
        country="Danmark",
        currency="EUR",
        debtor_group=1,
        vat_zone=1,
        balance=Decimal("4388512.5"),
        due_amount=Decimal("0.125"),
        credit_limit=Decimal("-10"),
        last_updated=MOMENT,
    )
    world.read(AGREEMENT, 4711, MOMENT + dt.timedelta(milliseconds=250))
    world.name(AGREEMENT, "debtor_groups", 1, "Indenlandske debitorer")
    world.name(STRANGERS, "vat_zones", 1, "Domestic")

    assert api.get(f"{DEBTORS}/4711") == {
        "number": 4711,
        "name": "Nordvind Service A/S",
        "cvr": "31313139",
        "vat_number": None,
        "p_number": None,
        "ean": None,
        "address": None,
        "zip": "8700",
        "city": "Horsens",
        "country": "Danmark",
        "email": None,
        "phone": None,
        "mobile": None,
        "website": None,
        "barred": False,
        "in_scope": True,
        "currency": "EUR",
        "debtor_group": 1,
        "debtor_group_name": "Indenlandske debitorer",
        "payment_terms": None,
        "payment_terms_name": None,
        "vat_zone": 1,
        "vat_zone_name": None,
        "layout": None,
        "layout_name": None,
        "sales_person": None,
        "sales_person_name": None,
        "credit_limit": "-10.00",
        "balance": "4388512.50",
        "due_amount": "0.125",
        "last_updated": "2026-05-04T09:12:31.000Z",
        "gone_at": None,
        "read_at": "2026-05-04T09:12:31.250Z",
        "base_currency": "DKK",
    }


def test_deleted_debtor(api: Caller, world: World) -> None:
    """Of a number that nobody has any more, the one deleted last is shown; one never seen is 404."""
    world.debtor(AGREEMENT, 100, "Ældre ApS", gone_at=MOMENT)
    world.debtor(AGREEMENT, 100, "Yngre ApS", gone_at=MOMENT + dt.timedelta(days=1))

    assert api.get(f"{DEBTORS}/100")["name"] == "Yngre ApS"
    assert api.get(f"{DEBTORS}/100")["gone_at"] == "2026-05-05T09:12:31.000Z"
    assert [each["name"] for each in api.get(DEBTORS)["items"]] == ["Yngre ApS"]
    api.get(f"{DEBTORS}/101", 404)


def test_reused_number(api: Caller, world: World) -> None:
    """A number given to somebody else shows the living debtor, once."""
    world.debtor(AGREEMENT, 100, "Borte ApS", gone_at=MOMENT)
    world.debtor(AGREEMENT, 100, "Nye ApS")

    assert api.get(f"{DEBTORS}/100")["name"] == "Nye ApS"
    assert [each["name"] for each in api.get(DEBTORS)["items"]] == ["Nye ApS"]


def test_debtor_pages(api: Caller, world: World) -> None:
    """Pages follow each other by number without gaps or repetitions, and the last one has no cursor."""
    for number in range(1, 8):
        world.debtor(AGREEMENT, number * 10)

    assert [each["number"] for each in api.walk(f"{DEBTORS}?limit=3")] == [10, 20, 30, 40, 50, 60, 70]
    assert "cursor" not in api.get(f"{DEBTORS}?limit=7")
    assert api.get(f"{DEBTORS}?cursor=70")["items"] == []


def test_debtor_search(api: Caller, world: World) -> None:
    """Every word must be found, whatever its case, Danish letters included."""
    world.debtor(AGREEMENT, 1, "Ærø Færgeservice A/S", city="Marstal")
    world.debtor(AGREEMENT, 2, "Fjord & Ærø Byg ApS", city="Vejle")
    world.debtor(AGREEMENT, 3, "100% Rent", cvr="31313139")

    assert [each["number"] for each in api.get(f"{DEBTORS}?query=ÆRØ")["items"]] == [1, 2]
    assert [each["number"] for each in api.get(f"{DEBTORS}?query=ærø+vejle")["items"]] == [2]
    assert [each["number"] for each in api.get(f"{DEBTORS}?query=0%25")["items"]] == [3]
    assert [each["number"] for each in api.get(f"{DEBTORS}?query=31313139")["items"]] == [3]


def test_debtors_in_scope(api: Caller, world: World) -> None:
    """Debtors say whether their group is synchronised; a list may hold only those, or only the others."""
    for number in (1, 2):
        world.debtor(AGREEMENT, number, debtor_group=number)
    world.insert(tables_mirror.scope_group, agreement=AGREEMENT, debtor_group=2)

    assert [(each["number"], each["in_scope"]) for each in api.get(DEBTORS)["items"]] == [(1, False), (2, True)]
    assert [each["number"] for each in api.get(f"{DEBTORS}?in_scope=true")["items"]] == [2]
    assert [each["number"] for each in api.get(f"{DEBTORS}?in_scope=false")["items"]] == [1]
    assert api.get(f"{DEBTORS}?in_scope=maybe", 400)["field"] == "in_scope"


def test_invoice_in_full(api: Caller, world: World) -> None:
    """An invoice comes with its lines in the order on paper; quantities and rates carry no needless decimals."""
    row = world.debtor(AGREEMENT, 4711)
    world.invoice(
        AGREEMENT,
        20417,
        row,
        "200",
        debtor_number=4711,
        date=dt.date(2026, 5, 4),
        due=dt.date(2026, 5, 18),
        currency="EUR",
        remainder=Decimal("250"),
        exchange_rate=Decimal("746.15"),
        net_base=Decimal("1492.3"),
        gross_base=Decimal("1865.38"),
        remainder_base=Decimal("1865.38"),
        recipient_name="Nordvind Service A/S",
        recipient_vat_zone=2,
        payment_terms=2,
        layout=19,
        sales_person=7,
    )
    for which, key, name in (
        ("vat_zones", 2, "EU"),
        ("payment_terms", 2, "Netto 14 dage"),
        ("layouts", 19, "Dansk std."),
        ("employees", 7, None),
        ("units", 1, "stk."),
        ("products", "SRV-1", "Eftersyn af anlæg"),
    ):
        world.name(AGREEMENT, which, key, name)
    world.line(AGREEMENT, 20417, 1, position=2, description="Vedr. anlæg 4, maj")
    world.line(
        AGREEMENT,
        20417,
        2,
        position=1,
        product="SRV-1",
        description="Serviceeftersyn",
        quantity=Decimal("2"),
        unit=1,
        unit_price=Decimal("100"),
        discount_pct=Decimal("0"),
        vat_rate=Decimal("25"),
        net=Decimal("200"),
    )

    found = api.get(f"{INVOICES}/20417")

    lines = found.pop("lines")
    assert found == {
        "number": 20417,
        "debtor": 4711,
        "date": "2026-05-04",
        "due": "2026-05-18",
        "currency": "EUR",
        "net": "200.00",
        "vat": "50.00",
        "gross": "250.00",
        "open": "250.00",
        "exchange_rate": "746.15",
        "base_currency": "DKK",
        "net_base": "1492.30",
        "gross_base": "1865.38",
        "open_base": "1865.38",
        "payment_terms": 2,
        "payment_terms_name": "Netto 14 dage",
        "layout": 19,
        "layout_name": "Dansk std.",
        "sales_person": 7,
        "sales_person_name": None,
        "order_number": None,
        "other_reference": None,
        "heading": None,
        "recipient": {
            "name": "Nordvind Service A/S",
            "address": None,
            "zip": None,
            "city": None,
            "country": None,
            "ean": None,
            "cvr": None,
            "vat_zone": 2,
            "vat_zone_name": "EU",
        },
        "lines_state": "verified",
    }
    assert lines == [
        {
            "number": 2,
            "position": 1,
            "product": "SRV-1",
            "product_name": "Eftersyn af anlæg",
            "description": "Serviceeftersyn",
            "quantity": "2",
            "unit": 1,
            "unit_name": "stk.",
            "unit_price": "100.00",
            "discount_pct": "0",
            "vat_rate": "25",
            "net": "200.00",
        },
        {
            "number": 1,
            "position": 2,
            "product": None,
            "product_name": None,
            "description": "Vedr. anlæg 4, maj",
            "quantity": None,
            "unit": None,
            "unit_name": None,
            "unit_price": None,
            "discount_pct": None,
            "vat_rate": None,
            "net": None,
        },
    ]
    api.get(f"{INVOICES}/20418", 404)


def test_invoice_pages(api: Caller, world: World) -> None:
    """All invoices, highest number first; lists carry no lines."""
    for number in range(20_001, 20_008):
        world.invoice(AGREEMENT, number, None)

    found = api.walk(f"{INVOICES}?limit=2")

    assert [each["number"] for each in found] == list(range(20_007, 20_000, -1))
    assert not any("lines" in each for each in found)


def test_invoices_of_a_debtor(api: Caller, world: World) -> None:
    """A debtor's invoices come newest first, also when numbers do not ascend with dates or dates are shared."""
    row, other = world.debtor(AGREEMENT, 4711), world.debtor(AGREEMENT, 4712)
    days = {5: 3, 6: 1, 7: 2, 8: 2, 9: 2}
    for number, day in days.items():
        world.invoice(AGREEMENT, number, row, date=dt.date(2026, 5, day), debtor_number=100)  # booked as 100
    world.invoice(AGREEMENT, 10, other)

    assert [each["number"] for each in api.walk(f"{INVOICES}?debtor=4711&limit=2")] == [5, 9, 8, 7, 6]


def test_invoices_before_their_debtor(api: Caller, world: World) -> None:
    """Invoices whose debtor was not read yet are found under the number they name."""
    world.invoice(AGREEMENT, 10, None, debtor_number=4711)

    assert [each["number"] for each in api.get(f"{INVOICES}?debtor=4711")["items"]] == [10]
