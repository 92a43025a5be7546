"""
The control API, `/_control/...`: what a test or a demonstration does to the stand-in.

It plays the person in e-conomic (editing, booking, paying), the network
(faults, delivery modes) and the observer (calls, deliveries, state).
"""

import asyncio
import random
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec

from sandbox.agreement import Agreement, Conventions
from sandbox.control_books import route_books
from sandbox.control_shapes import ControlError, HookSetup, Limits, NewAgreement, Settings, Storm, patched
from sandbox.delivery import DeliverySettings
from sandbox.faults import Fault
from sandbox.hooks import CUSTOMER_UPDATED, DAYBOOK_BOOKED, EVENT_TYPES, INVOICE_BOOKED, Webhook
from sandbox.http import Answer, Request, as_json
from sandbox.life import Life
from sandbox.seed import Bulk, fill
from sandbox.world import World


async def route(request: Request, world: World, life: Life) -> Answer:
    """Answer one control call; errors are `{"error": text}`."""
    try:
        return await _route(request, world, life)
    except msgspec.DecodeError as error:
        return as_json({"error": str(error)}, 400)
    except ControlError as error:
        return as_json({"error": str(error)}, error.status)


async def _route(request: Request, world: World, life: Life) -> Answer:
    match (request.method, *request.segments[1:]):
        case ("GET", "ready"):
            return as_json({"ready": True})
        case ("POST", "reset"):
            life.stop()
            world.reset()
            return as_json({"reset": True})
        case ("POST", "agreements"):
            return _add_agreement(request, world)
        case ("GET", "agreements"):
            return as_json([_summary(world, agreement) for agreement in world.agreements.values()])
        case (_, "agreements", number, *rest):
            agreement = world.agreements.get(int(number)) if number.isdecimal() else None
            if agreement is None:
                raise ControlError(404, f"no agreement {number}")
            return _route_agreement(request, world, life, agreement, rest)
        case ("PUT", "delivery"):
            world.delivery.settings = patched(request, world.delivery.settings, DeliverySettings)
            return as_json(world.delivery.settings)
        case ("GET", "deliveries"):
            return await _deliveries(request, world)
        case ("POST", "faults"):
            return as_json({"id": world.faults.add(request.read_as(Fault))}, 201)
        case ("GET", "faults"):
            return as_json(world.faults.all())
        case ("DELETE", "faults", *which):
            world.faults.drop(int(which[0]) if which else None)
            return Answer(204)
        case ("GET", "calls"):
            return _calls(request, world)
        case ("DELETE", "calls"):
            world.calls.clear()
            return Answer(204)
        case ("PUT", "settings"):
            settings = request.read_as(Settings)
            world.max_url = settings.max_url
            return as_json(settings)
    raise ControlError(404, f"no such control call: {request.method} {request.path}")


def _route_agreement(request: Request, world: World, life: Life, agreement: Agreement, parts: list[str]) -> Answer:
    match (request.method, *parts):
        case ("GET",):
            return as_json(_summary(world, agreement))
        case ("POST", "bulk"):
            fill(agreement, request.read_as(Bulk))
            return as_json(_summary(world, agreement))
        case (_, "debtors" | "invoices" | "reference" | "state", *_):
            return route_books(request, agreement, parts)
        case ("PUT", "webhooks", event_type):
            return _set_webhook(request, agreement, event_type)
        case ("GET", "webhooks"):
            return as_json([asdict(hook) for hook in agreement.webhooks.values()])
        case ("DELETE", "webhooks", event_type):
            agreement.webhooks.pop((event_type, None), None)
            return Answer(204)
        case ("PUT", "conventions"):
            agreement.conventions = patched(request, agreement.conventions, Conventions)
            return as_json(agreement.conventions)
        case ("PUT", "limits"):
            limits = request.read_as(Limits)
            agreement.budget.set(limits.bucket, limits.refill_per_s, limits.window_s, limits.daily)
            return as_json(limits)
        case ("POST", "storm"):
            return _storm(request, agreement)
        case ("POST", "daybook"):
            values = msgspec.json.decode(request.body or b"{}", type=dict[str, int])
            fired = agreement.fire(DAYBOOK_BOOKED, **{name.upper(): value for name, value in values.items()})
            return as_json({"fired": fired})
        case ("PUT", "life"):
            per_second = msgspec.json.decode(request.body, type=dict[str, float])["per_second"]
            life.set(agreement, per_second)
            return as_json({"per_second": per_second})
        case ("DELETE", "grants"):
            world.revoke(agreement)
            return Answer(204)
        case ("DELETE", "idempotency"):
            agreement.replays.clear()
            return Answer(204)
    raise ControlError(404, f"no such control call: {request.method} {request.path}")


