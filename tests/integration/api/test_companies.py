"""Companies as programs read and write them."""

from __future__ import annotations

from typing import Any

import pytest

from infra.bootstrap import Services
from infra.database.engine import Database
from infra.database.users import ApiTokens
from tests.integration.api.conftest import AGREEMENT, Caller
from tests.integration.console.world import World
from tests.support.companies import NORDVIND, crm, take
from tests.support.databases import do


def put(api: Caller, crm_id: str, body: object, status: int = 200) -> Any:
    return api.json(api.call("PUT", f"/companies/{crm_id}", json=body), status)


def test_a_company_is_put_and_read(api: Caller) -> None:
    """PUT creates, changes and repeats; null overwrites nothing; GET says what is stored."""
    made = put(api, "crm-17", {**NORDVIND, "id": "crm-17"}, 201)
    assert made == api.get("/companies/crm-17")
    assert (made["id"], made["name"], made["vat"]) == ("crm-17", "Nordvind Service A/S", "31313139")
    assert (made["debtors"], made["differences"], made["deleted_at"]) == ([], [], None)

    changed = put(api, "crm-17", {**NORDVIND, "city": "Vejle", "phone": None})
    assert (changed["city"], changed["phone"]) == ("Vejle", "+4576000000")
    assert put(api, "crm-17", {"name": "Nordvind Service A/S"}) == changed


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": 17}, "name"),
        ({"name": "x" * 501}, "name"),
        ({"name": "x", "vat": ["1"]}, "vat"),
        ({"name": "x", "city": "\0"}, "city"),
        ({"name": "x", "city": "\ud800"}, "city"),
        ({"name": "x", "cvr": "31313139"}, "cvr"),
        ({"name": "x", "id": "crm-18"}, "id"),
    ],
)
def test_a_bad_body_names_the_field(api: Caller, body: object, field: str) -> None:
    """What cannot be stored is 400 and says which field."""
    assert put(api, "crm-17", body, 400)["field"] == field
    api.get("/companies/crm-17", 404)


def test_what_was_not_taken_is_shown(api: Caller, world: World, database: Database) -> None:
    """A linked company's CVR number is the books': the CRM's other one is a difference, and the debtors are named."""
    put(api, "crm-17", NORDVIND, 201)
    world.debtor(AGREEMENT, 4711)
    do(
        database,
        "INSERT INTO debtor_link (agreement, debtor_id, company_id, how, reasons, seen, linked_by, linked_at, refused)"
        " SELECT agreement, id, 1, 'person', '[]', '{}', 'x', changed_at, FALSE FROM debtor WHERE number = 4711",
    )
    shown = put(api, "crm-17", {**NORDVIND, "vat": "25511484"})

    assert shown["debtors"] == [{"agreement": AGREEMENT, "number": 4711}]
    [difference] = shown["differences"]
    assert (difference["field"], difference["theirs"], difference["debtor"]) == ("vat", "25511484", None)


def test_deleted_and_merged_ones(api: Caller, database: Database) -> None:
    """A merged id is its survivor's, and not to be written; a deleted company says when, and lives again by a PUT."""
    put(api, "crm-17", NORDVIND, 201)
    put(api, "crm-18", {"name": "Sydvind"}, 201)
    do(database, "UPDATE company SET merged_into = 1 WHERE crm_id = 'crm-18'")
    do(database, "UPDATE company SET deleted_at = created_at WHERE crm_id = 'crm-17'")

    assert api.get("/companies/crm-18")["id"] == "crm-17"
    put(api, "crm-18", {"name": "Sydvind II"}, 409)
    assert api.get("/companies/crm-17")["deleted_at"] is not None
    assert api.get("/companies")["items"] == []
    assert put(api, "crm-17", {"name": "Nordvind"})["deleted_at"] is None


def test_the_list(api: Caller, database: Database) -> None:
    """Companies are found by words and relation, page by page; nobody else's are among them."""
    take(database, *[crm(f"c-{n}", name=f"Ærø {n}", vat=None, phone=None, zip=f"{n}") for n in range(7)])
    take(database, crm("other", name="Sydvind", relation="Customer", customer_number="4711", phone=None, vat=None))
    do(
        database,
        "INSERT INTO company (firm_id, crm_id, name, created_at, changed_at) SELECT firm_id + 1, 'x', 'Ærø',"
        " created_at, changed_at FROM company WHERE crm_id = 'other'",
    )

    assert [each["id"] for each in api.walk("/companies?limit=3&query=ærø")] == [f"c-{n}" for n in range(7)]
    assert [each["id"] for each in api.walk("/companies?relation=customer")] == ["other"]
    assert [each["id"] for each in api.walk("/companies?query=4711+syd")] == ["other"]
    assert api.get("/companies?relatoin=x", 400)["field"] == "relatoin"
    api.get("/companies/x", 404)


def test_scopes(services: Services, world: World) -> None:
    """Reading and writing companies are two permissions."""
    tokens = ApiTokens(services.database)
    reader = Caller(services, tokens.create("reader", ["companies:read"]))
    writer = Caller(services, tokens.create("writer", ["companies:write"]))

    put(reader, "crm-17", NORDVIND, 403)
    put(writer, "crm-17", NORDVIND, 201)
    writer.get("/companies", 403)
    assert len(reader.get("/companies")["items"]) == 1
