"""
The values e-conomic's JSON is made of: amounts, times, references.
"""

from __future__ import annotations

import datetime as dt
from decimal import Context, Decimal, InvalidOperation
from typing import Annotated

from msgspec import Meta, Struct, field

from domain.debtors import MAX_NUMBER

MAX_KEY = 10**18 - 1
"""Largest number of anything else: it fits a 64-bit column."""

Number = Annotated[int, Meta(ge=1, le=MAX_NUMBER)]
Key = Annotated[int, Meta(ge=-MAX_KEY, le=MAX_KEY)]

_MILLIONTH = Decimal("0.000001")
_ZERO = Decimal("0.000000")
_EXACT = Context(prec=18)  # twelve digits before the point: in millionths it fits a 64-bit column


def amount(value: Decimal | None) -> Decimal | None:
    """One representation per value, six decimals: 60, 60.0 and 60.00 are the same text. None: no storable number."""
    if value is None:
        return None
    try:
        exact = value.quantize(_MILLIONTH, None, _EXACT)
    except InvalidOperation:  # too large, or infinite
        return None
    return exact or _ZERO if exact == exact else None  # NaN is not equal to itself; -0 is 0


def instant(text: str | None) -> dt.datetime | None:
    """A UTC time; one without a zone is UTC already (e-conomic.md §5.12)."""
    try:
        moment = dt.datetime.fromisoformat(text or "")
        moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= 1900 else None  # 0001-01-01 means never


def day(text: str | None) -> dt.date | None:
    """A calendar date, of which OpenAPI writes the midnight too (e-conomic.md §5.12)."""
    try:
        return dt.date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


class Wire(Struct, rename="camel", gc=False):
    """Base of everything decoded."""


class Ref(Wire):
    """A reference: the number itself, or only a link that ends in it."""

    key: Key | None = None
    link: str | None = field(default=None, name="self")


class GroupRef(Ref):
    key: Key | None = field(default=None, name="customerGroupNumber")


class TermsRef(Ref):
    key: Key | None = field(default=None, name="paymentTermsNumber")
    name: str | None = None


class ZoneRef(Ref):
    key: Key | None = field(default=None, name="vatZoneNumber")


class LayoutRef(Ref):
    key: Key | None = field(default=None, name="layoutNumber")


class EmployeeRef(Ref):
    key: Key | None = field(default=None, name="employeeNumber")


class ProjectRef(Ref):
    key: Key | None = field(default=None, name="projectNumber")


class UnitRef(Ref):
    key: Key | None = field(default=None, name="unitNumber")


def referred(ref: Ref | None) -> int | None:
    """The number a reference means."""
    if ref is None or ref.key is not None:
        return ref.key if ref else None
    last = (ref.link or "").partition("?")[0].rstrip("/").rpartition("/")[2]
    return int(last) if last.isascii() and last.isdigit() and len(last) <= 18 else None
