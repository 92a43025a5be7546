"""What the CRM may send."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from domain.crm_events import CrmEvent, Misshapen, read_sent, read_stored
from domain.hints import Kind

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
NORDVIND = {"id": "crm-17", "name": "Nordvind Service A/S", "zip": "8700", "vat": None}


def body(kind: Any = "company.upserted", data: Any = NORDVIND, timestamp: Any = "2026-05-04T12:00:00Z") -> bytes:
    return json.dumps({"type": kind, "timestamp": timestamp, "data": data}).encode()


def read(sent: bytes) -> CrmEvent:
    return read_sent("msg-1", sent, now=NOW)


@pytest.mark.parametrize(
    ("kind", "data", "work"),
    [
        ("company.upserted", NORDVIND, Kind.COMPANIES),
        ("company.deleted", {"id": "crm-17"}, Kind.COMPANIES),
        ("prospect.converted", {"company": {"id": "crm-17"}, "overrides": {"vat_zone": 1}}, Kind.CONVERSIONS),
        ("deal.lost", {"whatever": [1, None]}, Kind.UNUSABLE),
    ],
)
def test_an_event_is_kept_as_it_was_sent(kind: str, data: dict[str, Any], work: Kind) -> None:
    """What is stored says the same as what was sent, with the time in UTC; its type says what work it gives."""
    event = read(body(kind, data, "2026-05-04T14:00:00.25+02:00"))

    assert event == CrmEvent("msg-1", kind, NOW + dt.timedelta(milliseconds=250), data)
    assert event.kind is work
    assert read_stored(event.as_text()) == event


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("body", b""),
        ("body", b"type=company.upserted"),
        ("body", b"\xff\xfe{}"),
        ("body", b"[1]"),
        ("body", b"[" * 60_000),
        ("body", b'{"type": "x", "data": NaN}'),
        ("body", b'{"type": ' + b"9" * 5_000 + b"}"),
        ("data.n", b'{"type": "x", "timestamp": "2026-05-04T12:00:00Z", "data": {"n": 1e999}}'),
        ("type", b"{}"),
        ("type", body(7)),
        ("type", body(" ")),
        ("timestamp", body(timestamp=None)),
        ("timestamp", body(timestamp=1777896000)),
        ("timestamp", body(timestamp="yesterday")),
        ("timestamp", body(timestamp="2026-05-04T12:00:00")),
        ("timestamp", body(timestamp="0001-01-01T00:00:00+14:00")),
        ("timestamp", body(timestamp="2026-05-04T12:06:00Z")),
        ("data", body(data=None)),
        ("data", body(data=[NORDVIND])),
        ("data.id", body(data={"name": "Nordvind"})),
        ("data.id", body(data={"id": 17, "name": "Nordvind"})),
        ("data.name", body(data={"id": "crm-17", "name": ""})),
        ("data.zip", body(data={**NORDVIND, "zip": 8700})),
        ("data.name", body(data={**NORDVIND, "name": "Nord\0vind"})),
        ("data.more[1]", body(data={**NORDVIND, "more": ["a", "\ud800"]})),
        ("data.id", body("company.deleted", {})),
        ("data.company", body("prospect.converted", {"company": "crm-17"})),
        ("data.company.id", body("prospect.converted", {"company": {}})),
        ("data.overrides", body("prospect.converted", {"company": {"id": "1"}, "overrides": []})),
        ("data.overrides.layout", body("prospect.converted", {"company": {"id": "1"}, "overrides": {"layout": ""}})),
        ("data.overrides.number", body("prospect.converted", {"company": {"id": "1"}, "overrides": {"number": True}})),
        ("data.deal", body("prospect.converted", {"company": {"id": "1"}, "allow_second_debtor": True})),
        ("data.deal", body("prospect.converted", {"company": {"id": "1"}, "allow_second_debtor": True, "deal": " "})),
        ("data.allow_second_debtor", body("prospect.converted", {"company": {"id": "1"}, "allow_second_debtor": 1})),
    ],
)  # fmt: skip
def test_a_misshapen_event_names_the_field(field: str, sent: bytes) -> None:
    """Whatever is wrong, the sender is told which field it is."""
    with pytest.raises(Misshapen) as error:
        read(sent)

    assert error.value.field == field
