"""`debitor companies merge`, `undo-merge`, `merges` and `history`."""

from __future__ import annotations

import pytest

from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor
from tests.support.companies import companies, crm, take
from tests.support.databases import add_agreement
from tests.support.merges import debtor, linked


@pytest.fixture
def three(debitor: Debitor, database: Database) -> Debitor:
    """Two companies of the CRM, and one without an id that is linked to a debtor."""
    add_agreement(database)
    take(
        database,
        crm("crm-17"),
        crm("crm-18", name="Nordvind", vat=None, city="Vejle", web="nordvind.example"),
        crm(None, name="Nordvind Services", vat="25511484", phone=None, zip="2100"),
    )
    debtor(database, 4711)
    linked(database, 4711, 3)
    return debitor


def test_looked_at_merged_undone(three: Debitor, database: Database) -> None:
    """A preview changes nothing; the merge says what became of whom; undoing lists what stays; the list has both."""
    looked = three("companies", "merge", "crm-17", "crm-18", "--preview").stdout
    assert "Nothing was changed" in looked
    assert ["*", "city", "Horsens", "Vejle", "Horsens"] in [line.split() for line in looked.splitlines()]
    assert three("companies", "merges").stdout == "Nothing was merged.\n"

    made = three("companies", "merge", "crm-17", "crm-18", "--take", "address=crm-18", "--set", "name=Nordvind A/S")
    assert "#2 Nordvind (crm-18) is #1 Nordvind A/S (crm-17) now: merge 1." in made.stdout
    [first, second, _] = companies(database)
    assert (first.name, first.city, first.web) == ("Nordvind A/S", "Vejle", "nordvind.example")
    assert second.merged_into == 1
    assert "Vejle" in three("companies", "history", "crm-18").stdout

    take(database, crm("crm-17", phone="+4512345678"))
    undone = three("companies", "undo-merge", 1).stdout
    assert "no part of #1 Nordvind Service A/S (crm-17) any more" in undone
    assert ["field", "phone", "+4512345678"] in [line.split() for line in undone.splitlines()]
    [listed] = three.json("companies", "merges")
    assert (listed["merged"], listed["undone_by"]) == (
        [{"id": 2, "crm_id": "crm-18", "name": "Nordvind"}],
        "command line",
    )


def test_ids_of_either_kind(three: Debitor) -> None:
    """Debitor's own ids do as well; the linked one lives on unless the oldest is to stay, or one is chosen."""
    for options, survivor in (((), "crm-17"), (("--keep", "oldest"), "crm-17"), (("--survivor", "#3"), "#3")):
        seen = three.json("companies", "merge", "crm-17", "#3", "--preview", *options)
        assert seen["companies"][1]["debtors"] == 1
        assert seen["survivor"] == ("#3" if not options else survivor)
        assert seen["fields"]["vat"] == {"value": "25511484", "from": "#3", "differs": True}
    done = three.json("companies", "merge", "crm-17", "#3", "crm-18")
    assert (done["survivor"]["id"], done["survivor"]["crm_id"]) == (3, "crm-17")


def test_what_cannot_be(three: Debitor) -> None:
    """One clear line, and nothing is changed."""
    for arguments, said in (
        (("merge", "crm-17", "crm-99"), "there is no company crm-99"),
        (("merge", "crm-17", "#1"), "two different companies"),
        (("merge", "crm-17", "crm-18", "--survivor", "#3"), "survivor must be one of the companies"),
        (("undo-merge", 9), "there is no merge 9"),
        (("history", "crm-99"), "there is no company crm-99"),
    ):
        assert said in three("companies", *arguments, status=1).stderr


def test_wrong_usage(three: Debitor) -> None:
    """A field that is none, or no pair, is wrong usage."""
    for wrong in ("cvr=crm-17", "name"):
        assert "FIELD" in three("companies", "merge", "crm-17", "crm-18", "--take", wrong, status=2).stderr
    three("companies", "merge", "crm-17", "crm-18")
    told = three("companies", "merge", "crm-18", "#3", status=1).stderr
    assert "was merged into #1 by command line on" in told
    assert "go on with #1" in told
