"""The webhooks service: an app's own webhooks, one per event type."""

from typing import Any

import pytest

from tests.unit.sandbox.support import AGREEMENT, Caller

BASE = "/webhooksapi/v1.0.0"
HOOK: dict[str, Any] = {
    "eventType": "CUSTOMER_UPDATED",
    "name": "CRM",
    "url": "https://crm.example/hooks",
    "contentType": "application/json",
    "postData": '{"old":"[OLDNUMBER]","new":"[NEWNUMBER]"}',
    "customHeaders": [{"key": "X-Hook-Key", "value": "9f0c"}],
}


def test_event_types_name_their_merge_fields(call: Caller) -> None:
    """The list is what a client reads at run time."""
    found = {kind["name"]: kind["mergeFields"] for kind in call("GET", f"{BASE}/EventTypes").json}

    assert [field["fieldName"] for field in found["CUSTOMER_UPDATED"]] == ["OLDNUMBER", "NEWNUMBER"]
    assert [field["fieldName"] for field in found["INVOICE_BOOKED"]] == ["INVOICENO"]


def test_life_of_a_webhook(call: Caller) -> None:
    """Made, read, counted, changed with its version, deleted."""
    assert call("POST", f"{BASE}/webhooks", HOOK).json == {"eventType": "CUSTOMER_UPDATED"}
    made = call("GET", f"{BASE}/webhooks/CUSTOMER_UPDATED").json
    assert {name: made[name] for name in HOOK} == HOOK
    assert (made["isDisabled"], made["lastDisabledDate"]) == (False, None)
    assert call("GET", f"{BASE}/webhooks").json == {"items": [made]}
    assert call("GET", f"{BASE}/webhooks/count").json == 1

    assert call("PUT", f"{BASE}/webhooks", made | {"isDisabled": True}).status == 204
    stale = call("PUT", f"{BASE}/webhooks", made)
    assert (stale.status, stale.json["errorCode"]) == (409, "UpdateConflict")
    assert call("GET", f"{BASE}/webhooks/CUSTOMER_UPDATED").json["lastDisabledDate"] == "2026-05-04T12:00:00Z"

    assert call("DELETE", f"{BASE}/webhooks/CUSTOMER_UPDATED").status == 204
    assert call("DELETE", f"{BASE}/webhooks/CUSTOMER_UPDATED").json["errorCode"] == "ResourceNotFound"


def test_one_per_event_type(call: Caller) -> None:
    """A second one is refused, also when the first is somebody else's and cannot be seen."""
    call("POST", f"{BASE}/webhooks", HOOK)
    assert call("POST", f"{BASE}/webhooks", HOOK).json["errorCode"] == "WebhookAlreadyExistsForEventType"

    call.control("PUT", "webhooks/INVOICE_BOOKED", {"url": "http://127.0.0.1:1/"})
    invoice = HOOK | {"eventType": "INVOICE_BOOKED"}
    assert call("GET", f"{BASE}/webhooks/INVOICE_BOOKED").status == 404
    assert call("POST", f"{BASE}/webhooks", invoice).json["errorCode"] == "WebhookAlreadyExistsForEventType"

    call.control("PUT", "conventions", {"invisible_webhook_blocks": False})
    assert call("POST", f"{BASE}/webhooks", invoice).status == 201


def test_apps_see_their_own_only(call: Caller) -> None:
    """Another app on the same agreement sees nothing of ours."""
    call.plain_control("POST", "agreements", {"number": AGREEMENT, "grant": "g2", "secret": "other"})
    call("POST", f"{BASE}/webhooks", HOOK)
    other = {"X-AppSecretToken": "other", "X-AgreementGrantToken": "g2"}

    assert call("GET", f"{BASE}/webhooks", headers=other).json == {"items": []}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "http://crm.example/hooks"}, "WebhookInvalidUrlScheme"),
        ({"url": "crm"}, "WebhookInvalidUrl"),
        ({"eventType": "NO_SUCH"}, "WebhookInvalidType"),
        ({"customHeaders": [{"key": f"X-{n}", "value": "1"} for n in range(6)]}, "WebhookCustomHeadersTooMany"),
        ({"customHeaders": [{"key": "X-A", "value": "1" * 999}]}, "WebhookCustomHeadersTooLong"),
        ({"customHeaders": [{"key": "X A", "value": "1"}]}, "WebhookCustomHeaderInvalid"),
    ],
)
def test_refusals(call: Caller, change: dict[str, Any], code: str) -> None:
    """What the service would not take is a 400 with its own code."""
    reply = call("POST", f"{BASE}/webhooks", HOOK | change)

    assert (reply.status, reply.json["errorCode"]) == (400, code)
    assert reply.headers["content-type"].startswith("application/problem+json")


def test_plain_http_for_local_use(call: Caller) -> None:
    """For a laptop, http can be allowed."""
    call.control("PUT", "conventions", {"insecure_webhook_urls": True})

    assert call("POST", f"{BASE}/webhooks", HOOK | {"url": "http://127.0.0.1:8000/"}).status == 201
