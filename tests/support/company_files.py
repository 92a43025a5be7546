"""Files of companies in tests, and the reports of their imports."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl

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
