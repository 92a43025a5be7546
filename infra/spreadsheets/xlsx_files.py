"""
XLSX, read row by row. What a file would unpack to is looked at before anything is unpacked.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO

import openpyxl

from infra.spreadsheets.rows import MOST_COLUMNS, Cell, Row, Unreadable

MEGABYTE = 1024 * 1024
LARGEST_SHEET = 3072 * MEGABYTE
"""A million rows of twenty columns are about 1.3 GB of XML; a sheet is read as a stream."""

LARGEST_TEXTS = 192 * MEGABYTE
"""The shared texts are held in memory."""

LARGEST_OTHER = 16 * MEGABYTE
MOST_MEMBERS = 2_000
SMALL = 16 * MEGABYTE
MOST_SHRUNK = 200
"""A sheet shrinks to about a tenth; a zip bomb to a thousandth."""

MOST_BLANK = 20
"""Blank rows that may stand before the headings."""


@contextmanager
def read_xlsx(file: BinaryIO) -> Iterator[Iterator[Row]]:
    """
    The rows of the first sheet, formulas by their stored values.

    Raises:
        Unreadable: it is no workbook, is too large when unpacked, or breaks off.
    """
    _check(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of what it leaves out: charts, macros, validations
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except Exception as error:  # whatever a broken file makes the library raise
            raise _broken(error) from error
        try:
            if not book.worksheets:
                raise Unreadable("the workbook has no sheet")
            yield _rows(book.worksheets[0])
        finally:
            book.close()


def _check(file: BinaryIO) -> None:
    """The sizes that the zip directory gives are true: unpacking stops there."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _broken(error) from error
    if len(members) > MOST_MEMBERS or "xl/workbook.xml" not in {member.filename for member in members}:
        raise Unreadable("this is a zip file, but no XLSX workbook")
    for member in members:
        name, size = member.filename.lower(), member.file_size
        most = LARGEST_OTHER
        if name.startswith("xl/worksheets/"):
            most = LARGEST_SHEET
        elif "sharedstrings" in name:
            most = LARGEST_TEXTS
        elif not name.endswith((".xml", ".rels")):
            continue  # pictures and the like are never unpacked
        if size > most or (size > SMALL and size > MOST_SHRUNK * max(1, member.compress_size)):
            raise Unreadable(
                f"{member.filename} would unpack to {size // MEGABYTE:,} MB, which no list of companies does:"
                " save the sheet as CSV"
            )
    file.seek(0)


def _rows(sheet: Any) -> Iterator[Row]:
    """Rows of as many columns as there are headings, and one more, where a cell too many shows."""
    try:
        # The size that a sheet states may be wrong; without it every row ends where its cells end.
        sheet.reset_dimensions()
        number = 0
        for cells in islice(sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS), MOST_BLANK):
            number += 1
            if any(cell not in (None, "") for cell in cells):
                break
        else:
            raise Unreadable("the file has no headings")
        width = max(place for place, cell in enumerate(cells, start=1) if cell not in (None, ""))
        yield Row(number, list(cells[:width]))
        rows = sheet.iter_rows(min_row=number + 1, max_col=width + 1, values_only=True)
        for below, row in enumerate(rows, start=number + 1):
            yield Row(below, _cells(row))
    except Unreadable:
        raise
    except Exception as error:  # whatever a broken file makes the library raise
        raise _broken(error) from error


def _cells(row: tuple[Any, ...]) -> list[Cell]:
    return [cell if cell is None or isinstance(cell, int | float) else _cell(cell) for cell in row]


def _cell(cell: Any) -> Cell:
    """Formulas have become their values: text that looks like one is text, as the apostrophe says in CSV."""
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith("=") else cell
    return cell if isinstance(cell, Cell) else str(cell)


def _broken(error: Exception) -> Unreadable:
    shown = " ".join(str(error).split())[:200] or type(error).__name__
    return Unreadable(f"this is no whole XLSX workbook: {shown}")
