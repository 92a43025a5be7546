"""`debitor convert`, with nothing else running: the command does the work itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor, StandIn
from tests.support.companies import crm, take
from tests.support.databases import AGREEMENT, scalar

DEFAULTS = ("all.customer_group=1", "all.payment_terms=1", "domestic.vat_zone=1", "--home", "DK")


@pytest.fixture
def agreement(debitor: Debitor, connected: Callable[..., None], database: Database) -> None:
    """It makes debtors at once; one company."""
    connected()
    debitor("agreement", "new-debtors", AGREEMENT, *DEFAULTS)
    take(database, crm())


def debtors(stand_in: StandIn) -> int:
    return int(stand_in.control("GET", f"agreements/{AGREEMENT}")["debtors"])


@pytest.mark.usefixtures("agreement")
def test_a_company_becomes_a_debtor(debitor: Debitor, stand_in: StandIn, database: Database) -> None:
    """Its number is said; said again, the same one; a second one needs the name of its deal."""
    before = debtors(stand_in)
    assert "Nordvind Service A/S is debtor" in debitor("convert", "crm-17").stdout

    again = debitor.json("convert", "#1", "--agreement", AGREEMENT)
    assert (again["state"], again["who"]) == ("created", "command line")
    assert [step["what"] for step in again["history"]] == ["requested", "creating", "created"]
    assert "--deal" in debitor("convert", "crm-17", "--second", status=2).stderr
    assert debtors(stand_in) == before + 1
    assert scalar(database, "SELECT count(*) FROM debtor_link WHERE cut_at IS NULL") == 1


@pytest.mark.usefixtures("agreement")
def test_what_it_lacks_is_said(debitor: Debitor, stand_in: StandIn, database: Database) -> None:
    """What is missing is named, and the same conversion goes on with it."""
    before = debtors(stand_in)
    debitor("agreement", "new-debtors", AGREEMENT, "all.payment_terms=", "all.customer_group=")
    lacking = debitor("convert", "crm-17", status=1)
    assert "customer_group" in lacking.stdout
    assert "--override FIELD=VALUE" in lacking.stderr

    said = ("--override", "customer_group=1", "--override", "payment_terms=1")
    assert "is debtor" in debitor("convert", "crm-17", *said).stdout
    assert debtors(stand_in) == before + 1
    assert scalar(database, "SELECT count(*) FROM conversion") == 1


@pytest.mark.usefixtures("agreement")
def test_the_bookkeeper_decides(debitor: Debitor, stand_in: StandIn, database: Database) -> None:
    """Nothing is made before the word is given, and nothing once it was no."""
    before = debtors(stand_in)
    take(database, crm("crm-18", name="Fjell Drift ApS", vat="30303032", phone=None, mail=None))
    debitor("agreement", "new-debtors", AGREEMENT, "--policy", "approval")
    assert "--approve, or --decline" in debitor("convert", "crm-17", status=1).stderr
    assert debtors(stand_in) == before

    assert "is debtor" in debitor("convert", "crm-17", "--approve").stdout
    assert "declined" in debitor("convert", "crm-18", "--decline", status=1).stderr
    assert debtors(stand_in) == before + 1


@pytest.mark.usefixtures("agreement")
def test_what_cannot_be_converted(debitor: Debitor) -> None:
    """One clear line each."""
    assert "no company crm-9" in debitor("convert", "crm-9", status=1).stderr
    assert "colour" in debitor("convert", "crm-17", "--override", "colour=red", status=2).stderr
    assert "FIELD=VALUE" in debitor("convert", "crm-17", "--override", "zip", status=2).stderr
