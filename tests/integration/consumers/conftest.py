"""Services of either form, wired as a process wires them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.bootstrap import Services, connect
from infra.database.engine import Database
from infra.settings import Settings
from tests.support.databases import KEY, add_agreement

Connect = Callable[[], Services]


@pytest.fixture(params=["embedded", pytest.param("grown", marks=pytest.mark.real)])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """SQLite and a broker in memory, or PostgreSQL and RabbitMQ."""
    database: Database = request.getfixturevalue("sqlite" if request.param == "embedded" else "postgres")
    broker = "memory://" if request.param == "embedded" else request.getfixturevalue("rabbitmq_url")
    add_agreement(database)
    return settings_for(database.url, broker)


def settings_for(database_url: str, broker_url: str) -> Settings:
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=database_url,
        broker_url=broker_url,
        secret_key=SecretStr(KEY),
        economic_app_secret_token=SecretStr("app-secret-of-the-tests"),
    )


@pytest.fixture
def process(form: Settings) -> Iterator[Connect]:
    """Another process's services on the same database and broker, as often as asked for."""
    with ExitStack() as opened:

        def another() -> Services:
            services = connect(form)
            opened.callback(services.close)
            return services

        yield another


@pytest.fixture
def services(process: Connect) -> Services:
    return process()
