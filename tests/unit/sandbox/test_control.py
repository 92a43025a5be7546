"""The control API: faults, the log of calls, and acting as a person."""

from decimal import Decimal
from typing import Any

import pytest

from sandbox.life import KINDS, happen
from tests.unit.sandbox.support import AGREEMENT, MINIMAL, Caller


def test_fault_answers_for_the_service(call: Caller) -> None:
    """A fault hits the calls it names, as often as told, and says what it was told to say."""
    fault = {"path": "/customers", "method": "GET", "status": 429, "retry_after": "7", "times": 2, "skip": 1}
    call.plain_control("POST", "faults", fault)

    statuses = [call("GET", "/customers").status for _ in range(4)]

    assert statuses == [200, 429, 429, 200]
    assert call.plain_control("GET", "faults") == []


def test_fault_has_the_shape_of_its_host(call: Caller) -> None:
    """REST and OpenAPI fail in their own words; the headers of the budget are there all the same."""
    number = call.plain_control("POST", "faults", {"status": 503, "retry_after": "Mon, 04 May 2026 12:00:00 GMT"})["id"]

    rest, lines = call("GET", "/customers"), call("GET", "/q2capi/v5.3.0/invoices/booked/lines")

    assert rest.json["httpStatusCode"] == 503
    assert lines.json["status"] == 503
    assert rest.headers["retry-after"].endswith("GMT")
    assert "x-ratelimiting" in rest.headers
    call.plain_control("DELETE", f"faults/{number}")
    assert call("GET", "/customers").status == 200


def test_fault_of_one_agreement(call: Caller) -> None:
    """A fault may be for one agreement only."""
    call.plain_control("POST", "faults", {"status": 401, "agreement": 1599004})

    assert call("GET", "/customers").status == 200


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("after", 1)])
def test_connection_is_cut(call: Caller, when: str, created: int) -> None:
    """A cut leaves no answer; whether the write took effect depends on when, and the log has it as status 0."""
    call.plain_control("POST", "faults", {"method": "POST", "cut": when, "times": 1})

    with pytest.raises(ConnectionAbortedError):
        call.keyed("k", "POST", "/customers", MINIMAL)

    assert call("GET", "/customers").json["pagination"]["results"] == created
    assert call.plain_control("GET", "calls")["calls"][0]["status"] == 0
    retried = call.keyed("k", "POST", "/customers", MINIMAL)
    assert (retried.status, retried.json["customerNumber"]) == (201, 1)
    assert retried.headers.get("x-resultfromcache") == ("true" if created else None)


def test_spoilt_answers(call: Caller) -> None:
    """An answer can be no JSON, or an empty page where there are records."""
    call("PUT", "/customers/5", MINIMAL)
    call.plain_control("POST", "faults", {"body": "broken", "times": 1})
    call.plain_control("POST", "faults", {"body": "empty_page", "times": 2})

    with pytest.raises(ValueError, match=r"."):
        _ = call("GET", "/customers").json
    assert call("GET", "/customers").json["collection"] == []
    assert call("GET", "/q2capi/v5.3.0/invoices/booked/lines").json == {"items": []}


def test_calls_are_logged(call: Caller) -> None:
    """Every call of the e-conomic side is there with its cost; control calls are not."""
    call.keyed("k1", "POST", "/customers", MINIMAL)
    call("GET", "/customers/1")
    call("GET", "/customers/2")
    seen = call.plain_control("GET", "calls")

    assert seen["by_path"] == {"POST /customers": 1, "GET /customers/{n}": 2}
    first: dict[str, Any] = seen["calls"][0]
    assert (first["agreement"], first["status"], first["idempotency_key"]) == (AGREEMENT, 201, "k1")
    assert [c["path"] for c in call.plain_control("GET", "calls", since=first["id"])["calls"]] == [
        "/customers/1",
        "/customers/2",
    ]
    assert call.plain_control("GET", "calls", since="2026-05-05T00:00:00Z")["count"] == 0
    call.plain_control("DELETE", "calls")
    assert call.plain_control("GET", "calls")["count"] == 0


