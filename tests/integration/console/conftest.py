"""A database of one's own on each engine, and the app on it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy.engine import make_url

from infra.database.engine import Database
from infra.database.schema import migrate
from tests.integration.console.world import Browser, FakeServices, World, emptied, make_app, services_for

SERVER = os.environ.get("DEBITOR_TEST_DATABASE_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test")


def _postgres() -> Iterator[Database]:
    server = make_url(SERVER).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        admin = psycopg.connect(server, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL: {error}")
    name = f"console_{secrets.token_hex(4)}"
    with admin:
        admin.execute(f"CREATE DATABASE {name}")
        database = Database(make_url(SERVER).set(database=name).render_as_string(hide_password=False))
        migrate(database)
        yield database
        database.close()
        admin.execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "postgresql":
        yield from _postgres()
        return
    path: Path = tmp_path_factory.mktemp("console") / "console.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def database(migrated: Database) -> Database:
    """Empty, with the schema."""
    emptied(migrated)
    return migrated


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
