"""
What reading a spreadsheet gives.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from domain.errors import PermanentError

Cell = str | int | float | bool | dt.datetime | dt.date | dt.time | None

MOST_COLUMNS = 200
"""More are not looked at."""


class Unreadable(PermanentError):
    """The file cannot be read, or not any further; the message says why."""

    reason = "unreadable_file"


class Row(NamedTuple):
    """
    One row: its number as a spreadsheet shows it (CSV: its first line), and its cells.

    `problem` says why the cells could not be read; then there are none.
    """

    number: int
    cells: list[Cell]
    problem: str | None = None
