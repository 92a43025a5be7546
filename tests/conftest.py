"""Fixtures every kind of test may use: databases, brokers, real services."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.database import schema
from infra.database.engine import Database
from tests.support import databases, services
from tests.support.network import Proxy, proxied


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for a real service carries the marker `real`."""
    for item in items:
        wanted = set(getattr(item, "fixturenames", ()))
        variant = getattr(getattr(item, "callspec", None), "params", {})
        chosen = {value for value in variant.values() if isinstance(value, str)}
        real = {"postgres_server", "rabbitmq_server", "postgres_url", "rabbitmq_url"}
        if wanted & real or chosen & {"postgresql", "rabbitmq"}:
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A server on which databases may be made."""
    with services.postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def _migrated(postgres_server: str) -> Iterator[Database]:
    with services.fresh_database(postgres_server) as url:
        database = Database(url.replace("postgresql://", "postgresql+psycopg://"))
        schema.migrate(database)
        yield database
        database.close()


@pytest.fixture(scope="module")
def module_database(postgres_server: str) -> Iterator[Database]:
    """A PostgreSQL database of its own for a module whose processes keep running."""
    with services.fresh_database(postgres_server) as url:
        database = Database(url.replace("postgresql://", "postgresql+psycopg://"))
        schema.migrate(database)
        yield database
        database.close()


@pytest.fixture
def postgres_url(_migrated: Database) -> str:
    """A migrated PostgreSQL database with nothing in it."""
    databases.empty(_migrated)
    return _migrated.url


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    """PostgreSQL, migrated and empty."""
    database = Database(postgres_url)
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """SQLite, migrated and empty."""
    with databases.sqlite_database(tmp_path) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the databases Debitor runs on, migrated and empty."""
    found: Database = request.getfixturevalue("sqlite" if request.param == "sqlite" else "postgres")
    return found


@pytest.fixture
def postgres_proxy(postgres_url: str) -> Iterator[Proxy]:
    """A way to PostgreSQL that can fail."""
    from sqlalchemy.engine import make_url

    url = make_url(postgres_url)
    with proxied(url.host or "127.0.0.1", url.port or 5432) as proxy:
        yield proxy


@pytest.fixture
def postgres_through(postgres_url: str, postgres_proxy: Proxy) -> str:
    """The URL of that way."""
    from sqlalchemy.engine import make_url

    return make_url(postgres_url).set(host="127.0.0.1", port=postgres_proxy.port).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[str]:
    """A broker, with a virtual host of its own where that can be had."""
    with services.rabbitmq() as url:
        yield url


@pytest.fixture
def rabbitmq_url(rabbitmq_server: str) -> str:
    """RabbitMQ with Debitor's queues empty."""
    from tests.support.brokers import purge

    purge(rabbitmq_server)
    return rabbitmq_server


@pytest.fixture(params=["memory", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """Each of the brokers Debitor runs on."""
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("rabbitmq_url"))


@pytest.fixture
def rabbitmq_proxy(rabbitmq_url: str) -> Iterator[Proxy]:
    """A way to RabbitMQ that can fail."""
    from urllib.parse import urlsplit

    parts = urlsplit(rabbitmq_url)
    with proxied(parts.hostname or "127.0.0.1", parts.port or 5672) as proxy:
        yield proxy
    with warnings.catch_warnings():  # of a connection that broke pika leaves sockets to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def rabbitmq_through(rabbitmq_url: str, rabbitmq_proxy: Proxy) -> str:
    """The URL of that way."""
    from tests.support.brokers import through

    return through(rabbitmq_url, rabbitmq_proxy)
