"""Files of companies of any form, broken and hostile ones among them: each ends in a report."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra.database.engine import Database
from infra.spreadsheets.writing import written
from tests.integration.cli.conftest import Import
from tests.support.companies import companies
from tests.support.company_files import CHANNELCRM, csv_bytes, with_member, workbook


@pytest.fixture
def database(sqlite: Database) -> Database:
    """One database: reading a file is the same with either."""
    return sqlite


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


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """A file is written whole or not at all."""
    path = tmp_path / "report.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), written(path, ["a"]) as write:
        write([1 / 0])
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.csv"]
