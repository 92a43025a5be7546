"""Failures and runs as operators' programs use them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from infra.bootstrap import Services
from infra.database.engine import Database
from tests.integration.api.conftest import AGREEMENT, Caller
from tests.integration.console.world import World
from tests.support.databases import rows, scalar

RESYNC = {"type": "resync", "agreement": AGREEMENT}


def test_failure_list(api: Caller, world: World) -> None:
    """Open failures come newest first in pages; other states and kinds are asked for."""
    for number in range(1, 6):
        world.failure(AGREEMENT, str(number))
    world.failure(AGREEMENT, "20417", subject_kind="invoice")
    world.failure(AGREEMENT, "6", state="dismissed", note="known")

    assert [each["subject"] for each in api.walk("/failures?limit=2")] == ["20417", "5", "4", "3", "2", "1"]
    assert [each["subject"] for each in api.get("/failures?kind=invoice")["items"]] == ["20417"]
    assert [each["note"] for each in api.get("/failures?state=dismissed")["items"]] == ["known"]
    assert len(api.get(f"/failures?state=all&agreement={AGREEMENT}")["items"]) == 7
    assert api.get("/failures?state=closed", 400)["field"] == "state"


@pytest.mark.parametrize(("kind", "work"), [("debtor", "debtors"), ("invoice", "invoices")])
def test_replay(api: Caller, world: World, database: Database, kind: str, work: str) -> None:
    """A replay leaves one hint for the record and ends the failure; sent again it changes nothing."""
    world.failure(AGREEMENT, "4711", subject_kind=kind)

    first = api.call("POST", "/failures/1/replay", headers={"Idempotency-Key": "k"})
    second = api.call("POST", "/failures/1/replay", headers={"Idempotency-Key": "k"})

    assert Caller.json(first, 200)["state"] == Caller.json(second, 200)["state"] == "replayed"
    [hint] = rows(database, "SELECT kind, source, old_number, new_number, correlation_id FROM inbox")
    assert tuple(hint) == (work, "sync", 4711, 4711, first.headers["X-Correlation-Id"])


@pytest.mark.parametrize(
    ("kind", "subject", "advice"),
    [
        ("hook", "17", "agreement webhooks"),
        ("deletions", "debtors", "--allow-deletions"),
        ("lines", "invoices", "--invoices"),
        ("run", "3", "--resume"),
        ("debtor", "unknown number", "names no number"),
    ],
)
def test_replay_that_cannot_help(
    api: Caller, world: World, database: Database, kind: str, subject: str, advice: str
) -> None:
    """What a replay cannot help stays open and says what to do instead."""
    world.failure(AGREEMENT, subject, subject_kind=kind)

    assert advice in api.post("/failures/1/replay", status=409)["detail"]
    assert api.get("/failures/1")["state"] == "open"
    assert scalar(database, "SELECT count(*) FROM inbox") == 0


def test_dismiss(api: Caller, world: World) -> None:
    """A dismissed failure keeps its first note."""
    world.failure(AGREEMENT, "17", subject_kind="hook")

    assert api.post("/failures/1/dismiss", {"note": "test webhook"})["note"] == "test webhook"
    again = api.post("/failures/1/dismiss", {"note": "later"})

    assert (again["state"], again["note"]) == ("dismissed", "test webhook")
    assert again["ended_at"].endswith("Z")
    assert api.post("/failures/1/replay")["state"] == "dismissed"
    assert api.post("/failures/1/dismiss", {"note": 5}, 400)["field"] == "note"
    assert api.post("/failures/1/dismiss", {"why": ""}, 400)["field"] == "why"


def test_run(api: Caller, database: Database) -> None:
    """A resync is queued as asked for; asked again, the same one comes back and is due at once."""
    asked = RESYNC | {"options": {"invoices": True, "debtors": False, "since": "2026-01-01", "dry_run": True}}

    response = api.call("POST", "/runs", json=asked)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE run SET not_before = created_at, state = 'waiting'")
    again = api.post("/runs", RESYNC, 200)

    run = Caller.json(response, 201)
    assert run["options"] == {
        "debtors": False,
        "invoices": True,
        "since": "2026-01-01",
        "dry_run": True,
        "allow_deletions": False,
    }
    assert (run["state"], run["phase"], run["agreement"], run["counts"]) == ("queued", "invoices", AGREEMENT, {})
    assert response.headers["Location"] == f"/api/v1/runs/{run['id']}"
    assert again["id"] == run["id"]
    assert scalar(database, "SELECT not_before FROM run") is None
    assert [each["id"] for each in api.get("/runs")["items"]] == [run["id"]]
    assert api.get(f"/runs/{run['id']}") == again


def test_run_after_one_that_ended(api: Caller, database: Database) -> None:
    """A run that has ended does not stand in the way of the next one."""
    first = api.post("/runs", RESYNC, 201)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE run SET state = 'done'")

    second = api.post("/runs", RESYNC, 201)

    assert [each["id"] for each in api.walk("/runs?limit=1")] == [second["id"], first["id"]]


def test_two_runs_at_once(services: Services, api: Caller, database: Database) -> None:
    """Of eight requests at the same moment one starts a run, the others get that one."""
    ready = threading.Barrier(8)
    statuses: list[int] = []

    def start() -> None:
        ready.wait()
        statuses.append(api.call("POST", "/runs", json=RESYNC).status_code)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] * 7 + [201]
    assert scalar(database, "SELECT count(*) FROM run") == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"agreement": AGREEMENT}, "type"),
        ({"type": "export", "agreement": AGREEMENT}, "type"),
        ({"type": "resync"}, "agreement"),
        ({"type": "resync", "agreement": True}, "agreement"),
        ({"type": "resync", "agreement": 10**30}, "agreement"),
        (RESYNC | {"now": True}, "now"),
        (RESYNC | {"options": []}, "options"),
        (RESYNC | {"options": {"debitors": True}}, "options.debitors"),
        (RESYNC | {"options": {"dry_run": 1}}, "options.dry_run"),
        (RESYNC | {"options": {"since": "soon"}}, "options.since"),
        (RESYNC | {"options": {"since": 5}}, "options.since"),
        (RESYNC | {"options": {"since": "2026-01-01", "invoices": False}}, "options.since"),
        (RESYNC | {"options": {"debtors": False, "invoices": False}}, "options.invoices"),
    ],
)
def test_bad_run(api: Caller, database: Database, body: dict[str, Any], field: str) -> None:
    """A run that cannot be meant is 400, names the field and starts nothing."""
    assert api.post("/runs", body, 400)["field"] == field
    assert scalar(database, "SELECT count(*) FROM run") == 0