def _summary(world: World, agreement: Agreement) -> dict[str, Any]:
    return {
        "number": agreement.number,
        "name": agreement.name,
        "base_currency": agreement.base_currency,
        "debtors": len(agreement.customers),
        "invoices": len(agreement.invoices),
        "open_invoices": len(agreement.open_numbers),
        "grants": [token for token, grant in world.grants.items() if grant.agreement is agreement],
    }


def _add_agreement(request: Request, world: World) -> Answer:
    new = request.read_as(NewAgreement)
    if new.number in world.agreements:
        agreement = world.add_agreement(new.number, grant=new.grant, secret=new.secret, roles=new.roles)
    else:
        agreement = world.add_agreement(
            new.number,
            grant=new.grant,
            secret=new.secret,
            roles=new.roles,
            name=new.name,
            kind=new.kind,
            base_currency=new.base_currency,
            read_only=new.read_only,
        )
    return as_json(_summary(world, agreement), 201)


def _set_webhook(request: Request, agreement: Agreement, event_type: str) -> Answer:
    """Set up a webhook as a person does in the settings: any address, http too."""
    if event_type not in EVENT_TYPES:
        raise ControlError(404, f"no event type {event_type}")
    setup = request.read_as(HookSetup)
    agreement.webhooks[event_type, None] = Webhook(
        event_type,
        setup.url,
        name=setup.name,
        content_type=setup.content_type,
        post_data=setup.post_data,
        custom_headers=setup.headers(),
        method=setup.method,
        last_updated=agreement.clock.now(),
    )
    return as_json({"event_type": event_type, "url": setup.url})


def _storm(request: Request, agreement: Agreement) -> Answer:
    """Fire many events at once; no record changes."""
    storm = request.read_as(Storm)
    table = agreement.invoices if storm.event == INVOICE_BOOKED else agreement.customers
    numbers = list(table.keys) if storm.numbers == "all" else list(storm.numbers)
    if storm.distinct is not None:
        numbers = numbers[: storm.distinct]
    if not numbers:
        raise ControlError(409, "there is nothing to fire about")
    count = storm.count if storm.count is not None else len(numbers)
    if storm.shuffle:
        random.shuffle(numbers)
    fired = 0
    for index in range(count):
        number = numbers[index % len(numbers)]
        if storm.event == INVOICE_BOOKED:
            fired += agreement.fire(INVOICE_BOOKED, INVOICENO=number)
        else:
            fired += agreement.fire(CUSTOMER_UPDATED, OLDNUMBER=number, NEWNUMBER=number)
    return as_json({"fired": fired})


async def _deliveries(request: Request, world: World) -> Answer:
    """Counts and the last ones; `wait_ms` waits, at most that long, until nothing is pending."""
    delivery = world.delivery
    if wait_ms := request.query.get("wait_ms"):
        try:
            async with asyncio.timeout(float(wait_ms) / 1000):
                await delivery.settled()
        except TimeoutError:
            pass  # the counts say that something is still pending
    last = int(request.query.get("last", "20"))
    return as_json({**asdict(delivery.counts), "last": list(delivery.recent)[-last:] if last else []})


def _calls(request: Request, world: World) -> Answer:
    """Calls after an id, or from a time (ISO or seconds since 1970) on; newest `limit` of them."""
    calls = list(world.calls.calls)
    if since := request.query.get("since"):
        if since.isdecimal() and int(since) < 1_000_000_000:
            calls = [call for call in calls if call.id > int(since)]
        else:
            start = _moment(since)
            calls = [call for call in calls if call.at >= start]
    limit = int(request.query.get("limit", "10000"))
    shown = [{**asdict(call), "at": datetime.fromtimestamp(call.at).astimezone()} for call in calls[-limit:]]
    return as_json(
        {
            "count": len(calls),
            "cost": sum(call.cost for call in calls),
            "by_path": dict(world.calls.by_path),
            "calls": shown,
        }
    )


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise ControlError(400, f"not a time: {text}") from None
