"""
Rows of a company file, understood: cells as spreadsheets and people write them become a company's fields.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.companies import LONGEST, LONGEST_ID
from domain.company_events import microseconds
from domain.company_headings import CHANGED, CRM_ID, Columns
from domain.countries import country_code
from domain.take_companies import Upsert

Cell = str | int | float | bool | dt.datetime | dt.date | dt.time | None
"""A cell as read; CSV has text only."""

DANISH_TIME = ZoneInfo("Europe/Copenhagen")
"""Times without a zone are Danish ones."""

_NUMBERS = {"vat", "pno", "ean", "zip", "billing_zip", "customer_number"}
"""Fields that spreadsheets take for numbers, and write with thousands' separators, decimals or an exponent."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_UNREADABLE = "\ufffd"
_SHEET_ERROR = re.compile(r"#(REF!|N/A|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|I/T|VÆRDI!|NAVN\?)", re.IGNORECASE)
_QUOTED_FORMULA = re.compile(r'="([^"]*)"')
_SHORTENED = re.compile(r"[+-]?\d+([.,]\d+)?[Ee][+]?\d+")
_DECIMALS = re.compile(r"(\d+)[.,](?:0{1,2}|0{4,})")  # three zeros are thousands
_GROUPED = re.compile(r"(\d{1,3}([.,\s'])\d{3}(?:\2\d{3})*)(?:(?!\2)[.,]0+)?")

_RELATIONS = dict.fromkeys(("customer", "kunde"), "customer") | dict.fromkeys(
    ("prospect", "emne", "kundeemne", "lead"), "prospect"
)


class BadCell(Exception):
    """A cell that cannot be stored; `column` as the file calls it."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(f"{column}: {problem}")
        self.column = column
        self.problem = problem


class FileRow(NamedTuple):
    """A row understood; `name` is for the report, also where the row is unusable."""

    record: Upsert | None
    name: str
    problem: BadCell | None = None


def row_of(columns: Columns, cells: Sequence[Cell]) -> FileRow | None:
    """What a row says; None for an empty one. A bad cell makes the row unusable, and is named."""
    if all(cell is None or cell == "" or (isinstance(cell, str) and not cell.strip()) for cell in cells):
        return None
    name = ""
    if "name" in columns.fields and len(cells) > (place := columns.fields.index("name")):
        name = _CONTROL.sub("", str(cells[place] or "")).strip()[:100]
    try:
        return FileRow(_record(columns, cells), name)
    except BadCell as error:
        return FileRow(None, name, error)


def _record(columns: Columns, cells: Sequence[Cell]) -> Upsert:
    if any(cell not in (None, "") for cell in cells[len(columns.fields) :]):
        raise BadCell("", "the row has more cells than there are headings: a separator inside a value must be quoted")
    values: dict[str, str | None] = {}
    crm_id, stamp = None, None
    for field, heading, cell in zip(columns.fields, columns.headings, cells, strict=False):
        if field is None:
            continue
        try:
            if field == CHANGED:
                stamp = _moment(cell)
            elif field == CRM_ID:
                crm_id = _limited(_text(cell), LONGEST_ID)
            else:
                values[field] = _limited(_value(field, cell), LONGEST[field])
        except ValueError as error:
            raise BadCell(heading, str(error)) from None
    for name in ("zip", "billing_zip"):
        code, country = values.get(name), values.get(name.replace("zip", "country"))
        if code and re.fullmatch(r"\d{3}", code) and country in (None, "DK"):
            values[name] = f"0{code}"  # a spreadsheet takes 0800 for 800
    if crm_id is None and not values.get("name"):
        raise BadCell(columns.called("name"), "is empty")
    return Upsert(values, crm_id, stamp)


def _value(field: str, cell: Cell) -> str | None:
    text = _text(cell)
    if text is None:
        return None
    if field in _NUMBERS:
        return _digits(text)
    if field in ("country", "billing_country"):
        return country_code(text) or text
    if field == "relation":
        return _RELATIONS.get(text.casefold(), text.lower())
    return text


def _text(cell: Cell) -> str | None:
    """Raises ValueError, saying what is wrong with the cell."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        cell = int(cell)
    if isinstance(cell, dt.date | dt.time):  # datetime is a date, too
        return cell.isoformat()
    if cell is None:
        return None
    text = str(cell)
    if _UNREADABLE in text:
        raise ValueError("holds characters in an unknown encoding: save the file as UTF-8")
    text = unicodedata.normalize("NFC", _CONTROL.sub("", text)).strip()
    if found := _QUOTED_FORMULA.fullmatch(text):  # ="0800" keeps a spreadsheet from making a number of it
        text = found[1].strip()
    elif text.startswith("=") and len(text) > 1:
        raise ValueError("holds a formula instead of its value")
    elif text[:1] == "'" and text[1:2] in tuple("=+-@"):  # as our own export writes it
        text = text[1:]
    if _SHEET_ERROR.fullmatch(text):
        raise ValueError(f"holds the spreadsheet's error {text}")
    return text or None


