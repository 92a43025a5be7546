"""`debitor debtors`: from the command line to the stand-in e-conomic and back, with what may happen on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor, StandIn
from tests.support.databases import AGREEMENT, do, rows

BESIDE = {"someNewThing": {"flag": True, "amount": 12.5}}


@pytest.fixture
def database(sqlite: Database) -> Database:
    """One database is enough here: edits themselves are tried on both."""
    return sqlite


@pytest.fixture
def changing(debitor: Debitor, stand_in: StandIn, connected: Callable[..., None]) -> Debitor:
    """A debtor with a property that nobody has documented, read into the mirror; it may be changed."""
    stand_in.books("PUT", "conventions", {"more_properties": ["someNewThing"]})
    fields = {"name": "Nordvind Service A/S", "zip": "8700", "telephoneAndFaxNumber": "76000000", "barred": True}
    stand_in.books("POST", "debtors", {"number": 4711, **fields, **BESIDE})
    connected()
    debitor("resync", AGREEMENT, "--debtors")
    debitor("agreement", "new-debtors", AGREEMENT, "--edits", "on")
    return debitor


def books(stand_in: StandIn) -> dict[str, Any]:
    [debtor] = stand_in.books("GET", "state")["debtors"]
    return {name: value for name, value in debtor.items() if name not in ("lastUpdated", "metaData")}


def puts(stand_in: StandIn) -> int:
    return sum(call["method"] == "PUT" for call in stand_in.control("GET", "calls")["calls"])


def edit(debitor: Debitor, *words: str, status: int = 0) -> Any:
    return debitor("debtors", "edit", AGREEMENT, 4711, *words, status=status)


def test_only_what_is_asked_for(changing: Debitor, stand_in: StandIn, database: Database) -> None:
    """The rest goes back as it was, properties that Debitor does not know too; the mirror has it at once."""
    before = books(stand_in)

    said = edit(changing, "phone=76000001", "zip=").stdout

    after = books(stand_in)
    assert before.pop("telephoneAndFaxNumber") != after.pop("telephoneAndFaxNumber") == "76000001"
    assert before.pop("zip") == "8700"
    assert after == before
    assert after["someNewThing"] == {"flag": True, "amount": 12.5}
    assert said == 'Debtor 4711 has: phone "76000001", zip empty.\n'
    [row] = rows(database, "SELECT phone, zip FROM debtor")
    assert tuple(row) == ("76000001", None)
    assert "already" in edit(changing, "phone=76000001").stdout
    assert puts(stand_in) == 1


def test_somebody_changed_it(changing: Debitor, stand_in: StandIn) -> None:
    """Exit 1 with both values, a failure to look at, and nothing written; with the new value as seen it goes on."""
    stand_in.books("PATCH", "debtors/4711", {"telephoneAndFaxNumber": "76999999"})

    refused = edit(changing, "phone=76000001", status=1)

    assert refused.stdout.split()[-4:] == ["phone", "76000000", "76999999", "76000001"]
    assert "Somebody changed it meanwhile" in refused.stderr
    assert puts(stand_in) == 0
    [shown] = changing.json("debtors", "edits", AGREEMENT, 4711)
    assert (shown["state"], shown["changes"]["phone"]["now"]) == ("refused", "76999999")
    assert [one["reason"] for one in changing.json("failures", "list")] == ["changed_meanwhile"]

    edit(changing, "phone=76000001", "--was", "phone=76999999")
    assert books(stand_in)["telephoneAndFaxNumber"] == "76000001"
    assert changing.json("failures", "list") == []


@pytest.mark.parametrize("fault", [{"cut": "after"}, {"status": 500}], ids=str)
def test_no_answer_to_the_write(
    changing: Debitor, stand_in: StandIn, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at again by itself, and written once."""
    monkeypatch.setattr("domain.write_edits.wait_s", lambda error, attempt: 0.0)
    stand_in.control("POST", "faults", {**fault, "path": "/customers", "method": "PUT", "times": 1})

    edit(changing, "phone=76000001")

    assert books(stand_in)["telephoneAndFaxNumber"] == "76000001"
    assert puts(stand_in) == (1 if "cut" in fault else 2)


@pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (401, "credentials_refused")])
def test_trouble_of_the_agreement(
    changing: Debitor,
    stand_in: StandIn,
    database: Database,
    status: int,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waits and says why; once e-conomic takes calls again it is written."""
    stand_in.control("POST", "faults", {"status": status, "path": "/customers", "method": "PUT", "times": 1})

    with monkeypatch.context() as hasty:
        hasty.setattr("cli.debtors.PATIENCE_S", 0.1)
        waiting = edit(changing, "phone=76000001", "--json", status=1)
    assert json.loads(waiting.stdout)["reason"] == reason
    assert f"waits ({reason})" in waiting.stderr
    assert changing.json("failures", "list") == []

    do(database, "UPDATE work SET not_before = NULL")
    do(database, "UPDATE budget SET paused_until = NULL")
    edit(changing, "city=Horsens")
    assert [one["state"] for one in changing.json("debtors", "edits", AGREEMENT, 4711)] == ["written", "written"]


def test_refused_for_good(changing: Debitor, stand_in: StandIn) -> None:
    """Field and reason in plain words; replaying the failure tries again."""
    terms = books(stand_in)["paymentTerms"]["paymentTermsNumber"]
    stand_in.books("DELETE", f"reference/payment-terms/{terms}")

    refused = edit(changing, "phone=76000001", status=1)
    assert "payment_terms: e-conomic has no such payment terms any more" in refused.stderr
    [failure] = changing.json("failures", "list")
    assert (failure["subject_kind"], failure["reason"]) == ("edit", "rejected")

    stand_in.books("PUT", "reference/payment-terms", {"paymentTermsNumber": terms, "name": "Netto 8 dage"})
    changing("failures", "replay", failure["id"])
    edit(changing, "city=Horsens")
    assert books(stand_in)["telephoneAndFaxNumber"] == "76000001"


def test_off_at_first(debitor: Debitor, database: Database) -> None:
    """Nothing is stored, and it is said why; the switch says what it costs."""
    debitor("agreement", "add", AGREEMENT)
    assert "not let debtors be changed" in edit(debitor, "phone=1", status=1).stderr
    assert "price group" in debitor("agreement", "new-debtors", AGREEMENT, "--edits", "on").stdout
    assert debitor.json("agreement", "new-debtors", AGREEMENT)["edits"] is True
    assert "no debtor 4711" in edit(debitor, "phone=1", status=1).stderr
    for words in (["phone"], ["colour=red"], ["phone=1", "--was", "zip=8700"], ["ean=1"]):
        edit(debitor, *words, status=2)
    debitor("agreement", "new-debtors", AGREEMENT, "--edits", "off")
    assert rows(database, "SELECT 1 FROM debtor_edit") == []
