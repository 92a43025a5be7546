"""Debitor in both forms, for tests that kill its processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.database.engine import Database
from tests.support.brokers import purge
from tests.support.forms import Form, embedded, grown
from tests.support.servers import PostgresServer, RabbitServer, private_postgresql, private_rabbitmq


@pytest.fixture(scope="module")
def grown_form(
    module_database: Database, rabbitmq_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Form]:
    """PostgreSQL, RabbitMQ, web, two workers, scheduler."""
    purge(rabbitmq_server)
    with grown(tmp_path_factory.mktemp("grown"), module_database.url, rabbitmq_server) as form:
        yield form
        assert form.leaked() == []


@pytest.fixture(scope="module")
def embedded_form(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Form]:
    """`debitor up`: SQLite, everything in one process."""
    with embedded(tmp_path_factory.mktemp("embedded")) as form:
        yield form
        assert form.leaked() == []


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that may be stopped, frozen and killed."""
    with private_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def own_rabbitmq() -> Iterator[RabbitServer]:
    """A RabbitMQ that may be stopped, frozen and killed."""
    with private_rabbitmq() as server:
        yield server


@pytest.fixture(scope="module")
def own_form(
    own_postgres: PostgresServer, own_rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Form]:
    """The grown form on servers of its own."""
    with grown(tmp_path_factory.mktemp("own"), own_postgres.url, own_rabbitmq.url) as form:
        yield form
        assert form.leaked() == []
        assert ".bug" not in form.logs(), [line for line in form.logs().splitlines() if ".bug" in line][:3]
