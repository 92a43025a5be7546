"""Who may call, what it costs, and what the same call twice does."""

from datetime import datetime
from typing import Any

import pytest

from tests.unit.sandbox.support import MINIMAL, TOKENS, Caller

ZONE_LESS = "%Y-%m-%dT%H:%M:%S"


def tokens(secret: str, grant: str) -> dict[str, str]:
    """The two headers."""
    return {"X-AppSecretToken": secret, "X-AgreementGrantToken": grant}


@pytest.mark.parametrize(
    "headers",
    [{}, tokens("sandbox-app-secret", "wrong"), tokens("wrong", "sandbox-grant-1442871")],
)
def test_unknown_tokens(call: Caller, headers: dict[str, str]) -> None:
    """Neither a wrong secret nor a wrong grant opens anything; REST says so in its shape."""
    reply = call("GET", "/self", headers=headers)

    assert (reply.status, reply.json["httpStatusCode"]) == (401, 401)
    assert "errorCode" not in reply.json
    assert datetime.strptime(reply.json["logTime"], ZONE_LESS)  # noqa: DTZ007
    assert reply.json["logId"].endswith("-CPH")


def test_tokens_that_do_not_belong_together(call: Caller) -> None:
    """A secret and a grant of another app are E02250; the OpenAPI host says it its own way."""
    call.plain_control("POST", "agreements", {"number": 1599004, "secret": "other-secret"})
    mixed = tokens("sandbox-app-secret", "sandbox-grant-1599004")

    assert call("GET", "/self", headers=mixed).json["errorCode"] == "E02250"
    assert call("GET", "/webhooksapi/v1.0.0/EventTypes", headers=mixed).json["status"] == 401
    assert (
        call("GET", "/self", headers=tokens("other-secret", "sandbox-grant-1599004")).json["agreementNumber"] == 1599004
    )


def test_agreements_are_apart(call: Caller) -> None:
    """What one agreement holds another does not see; base currencies differ."""
    call.plain_control("POST", "agreements", {"number": 1600777, "base_currency": "SEK", "grant": "g2"})
    call("PUT", "/customers/5", MINIMAL)
    second = tokens("sandbox-app-secret", "g2")

    assert call("GET", "/customers/5", headers=second).status == 404
    assert call("GET", "/self", headers=second).json["settings"]["baseCurrency"] == "SEK"
    assert call("GET", "/self").json["settings"]["baseCurrency"] == "DKK"


def test_revoked_grant(call: Caller) -> None:
    """A revoked grant is a 401 until there is a new one."""
    call.control("DELETE", "grants")
    assert call("GET", "/self").status == 401

    call.plain_control("POST", "agreements", {"number": 1442871})
    assert call("GET", "/self").status == 200


def test_demo_is_read_only(call: Caller) -> None:
    """demo/demo reads and cannot write."""
    demo = tokens("demo", "demo")

    assert call("GET", "/customers", headers=demo).json["pagination"]["results"] == 40
    assert call("GET", "/customers", headers={}, demo="true").status == 200
    assert call("POST", "/customers", MINIMAL, headers=demo).status == 403


def test_missing_role(call: Caller) -> None:
    """An app without SuperUser gets 403 from the webhooks service, without Sales from customers."""
    call.plain_control("POST", "agreements", {"number": 1442871, "grant": "bare", "roles": ["Bookkeeping"]})
    bare = tokens("sandbox-app-secret", "bare")

    assert call("GET", "/customers", headers=bare).status == 403
    assert call("GET", "/webhooksapi/v1.0.0/EventTypes", headers=bare).json["status"] == 403


def test_budget_headers_are_on_every_answer(call: Caller) -> None:
    """Cost and budget are told on success and failure; /self costs more."""
    call.control("PUT", "limits", {"bucket": 10000, "window_s": 60})

    cheap, dear = call("GET", "/customers/77"), call("GET", "/self")

    assert (cheap.status, cheap.headers["x-callcost"]) == (404, "1")
    assert dear.headers["x-callcost"] == "10"
    assert dear.headers["x-ratelimiting"] == "token-limit-10000-per-60-seconds: 11/10000"


