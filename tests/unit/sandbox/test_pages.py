"""Paging, filtering and sorting of REST collections."""

from typing import Any

import pytest

from tests.unit.sandbox.support import MINIMAL, Caller


@pytest.fixture
def filled(call: Caller) -> Caller:
    """Five customers: 1, 2, 3, 10, 11."""
    for number, change in {
        1: {"name": "Nordvind A/S", "city": "Horsens", "corporateIdentificationNumber": "31313139"},
        2: {"name": "Fjell (Drift) AS", "currency": "EUR"},
        3: {"name": "nordlys", "city": "Vejle", "barred": True},
        10: {"name": "Vestkyst $5", "ean": "5790000000012"},
        11: {"name": "Star*Light [x]", "city": "Århus"},
    }.items():
        call("PUT", f"/customers/{number}", MINIMAL | change)
    return call


def numbers(call: Caller, **query: Any) -> list[int]:
    """The numbers a list answers with."""
    reply = call("GET", "/customers", **query)
    assert reply.status == 200, reply.body
    return [customer["customerNumber"] for customer in reply.json["collection"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("customerNumber$gt:2", [3, 10, 11]),
        ("customerNumber$gte:2$and:customerNumber$lt:11", [2, 3, 10]),
        ("customerNumber$in:[1,10,77]", [1, 10]),
        ("customerNumber$nin:[1,10]", [2, 3, 11]),
        ("name$eq:NORDVIND a/s", [1]),
        ("name$eq:Fjell $(Drift$) AS", [2]),
        ("name$eq:Vestkyst $$5", [10]),
        ("name$like:nord", [1, 3]),
        ("name$like:nord*s", [1, 3]),
        ("name$like:*$*light*", [11]),
        ("name$like:[[]x]", [11]),
        ("name$eq:Star$*Light [x]", [11]),
        ("ean$eq:$null:", [1, 2, 3, 11]),
        ("ean$ne:$null:", [10]),
        ("barred$eq:true", [3]),
        ("corporateIdentificationNumber$eq:31313139$or:corporateIdentificationNumber$eq:1", [1]),
        ("corporateIdentificationNumber$in:[31313139]", []),  # observed: 200 and nothing
        ("(city$eq:vejle$or:city$eq:horsens)$and:currency$eq:DKK", [1, 3]),
        ("lastUpdated$gt:2026-05-04T12:00:00Z", []),
        ("lastUpdated$gte:2026-05-04T12:00:00Z", [1, 2, 3, 10, 11]),
        ("customerGroup.customerGroupNumber$eq:1$and:customerNumber$lte:2", [1, 2]),
    ],
)
def test_filter_grammar(filled: Caller, text: str, expected: list[int]) -> None:
    """Operators, escapes, wildcards and parentheses mean what the documentation and observations say."""
    assert numbers(filled, filter=text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "dueAmount$gt:0",
        "customerNumber$in:1,2",
        "customerNumber$in:[" + ",".join(map(str, range(201))) + "]",
        "customerNumber$gt:abc",
        "(customerNumber$gt:1",
        "customerNumber>1",
    ],
)
def test_bad_filter_names_what_is_allowed(filled: Caller, text: str) -> None:
    """A filter that cannot be used is a 400 with texts, and the list of properties that can."""
    reply = filled("GET", "/customers", filter=text)

    assert reply.status == 400
    assert reply.json["message"] == "Could not parse query string filter."
    assert all(isinstance(error, str) for error in reply.json["errors"])
    assert "pNumber" in reply.json["allowedFilteringFields"]
    assert "dueAmount" not in reply.json["allowedFilteringFields"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-customerNumber", [11, 10, 3, 2, 1]),
        ("~customerNumber", [1, 10, 11, 2, 3]),
        ("currency,-customerNumber", [11, 10, 3, 1, 2]),
        ("name", [2, 3, 1, 11, 10]),
    ],
)
def test_sort(filled: Caller, text: str, expected: list[int]) -> None:
    """By several keys, descending, and alphabetically for numbers."""
    assert numbers(filled, sort=text) == expected


def test_bad_sort(filled: Caller) -> None:
    """Some properties can be filtered but not sorted by."""
    reply = filled("GET", "/customers", sort="barred")

    assert (reply.status, reply.json["message"]) == (400, "Could not parse query string sort parameter.")


def test_links_between_pages(filled: Caller) -> None:
    """Links carry the production host and lower-case escapes; the first page has no previous, the last no next."""
    query: dict[str, Any] = {"filter": "customerNumber$gt:1", "pagesize": 2}
    first = filled("GET", "/customers", **query).json["pagination"]
    last = filled("GET", "/customers", **query, skippages=1).json["pagination"]

    start = "https://restapi.e-conomic.com/customers?filter=customerNumber%24gt%3a1&skippages="
    assert first["nextPage"] == f"{start}1&pagesize=2"
    assert (first["results"], first["resultsWithoutFilter"]) == (4, 5)
    assert "previousPage" not in first
    assert last["previousPage"] == last["firstPage"] == f"{start}0&pagesize=2"
    assert "nextPage" not in last


def test_page_past_the_end_is_empty(filled: Caller) -> None:
    """Past the end: 200, nothing in it, and the true count."""
    reply = filled("GET", "/customers", skippages=9)

    assert (reply.status, reply.json["collection"], reply.json["pagination"]["results"]) == (200, [], 5)


@pytest.mark.parametrize("query", [{"pagesize": 1001}, {"pagesize": 0}, {"skippages": -1}, {"pagesize": "x"}])
def test_page_size_limits(filled: Caller, query: dict[str, Any]) -> None:
    """A page holds 1 to 1,000 records."""
    reply = filled("GET", "/customers", **query)

    assert (reply.status, reply.json["errorCode"]) == (400, "E04810")


def test_cached_record_follows_its_changes(filled: Caller) -> None:
    """What a list shows of a record is never older than the record."""
    filled("GET", "/customers")
    filled("PUT", "/customers/1", MINIMAL | {"name": "Ny"})
    filled.control("POST", "invoices", {"debtor": 1, "lines": [{"quantity": 1, "unitNetPrice": 100}]})

    shown = filled("GET", "/customers", filter="customerNumber$eq:1").json["collection"][0]

    assert (shown["name"], str(shown["balance"])) == ("Ny", "125.00")
    assert "metaData" not in shown


def test_overlong_url(filled: Caller) -> None:
    """A URL beyond the common server default is refused, whatever is in it."""
    long = "$or:".join(f"customerNumber$eq:{900_000_000 + n}" for n in range(100))

    assert filled("GET", "/customers", filter=long).status == 414


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("customer-groups", "customerGroupNumber"),
        ("payment-terms", "paymentTermsNumber"),
        ("vat-zones", "vatZoneNumber"),
        ("layouts", "layoutNumber"),
        ("currencies", "code"),
        ("units", "unitNumber"),
        ("products", "productNumber"),
        ("employees", "employeeNumber"),
    ],
)
def test_reference_data(call: Caller, path: str, key: str) -> None:
    """Reference lists can be listed and read singly, by the key they show."""
    first = call("GET", f"/{path}").json["collection"][0]

    assert call("GET", f"/{path}/{first[key]}").json == first
    assert call("GET", f"/{path}/987654").status == 404
