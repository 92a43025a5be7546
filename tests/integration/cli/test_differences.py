"""Shown differences, settled on the command line: theirs is taken, or ours is kept until they say something new."""

from __future__ import annotations

import pytest

from domain.debtors import Debtor
from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor
from tests.integration.database.test_links import link
from tests.support.alerts import debtors
from tests.support.companies import companies, crm, history, take
from tests.support.databases import AGREEMENT, add_agreement, rows, scalar

DIFFERENCES = ("companies", "differences")


@pytest.fixture
def linked(database: Database) -> Database:
    """A company whose CVR number the CRM has another of: the books own it."""
    add_agreement(database)
    take(database, crm())
    debtors(database, Debtor(4711, "Nordvind Service A/S", cvr="87654338", zip="7100", city="Vejle"))
    link(database, 1)
    take(database, crm(vat="25511484"))
    return database


def shown(debitor: Debitor) -> list[tuple[str, str, str]]:
    return [(each["field"], each["theirs"], each["whose"]) for each in debitor.json(*DIFFERENCES, "list")]


def test_theirs_is_taken(linked: Database, debitor: Debitor) -> None:
    """The CRM's value is written, with its line of history; the CRM is not told what it said itself."""
    assert shown(debitor) == [("vat", "25511484", "crm")]
    told = scalar(linked, "SELECT count(*) FROM outbox")

    assert "vat: 25511484 was taken" in debitor(*DIFFERENCES, "take", "crm-17", "vat").stdout
    assert (companies(linked)[0].vat, companies(linked)[0].crm_apart) == ("25511484", None)
    assert (shown(debitor), history(linked)[-1]) == ([], ("command line", "updated"))
    assert scalar(linked, "SELECT count(*) FROM outbox") == told
    assert "no such difference" in debitor(*DIFFERENCES, "take", "crm-17", "vat", status=1).stderr


def test_ours_is_kept_until_they_say_something_new(linked: Database, debitor: Debitor) -> None:
    """The same value, said again, is no difference any more; another one is."""
    assert "vat stays" in debitor(*DIFFERENCES, "keep", "#1", "vat").stdout
    take(linked, crm(vat="25511484"))
    assert shown(debitor) == []
    assert history(linked)[-1] == ("command line", "kept")
    take(linked, crm(vat="10103940"))
    assert shown(debitor) == [("vat", "10103940", "crm")]
    assert companies(linked)[0].vat == "87654338"


def test_an_address_is_taken_as_a_whole(linked: Database, debitor: Debitor) -> None:
    """Of a debtor's words, all fields that belong together; whose is meant is asked where several speak."""
    with linked.write() as connection:
        for speaker, field, theirs in ((1, "zip", "7100"), (1, "city", "Vejle"), (0, "city", "Skive")):
            connection.exec_driver_sql(
                "INSERT INTO company_difference (company_id, debtor_id, field, theirs, why, since)"
                f" SELECT 1, {speaker}, '{field}', '{theirs}', 'both_changed', created_at FROM company WHERE id = 1"
            )

    assert "say whose" in debitor(*DIFFERENCES, "take", "#1", "city", status=1).stderr
    debitor(*DIFFERENCES, "take", "#1", "city", "--debtor", 4711)
    assert (companies(linked)[0].zip, companies(linked)[0].city) == ("7100", "Vejle")
    assert rows(linked, "SELECT field, debtor_id FROM company_difference ORDER BY 1") == [("city", 0), ("vat", 0)]
    assert rows(linked, "SELECT type FROM outbox ORDER BY id DESC LIMIT 1") == [("company.updated",)]

    debitor(*DIFFERENCES, "take", "#1", "city", "--debtor", 4711, "--crm", status=2)
    assert f"{AGREEMENT} has no debtor 9" in debitor(*DIFFERENCES, "keep", "#1", "city", "--debtor", 9, status=1).stderr
    assert "no company x" in debitor(*DIFFERENCES, "list", "x", status=1).stderr
