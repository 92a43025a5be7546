"""The app on a small world, on each of the databases."""

from __future__ import annotations

import pytest
from flask import Flask

from infra.database.engine import Database
from tests.integration.console.world import Browser, FakeServices, World, make_app, services_for


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def services(database: Database) -> FakeServices:
    return services_for(database)


@pytest.fixture
def app(services: FakeServices) -> Flask:
    return make_app(services)


@pytest.fixture
def browser(app: Flask) -> Browser:
    """Nobody is signed in yet."""
    return Browser(app)


@pytest.fixture
def firm(world: World) -> int:
    """A firm with one agreement, 1001, and Mette of sales."""
    firm = world.firm()
    world.agreement(1001, firm, name="Fjordlys Energi ApS")
    world.person("mette@fjordlys.example", firm)
    return firm


@pytest.fixture
def mette(browser: Browser, firm: int) -> Browser:
    """Mette of sales, signed in."""
    assert browser.sign_in("mette@fjordlys.example").status_code == 303
    return browser