def test_empty_bucket(call: Caller) -> None:
    """An empty bucket is a 429 that says how long; then it has refilled. Both hosts share it."""
    call.control("PUT", "limits", {"bucket": 3, "refill_per_s": 0.5})
    for _ in range(3):
        call("GET", "/customers/1")

    refused = call("GET", "/q2capi/v5.3.0/invoices/booked/lines/count")

    assert (refused.status, refused.headers["retry-after"]) == (429, "2")
    call.clock.seconds += 2
    assert call("GET", "/q2capi/v5.3.0/invoices/booked/lines/count").status == 200


def test_daily_cap(call: Caller) -> None:
    """After the day's calls nothing goes until the day is over."""
    call.control("PUT", "limits", {"daily": 2})
    call("GET", "/customers")
    call.clock.seconds += 3600
    call("GET", "/customers")

    refused = call("GET", "/customers")

    assert (refused.status, refused.headers["retry-after"]) == (429, str(23 * 3600))
    call.clock.seconds += 23 * 3600
    assert call("GET", "/customers").status == 200


def test_same_key_same_answer(call: Caller) -> None:
    """Within the hour a key repeats its first answer and makes nothing; afterwards it creates again."""
    first = call.keyed("k", "POST", "/customers", MINIMAL)
    second = call.keyed("k", "POST", "/customers", MINIMAL)

    assert (second.status, second.body) == (201, first.body)
    assert second.headers["x-resultfromcache"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert "x-resultfromcache" not in first.headers
    call.clock.seconds += 3600
    assert call.keyed("k", "POST", "/customers", MINIMAL).json["customerNumber"] == 2


def test_replay_outlives_the_record(call: Caller) -> None:
    """A replay repeats the old answer even when the record is gone."""
    number = call.keyed("k", "POST", "/customers", MINIMAL).json["customerNumber"]
    call("DELETE", f"/customers/{number}")

    assert call.keyed("k", "POST", "/customers", MINIMAL).status == 201
    assert call("GET", f"/customers/{number}").status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/customers", MINIMAL | {"name": "B"}, "PayloadChanged"),
        ("PUT", "/customers/8", MINIMAL, "URLChanged"),
    ],
)
def test_key_used_for_something_else(call: Caller, method: str, path: str, body: Any, code: str) -> None:
    """A key belongs to one body and one URL; misuse does not spoil it."""
    call.keyed("k", "POST", "/customers", MINIMAL)

    assert call.keyed("k", method, path, body).json["errorCode"] == code
    assert call.keyed("k", "POST", "/customers", MINIMAL).status == 201


@pytest.mark.parametrize(("kept", "second"), [(True, 400), (False, 201)])
def test_errors_under_a_key(call: Caller, kept: bool, second: int) -> None:
    """Whether an error is kept under its key is not known, so it can be chosen; kept is the default."""
    call.control("PUT", "conventions", {"cache_errors": kept})
    call("PUT", "/customers/5", MINIMAL)
    body = MINIMAL | {"customerNumber": 5}
    assert call.keyed("k", "POST", "/customers", body).status == 400
    call("DELETE", "/customers/5")

    assert call.keyed("k", "POST", "/customers", body).status == second


def test_keys_do_not_matter_for_reading(call: Caller) -> None:
    """A GET is answered afresh, key or not."""
    assert call.keyed("k", "GET", "/customers/5").status == 404
    call("PUT", "/customers/5", MINIMAL)
    assert call.keyed("k", "GET", "/customers/5").status == 200


def test_approval_page_returns_the_grant(call: Caller) -> None:
    """The stand-in approval page goes back with the token, keeping the caller's own path."""
    page = "/secure/api1/requestaccess.aspx"
    query: dict[str, Any] = {
        "appPublicToken": "sandbox-app-public",
        "redirectUrl": "https://crm.example/connect/nonce1",
        "approve": 1442871,
    }

    reply = call("GET", page, headers={}, **query)

    assert reply.status == 302
    assert reply.headers["location"] == f"https://crm.example/connect/nonce1?token={TOKENS['X-AgreementGrantToken']}"
    del query["approve"]
    assert b'value="1442871"' in call("GET", page, headers={}, **query).body
