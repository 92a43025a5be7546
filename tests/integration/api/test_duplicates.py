"""Duplicate alerts as programs read and answer them."""

from __future__ import annotations

from typing import Any

import pytest

from domain.alerts import AlertReason
from infra.bootstrap import Services
from infra.database.engine import Database
from infra.database.users import ApiTokens
from tests.integration.api.conftest import AGREEMENT, Caller
from tests.integration.console.world import World
from tests.support.alerts import asked, debtor, raise_alerts
from tests.support.companies import crm, take
from tests.support.databases import do, rows

LINKED = "SELECT debtor_id, company_id FROM debtor_link WHERE cut_at IS NULL ORDER BY 1"


@pytest.fixture
def some_alerts(database: Database, world: World) -> None:
    """Debtors 1 and 2 may be company 1 or 2; debtor 3, for another reason, company 3."""
    take(database, *[crm(f"crm-{n}", name=f"Nordvind {n}", vat=None, phone=None, zip=f"{n}") for n in range(1, 4)])
    for number in (4711, 4712, 4713):
        world.debtor(AGREEMENT, number)
    raise_alerts(database, asked(debtor(1), 1, 2, score=91.5), asked(debtor(2), 2))
    raise_alerts(database, asked(debtor(3), 3), reason=AlertReason.CVR)


@pytest.mark.usefixtures("some_alerts")
def test_alerts_are_read(api: Caller) -> None:
    """Newest first, by page, reason and state; one of them in full."""
    assert [each["id"] for each in api.walk("/duplicates?limit=1")] == [2, 1]
    assert [each["id"] for each in api.get("/duplicates?reason=cvr")["items"]] == [2]
    assert api.get("/duplicates?state=closed")["items"] == []
    assert api.get("/duplicates?reason=x", 400)["field"] == "reason"
    assert api.get("/duplicates?state=x", 400)["field"] == "state"

    shown = api.get("/duplicates/1")
    assert (shown["reason"], shown["why"], shown["score"]) == ("several", "several companies fit", 91.5)
    first, second = shown["records"]
    assert (first["kind"], first["agreement"], first["number"], first["proposed"]) == ("debtor", AGREEMENT, 4711, None)
    assert [(each["id"], each["debitor_id"], each["score"]) for each in first["candidates"]] == [
        ("crm-1", 1, 91.5),
        ("crm-2", 2, 90.5),
    ]
    assert first["candidates"][0]["reasons"] == ["same phone", "same domain nordvind.example"]
    assert first["candidates"][0]["against"] == ["other department"]
    assert (second["proposed"], second["ending"]) == ("link", None)


@pytest.mark.usefixtures("some_alerts")
def test_an_alert_is_answered_and_taken_back(api: Caller, database: Database) -> None:
    """One debtor of a group, then the rest; who answered before is said, and all that belongs together is undone."""
    of_one = {"agreement": AGREEMENT, "number": 4711}
    body: dict[str, Any] = {"answer": "link", "company": "crm-1", "debtor": of_one}
    done = api.post("/duplicates/1/decide", body)
    assert done["outcomes"] == [
        {
            "alert": 1,
            "record": "debtor 4711 Nordvind Service A/S",
            "ending": "linked",
            "company": 1,
            "problem": None,
            "kept": [],
        }
    ]
    assert "api said linked" in api.post("/duplicates/1/decide", body, 409)["detail"]
    api.post("/duplicates/1/decide", {"answer": "leave"})
    assert api.get("/duplicates/1")["state"] == "closed"
    assert rows(database, LINKED) == [(1, 1)]

    assert [each["record"] for each in api.post("/duplicates/1/undo")["outcomes"]] == [
        "debtor 4712 Nordvind Service A/S"
    ]
    assert [each["problem"] for each in api.post("/duplicates/1/undo", {"all": True})["outcomes"]] == [None]
    assert api.get("/duplicates/1")["state"] == "open"
    assert rows(database, LINKED) == []
    assert "no answer" in api.post("/duplicates/2/undo", {}, 409)["detail"]
    assert "is open" in api.post("/duplicates/1/undo", {"all": True}, 409)["detail"]


@pytest.mark.usefixtures("some_alerts")
def test_all_of_a_reason_at_once(api: Caller, database: Database) -> None:
    """What can be answered is, the rest says why; the decision takes it all back, once."""
    done = api.post("/duplicates/decide", {"answer": "link", "reason": "several"})
    assert [(each["record"], each["ending"], each["company"]) for each in done["outcomes"]] == [
        ("debtor 4711 Nordvind Service A/S", None, None),
        ("debtor 4712 Nordvind Service A/S", "linked", 2),
    ]
    assert "say which" in done["outcomes"][0]["problem"]
    assert rows(database, LINKED) == [(2, 2)]
    nothing = api.post("/duplicates/decide", {"answer": "leave", "reason": "phone"})
    assert nothing == {"decision": None, "outcomes": []}

    undo = f"/duplicates/decisions/{done['decision']}/undo"
    assert [each["problem"] for each in api.post(undo)["outcomes"]] == [None]
    assert rows(database, LINKED) == []
    assert "nothing to take back" in api.post(undo, status=409)["detail"]
    assert api.post("/duplicates/decide", {"answer": "link"}, 400)["field"] == "reason"
    assert api.post("/duplicates/decide", {"answer": "link", "reason": ["cvr"]}, 400)["field"] == "reason"
    assert api.post("/duplicates/decide", {"reason": "cvr"}, 400)["field"] == "answer"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "answer"),
        ({"answer": "yes"}, "answer"),
        ({"answer": ["link"]}, "answer"),
        ({"answer": "link", "company": "crm-9"}, "company"),
        ({"answer": "link", "company": 1}, "company"),
        ({"answer": "link", "debtor": 4711}, "debtor"),
        ({"answer": "link", "debtor": {"agreement": AGREEMENT, "number": 4713}}, "debtor"),
        ({"answer": "link", "candidate": 1}, "candidate"),
    ],
)
@pytest.mark.usefixtures("some_alerts")
def test_a_bad_answer_names_the_field(api: Caller, body: object, field: str) -> None:
    """What cannot be understood is 400, and nothing is done."""
    assert api.post("/duplicates/1/decide", body, 400)["field"] == field
    assert api.post("/duplicates/1/undo", {"all": 1}, 400)["field"] == "all"
    assert api.get("/duplicates/1")["state"] == "open"


@pytest.mark.usefixtures("some_alerts")
def test_nobody_elses(api: Caller, services: Services, database: Database) -> None:
    """Another firm's alert is not there, and reading does not allow answering."""
    do(database, "UPDATE alert SET firm_id = firm_id + 1 WHERE id = 2")
    for path in ("/duplicates/2", "/duplicates/9"):
        api.get(path, 404)
        api.post(f"{path}/decide", {"answer": "leave"}, 404)
        api.post(f"{path}/undo", {}, 404)
    reader = Caller(services, ApiTokens(database).create("reader", ["companies:read"]))
    assert [each["id"] for each in reader.get("/duplicates")["items"]] == [1]
    reader.post("/duplicates/1/decide", {"answer": "leave"}, 403)
    reader.post("/duplicates/1/undo", {}, 403)
    reader.post("/duplicates/decide", {"answer": "leave", "reason": "cvr"}, 403)
    reader.post("/duplicates/decisions/1/undo", {}, 403)
    api.post("/duplicates/decide", {"answer": "link", "reason": "cvr"})
    assert rows(database, LINKED) == []
