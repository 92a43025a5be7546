"""Who may call what, and how refusals look."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr

from infra.bootstrap import Services, connect
from infra.database.users import ApiTokens
from infra.settings import Settings
from tests.integration.api.conftest import AGREEMENT, STRANGERS, Caller
from tests.integration.console.world import World
from tests.support.databases import KEY
from tests.support.network import Proxy

READ = [f"/agreements/{AGREEMENT}/{what}" for what in ("debtors", "debtors/1", "invoices", "invoices/1")]
OPERATE = ["/failures", "/failures/1", "/runs", "/runs/1"]


def test_every_route_is_described_and_every_description_routed(api: Caller) -> None:
    """The OpenAPI document names exactly the routes there are, and needs no token."""
    described = Caller.json(api.app.test_client().get("/api/v1/openapi.json"), 200)
    claimed = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, methods in described["paths"].items()
        for method in methods
    }
    routed = set()
    for rule in api.app.url_map.iter_rules():
        path = "".join(part if not dynamic else "{}" for dynamic, part in rule._trace).removeprefix("|/api/v1")
        if rule.endpoint.startswith("api.") and rule.endpoint not in ("api.description", "api.nothing_here"):
            routed |= {(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert claimed == routed


@pytest.mark.parametrize("path", [*READ, *OPERATE])
def test_no_token(api: Caller, path: str) -> None:
    """Without a token every path answers 401 and says how to send one."""
    response = api.app.test_client().get(f"/api/v1{path}")

    assert Caller.json(response, 401)["title"] == "Unauthorized"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer debitor_unknown", "Basic dXNlcjpwYXNz", "Bearer", "Bearer  ", "debitor"])
def test_bad_token(api: Caller, header: str) -> None:
    """An unknown token, and anything that is no bearer token, is 401."""
    Caller.json(api.call("GET", "/runs", headers={"Authorization": header}), 401)


def test_revoked_token(services: Services, world: World) -> None:
    """A revoked token is refused at once."""
    tokens = ApiTokens(services.database)
    caller = Caller(services, tokens.create("short-lived", ["operations"]))
    caller.get("/runs")

    tokens.revoke("short-lived")

    caller.get("/runs", 401)


def test_scopes(services: Services, world: World) -> None:
    """A token reaches what its scopes name and is told which one it lacks."""
    tokens = ApiTokens(services.database)
    reader = Caller(services, tokens.create("reader", ["accounting:read"]))
    operator = Caller(services, tokens.create("operator", ["operations"]))

    for path in READ[::2]:
        reader.get(path)
        assert operator.get(path, 403)["detail"] == "the token lacks the scope accounting:read"
    for path in OPERATE[::2]:
        operator.get(path)
        assert reader.get(path, 403)["detail"] == "the token lacks the scope operations"
    reader.post("/runs", {"type": "resync", "agreement": AGREEMENT}, 403)
    reader.post("/failures/1/replay", status=403)


def test_other_firms_are_invisible(api: Caller, world: World) -> None:
    """What belongs to another firm is 404, exactly like what does not exist."""
    world.debtor(STRANGERS, 4711)
    world.failure(STRANGERS, "4711")

    for path in ("debtors", "debtors/4711", "invoices", "invoices/1"):
        theirs = api.get(f"/agreements/{STRANGERS}/{path}", 404)
        nobodys = api.get(f"/agreements/{STRANGERS + 1}/{path}", 404)
        assert theirs["detail"].replace(str(STRANGERS), "") == nobodys["detail"].replace(str(STRANGERS + 1), "")
    assert api.get("/failures")["items"] == []
    api.get("/failures/1", 404)
    api.post("/failures/1/replay", status=404)
    api.post("/failures/1/dismiss", status=404)
    api.post("/runs", {"type": "resync", "agreement": STRANGERS}, 404)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("debtors?limit=0", "limit"),
        ("debtors?limit=1001", "limit"),
        ("debtors?limit=ten", "limit"),
        ("debtors?cursor=-1", "cursor"),
        ("debtors?cursor=99999999999999999999", "cursor"),
        ("debtors?debtr=4711", "debtr"),
        ("debtors?query=%00", "query"),
        ("debtors?query=" + "x" * 201, "query"),
        ("invoices?debtor=0", "debtor"),
        ("invoices?debtor=4711&cursor=20417", "cursor"),
        ("invoices?debtor=4711&cursor=2026-13-01.1", "cursor"),
        ("invoices?debtor=4711&cursor=2026-12-01.9999999999999999999", "cursor"),
        ("invoices/1?lines=yes", "lines"),
    ],
)
def test_bad_parameters(api: Caller, path: str, field: str) -> None:
    """A parameter that cannot be meant is 400 and named."""
    assert api.get(f"/agreements/{AGREEMENT}/{path}", 400)["field"] == field


@pytest.mark.parametrize(
    "path", ["/nothing", "/", "/agreements/x/debtors", f"/agreements/{AGREEMENT}/debtors/{10**30}"]
)
def test_unknown_paths(api: Caller, path: str) -> None:
    """A path nobody serves is a problem, too, whatever is in it."""
    assert "openapi.json" in api.get(path, 404)["detail"]


def test_large_body(api: Caller) -> None:
    """A body beyond 64 KiB is 413."""
    Caller.json(api.call("POST", "/runs", data=b" " * 70_000), 413)


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"', b"[" * 60_000, b"\xff"])
def test_bad_body(api: Caller, body: bytes) -> None:
    """A body that is no JSON object is 400."""
    Caller.json(api.call("POST", "/runs", data=body), 400)


def test_database_away(postgres_through: str, postgres_proxy: Proxy) -> None:
    """While the database is away every call is 503 and says when to come back."""
    services = connect(Settings(database_url=postgres_through, secret_key=SecretStr(KEY)))
    caller = Caller(services, "debitor_whatever")
    postgres_proxy.refuse()

    response = caller.call("GET", "/runs")

    assert Caller.json(response, 503)["detail"] == "not now (database_away); try again"
    assert int(response.headers["Retry-After"]) > 0
    services.close()
