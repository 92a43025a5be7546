"""Whoever asked for a debtor hears within a minute that it takes longer."""

from __future__ import annotations

import json

from domain.hints import Kind
from infra.conversion_desk import TELL_AFTER_S, ConversionDesk
from infra.form_links import FormLinks
from tests.integration.conversions.conftest import Firm
from tests.support.databases import KEY, do, rows


def test_what_is_not_settled_within_a_minute_is_told(firm: Firm) -> None:
    """Once, with the reason and where to look; not before, and not of what has ended or was asked about."""
    woken: list[tuple[int, Kind]] = []
    desk = ConversionDesk(firm.database, lambda *work: woken.append(work), FormLinks([KEY], "http://debitor.example"))
    firm.has("crm-1", name="Fjell Drift ApS", vat="30303032", phone=None, mail=None)
    firm.ask("crm-1")
    firm.work()
    firm.ask()  # the CRM has not told of this company yet
    firm.work()
    firm.has("crm-2", name="Havgus ApS", vat=None, zip=None, phone=None, mail=None)
    firm.ask("crm-2")
    firm.work()
    assert firm.states() == ["created", "requested", "needs_input"]

    minute_passes(firm, TELL_AFTER_S - 5)
    assert desk.tell_waiting() == 0
    minute_passes(firm, 10)
    assert desk.tell_waiting() == 1
    assert desk.tell_waiting() == 0

    [told] = rows(firm.database, "SELECT data, subject FROM outbox WHERE type = 'conversion.waiting'")
    said = json.loads(told.data)
    assert (said["company"], said["reason"], said["conversion"]) == ({"id": "crm-17"}, "unknown_company", "2")
    assert said["url"].startswith("http://debitor.example/conversion/")
    assert firm.conversion(2).told
    assert not woken

    firm.has()
    firm.time_passes()
    firm.work()
    assert firm.states() == ["created", "created", "needs_input"]


def minute_passes(firm: Firm, seconds: float) -> None:
    earlier = firm.database.sql.later("requested_at", f"{-seconds}")
    do(firm.database, f"UPDATE conversion SET requested_at = {earlier}")
