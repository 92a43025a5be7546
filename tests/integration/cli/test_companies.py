"""`debitor companies import` and `export`: whatever the file is, it ends in a report."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from infra.company_import import AT_ONCE, import_companies
from infra.database.engine import Database
from infra.database.users import ensure_firm
from infra.spreadsheets.writing import written
from tests.integration.cli.conftest import Debitor
from tests.support.companies import companies, crm, take
from tests.support.databases import rows, scalar

CHANNELCRM = [
    ["company.id", "company.name", "company.vat", "company.zip", "company.relationprim", "company.financekey"],
    ["crm-17", "Nordvind Service A/S", "31.313.139", "8700", "Kunde", "4711"],
    ["", "Sydvind æøå ApS", "", "2100", "Emne", ""],
]


def csv_bytes(lines: list[list[str]], separator: str = ";", encoding: str = "utf-8") -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=separator).writerows(lines)
    return file.getvalue().encode(encoding)


def workbook(lines: list[list[Any]], change: Callable[[Any], None] = lambda sheet: None) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for line in lines:
        book.active.append(line)
    change(book.active)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def with_member(book: bytes, name: str, content: bytes) -> bytes:
    """The workbook with another member of this name."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for member in old.infolist():
            new.writestr(member, content if member.filename == name else old.read(member))
    return file.getvalue()


def report_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


class Import:
    """Imports bytes, and reads the report."""

    def __init__(self, debitor: Debitor, folder: Path) -> None:
        self._debitor = debitor
        self._folder = folder

    def __call__(
        self, content: bytes, *options: str, status: int = 0, name: str = "companies.csv"
    ) -> list[tuple[str, ...]]:
        (self._folder / name).write_bytes(content)
        report = self._folder / "report.csv"
        report.unlink(missing_ok=True)
        self.said = self._debitor("companies", "import", name, "--report", "report.csv", *options, status=status)
        assert [path.name for path in self._folder.iterdir() if path.name.startswith(".report")] == []
        return [(line["row"], line["outcome"], line["column"], line["reason"]) for line in report_of(report)]


@pytest.fixture
def importing(debitor: Debitor, tmp_path: Path) -> Import:
    return Import(debitor, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(csv_bytes(CHANNELCRM), id="UTF-8"),
        pytest.param(csv_bytes(CHANNELCRM, ",", "utf-8-sig"), id="commas, byte order mark"),
        pytest.param(csv_bytes(CHANNELCRM, "\t", "cp1252"), id="tabs, Windows"),
        pytest.param(csv_bytes(CHANNELCRM, ";", "utf-16"), id="UTF-16"),
        pytest.param(csv_bytes(CHANNELCRM, "|", "utf-16-be"), id="UTF-16 without a mark"),
        pytest.param(b"sep=;\r\n" + csv_bytes(CHANNELCRM), id="separator named"),
        pytest.param(csv_bytes(CHANNELCRM).replace(b"\r\n", b"\r"), id="old Mac"),
        pytest.param(b"\r\n;;\r\n" + csv_bytes(CHANNELCRM), id="blank lines first"),
        pytest.param(workbook([[None], *CHANNELCRM]), id="XLSX"),
    ],
)
def test_whatever_form_the_file_has(importing: Import, database: Database, content: bytes) -> None:
    """Any usual encoding, separator and kind gives the same companies."""
    assert [outcome for _, outcome, *_ in importing(content)] == ["created", "created"]
    assert [(c.crm_id, c.name, c.vat, c.zip, c.relation, c.customer_number) for c in companies(database)] == [
        ("crm-17", "Nordvind Service A/S", "31313139", "8700", "customer", "4711"),
        (None, "Sydvind æøå ApS", None, "2100", "prospect", None),
    ]
    assert [outcome for _, outcome, *_ in importing(content)] == ["unchanged", "unchanged"]


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


