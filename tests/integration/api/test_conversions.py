"""The API's conversions."""

from __future__ import annotations

from domain.conversions import Missing, Needs, Save
from infra.bootstrap import Services
from infra.database.unit_of_work import SqlUnitOfWork
from tests.integration.api.conftest import AGREEMENT, Caller
from tests.integration.console.world import World
from tests.support.companies import crm, take


def test_a_deal_is_asked_for_once(api: Caller, services: Services, world: World) -> None:
    """201, then 200 with the same conversion; it is listed, and shown with its story."""
    take(services.database, crm())
    wanted = {"company": {"id": "crm-17"}, "overrides": {"customer_group": 1}, "deal": "D-2041"}

    first = api.post("/conversions", wanted, 201)
    assert api.post("/conversions", wanted)["id"] == first["id"]

    assert (first["state"], first["company"]["id"], first["overrides"]) == (
        "requested",
        "crm-17",
        {"customer_group": "1"},
    )
    assert [step["what"] for step in first["history"]] == ["requested"]
    assert [each["id"] for each in api.get("/conversions?company=crm-17&state=requested")["items"]] == [first["id"]]
    assert api.post(f"/conversions/{first['id']}", {"overrides": {"zip": "8700"}})["state"] == "requested"


def test_what_it_lacks_is_supplied(api: Caller, services: Services, world: World) -> None:
    """It says what it lacks and where people may say it; with that it goes on, and asks for nothing more."""
    take(services.database, crm())
    asked = api.post("/conversions", {"company": {"id": "crm-17"}, "agreement": AGREEMENT}, 201)
    with services.database.write() as connection:
        uow = SqlUnitOfWork(connection, services.database.sql, AGREEMENT)
        row = uow.conversions.peek([asked["id"]])[asked["id"]]
        uow.conversions.save([Save(row.needing(Needs((Missing("zip", "is missing"),)), "incomplete", "zip"))])
    shown = api.get(f"/conversions/{asked['id']}")
    assert shown["missing"] == [{"field": "zip", "reason": "is missing"}]
    assert "/conversion/" in shown["url"]

    assert api.post(f"/conversions/{asked['id']}", {"overrides": {"zip": "8700"}})["state"] == "requested"


def test_what_cannot_be_asked_for(api: Caller, services: Services, world: World) -> None:
    """Each with the field at fault."""
    take(services.database, crm())
    assert api.post("/conversions", {"company": {"id": "nobody"}}, 404)["field"] == "company.id"
    assert api.post("/conversions", {}, 400)["field"] == "company.id"
    wrong = {"company": {"id": "crm-17"}, "overrides": {"colour": "red"}}
    assert api.post("/conversions", wrong, 400)["field"] == "overrides.colour"
    second = {"company": {"id": "crm-17"}, "allow_second_debtor": True}
    assert api.post("/conversions", second, 400)["field"] == "deal"
    api.post("/conversions/99", {}, 404)
