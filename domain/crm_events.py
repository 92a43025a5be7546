"""
Events of the CRM: what may come in, and what a good one looks like (design.md §5.5).

Unlike a hint, such an event carries the data itself, so it is ordered by its own `timestamp`, never by when it came.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from domain.hints import Kind

AHEAD = dt.timedelta(minutes=5)
"""How far in the future a `timestamp` may lie; a later one would outrank every true change that follows."""

_TEXTS = [
    "department",
    "vat",
    "pno",
    "street",
    "zip",
    "city",
    "country",
    "phone",
    "mail",
    "web",
    "relation",
    "customer_number",
    "other_key",
    "account_manager",
    "description",
]

UNSTORABLE = re.compile("[\0\ud800-\udfff]")

KINDS = {
    "company.upserted": Kind.COMPANIES,
    "company.deleted": Kind.COMPANIES,
    "prospect.converted": Kind.CONVERSIONS,
}
"""The types there are, and the work each one gives."""


class Misshapen(Exception):
    """A body that is not such an event; `field` is the path to what is wrong, such as `data.vat`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field


class CrmEvent(NamedTuple):
    """
    One event of the CRM.

    `id` is the sender's own (its `webhook-id`), `timestamp` aware and UTC, `data` as sent: of a known type, so the
    fields of design.md §5.5 have their types; what is not listed there is kept and means nothing.
    """

    id: str
    type: str
    timestamp: dt.datetime
    data: dict[str, Any]

    @property
    def kind(self) -> Kind:
        """The work it gives; a type nobody knows is UNUSABLE."""
        return KINDS.get(self.type, Kind.UNUSABLE)

    def as_text(self) -> str:
        """As it is stored in the inbox: the envelope of design.md §5.5."""
        return json.dumps(
            {"id": self.id, "type": self.type, "timestamp": self.timestamp.isoformat(), "data": self.data},
            ensure_ascii=False,
        )


def read_stored(text: str) -> CrmEvent:
    """An event from the `body` of its inbox row."""
    stored = json.loads(text)
    return CrmEvent(stored["id"], stored["type"], dt.datetime.fromisoformat(stored["timestamp"]), stored["data"])


def read_sent(webhook_id: str, body: bytes, *, now: dt.datetime) -> CrmEvent:
    """
    An event as the CRM sent it.

    Raises:
        Misshapen: it is not JSON, or a field is missing or of the wrong kind. Types nobody knows are no error: their
            `data` is an object, and nothing else is asked of it.
    """
    sent = _parsed(body)
    if not isinstance(sent, dict):
        raise Misshapen("body", "must be a JSON object")
    kind = _text(sent, "type", "")
    timestamp = _time(_text(sent, "timestamp", ""))
    if timestamp > now + AHEAD:
        raise Misshapen("timestamp", "lies in the future")
    data = sent.get("data")
    if not isinstance(data, dict):
        raise Misshapen("data", "must be an object")
    if kind in _SHAPES:
        _SHAPES[kind](data)
    return CrmEvent(webhook_id, kind, timestamp, data)


def _parsed(body: bytes) -> object:
    try:
        sent = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        _storable(sent, "")
    except (ValueError, RecursionError):  # also of bytes that are no UTF-8, and of numbers of thousands of digits
        raise Misshapen("body", "must be JSON in UTF-8") from None
    return sent


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _storable(value: object, path: str) -> None:
    """No database takes a zero byte or half a surrogate pair."""
    if isinstance(value, str):
        if UNSTORABLE.search(value):
            raise Misshapen(path or "body", "holds a character that cannot be stored")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _storable(name, path)
            _storable(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _storable(inner, f"{path}[{index}]")
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise Misshapen(path or "body", "is too large a number")


SECOND_NEEDS_DEAL = "must name the deal that a second debtor is for: told again, it makes no third"


def _upserted(data: Mapping[str, object]) -> None:
    _text(data, "id", "data")
    _text(data, "name", "data")
    for name in _TEXTS:
        _optional(data, name, "data", str, "text")


def _deleted(data: Mapping[str, object]) -> None:
    _text(data, "id", "data")


def _converted(data: Mapping[str, object]) -> None:
    company = data.get("company")
    if not isinstance(company, dict):
        raise Misshapen("data.company", "must be an object")
    _text(company, "id", "data.company")
    _optional(data, "allow_second_debtor", "data", bool, "true or false")
    _optional(data, "deal", "data", str, "text")
    if data.get("allow_second_debtor") and not str(data.get("deal") or "").strip():
        raise Misshapen("data.deal", SECOND_NEEDS_DEAL)
    overrides = data.get("overrides")
    if overrides is None:
        return
    if not isinstance(overrides, dict):
        raise Misshapen("data.overrides", "must be an object")
    for name in ("customer_group", "payment_terms", "vat_zone", "layout", "number"):
        _optional(overrides, name, "data.overrides", int, "a whole number")
    _optional(overrides, "currency", "data.overrides", str, "text")


_SHAPES: dict[str, Callable[[Mapping[str, object]], None]] = {
    "company.upserted": _upserted,
    "company.deleted": _deleted,
    "prospect.converted": _converted,
}


def _text(values: Mapping[str, object], name: str, where: str) -> str:
    field = f"{where}.{name}" if where else name
    value = values.get(name)
    if value is None:
        raise Misshapen(field, "is missing")
    if not isinstance(value, str):
        raise Misshapen(field, "must be text")
    if not value.strip():
        raise Misshapen(field, "is empty")
    return value


def _optional(values: Mapping[str, object], name: str, where: str, kind: type, said: str) -> None:
    value = values.get(name)
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if value is not None and not right:
        raise Misshapen(f"{where}.{name}", f"must be {said}, or null")


def _time(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise Misshapen("timestamp", "must say its time zone, such as Z")
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Misshapen("timestamp", "must be a time of ISO 8601, such as 2026-05-04T12:00:00Z") from None
