"""Shown differences as programs read and settle them."""

from __future__ import annotations

from infra.database.engine import Database
from tests.integration.api.conftest import AGREEMENT, Caller
from tests.integration.console.world import World
from tests.integration.database.test_links import link
from tests.support.companies import companies, crm, take


def test_differences_are_settled(api: Caller, world: World, database: Database) -> None:
    """Kept until they say something new, or taken; what cannot be settled says why."""
    take(database, crm())
    world.debtor(AGREEMENT, 4711, cvr="87654338")
    link(database, 1)
    take(database, crm(vat="25511484"))
    path = "/companies/crm-17/differences"

    [shown] = api.get(path)["differences"]
    assert (shown["field"], shown["theirs"], shown["debtor"]) == ("vat", "25511484", None)
    of_debtor = {"agreement": AGREEMENT, "number": 4711}
    assert "no such difference" in api.post(f"{path}/vat/take", {"whose": of_debtor}, 409)["detail"]
    assert api.post(f"{path}/vat/keep")["differences"] == []
    take(database, crm(vat="25511484"))
    assert api.get(path)["differences"] == []
    take(database, crm(vat="10103940"))
    assert api.post(f"{path}/vat/take", {"whose": "crm"})["differences"] == []
    assert companies(database)[0].vat == "10103940"

    api.post(f"{path}/cvr/take", {}, 404)
    api.get("/companies/crm-9/differences", 404)
    for whose in (
        "me",
        {"agreement": AGREEMENT},
        {"agreement": AGREEMENT, "number": 9},
        {"agreement": 1, "number": []},
    ):
        assert api.post(f"{path}/vat/take", {"whose": whose}, 400)["field"] == "whose"
