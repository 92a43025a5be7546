"""What the mirror's changes are told as."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from domain.debtors import Debtor
from domain.events import EventType
from domain.hints import Kind
from domain.refresh_debtors import refresh_debtors
from domain.refresh_invoices import refresh_invoices
from domain.resync import Resync
from domain.resync_state import ResyncOptions, ResyncState
from domain.told import NEWLY_BOOKED, Party, money, told_invoices
from tests.unit.domain.fakes import AGREEMENT, OUT_OF_SCOPE, Economic, Mirror, a_debtor, an_invoice, ever

TODAY = dt.datetime.now(dt.UTC).date()
BOOKED, PAID = EventType.INVOICE_BOOKED, EventType.INVOICE_PAID
EVERYTHING = tuple(EventType)


def world(*debtors: Debtor, wanted: Iterable[str] = EVERYTHING) -> tuple[Mirror, Economic]:
    """A mirror that holds these debtors, an e-conomic that has them, and somebody who takes events from now on."""
    mirror, economic = Mirror(), Economic(*debtors)
    look(mirror, economic, *((debtor.number, debtor.number) for debtor in debtors))
    mirror.tables.wanted.update(dict.fromkeys(wanted))
    return mirror, economic


def look(mirror: Mirror, economic: Economic, *events: tuple[int, int]) -> None:
    """Refresh after webhooks that name an old and a new number."""
    for old, new in events:
        mirror.hint(old, new)
    refresh_debtors(mirror, economic, mirror.take(), more_time=ever)


def look_at_invoices(mirror: Mirror, economic: Economic, *numbers: int) -> None:
    for number in numbers:
        mirror.hint(None, number, Kind.INVOICES)
    refresh_invoices(mirror, economic, mirror.take(Kind.INVOICES), more_time=ever)


def told(mirror: Mirror) -> list[tuple[str, str, dict[str, Any]]]:
    return [(event.type, event.subject, dict(event.data)) for event in mirror.tables.events.values()]


def test_debtors() -> None:
    """A changed, a re-numbered and a deleted debtor are told, each once; a new and an unchanged one are not."""
    mirror, economic = world(
        a_debtor(100), a_debtor(200, "Fjordlys A/S", "10000001"), a_debtor(300, "Havgus", "10000002")
    )
    economic.customers[100] = a_debtor(100, city="Horsens", balance=Decimal("250.5"))
    economic.customers[250] = a_debtor(250, "Fjordlys A/S", "10000001")
    economic.customers[400] = a_debtor(400, "En helt ny", "10000003")
    del economic.customers[200], economic.customers[300]
    look(mirror, economic, (100, 100), (200, 250), (300, 300), (400, 400))
    look(mirror, economic, (100, 100), (250, 250))

    by_type = {kind: (subject, data) for kind, subject, data in told(mirror)}
    assert len(told(mirror)) == len(by_type) == 3
    assert by_type["debtor.updated"][0] == f"debtor {AGREEMENT} 1"
    assert by_type["debtor.updated"][1]["company"] is None
    assert by_type["debtor.updated"][1]["debtor"]["city"] == "Horsens"
    assert by_type["debtor.updated"][1]["debtor"]["balance"] == "250.50"
    moved = by_type["debtor.renumbered"]
    assert (moved[0], moved[1]["former_number"], moved[1]["debtor"]["number"]) == (f"debtor {AGREEMENT} 2", 200, 250)
    assert by_type["debtor.deleted"][1]["debtor"] == {"number": 300, "name": "Havgus"}


def test_invoices() -> None:
    """A booked invoice is told with what it says and how many lines it has; its payment once."""
    mirror, economic = world(a_debtor(4711))
    economic.book(an_invoice(20417, 4711, "100.00", "100.00", date=TODAY, currency="EUR"))
    look_at_invoices(mirror, economic, 20417)
    economic.book(an_invoice(20417, 4711, "100.00", "100.00", date=TODAY, currency="EUR", remainder=Decimal(0)))
    for _ in range(2):
        look_at_invoices(mirror, economic, 20417)

    (_, subject, booked), (kind, _, paid) = told(mirror)
    assert subject == f"debtor {AGREEMENT} 1"
    assert booked == {
        "number": 20417,
        "debtor": 4711,
        "company": None,
        "date": TODAY,
        "due": None,
        "currency": "EUR",
        "net": "200.00",
        "gross": "250.00",
        "open": "250.00",
        "lines": 3,
    }
    assert (kind, paid["open"]) == ("invoice.paid", "0.00")


@pytest.mark.parametrize("wanted", [[], ["company.created"], ["debtor.deleted", "invoice.paid"]])
def test_only_what_somebody_takes(wanted: list[str]) -> None:
    """Without an endpoint that takes the type nothing is written."""
    mirror, economic = world(a_debtor(4711), wanted=wanted)
    economic.customers[4711] = a_debtor(4711, city="Horsens")
    economic.book(an_invoice(20417, date=TODAY))
    look(mirror, economic, (4711, 4711))
    look_at_invoices(mirror, economic, 20417)

    assert told(mirror) == []


def test_a_resync_tells_nothing() -> None:
    """Neither the first one, which finds everything, nor one that finds what nobody announced."""
    mirror, economic = world(a_debtor(4711), a_debtor(4712, "Fjordlys A/S", "10000001"))
    economic.customers[4711] = a_debtor(4711, city="Horsens")
    del economic.customers[4712]
    economic.book(an_invoice(20417, date=TODAY))
    mirror.take()
    resync = Resync(mirror, economic, ResyncOptions(), ResyncState(ResyncOptions().first_phase()))
    while resync.step():
        pass

    assert mirror.tables.invoices
    assert told(mirror) == []


def test_debtors_out_of_scope() -> None:
    """Debtors of groups that are not synchronised are mirrored, and told to nobody; nor are their invoices."""
    mirror, economic = world(a_debtor(4711, debtor_group=OUT_OF_SCOPE))
    economic.customers[4711] = a_debtor(4711, debtor_group=OUT_OF_SCOPE, city="Horsens")
    economic.book(an_invoice(20417, date=TODAY))
    look(mirror, economic, (4711, 4711))
    look_at_invoices(mirror, economic, 20417)

    assert told(mirror) == []


def kinds(*booked: Any, paid: Iterable[Any] = (), owner: Party | None = None) -> list[tuple[str, str]]:
    owners = {} if owner is None else {invoice.header.number: owner for invoice in booked}
    events = told_invoices(
        7, [one.header for one in booked], [one.header for one in paid], owners, {}, EVERYTHING, today=TODAY
    )
    assert all(event.data["company"] == (None if owner is None else {"id": "crm-17"}) for event in events)
    return [(event.type, event.subject) for event in events]


def test_history_is_no_news() -> None:
    """An invoice of long ago that is met now is not told as booked; its payment is."""
    old, recent = (an_invoice(n, date=TODAY - NEWLY_BOOKED - dt.timedelta(days=n)) for n in (1, 0))

    assert kinds(old, recent) == [(BOOKED, "invoice 7 0")]
    assert kinds(paid=[old]) == [(PAID, "invoice 7 1")]


def test_paid_at_once() -> None:
    """An invoice that is paid when it is met is told as both; one over nothing is only booked."""
    paid, nothing = an_invoice(1, date=TODAY, remainder=Decimal(0)), an_invoice(2, 4711, "0", date=TODAY)

    assert kinds(paid, nothing) == [(BOOKED, "invoice 7 1"), (BOOKED, "invoice 7 2"), (PAID, "invoice 7 1")]


def test_a_company_is_told_about_under_its_name() -> None:
    """Invoices of a linked debtor are told as the company's, in its order, with the CRM's id of it."""
    owner = Party(3, 4711, "Nordvind", in_scope=True, company=17, crm_id="crm-17")

    assert kinds(an_invoice(1, date=TODAY), owner=owner) == [(BOOKED, "company 17")]


@pytest.mark.parametrize(
    ("amount", "text"),
    [("200", "200.00"), ("0.125", "0.125"), ("-3.500000", "-3.50"), ("1E+3", "1000.00"), (None, None)],
)
def test_money(amount: str | None, text: str | None) -> None:
    """Exact, with two decimals at least."""
    assert money(None if amount is None else Decimal(amount)) == text
