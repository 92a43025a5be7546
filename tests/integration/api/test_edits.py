"""Fields of debtors changed over the API."""

from __future__ import annotations

import pytest

from domain.debtor_edits import State
from infra.bootstrap import Services
from infra.database.unit_of_work import SqlUnitOfWork
from infra.database.users import ApiTokens
from tests.integration.api.conftest import AGREEMENT, STRANGERS, Caller
from tests.integration.console.world import World
from tests.support.databases import do, rows

PATH = f"/agreements/{AGREEMENT}/debtors/4711"


@pytest.fixture
def debtor(services: Services, world: World) -> None:
    """A debtor of an agreement that lets debtors be changed."""
    world.debtor(AGREEMENT, 4711, phone="76000000", country="Danmark")
    do(services.database, "UPDATE agreement SET debtor_edits = true WHERE number = :number", number=AGREEMENT)


def change(api: Caller, body: object, status: int = 202, path: str = PATH, **headers: str) -> dict[str, object]:
    found: dict[str, object] = Caller.json(api.call("PATCH", path, json=body, headers=headers), status)
    return found


@pytest.mark.usefixtures("debtor")
def test_an_edit_is_asked_for_and_looked_at(api: Caller, services: Services) -> None:
    """202 with its address; what was seen is what the caller says, or what is stored."""
    response = api.call("PATCH", PATH, json={"changes": {"phone": "76000001", "web": None}, "was": {"phone": "7"}})

    asked = Caller.json(response, 202)
    assert (asked["state"], asked["debtor"], asked["who"]) == ("requested", 4711, "api")
    assert asked["changes"] == {
        "phone": {"was": "7", "wanted": "76000001"},
        "website": {"was": None, "wanted": None},
    }
    address = response.headers["Location"].removeprefix("/api/v1")
    assert address == f"{PATH}/edits/{asked['id']}"
    with services.database.write() as connection:
        uow = SqlUnitOfWork(connection, services.database.sql, AGREEMENT)
        [edit] = uow.edits.by_id([asked["id"]])
        refused = edit.moved(State.REFUSED, reason="changed_meanwhile", message="phone")
        uow.edits.save(refused._replace(found={"phone": "76999999", "website": None}))
    assert api.get(address)["changes"]["phone"] == {"was": "7", "wanted": "76000001", "now": "76999999"}
    change(api, {"changes": {"zip": "8701"}})
    assert [one["state"] for one in api.walk(f"{PATH}/edits?limit=1")] == ["requested", "refused"]


@pytest.mark.usefixtures("debtor")
def test_the_same_request_again(api: Caller, services: Services) -> None:
    """With its key it is answered as before and does nothing."""
    key = {"Idempotency-Key": "crm-1"}
    first = change(api, {"changes": {"phone": "76000001"}}, **key)
    assert change(api, {"changes": {"phone": "76000001"}}, **key) == first
    change(api, {"changes": {"phone": "76000002"}}, 422, **key)
    assert len(rows(services.database, "SELECT 1 FROM debtor_edit")) == 1


@pytest.mark.usefixtures("debtor")
def test_what_cannot_be_changed(api: Caller, services: Services, world: World) -> None:
    """The field is named, and nothing is stored; another firm's debtors are not there."""
    for body, field in (
        ({"changes": {"city": "x" * 51}}, "changes.city"),
        ({"changes": {"barred": True}}, "changes.barred"),
        ({"changes": {"phone": "1"}, "was": {"colour": "red"}}, "was.colour"),
        ({"changes": {"phone": "1"}, "was": {"zip": "8700"}}, "changes.zip"),
        ({"changes": ["phone"]}, "changes"),
        ({}, "changes"),
        ({"phone": "1"}, "phone"),
    ):
        assert change(api, body, 400)["field"] == field
    change(api, {"changes": {"phone": "1"}}, 404, f"/agreements/{AGREEMENT}/debtors/9")
    change(api, {"changes": {"phone": "1"}}, 404, f"/agreements/{STRANGERS}/debtors/4711")
    api.get(f"{PATH}/edits/1", 404)
    reader = Caller(services, ApiTokens(services.database).create("reader", ["accounting:read"]))
    change(reader, {"changes": {"phone": "1"}}, 403)
    assert rows(services.database, "SELECT 1 FROM debtor_edit") == []


def test_where_it_is_not_allowed(api: Caller, services: Services, world: World) -> None:
    """409 says who can allow it, and nothing is stored."""
    world.debtor(AGREEMENT, 4711)
    assert "--edits on" in str(change(api, {"changes": {"phone": "1"}}, 409)["detail"])
    assert rows(services.database, "SELECT 1 FROM debtor_edit") == []