def big(most: int) -> bytes:
    """A workbook whose sheet would unpack to this many MB."""
    book = workbook([["name"], ["Nordvind"]])
    return with_member(book, "xl/worksheets/sheet1.xml", b"<row/>" * (most * 1024 * 1024 // 6))


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b']><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
    b'<c r="A1" t="inlineStr"><is><t>&j;</t></is></c></row></sheetData></worksheet>'
)
GOOD = workbook([["name"], ["Nordvind"]])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"\n\n;;\n", "no headings", id="blank"),
        pytest.param(os.urandom(5_000), "", id="noise"),
        pytest.param(b"\0" * 5_000, "", id="zeros"),
        pytest.param(b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old Excel", id="old Excel"),
        pytest.param(b"PK\x03\x04 no zip", "no whole XLSX", id="no zip"),
        pytest.param(GOOD[: len(GOOD) // 2], "no whole XLSX", id="half a file"),
        pytest.param(
            with_member(GOOD, "xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row"),
            "no whole XLSX",
            id="half a sheet",
        ),
        pytest.param(with_member(GOOD, "xl/workbook.xml", b"<x/>"), "", id="no book"),
        pytest.param(with_member(GOOD, "xl/worksheets/sheet1.xml", LAUGHS), "no whole XLSX", id="a billion laughs"),
        pytest.param(big(100), "would unpack to 99 MB", id="zip bomb"),
        pytest.param(csv_bytes([["Navn", "CVR", "CVR nr."], ["a", "b", "c"]]), "keep one", id="headings twice"),
        pytest.param(csv_bytes([["Saldo"], ["17"]]), "no column", id="other headings"),
        pytest.param(workbook([]), "no headings", id="empty sheet"),
    ],
)
def test_files_that_cannot_be_read(importing: Import, database: Database, content: bytes, said: str) -> None:
    """A file that is no list of companies is refused in one line and in the report; nothing is stored."""
    [(_, outcome, _, reason)] = importing(content, status=1)
    assert outcome == "refused"
    assert said in reason
    assert companies(database) == []


def test_hostile_rows(importing: Import, database: Database) -> None:
    """What is wrong with a row is that row's error: its neighbours are stored."""
    lines = [b"name;city", b"First;Horsens"]
    lines.append(b"x" * 10_240 + b";Horsens")
    lines.append(b"Long;" + b"y" * 2_000_000)
    lines.append(b"Sep;Hor;sens")
    lines.append(b"Windows \xe6\xf8\xe5;Odense")
    lines.append(b"No text \x81\x8d;Odense")
    lines.append(b"=1+1;Odense")
    lines.append(b"Null\0byte;Odense")
    lines.append(b'"Never closed;Odense')
    lines += [b"z" * 1_000 + b";y"] * 140
    lines.append(b"Last;Odense")

    outcomes = [outcome for _, outcome, *_ in importing(b"\r\n".join(lines))]
    assert outcomes[:8] == ["created", "error", "error", "error", "created", "error", "error", "created"]
    assert [row.name for row in companies(database)] == ["First", "Windows æøå", "Nullbyte", "Last"]


def test_hostile_sheets(importing: Import, database: Database) -> None:
    """Merged cells, formulas, errors, cells far out and rows far down end in the report, and in good time."""

    def change(sheet: Any) -> None:
        sheet.merge_cells("A2:B3")
        sheet["A4"] = "=CONCATENATE(A2;A2)"
        sheet["A5"] = "#REF!"
        sheet["A6"], sheet["XFD6"] = "Far out", "x"
        sheet["A7"] = "x" * 10_240
        sheet["A1048576"] = "Last"

    content = workbook([["Navn", "By"], ["Merged", None]], change)
    assert [(row, outcome) for row, outcome, *_ in importing(content, name="companies.xlsx")] == [
        ("2", "created"),
        ("5", "error"),
        ("6", "created"),
        ("7", "error"),
        ("1048576", "created"),
    ]


def test_a_sheet_that_breaks_off_keeps_what_came_before(importing: Import, database: Database) -> None:
    """Rows before a broken place are stored and reported, and the file is said to break off."""
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    broken = with_member(
        GOOD, "xl/worksheets/sheet1.xml", sheet.replace(b"</sheetData>", b"<row r='3'><c r='A3'><oops>")
    )

    lines = importing(broken, status=1)
    assert [outcome for _, outcome, *_ in lines] == ["created", "refused"]


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


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """A file is written whole or not at all."""
    path = tmp_path / "report.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), written(path, ["a"]) as write:
        write([1 / 0])
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.csv"]
