"""Imports as programs start, watch, check and take them back."""

from __future__ import annotations

from typing import Any

import pytest

from domain.debtors import Debtor
from infra.bootstrap import Services
from infra.database.engine import Database
from tests.integration.api.conftest import AGREEMENT, STRANGERS, Caller
from tests.integration.console.world import World
from tests.support import imports
from tests.support.companies import crm, take
from tests.support.databases import do
from tests.support.imports import Lists

DEBTORS = (
    Debtor(1, "Nordvind Service ApS", address="Industrivej 7", zip="8700", city="Horsens", cvr="31313139"),
    Debtor(2, "=Sydhavn Maskiner", address="Havnegade 3", zip="9000", city="Aalborg", cvr="24256790"),
    Debtor(3, "=Sydhavn Maskiner", address="Havnegade 3", zip="9000", city="Aalborg", cvr="24256790"),
)


def started(api: Caller, kind: str = "import", **options: object) -> Any:
    return api.post("/runs", {"type": kind, "agreement": AGREEMENT, "options": options}, 201)


@pytest.fixture
def imported(api: Caller, database: Database) -> int:
    """An import that is done."""
    take(database, crm())
    do(database, "INSERT INTO stamp (agreement, value) VALUES (:number, 0)", number=AGREEMENT)
    run = started(api)
    imports.advance(database, run["id"], Lists(*DEBTORS))
    return int(run["id"])


def test_an_import_and_its_revert(api: Caller, imported: int, database: Database) -> None:
    """What became of each debtor is there in pages, by verdict, and as a file; a revert is a run of its own."""
    run = api.get(f"/runs/{imported}")
    assert (run["type"], run["state"], run["options"]) == ("import", "done", {"test": False, "waiting": None})
    rows = api.walk(f"/runs/{imported}/rows?limit=1")
    assert [(row["debtor"], row["verdict"], row["done"]) for row in rows] == [
        (1, "linked", "linked"),
        (2, "new", "created"),
        (3, "linked", "linked"),
    ]
    assert rows[0]["company"] == {"debitor_id": 1, "id": "crm-17", "name": "Nordvind Service A/S"}
    assert rows[0]["changed"]["customer_number"] == [None, "1"]
    assert (rows[2]["joins"], rows[2]["company"]["debitor_id"]) == (2, 2)
    assert [row["debtor"] for row in api.get(f"/runs/{imported}/rows?verdict=new")["items"]] == [2]
    assert api.get(f"/runs/{imported}/rows?verdict=bad", 400)["field"] == "verdict"

    csv = api.call("GET", f"/runs/{imported}/report")
    assert (csv.status_code, csv.mimetype) == (200, "text/csv")
    assert ";'=Sydhavn Maskiner;" in csv.get_data().decode("utf-8-sig")
    xlsx = api.call("GET", f"/runs/{imported}/report?format=xlsx")
    assert xlsx.get_data()[:2] == b"PK"
    assert api.get(f"/runs/{imported}/report?format=pdf", 400)["field"] == "format"

    revert = started(api, "revert", run=imported)
    imports.advance(database, revert["id"])
    assert api.get(f"/runs/{revert['id']}")["counts"] == {"reverted": {"reverted": 3}}
    assert {row["reverted"] for row in api.walk(f"/runs/{imported}/rows")} == {"reverted"}


def test_checks(api: Caller, imported: int) -> None:
    """Answers are given, changed and taken back, and precision follows."""
    assert [link["debtor"] for link in api.get(f"/runs/{imported}/checks")["links"]] == [1, 3]

    api.post(f"/runs/{imported}/checks/1", {"right": True})
    answered = api.post(f"/runs/{imported}/checks/3", {"right": False})

    assert answered["precision"] == {
        "weakest": {"links": 2, "answered": 2, "right": 1},
        "others": {"links": 0, "answered": 0, "right": 0},
        "share": 0.5,
        "low": 0.5,
        "high": 0.5,
    }
    assert api.post(f"/runs/{imported}/checks/3", {"right": None})["precision"]["weakest"]["answered"] == 1
    assert api.post(f"/runs/{imported}/checks/3", {"right": "yes"}, 400)["field"] == "right"
    api.post(f"/runs/{imported}/checks/2", {"right": True}, 404)


def test_cancel_and_resume(api: Caller) -> None:
    """A cancelled run goes on when it is told to; asked for twice it is one; another one must wait."""
    run = started(api, test=True)
    path = f"/runs/{run['id']}"
    assert api.post("/runs", {"type": "import", "agreement": AGREEMENT, "options": {"test": True}})["id"] == run["id"]
    assert "unfinished" in api.post("/runs", {"type": "import", "agreement": AGREEMENT}, 409)["detail"]

    assert api.post(f"{path}/cancel")["state"] == "cancelled"
    assert api.post(f"{path}/cancel")["state"] == "cancelled"
    assert api.post(f"{path}/resume")["state"] == "queued"


@pytest.mark.parametrize(
    ("kind", "options", "status", "field"),
    [
        ("import", {"tests": True}, 400, "options.tests"),
        ("import", {"test": 1}, 400, "options.test"),
        ("import", {"waiting": True}, 409, None),
        ("match", {"waiting": True}, 400, "options.waiting"),
        ("match", {}, 409, None),
        ("revert", {}, 400, "options.run"),
        ("revert", {"run": 99}, 404, None),
        ("revert", {"run": 1, "all": True}, 400, "options.all"),
    ],
)
def test_what_cannot_be(api: Caller, kind: str, options: dict[str, object], status: int, field: str | None) -> None:
    """Wishes that make no sense name the field; those that cannot be fulfilled now say why."""
    body = {"type": kind, "agreement": AGREEMENT, "options": options}
    assert api.post("/runs", body, status).get("field") == field


def test_runs_of_others(api: Caller, world: World, services: Services, database: Database) -> None:
    """Another firm's runs are not there."""
    other = imports.begin(database, agreement=STRANGERS)
    for method, path in (
        ("GET", "rows"),
        ("GET", "report"),
        ("GET", "checks"),
        ("POST", "cancel"),
        ("POST", "resume"),
        ("POST", "checks/1"),
    ):
        assert api.call(method, f"/runs/{other}/{path}", json={} if method == "POST" else None).status_code == 404
