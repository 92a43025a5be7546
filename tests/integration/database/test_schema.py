"""Migrations: fresh, older, newer, two at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from domain.errors import ConfigurationError
from infra.database import schema, tables
from infra.database.engine import Database
from tests.support import services
from tests.support.databases import do, scalar


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a single table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/bare.db"
        return
    with services.fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def bare(bare_url: str) -> Iterator[Database]:
    database = Database(bare_url)
    yield database
    database.close()


@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_a_fresh_database_gets_every_table(bare: Database) -> None:
    """After migrating, the database has exactly the tables the code expects, and doing it again changes nothing."""
    with pytest.raises(ConfigurationError, match="debitor migrate"):
        schema.require_newest(bare)

    assert schema.migrate(bare) == schema.newest()
    assert schema.migrate(bare) == schema.newest()

    schema.require_newest(bare)
    with bare.read() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"include_name": _is_ours}), tables.metadata
        )
    assert [d for d in differences if isinstance(d, tuple) and "index" not in d[0]] == []


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name != "alembic_version"


def test_an_older_or_newer_schema_is_refused(bare: Database) -> None:
    """An older schema is refused naming the command, a newer one naming what to install."""
    schema.migrate(bare)
    do(bare, "DELETE FROM alembic_version")
    with pytest.raises(ConfigurationError, match="run `debitor migrate`"):
        schema.require_newest(bare)

    do(bare, "INSERT INTO alembic_version VALUES ('9999')")
    with pytest.raises(ConfigurationError, match="newer Debitor"):
        schema.require_newest(bare)


def test_two_may_migrate_at_once(bare_url: str) -> None:
    """Two processes that migrate a fresh database in the same moment both succeed."""
    barrier = threading.Barrier(2)

    def migrate(_: int) -> str:
        database = Database(bare_url)
        try:
            barrier.wait(timeout=10)
            return schema.migrate(database)
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(migrate, range(2)))

    assert done == [schema.newest()] * 2
    database = Database(bare_url)
    try:
        assert scalar(database, "SELECT count(*) FROM alembic_version") == 1
        with database.read() as connection:
            assert "debtor" in sa.inspect(connection).get_table_names()
    finally:
        database.close()


def test_agreements_of_an_older_schema_get_the_work_of_a_newer_one(bare: Database) -> None:
    """An agreement connected before a kind of work existed has a row for every kind after migrating."""
    config = schema._config()
    with bare.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    do(bare, "INSERT INTO firm (id, name) VALUES (1, 'Havnens Revision')")
    do(
        bare,
        "INSERT INTO agreement (number, firm_id, ask_every_time, hook_secret, created_at)"
        f" VALUES (1442871, 1, false, 'x', {bare.sql.now})",
    )

    schema.migrate(bare)

    assert scalar(bare, "SELECT count(*) FROM work WHERE agreement = 1442871 AND kind = 'reference'") == 1