def _digits(text: str) -> str:
    """31.313.139, 31,313,139.00 and 31313139,0 are 31313139. Raises ValueError where digits are lost."""
    if _SHORTENED.fullmatch(text):
        raise ValueError(f"the spreadsheet has shortened this number to {text}: make the column text, and fill it anew")
    if found := _DECIMALS.fullmatch(text):
        return found[1]
    if found := _GROUPED.fullmatch(text):
        return re.sub(r"\D", "", found[1])
    return text


def _limited(text: str | None, most: int) -> str | None:
    if text is not None and len(text) > most:
        raise ValueError(f"is longer than {most:,} characters")
    return text


_MONTHS = {
    name: number
    for number, names in enumerate(
        "jan feb mar apr maj|may jun jul aug sep okt|oct nov dec".split(),  # noqa: SIM905
        start=1,
    )
    for name in names.split("|")
}
_TIME = r"(?:[T ,]+(?:kl\.? ?)?(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?(?: ?(?P<half>[ap])m)?)?"
_DATES = [
    re.compile(pattern + _TIME, re.IGNORECASE)
    for pattern in (
        r"(?P<day>\d{1,2})[.\-/ ](?P<month>\d{1,2})[.\-/ ](?P<year>\d{4}|\d{2})",  # 4.5.2026, 04-05-26, 04/05/2026
        r"(?P<day>\d{1,2})\.? (?P<name>[a-z]{3})[a-z]*\.?,? (?P<year>\d{4})",  # 4. maj 2026, 4 May 2026
        r"(?P<name>[a-z]{3})[a-z]*\.? (?P<day>\d{1,2}),? (?P<year>\d{4})",  # May 4, 2026
    )
]
_SERIAL_ONE = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - day 0 of spreadsheets, in local time
_PROBLEM = "is no date such as 2026-05-04 or 4.5.2026"


def _moment(cell: Cell) -> int | None:
    """Microseconds since 1970. Day before month, unless that cannot be. Raises ValueError."""
    if isinstance(cell, bool | dt.time):
        raise ValueError(_PROBLEM)
    if isinstance(cell, int | float):
        if not 20_000 < cell < 80_000:
            raise ValueError(_PROBLEM)
        return _local(_SERIAL_ONE + dt.timedelta(days=cell))
    if isinstance(cell, dt.datetime):
        return _local(cell)
    if isinstance(cell, dt.date):
        return _local(dt.datetime.combine(cell, dt.time()))
    text = _text(cell)
    if text is None:
        return None
    try:
        return _local(dt.datetime.fromisoformat(text))
    except ValueError:
        pass
    for pattern in _DATES:
        if found := pattern.fullmatch(text):
            return _local(_parsed(found))
    raise ValueError(_PROBLEM)


def _parsed(found: re.Match[str]) -> dt.datetime:
    parts = found.groupdict()
    day, year = int(parts["day"]), int(parts["year"])
    if parts.get("name") is not None:
        month = _MONTHS.get(parts["name"].lower(), 0)
    else:
        month = int(parts["month"])
        if month > 12 and "/" in found[0]:  # 05/27/2026 is American
            day, month = month, day
    hour = int(parts["hour"] or 0)
    if parts["half"]:
        hour = hour % 12 + (12 if parts["half"].lower() == "p" else 0)
    try:
        return dt.datetime(  # noqa: DTZ001 - the zone comes with _local
            year + 2000 if year < 100 else year, month, day, hour, int(parts["minute"] or 0), int(parts["second"] or 0)
        )
    except ValueError:
        raise ValueError(_PROBLEM) from None


def _local(moment: dt.datetime) -> int:
    if not 1970 <= moment.year <= 9998:
        raise ValueError(_PROBLEM)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=DANISH_TIME)
    return microseconds(moment)
