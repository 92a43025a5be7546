"""
Writing CSV and XLSX: whole or not at all, and nothing in it that a spreadsheet would take for a formula.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import xlsxwriter

from domain.errors import PermanentError

Write = Callable[[Sequence[object]], None]

MOST_ROWS = 1_048_576
"""Of one sheet; what is more goes to the next one."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Unwritable(PermanentError):
    """The file cannot be written; the message says why."""

    reason = "unwritable_file"


@contextmanager
def written(path: Path, headings: Sequence[str]) -> Iterator[Write]:
    """
    A function that writes one row; the file is there, complete, when the block ends, and untouched when it fails.

    `.xlsx` makes a workbook, anything else CSV in UTF-8 with semicolons, as Danish spreadsheets open it.

    Raises:
        Unwritable: the folder is not there, full, or not ours.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent or ".")
    except OSError as error:
        raise Unwritable(f"{path} cannot be written: {error.strerror}") from error
    os.close(handle)
    unfinished = Path(name)
    try:
        with (_workbook if path.suffix.lower() == ".xlsx" else _text)(unfinished) as write:
            write(headings)
            yield write
        unfinished.chmod(0o600)
        unfinished.replace(path)
    except OSError as error:
        raise Unwritable(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _text(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")

        def write(row: Sequence[object]) -> None:
            writer.writerow([_harmless(cell) for cell in row])

        yield write


def _harmless(cell: object) -> object:
    """Text that looks like a formula gets the apostrophe that makes spreadsheets show it as it is."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


@contextmanager
def _workbook(path: Path) -> Iterator[Write]:
    """Rows go to the disk as they come; text stays text."""
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent or ".")})
    sheet, place = book.add_worksheet(), 0

    def write(row: Sequence[object]) -> None:
        nonlocal sheet, place
        if place == MOST_ROWS:
            sheet, place = book.add_worksheet(), 0
        for column, cell in enumerate(row):
            if isinstance(cell, int | float):
                sheet.write_number(place, column, cell)
            elif cell is not None:
                sheet.write_string(place, column, str(cell)[:32_767])
        place += 1

    try:
        yield write
    finally:
        book.close()