def test_debtor_edited_as_in_the_user_interface(call: Caller) -> None:
    """A person fills in, clears and re-numbers; a made-up debtor is complete."""
    made = call.control("POST", "debtors", {"name": "Nordvind Service A/S", "city": None})
    assert made["name"] == "Nordvind Service A/S"
    assert "city" not in made

    changed = call.control("PATCH", f"debtors/{made['customerNumber']}", {"zip": "8700", "address": None})
    assert changed["zip"] == "8700"
    assert "address" not in changed
    assert call("PATCH", f"/_control/agreements/{AGREEMENT}/debtors/1", {"nonsense": 1}).status == 400


def test_forced_deletion_leaves_invoices(call: Caller) -> None:
    """By force a debtor goes although it has invoices, which stay."""
    call.control("POST", "debtors", {"number": 5})
    call.control("POST", "invoices", {"debtor": 5, "number": 1})
    assert call("DELETE", f"/_control/agreements/{AGREEMENT}/debtors/5").status == 409

    call.control("DELETE", "debtors/5", force="true")

    assert call("GET", "/customers/5").status == 404
    assert call("GET", "/invoices/booked/1").status == 200


def test_hand_picked_invoice_number(call: Caller) -> None:
    """A number may be lower than those before; the list is in order of numbers."""
    call.control("POST", "debtors", {"number": 5})
    for number in (300, 100, 200):
        call.control("POST", "invoices", {"debtor": 5, "number": number})

    found = call("GET", "/invoices/booked").json["collection"]

    assert [invoice["bookedInvoiceNumber"] for invoice in found] == [100, 200, 300]
    assert call("POST", f"/_control/agreements/{AGREEMENT}/invoices", {"debtor": 5, "number": 100}).status == 409


def test_state_shows_everything(call: Caller) -> None:
    """The state is what single reads would show."""
    call.control("POST", "bulk", {"debtors": 4, "invoices": 6})
    state = call.control("GET", "state")

    number = state["invoices"][3]["bookedInvoiceNumber"]
    assert state["invoices"][3] == call("GET", f"/invoices/booked/{number}").json
    assert state["debtors"][2] == call("GET", "/customers/3").json
    owed = sum(i["remainderInBaseCurrency"] for i in state["invoices"])
    assert owed == sum((debtor["balance"] for debtor in state["debtors"]), Decimal(0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_in_the_life(call: Caller, kind: str) -> None:
    """Whatever happens in a living agreement leaves books that can be read."""
    agreement = call.world.agreements[AGREEMENT]
    happen(agreement, kind)  # with nobody there yet: a first debtor
    call.control("POST", "bulk", {"debtors": 3, "invoices": 30})
    before = call.control("GET", "state")

    happen(agreement, kind)

    after = call.control("GET", "state")
    assert after != before
    assert len(after["debtors"]) - len(before["debtors"]) == (kind == "create")


def test_life_can_be_started_and_stopped(call: Caller) -> None:
    """Activity is a rate per second; zero stops it."""
    assert call.control("PUT", "life", {"per_second": 100})["per_second"] == 100
    call.control("PUT", "life", {"per_second": 0})


def test_lists_of_names_can_be_changed(call: Caller) -> None:
    """A product is added, changed and deleted by its list's path; invoices may carry it though it has no unit."""
    call.control("PUT", "reference/products", {"productNumber": "X1", "name": "Varmepumpe"})
    call.control("POST", "debtors", {"number": 1})
    booked = call.control("POST", "invoices", {"debtor": 1, "lines": [{"product": "X1", "quantity": 1}]})
    assert booked["lines"][0]["product"]["productNumber"] == "X1"
    assert call.control("PUT", "reference/units", {"unitNumber": 1, "name": "styk"})["name"] == "styk"
    assert call("DELETE", f"/_control/agreements/{AGREEMENT}/reference/products/X1").status == 204
    assert call("DELETE", f"/_control/agreements/{AGREEMENT}/reference/products/X1").status == 404
    assert call("PUT", f"/_control/agreements/{AGREEMENT}/reference/units", {"name": "styk"}).status == 400


def test_mistakes_are_answered_in_words(call: Caller) -> None:
    """An unknown field, agreement or call says so."""
    assert b"unknown field" in call("POST", "/_control/faults", {"pth": "/"}).body
    assert call("GET", "/_control/agreements/1/state").json["error"] == "no agreement 1"
    assert call("GET", "/_control/nothing").status == 404
