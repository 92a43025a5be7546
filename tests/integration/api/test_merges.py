"""Merges as programs make, read and undo them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.bootstrap import Services
from infra.database.engine import Database
from infra.database.users import ApiTokens
from tests.integration.api.conftest import Caller
from tests.support.companies import companies, crm, take
from tests.support.databases import do, scalar

TWO = {"companies": ["crm-17", "crm-18"]}


@pytest.fixture
def two(api: Caller, database: Database) -> Caller:
    """Two companies of the CRM."""
    take(
        database,
        crm("crm-17", phone=None),
        crm("crm-18", name="Nordvind", vat=None, city="Vejle", web="nordvind.example"),
    )
    return api


def keyed(api: Caller, key: str, path: str, body: object, status: int) -> Any:
    return api.json(api.call("POST", path, json=body, headers={"Idempotency-Key": key}), status)


def test_looked_at_made_and_undone(two: Caller) -> None:
    """A preview changes nothing; a merge names everybody; all ids lead to one company until it is undone."""
    before = two.get("/companies/crm-18")
    seen = two.post("/merges", {**TWO, "preview": True})
    assert seen["survivor"] == {"id": "crm-17", "debitor_id": 1}
    assert [each["city"] for each in seen["companies"]] == ["Horsens", "Vejle"]
    fields = {each["field"]: each for each in seen["fields"]}
    assert fields["city"]["differs"]
    assert fields["web"] == {
        "field": "web",
        "differs": False,
        "value": "nordvind.example",
        "from": {"id": "crm-18", "debitor_id": 2},
    }
    assert two.get("/companies/crm-18") == before

    made = two.post("/merges", {**TWO, "fields": {"address": {"from": "#2"}, "zip": {"value": " 7100 "}}}, 201)
    assert made["survivor"]["id"] == "crm-17"
    assert made["merged"] == [{"id": "crm-18", "debitor_id": 2, "name": "Nordvind"}]
    assert made["changed"]["city"] == {"before": "Horsens", "after": "Vejle"}
    for name in ("crm-17", "crm-18", "%231", "%232"):
        assert two.get(f"/companies/{name}")["id"] == "crm-17"
    assert two.get("/companies/crm-18")["zip"] == "7100"
    assert two.get(f"/merges/{made['id']}") == made

    undone = two.post(f"/merges/{made['id']}/undo")
    assert (undone["undone_by"], undone["kept"]) == ("api", [])
    assert two.get("/companies/crm-18") == before | {"changed_at": two.get("/companies/crm-18")["changed_at"]}
    assert two.get("/merges")["items"] == [undone]
    assert "was undone by api" in two.post(f"/merges/{made['id']}/undo", status=409)["detail"]


def test_a_key_is_answered_once(two: Caller, database: Database) -> None:
    """The same request with the same key gets the same answer and does nothing; another request with it is refused."""
    made = keyed(two, "k-1", "/merges", TWO, 201)
    assert keyed(two, "k-1", "/merges", TWO, 201) == made
    location = two.call("POST", "/merges", json=TWO, headers={"Idempotency-Key": "k-1"}).headers["Location"]
    assert location == f"/api/v1/merges/{made['id']}"
    assert "another request" in keyed(two, "k-1", "/merges", {**TWO, "keep": "oldest"}, 422)["detail"]
    undone = keyed(two, "k-2", f"/merges/{made['id']}/undo", None, 200)
    assert keyed(two, "k-2", f"/merges/{made['id']}/undo", None, 200) == undone
    keyed(two, "", "/merges", TWO, 400)
    assert scalar(database, "SELECT count(*) FROM company_merge") == 1

    do(database, "UPDATE api_answer SET created_at = '2026-01-01T00:00:00.000Z'")
    assert keyed(two, "k-1", "/merges", TWO, 201)["id"] != made["id"]
    assert scalar(database, "SELECT count(*) FROM api_answer") == 1


def test_a_refusal_is_not_remembered(two: Caller, database: Database) -> None:
    """What could not be done under a key may be done under it later."""
    refused = {"companies": ["crm-17", "crm-19"]}
    assert keyed(two, "k", "/merges", refused, 400)["field"] == "companies"
    take(database, crm("crm-19", name="Sydvind", vat=None, zip="2100"))
    keyed(two, "k", "/merges", refused, 201)


def test_one_key_at_once(two: Caller, database: Database) -> None:
    """Two of the same request in one moment are one merge with one answer."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: keyed(two, "k", "/merges", TWO, 201), range(2))
    assert first == second
    assert scalar(database, "SELECT count(*) FROM company_merge") == 1


