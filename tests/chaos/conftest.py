"""Debitor in both forms, for tests that kill its processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.database.engine import Database
from tests.support.brokers import purge
from tests.support.forms import Form, embedded, grown


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
