"""
Opening a spreadsheet of either kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.spreadsheets.csv_files import read_csv
from infra.spreadsheets.rows import Row, Unreadable
from infra.spreadsheets.xlsx_files import read_xlsx

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@contextmanager
def rows_of(path: Path) -> Iterator[Iterator[Row]]:
    """
    The rows of a CSV or XLSX file, told apart by what is in it; the first one is the headings.

    Raises:
        Unreadable: there is no such file, or it is no spreadsheet; also while rows are read, where it breaks off.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == _OLE:
                raise Unreadable(
                    "this is an old Excel file, or one with a password: save it as XLSX or CSV without one"
                )
            if not start:
                raise Unreadable("the file is empty")
            with read_xlsx(file) if start == _ZIP else read_csv(file) as rows:
                yield rows
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror or error}") from error


def sha256_of(path: Path) -> str:
    """What tells one file from another. Raises Unreadable."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror or error}") from error
