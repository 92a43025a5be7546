"""`debitor companies import` and `export`: what a file does to the companies, and what the report says."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
import pytest

from infra.company_import import AT_ONCE, import_companies
from infra.database.engine import Database
from infra.database.users import ensure_firm
from tests.integration.cli.conftest import Debitor, Import
from tests.support.companies import companies, crm, take
from tests.support.company_files import CHANNELCRM, csv_bytes
from tests.support.databases import rows, scalar


def test_a_report_says_what_became_of_each_row(importing: Import, database: Database) -> None:
    """Rows are numbered as a spreadsheet shows them; an error names its column as the file calls it."""
    take(database, crm("a"), crm("b", name="To", phone=None), crm("c", name="To", phone=None))
    content = csv_bytes(
        [
            ["id", "Navn", "CVR", "EAN", "By", "Saldo"],
            ["a", "Nordvind\nService", "", "5,79E+12", "Vejle", "1"],
            ["", "", "", "", "", ""],
            ["a", "Nordvind", "", "", "Vejle", "1"],
            ["", "To", "31313139", "", "", "1"],
            ["", "", "", "", "Horsens", "1"],
            ["new", "", "", "", "Horsens", "1"],
        ]
    )
    assert [(row, outcome, column) for row, outcome, column, _ in importing(content)] == [
        ("2", "error", "EAN"),
        ("5", "updated", ""),
        ("6", "error", ""),
        ("7", "error", "Navn"),
        ("8", "error", "Navn"),
    ]
    assert "Saldo" in importing.said.stdout
    assert "5,79E+12" in importing.said.stdout


def test_preview_and_modes(importing: Import, database: Database) -> None:
    """A preview says the same and stores nothing; only new or only known companies, when asked for."""
    content = csv_bytes(CHANNELCRM)
    assert importing(content, "--preview") == importing(content, "--dry-run")
    assert companies(database) == []
    assert scalar(database, "SELECT count(*) FROM company_file") == 0

    assert {outcome for _, outcome, *_ in importing(content, "--update")} == {"absent"}
    importing(content, "--create")
    assert {outcome for _, outcome, *_ in importing(content.replace(b"8700", b"8701"), "--create")} == {"exists"}
    assert importing(content.replace(b"8700", b"8701"))[0][1] == "updated"


def test_the_crm_is_told_what_it_does_not_know(importing: Import, database: Database) -> None:
    """Companies with the CRM's own id are its own words; others are told of."""
    importing(csv_bytes(CHANNELCRM))
    assert rows(database, "SELECT type, subject FROM outbox") == [("company.created", "company 2")]


def test_an_import_that_was_cut_short_goes_on(database: Database, tmp_path: Path, importing: Import) -> None:
    """After a kill between two portions the same file goes on with the next row, and no row is stored twice."""
    content = csv_bytes([["name"], *([f"Firma {number}"] for number in range(AT_ONCE + 5))])
    (tmp_path / "companies.csv").write_bytes(content)

    def killed(row: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_companies(database, ensure_firm(database), tmp_path / "companies.csv", on_portion=killed)
    assert len(companies(database)) == AT_ONCE

    lines = importing(content)
    assert [(row, outcome) for row, outcome, *_ in lines[:2]] == [
        (f"{AT_ONCE + 1}", "done before"),
        (f"{AT_ONCE + 2}", "created"),
    ]
    assert len(lines) == 6
    assert len(companies(database)) == AT_ONCE + 5


def test_a_report_is_a_workbook_when_it_is_called_one(debitor: Debitor, tmp_path: Path) -> None:
    """The report's name says what it is; a folder that is not there is one clear line."""
    (tmp_path / "in.csv").write_bytes(csv_bytes(CHANNELCRM))
    debitor("companies", "import", "in.csv", "--report", "report.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "report.xlsx").active
    assert sheet is not None
    assert [cell.value for cell in sheet[2]][:4] == [2, "created", "crm-17", 1]

    debitor("companies", "import", "in.csv", "--report", "nowhere/report.csv", status=1)
    assert "cannot be read" in debitor("companies", "import", "no.csv", status=1).stderr
    assert debitor.json("companies", "import", "in.csv")["counts"] == {"unchanged": 2}


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_what_is_exported_is_imported(debitor: Debitor, database: Database, tmp_path: Path, name: str) -> None:
    """An export holds every living company, no formula, and nothing changes when it is read back."""
    take(
        database,
        crm("crm-17", description='=HYPERLINK("http://evil.example")', vat=None),
        crm("-1", name="@SUM(A1)", phone="+4511111111", vat=None, city=None),
        crm("gone", name="Gone", phone=None, vat="25511484", zip="1"),
    )
    before = companies(database)
    debitor("companies", "export", name)
    if name.endswith("csv"):
        cells = [
            cell
            for line in csv.reader(io.StringIO((tmp_path / name).read_text("utf-8-sig")), delimiter=";")
            for cell in line
        ]
    else:
        sheet = openpyxl.load_workbook(tmp_path / name).active
        assert sheet is not None
        cells = [cell.value for line in sheet for cell in line if cell.data_type == "f"]
    assert [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")] == []

    counts = debitor.json("companies", "import", name)["counts"]
    assert companies(database) == before
    assert counts == {"unchanged": 3}


def test_export_can_be_narrowed(debitor: Debitor, database: Database) -> None:
    """By relation, or by words."""
    take(database, crm("a"), crm("b", relation="customer", name="Sydvind", vat=None, phone=None))
    assert "1 company " in debitor("companies", "export", "out.csv", "--relation", "customer").stdout
    assert "1 company " in debitor("companies", "export", "out.csv", "--query", "sydv").stdout
