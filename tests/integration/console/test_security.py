"""What guards the pages."""

from __future__ import annotations

import pytest
from flask import Flask

from console.attempts import FREE
from console.security import OPEN_ENDPOINTS
from infra.database.engine import Database
from tests.integration.console.world import PASSWORD, Browser, World, make_app, services_for


def addresses(app: Flask, method: str) -> list[tuple[str, str]]:
    """Every console route of a method, with 1 for each number: (endpoint, path)."""
    values = {"agreement": 1, "debtor_id": 1, "number": 1, "failure_id": 1, "filename": "console.css", "token": "x"}
    adapter = app.url_map.bind("localhost")
    return [
        (rule.endpoint, adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments}))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("console.") and method in (rule.methods or ())
    ]


def test_every_page_needs_a_person(app: Flask, browser: Browser) -> None:
    """Whoever is not signed in sees the sign-in form and nothing else."""
    pages = addresses(app, "GET")
    assert len(pages) > 6
    for endpoint, path in pages:
        response = browser.get(path)
        if endpoint in OPEN_ENDPOINTS:
            assert response.status_code == (404 if endpoint == "console.conversion_form" else 200), endpoint
        else:
            assert (response.status_code, response.headers["Location"].partition("?")[0]) == (302, "/login")


def test_every_post_is_guarded(app: Flask, mette: Browser, database: Database) -> None:
    """A form that another site sends with our cookie is refused, whichever it is."""
    posts = addresses(app, "POST")
    assert len(posts) >= 6
    for _, path in posts:
        for token in ("", "made-up"):
            response = mette.post(path, token=token)
            assert response.status_code == 400
            assert "no longer valid" in response.get_data(as_text=True)
    assert mette.get("/status").status_code == 200


def test_machines_are_not_asked_for_tokens(app: Flask) -> None:
    """Other routes of the app keep their own rules: no CSRF, no sign-in, no headers of ours."""
    response = app.test_client().post("/api/v1/ping")

    assert response.get_json() == {"pong": True}
    assert "Content-Security-Policy" not in response.headers


def test_machines_get_no_pages(app: Flask) -> None:
    """An unknown path of the API is not answered with a page for people."""
    response = app.test_client().get("/api/v1/nothing")

    assert response.status_code == 404
    assert b"Debitor" not in response.data


def test_sign_in_goes_where_one_wanted(browser: Browser, firm: int) -> None:
    """After signing in the page that was asked for comes up."""
    asked = browser.get("/failures?agreement=1001")
    assert asked.headers["Location"] == "/login?next=/failures?agreement%3D1001"

    response = browser.post(
        "/login", email="Mette@fjordlys.example", password=PASSWORD, next="/failures?agreement=1001"
    )
    assert (response.status_code, response.headers["Location"]) == (303, "/failures?agreement=1001")


def test_sign_in_leads_to_no_other_site(browser: Browser, firm: int) -> None:
    """A crafted link ends on our start page."""
    response = browser.post("/login", email="mette@fjordlys.example", password=PASSWORD, next="https://evil.example/")
    assert response.headers["Location"] == "/"


@pytest.mark.parametrize("email", ["mette@fjordlys.example", "nobody@fjordlys.example"])
def test_refusal_tells_nothing(browser: Browser, firm: int, email: str) -> None:
    """A wrong password and an unknown address read the same."""
    response = browser.sign_in(email, "wrong password")

    assert response.status_code == 401
    assert "do not belong together" in response.get_data(as_text=True)
    assert email in response.get_data(as_text=True)


def test_guessing_is_slowed(browser: Browser, firm: int) -> None:
    """After some failures even the right password has to wait, and the page says how long."""
    for _ in range(FREE):
        assert browser.sign_in("mette@fjordlys.example", "wrong password").status_code == 401
    response = browser.sign_in("mette@fjordlys.example")

    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) >= 1
    assert "Too many attempts" in response.get_data(as_text=True)


def test_signing_out_ends_the_session(mette: Browser) -> None:
    """After signing out the pages are closed again."""
    assert mette.post("/logout").headers["Location"] == "/login"
    assert mette.get("/status").status_code == 302


def test_disabling_ends_the_session(mette: Browser, world: World) -> None:
    """A disabled person is out with the next click."""
    world.users.disable("mette@fjordlys.example")

    assert mette.get("/status").status_code == 302


def test_sign_in_starts_a_fresh_session(browser: Browser, firm: int) -> None:
    """Nothing that was in the session before signing in stays in it."""
    browser.token()
    with browser.client.session_transaction() as session:
        session["planted"] = "by a stranger"
    browser.sign_in("mette@fjordlys.example")

    with browser.client.session_transaction() as session:
        assert "planted" not in session


@pytest.mark.parametrize(("address", "secure"), [("https://debitor.example", True), ("http://127.0.0.1:8000", False)])
def test_session_cookie(database: Database, address: str, secure: bool) -> None:
    """HttpOnly and Lax always, Secure exactly when the public address is https."""
    response = make_app(services_for(database, public_url=address)).test_client().get("/login")
    cookie = response.headers["Set-Cookie"]

    assert cookie.startswith("debitor_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ("Secure" in cookie) is secure


def test_old_keys_still_open_sessions(database: Database, firm: int) -> None:
    """After a rotation of the secret key nobody has to sign in again; once the old key is gone, everybody."""
    services = services_for(database)
    old = services.keys[0]
    browser = Browser(make_app(services))
    browser.sign_in("mette@fjordlys.example")
    cookie = browser.client.get_cookie("debitor_session")
    assert cookie is not None
    for keys, status in ((["n" * 32, old], 200), (["n" * 32], 302)):
        services.keys = keys
        client = make_app(services).test_client()
        client.set_cookie("debitor_session", cookie.value)
        assert client.get("/status").status_code == status


@pytest.mark.parametrize("path", ["/login", "/status", "/nowhere", "/assets/console.css"])
def test_security_headers(mette: Browser, path: str) -> None:
    """No inline code, no sniffing, no framing, no address handed to other sites."""
    headers = mette.get(path).headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


def test_pages_are_not_kept_and_files_are(mette: Browser) -> None:
    """A shared computer keeps no page with names on it; stylesheets carry their version and are kept."""
    page = mette.get("/status")
    assert page.headers["Cache-Control"] == "no-store"

    address = page.get_data(as_text=True).split('rel="stylesheet" href="', 1)[1].split('"', 1)[0]
    assert "?v=" in address
    assert "immutable" in mette.get(address).headers["Cache-Control"]


def test_a_setting_lets_the_crm_frame_us(database: Database) -> None:
    """The CRM's own origin may show our pages inside its own."""
    app = make_app(services_for(database, frame_ancestors=["https://crm.example"]))
    headers = app.test_client().get("/login").headers

    assert "frame-ancestors https://crm.example" in headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in headers


def test_pages_have_no_inline_code(app: Flask, mette: Browser, world: World) -> None:
    """The policy forbids inline scripts, styles and handlers, so the pages have none."""
    debtor = world.debtor(1001, 1)
    for path in ("/login", "/status", "/failures", "/agreements/1001/debtors", f"/agreements/1001/debtors/{debtor}"):
        html = mette.get(path, follow_redirects=True).get_data(as_text=True)
        assert " style=" not in html
        assert "<style" not in html
        assert " onclick" not in html
        assert html.count("<script") == html.count("<script src=")
