"""`/customers` answers, refuses and forgets as e-conomic does."""

from typing import Any

import pytest

from tests.unit.sandbox.support import MINIMAL, Caller


def test_created_customer_comes_back_whole(call: Caller) -> None:
    """A POST answers 201 with the record, its links and where it is; the number is the server's."""
    reply = call("POST", "/customers", MINIMAL)

    assert reply.status == 201
    assert reply.headers["location"] == "https://restapi.e-conomic.com/customers/1"
    assert reply.json["customerNumber"] == 1
    assert reply.json["self"] == "https://restapi.e-conomic.com/customers/1"
    assert reply.json["lastUpdated"] == "2026-05-04T12:00:00Z"
    assert reply.json["metaData"]["replace"]["httpMethod"] == "put"
    assert "email" not in reply.json


def test_numbers_come_again_after_deletion(call: Caller) -> None:
    """The number of a deleted customer is assigned again; deleting twice is a coded 404."""
    number = call("POST", "/customers", MINIMAL).json["customerNumber"]
    assert call("DELETE", f"/customers/{number}").status == 204

    again = call("DELETE", f"/customers/{number}")

    assert (again.status, again.json["errorCode"]) == (404, "E06000")
    assert call("POST", "/customers", MINIMAL).json["customerNumber"] == number


def test_own_number_is_taken_once(call: Caller) -> None:
    """A number of one's own is used when free, and E06010 is in the body when not."""
    assert call("POST", "/customers", MINIMAL | {"customerNumber": 4711}).json["customerNumber"] == 4711

    taken = call("POST", "/customers", MINIMAL | {"customerNumber": 4711})

    assert taken.status == 400
    assert b"E06010" in taken.body


def test_put_replaces_everything(call: Caller) -> None:
    """What a PUT leaves out is gone: texts, and the bar."""
    call("PUT", "/customers/7", MINIMAL | {"city": "Vejle", "barred": True})

    reply = call("PUT", "/customers/7", MINIMAL | {"zip": "7100"})

    assert reply.status == 200
    assert "city" not in reply.json
    assert "barred" not in reply.json
    assert reply.json["zip"] == "7100"


def test_put_to_an_unknown_number_creates(call: Caller) -> None:
    """A mistyped number makes a record."""
    assert call("PUT", "/customers/99", MINIMAL).status == 201
    assert call("GET", "/customers/99").json["name"] == "Anders And"


@pytest.mark.parametrize(
    ("change", "prop"),
    [
        ({"email": None}, "email"),
        ({"name": "x" * 256}, "name"),
        ({"zip": "1" * 31}, "zip"),
        ({"pNumber": "123"}, "pNumber"),
        ({"currency": "DKX"}, "currency"),
        ({"paymentTerms": {"paymentTermsNumber": 0}}, "paymentTerms"),
        ({"customerGroup": {"customerGroupNumber": 77}}, "customerGroup"),
        ({"vatZone": {}}, "vatZone"),
        ({"customerNumber": 0}, "customerNumber"),
        ({"customerNumber": 1_000_000_000}, "customerNumber"),
        ({"creditLimit": 10.125}, "creditLimit"),
    ],
)
def test_bad_values_are_named(call: Caller, change: dict[str, Any], prop: str) -> None:
    """A refused value is found in `errors` under its property, in the newer shape."""
    reply = call("POST", "/customers", MINIMAL | change)

    assert (reply.status, reply.json["errorCode"]) == (400, "E04300")
    assert reply.json["errors"][prop]["errors"][0]["propertyName"] == prop


def test_required_properties(call: Caller) -> None:
    """All that is missing is named at once."""
    reply = call("POST", "/customers", {})

    assert set(reply.json["errors"]) == {"name", "currency", "customerGroup", "paymentTerms", "vatZone"}
    assert reply.json["errorCount"] == 5


@pytest.mark.parametrize(("shape", "kind"), [("object", dict), ("classic", dict), ("list", list)])
def test_errors_have_several_shapes(call: Caller, shape: str, kind: type) -> None:
    """A client can be shown every shape of `errors` that was seen."""
    call.control("PUT", "conventions", {"validation_errors": shape})

    assert isinstance(call("POST", "/customers", {}).json["errors"], kind)


def test_references_by_self_and_hidden_price_group(call: Caller) -> None:
    """A reference may be given by its link; a price group is kept but never shown, and a PUT wipes it."""
    terms = {"self": "https://restapi.e-conomic.com/payment-terms/5"}
    call("PUT", "/customers/5", MINIMAL | {"paymentTerms": terms, "priceGroup": {"priceGroupNumber": 3}})

    shown = call("GET", "/customers/5").json
    assert shown["paymentTerms"]["paymentTermsNumber"] == 5
    assert "priceGroup" not in shown
    assert call.control("GET", "state")["price_groups"] == {"5": 3}

    call("PUT", "/customers/5", MINIMAL)
    assert call.control("GET", "state")["price_groups"] == {}


def test_e_invoicing_changes_by_patch_only(call: Caller) -> None:
    """POST and PUT ignore the flag, a JSON Patch sets it, and a later PUT leaves it."""
    flag = "eInvoicingDisabledByDefault"
    call("PUT", "/customers/5", MINIMAL | {flag: True})
    assert call("GET", "/customers/5").json[flag] is False

    step = {"op": "replace", "path": f"/{flag}", "value": True}
    assert call("PATCH", "/customers/5", [step]).json[flag] is True
    assert call("PUT", "/customers/5", MINIMAL).json[flag] is True


def test_customer_with_invoices_stays(call: Caller) -> None:
    """A customer with booked invoices cannot be deleted."""
    call("PUT", "/customers/5", MINIMAL)
    call.control("POST", "invoices", {"debtor": 5})

    assert call("DELETE", "/customers/5").status == 400
    assert call("GET", "/customers/5").status == 200


def test_media_and_verbs(call: Caller) -> None:
    """JSON only, and no PUT on a collection."""
    tokens = {"X-AppSecretToken": "demo", "X-AgreementGrantToken": "demo"}

    assert call("GET", "/customers", headers={**tokens, "Accept": "text/csv"}).status == 415
    assert call("GET", "/customers", headers={**tokens, "Content-Type": "text/plain"}).status == 415
    assert call("PUT", "/customers", MINIMAL).status == 405
    assert call("GET", "/nothing").json["httpStatusCode"] == 404
