"""`debitor import`, `debitor companies match` and `check` against the stand-in e-conomic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor, StandIn
from tests.support.company_files import report_of
from tests.support.databases import AGREEMENT, scalar

NORDVIND = {"number": 1, "name": "Nordvind Service ApS", "address": "Industrivej 7", "zip": "8700", "city": "Horsens"}
COMPANIES = "id;name;street;zip;city\ncrm-17;Nordvind Service A/S;Industrivej 7;8700;Horsens\n"


@pytest.fixture
def books(debitor: Debitor, connected: Callable[..., None], stand_in: StandIn, tmp_path: Path) -> StandIn:
    """Five debtors: one that the CRM knows, one twice, a formula, and one without a place."""
    connected()
    for debtor in (
        NORDVIND,
        {
            "number": 2,
            "name": "Sydhavn Maskiner",
            "address": "Havnegade 3",
            "zip": "9000",
            "corporateIdentificationNumber": "24256790",
        },
        {
            "number": 3,
            "name": "Sydhavn Maskiner",
            "address": "Havnegade 3",
            "zip": "9000",
            "corporateIdentificationNumber": "24256790",
        },
        {"number": 4, "name": "=HYPERLINK(1)", "address": "Torvet 4", "zip": "5000", "city": "Odense C"},
    ):
        stand_in.books("POST", "debtors", debtor)
    (tmp_path / "companies.csv").write_text(COMPANIES)
    debitor("companies", "import", "companies.csv")
    return stand_in


def rows_of_report(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".csv":
        return report_of(path)
    headings, *lines = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    return [{name: str(cell) for name, cell in zip(headings, line, strict=True)} for line in lines]


def companies(database: Database) -> int:
    return int(scalar(database, "SELECT count(*) FROM company WHERE deleted_at IS NULL"))


def test_test_start_and_revert(debitor: Debitor, books: StandIn, database: Database) -> None:
    """A test changes nothing, a start does what it said, a second one finds nothing, a revert takes it back."""
    tested = debitor.json("import", AGREEMENT, "--test")
    assert (tested["counts"]["verdicts"], companies(database)) == ({"new": 2, "linked": 2}, 1)
    assert scalar(database, "SELECT count(*) FROM debtor") == 0

    printed = debitor("import", AGREEMENT).stdout
    assert ["become", "a", "new", "company", "2"] in [line.split() for line in printed.splitlines()]
    assert "Done: 2 created, 2 linked." in printed
    assert companies(database) == 3

    again = debitor.json("import", AGREEMENT)
    assert again["counts"]["verdicts"] == {"unchanged": 4}

    run = again["run"] - 1
    assert debitor.json("import", AGREEMENT, "--revert", run)["counts"] == {
        "reverted": {"reverted": 4},
        "calls": {"spent": 0},
    }
    assert companies(database) == 1


@pytest.mark.parametrize("name", ["report.csv", "report.xlsx"])
def test_report(debitor: Debitor, books: StandIn, tmp_path: Path, name: str) -> None:
    """A line for each debtor, and no formula among them; the report of a run that has ended can be fetched again."""
    run = debitor.json("import", AGREEMENT, "--test", "--report", name)["run"]

    first, second, third, formula = rows_of_report(tmp_path / name)
    assert (first["verdict"], first["company"], first["company id"]) == ("linked", "Nordvind Service A/S", "1")
    assert "same name" in first["reasons"].lower()
    assert (second["verdict"], third["verdict"]) == ("new", "linked")
    assert third["company"] == "the new company of debtor 2"
    assert "customer_number: - → 1" in first["changes"]
    assert formula["name"] in ("'=HYPERLINK(1)", "=HYPERLINK(1)")
    if name.endswith(".csv"):
        assert ";'=HYPERLINK(1);" in (tmp_path / name).read_text("utf-8-sig")
        debitor("import", AGREEMENT, "--resume", run, "--report", "again.csv")
        assert (tmp_path / "again.csv").read_text() == (tmp_path / name).read_text()


def test_check(debitor: Debitor, books: StandIn, database: Database) -> None:
    """Links to look at are shown, ticked right or wrong, and the share of right ones follows with its interval."""
    run = debitor.json("import", AGREEMENT, "--test")["run"]
    shown = debitor.json("companies", "check", run)
    assert [(link["debtor"], link["sample"]) for link in shown["links"]] == [(1, "weakest"), (3, "weakest")]
    assert shown["precision"]["share"] is None

    printed = debitor("companies", "check", run, "--right", 1, "--wrong", 3).stdout

    assert "1 of 2 links answered are right" in printed
    assert debitor.json("companies", "check", run)["precision"]["share"] == 0.5
    assert "not one of the links" in debitor("companies", "check", run, "--right", 2, status=1).stderr


def test_match(debitor: Debitor, books: StandIn, database: Database) -> None:
    """Before the first import nothing is matched; afterwards without a call to e-conomic."""
    debitor("resync", AGREEMENT)
    assert "has not been imported yet" in debitor("companies", "match", status=1).stderr
    assert debitor.json("companies", "match", "--test")["counts"]["verdicts"] == {"new": 2, "linked": 2}
    debitor("import", AGREEMENT)
    books.control("POST", "reset")

    assert debitor.json("companies", "match")["counts"]["calls"] == {"spent": 0}


def test_wrong_usage(debitor: Debitor, books: StandIn) -> None:
    """Options that do not go together, and runs that are not there or something else."""
    debitor("import", AGREEMENT, "--test", "--revert", 1, status=2)
    debitor("import", AGREEMENT, "--cancel", 1, "--resume", 1, status=2)
    assert "there is no run 99" in debitor("import", AGREEMENT, "--revert", 99, status=1).stderr
    assert "nothing of agreement" in debitor("import", AGREEMENT, "--waiting", status=1).stderr
    run = debitor.json("resync", AGREEMENT)["run"]
    assert "is a resync" in debitor("import", AGREEMENT, "--cancel", run, status=1).stderr
    tested = debitor.json("import", AGREEMENT, "--test")["run"]
    assert "has ended: done" in debitor("import", AGREEMENT, "--cancel", tested, status=1).stderr