def test_who_comes_second_goes_on_with_the_survivor(two: Caller, database: Database) -> None:
    """409 says who merged it, when, and names the survivor; a newer merge blocks an older one's undoing."""
    take(database, crm("crm-19", name="Sydvind", vat=None, zip="2100"))
    first = two.post("/merges", TWO, 201)
    refused = two.post("/merges", {"companies": ["crm-18", "crm-19"]}, 409)
    assert refused["survivor"] == {"id": "crm-17", "debitor_id": 1}
    assert "by api on" in refused["detail"]
    second = two.post("/merges", {"companies": ["crm-17", "crm-19"]}, 201)
    assert f"undo merge {second['id']} first" in two.post(f"/merges/{first['id']}/undo", status=409)["detail"]
    assert [each["id"] for each in two.walk("/merges?limit=1")] == [second["id"], first["id"]]


WRONG: list[tuple[object, str]] = [
    ({}, "companies"),
    ({"companies": ["crm-17"]}, "companies"),
    ({"companies": ["crm-17", 2]}, "companies"),
    ({"companies": ["crm-17", "crm-99"]}, "companies"),
    ({"companies": ["crm-17", "\0"]}, "companies"),
    ({**TWO, "survivor": 1}, "survivor"),
    ({**TWO, "survivor": "crm-99"}, "survivor"),
    ({**TWO, "keep": "newest"}, "keep"),
    ({**TWO, "preview": 1}, "preview"),
    ({**TWO, "fields": []}, "fields"),
    ({**TWO, "fields": {"cvr": {"from": "crm-17"}}}, "fields.cvr"),
    ({**TWO, "fields": {"vat": "1"}}, "fields.vat"),
    ({**TWO, "fields": {"vat": {"value": 1}}}, "fields.vat"),
    ({**TWO, "fields": {"name": {"value": " "}}}, "name"),
    ({**TWO, "fields": {"address": {"value": "x"}}}, "address"),
    ({**TWO, "company": "x"}, "company"),
]


def test_a_bad_wish_names_the_field(two: Caller) -> None:
    """What can never be is 400 and says where."""
    for body, field in WRONG:
        assert two.post("/merges", body, 400)["field"] == field, body


def test_history(two: Caller) -> None:
    """Newest first, by page, of all that are one company; whose it was when it happened is said."""
    two.post("/merges", {**TWO, "fields": {"address": {"from": "crm-18"}}}, 201)
    lines = two.walk("/companies/crm-18/history?limit=1")
    assert [(each["what"], each["company"]["id"]) for each in lines] == [
        ("merged", "crm-17"),
        ("merged", "crm-18"),
        ("created", "crm-18"),
        ("created", "crm-17"),
    ]
    merged = lines[0]
    assert (merged["who"], merged["detail"]["merge"], merged["detail"]["companies"]) == (
        "api",
        1,
        [{"company": 2, "crm_id": "crm-18"}],
    )
    assert merged["detail"]["changed"]["city"] == ["Horsens", "Vejle"]
    assert two.get("/companies/%231/history?limit=1")["items"] == lines[:1]
    two.get("/companies/crm-99/history", 404)
    two.get("/companies/crm-17/history?after=1", 400)


def test_scopes_and_firms(two: Caller, services: Services, database: Database) -> None:
    """Reading is not writing, and another firm's companies and merges are not there."""
    reader = Caller(services, ApiTokens(services.database).create("reader", ["companies:read"]))
    reader.post("/merges", TWO, 403)
    two.post("/merges", TWO, 201)
    assert len(reader.get("/merges")["items"]) == 1
    do(database, "UPDATE company_merge SET firm_id = (SELECT max(id) FROM firm)")
    two.get("/merges/1", 404)
    two.post("/merges/1/undo", status=404)
    assert two.get("/merges")["items"] == []
    assert [row.merged_into for row in companies(database)] == [None, 1]
