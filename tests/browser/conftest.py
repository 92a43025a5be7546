"""A real browser on a served console with a little data."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from infra.database.engine import Database
from infra.database.schema import migrate
from tests.integration.console.world import FakeServices, World, make_app, services_for

A = 1001
LONG_NAME = "Sammenslutningen af Vestjyske Vandværksforeninger og Fjernvarmeselskaber A.M.B.A."


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: install one, browser tests must run in CI")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Sixty debtors; 4711 has invoices in two currencies, one of them with lines."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('browser') / 'console.db'}")
    migrate(database)
    world = World(database)
    firm = world.firm()
    world.agreement(A, firm, name="Fjordlys Energi ApS")
    world.person("mette@fjordlys.example", firm, "admin")
    for number in range(1, 60):
        world.debtor(A, number, f"Havblik {number} ApS", zip="9900", city="Frederikshavn", balance=Decimal(number))
    debtor = world.debtor(
        A, 4711, LONG_NAME, email="en.meget.lang.adresse.til.bogholderiet@vandvaerksforeningerne.example",
        balance=Decimal("-123456789.5"), address="Industrivej 7\nBygning B", zip="8700", city="Horsens",
    )  # fmt: skip
    world.read(A, 4711)
    today = dt.datetime.now(dt.UTC).date()
    for number in range(1, 30):
        day, currency = today - dt.timedelta(days=number * 13), "EUR" if number % 2 else "DKK"
        world.invoice(
            A, 20400 + number, debtor, f"{number * 1234567}.89", date=day, due=day, currency=currency,
            remainder=Decimal("98765432.10") if number % 3 else Decimal(0), exchange_rate=Decimal("746.05"),
        )  # fmt: skip
    for number in range(1, 4):
        world.line(
            A, 20401, number, product=f"V-{number}", description="Serviceeftersyn af pumpestation",
            quantity=Decimal("2.5"), unit_price=Decimal("12345678.9"), net=Decimal("30864197.25"),
        )  # fmt: skip
    world.failure(A, "4712", message="The name is empty", advice="Give the debtor a name", detail="x" * 300)
    world.event(A, "debtors", "hook")
    yield world
    database.close()


@pytest.fixture(scope="session")
def services(world: World) -> FakeServices:
    return services_for(world.database)


@pytest.fixture(scope="session")
def address(services: FakeServices) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, make_app(services), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _page(chromium: Browser, address: str, width: int, height: int) -> Iterator[Page]:
    context = chromium.new_context(base_url=address, viewport={"width": width, "height": height}, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(10_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert problems == []  # a script failed, or the content policy blocked something


@pytest.fixture
def desk(chromium: Browser, address: str) -> Iterator[Page]:
    """A page on a desk."""
    yield from _page(chromium, address, 1280, 800)


@pytest.fixture
def phone(chromium: Browser, address: str) -> Iterator[Page]:
    """A page on a small phone."""
    yield from _page(chromium, address, 375, 700)
