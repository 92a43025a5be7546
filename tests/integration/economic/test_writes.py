"""Debtors made, looked for and changed in the stand-in e-conomic, over real connections."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from domain.accounting_api import Accounting
from domain.errors import (
    AnswerLost,
    Blocked,
    CredentialsRefused,
    NumberTaken,
    RateLimited,
    Rejected,
    TransientError,
    Unavailable,
)
from infra.economic import EconomicClient, EconomicConfig
from tests.integration.economic.conftest import NUMBER, StandIn

BODY: dict[str, Any] = {
    "name": "Nordvind Service A/S",
    "currency": "DKK",
    "debtor_group": 1,
    "payment_terms": 1,
    "vat_zone": 1,
    "cvr": "31313139",
    "address": "Industrivej 7",
    "zip": "8700",
    "city": "Horsens",
    "country": "Danmark",
}


def numbers(stand_in: StandIn) -> list[int]:
    """The debtors there are."""
    state = stand_in.control("GET", f"/agreements/{NUMBER}/state")
    return sorted(debtor["customerNumber"] for debtor in state["debtors"])


def test_creates_once(api: Accounting, stand_in: StandIn) -> None:
    """A debtor is made with what was sent; the same key within the hour answers the same and makes no other."""
    first = api.create_debtor(BODY, "key-1")
    again = api.create_debtor(dict(reversed(BODY.items())), "key-1")

    assert (first.created, first.replayed, again.replayed) == (True, False, True)
    assert again.debtor == first.debtor
    assert {name: getattr(first.debtor, name) for name in BODY} == BODY
    assert numbers(stand_in) == [first.debtor.number]


def test_own_number(api: Accounting) -> None:
    """A number of ours is taken where it is free; a second debtor under it is refused as what it is."""
    assert api.create_debtor(BODY | {"number": 4_711}, "key-1").debtor.number == 4_711

    with pytest.raises(NumberTaken) as caught:
        api.create_debtor(BODY | {"number": 4_711, "name": "Another"}, "key-2")
    assert [(found.field, found.code) for found in caught.value.complaints] == [("number", "E06010")]


@pytest.mark.parametrize("shape", ["classic", "object", "list"])
def test_refusals_name_the_field(api: Accounting, stand_in: StandIn, shape: str) -> None:
    """Whatever shape e-conomic complains in, the field is ours and the reason can be read."""
    stand_in.control("PUT", f"/agreements/{NUMBER}/conventions", {"validation_errors": shape})

    with pytest.raises(Rejected) as caught:
        api.create_debtor(BODY | {"debtor_group": 99, "city": "x" * 51}, "key-1")

    found = {complaint.field: complaint.reason for complaint in caught.value.complaints}
    assert found["debtor_group"] == "e-conomic has no such debtor group any more"
    assert "50 characters" in found["city"]
    assert numbers(stand_in) == []


@pytest.mark.parametrize(
    ("fault", "kind", "made"),
    [
        ({"cut": "after"}, AnswerLost, 1),
        ({"cut": "before"}, AnswerLost, 0),
        ({"body": "broken"}, AnswerLost, 1),
        ({"status": 500}, AnswerLost, 0),
        ({"status": 503}, AnswerLost, 0),
        ({"status": 429, "retry_after": "7"}, RateLimited, 0),
        ({"status": 401}, CredentialsRefused, 0),
        ({"status": 403}, Blocked, 0),
    ],
)
def test_trouble(
    api: Accounting, stand_in: StandIn, fault: dict[str, Any], kind: type[TransientError], made: int
) -> None:
    """What may have taken effect is told apart from what did not; nothing is sent twice, and the key mends it."""
    stand_in.control("POST", "/faults", {**fault, "path": "/customers", "method": "POST", "times": 1})

    with pytest.raises(TransientError) as caught:
        api.create_debtor(BODY, "key-1")

    assert type(caught.value) is kind
    assert len(numbers(stand_in)) == made
    assert stand_in.calls() == 1
    assert api.create_debtor(BODY, "key-1").replayed is bool(made)
    assert len(numbers(stand_in)) == 1


def test_slow_answer(stand_in: StandIn) -> None:
    """An answer that does not come in time may have taken effect."""
    stand_in.control("POST", "/faults", {"delay_ms": 2_000, "times": 1})
    config = replace(stand_in.config(), timeout_s=0.2)
    with EconomicClient(config, retry_wait_s=0) as client, pytest.raises(AnswerLost, match="Timeout"):
        client.agreement(NUMBER, f"sandbox-grant-{NUMBER}").create_debtor(BODY, "key-1")


def test_nobody_listens() -> None:
    """A connection that never stood has done nothing."""
    config = EconomicConfig("http://127.0.0.1:9", app_secret_token="sandbox-app-secret")
    with EconomicClient(config, retry_wait_s=0) as client, pytest.raises(Unavailable) as caught:
        client.agreement(NUMBER, "g").create_debtor(BODY, "key-1")
    assert not isinstance(caught.value, AnswerLost)


def test_replaces_only_what_changed(api: Accounting, stand_in: StandIn) -> None:
    """Every property but the changed ones goes back as it was, flags and amounts too; an emptied one is gone."""
    more = {
        "phone": "76000000",
        "barred": True,
        "credit_limit": Decimal("2500.50"),
        "layout": 19,
        "ean": "5790000000012",
    }
    number = api.create_debtor(BODY | more, "key-1").debtor.number
    body = api.debtor_body(number)
    assert body is not None

    whole = api.replacement(body, {"city": "Vejle", "phone": None, "payment_terms": 2})
    written = api.replace_debtor(number, whole, "key-2")

    assert not written.created
    expected = body.debtor._replace(city="Vejle", phone=None, payment_terms=2)
    assert written.debtor._replace(last_updated=None) == expected._replace(last_updated=None)
    assert api.debtor(number) == written.debtor
    after = api.debtor_body(number)
    assert after is not None
    kept = set(body.properties) - {"telephoneAndFaxNumber", "city", "paymentTerms", "lastUpdated"}
    assert {name: after.properties[name] for name in kept} == {name: body.properties[name] for name in kept}


def test_replaces_what_was_deleted(api: Accounting, stand_in: StandIn) -> None:
    """A debtor deleted between the reading and the writing is made anew, and the answer says so."""
    number = api.create_debtor(BODY, "key-1").debtor.number
    body = api.debtor_body(number)
    assert body is not None
    stand_in.control("DELETE", f"/agreements/{NUMBER}/debtors/{number}")

    assert api.debtor_body(number) is None
    assert api.replace_debtor(number, api.replacement(body, {"city": "Vejle"}), "key-2").created


def test_finds_by_number_and_name(api: Accounting, stand_in: StandIn) -> None:
    """One call finds a CVR number however it is written, and a name with or without its legal form."""
    for index, (cvr, name) in enumerate(
        [
            ("31313139", "Nordvind Service A/S"),
            ("DK31313139", "Something Else"),
            ("11111111", "NORDVIND SERVICE ApS"),
            ("22222222", "Sydvind"),
            ("33333333", "Nordvind (Service), $5 [Vest]*"),
        ]
    ):
        api.create_debtor(BODY | {"cvr": cvr, "name": name, "number": index + 1}, f"key-{index}")
    before = stand_in.calls()

    found = api.find_debtors(cvr="31313139", name="nordvind service")

    assert stand_in.calls() == before + 1
    assert [debtor.number for debtor in found.items] == [1, 2, 3]
    assert not found.more
    assert [debtor.number for debtor in api.find_debtors(name="Nordvind (Service), $5 [Vest]*").items] == [5]
    assert [debtor.number for debtor in api.find_debtors(cvr="22222222").items] == [4]
    with pytest.raises(ValueError, match="neither"):
        api.find_debtors(cvr="", name=None)


def test_long_names_are_found_by_their_beginning(api: Accounting) -> None:
    """A name that does not fit the address is looked for by as much of it as does."""
    name = "Æ" * 255
    number = api.create_debtor(BODY | {"name": name}, "key-1").debtor.number

    assert [debtor.number for debtor in api.find_debtors(cvr="9" * 40, name=name).items] == [number]
    assert [debtor.number for debtor in api.find_debtors(name="[" * 255).items] == []
