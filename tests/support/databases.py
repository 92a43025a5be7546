"""Databases for tests: migrated once, emptied between tests."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from domain.hints import Kind, NewHint, Source
from infra.database import schema, tables
from infra.database.agreements import Agreements
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.encryption import SecretBox

KEY = "a key for tests of more than 16 characters"
AGREEMENT = 1442871
HOOK_SECRET = "hook-secret-of-the-tests"


@contextlib.contextmanager
def sqlite_database(folder: Path) -> Iterator[Database]:
    """A fresh, migrated file."""
    file = folder / "debitor.db"
    file.write_bytes(_migrated_file())
    database = Database(f"sqlite:///{file}")
    try:
        yield database
    finally:
        database.close()


@functools.cache
def _migrated_file() -> bytes:
    """What migrating leaves of a file that was not there: a copy takes a hundredth of the time."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "debitor.db"
        database = Database(f"sqlite:///{file}")
        schema.migrate(database)
        database.close()
        assert [path.name for path in file.parent.iterdir()] == [file.name]  # nothing is left in a log
        return file.read_bytes()


def empty(database: Database) -> None:
    """Every table empty, every id back at 1; a forgotten open transaction is an error, not a hang."""
    with database.write() as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '5s'"))
        for table in reversed(tables.metadata.sorted_tables):  # far faster than TRUNCATE, which makes new files
            if connection.execute(sa.delete(table)).rowcount and "id" in table.c:
                connection.execute(
                    sa.text(f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'), 1, false)")
                )


def add_agreement(
    database: Database, number: int = AGREEMENT, *, grant: str | None = "grant-of-the-tests", key: str = KEY
) -> str:
    """A connected agreement of the first firm; returns its webhook secret."""
    with database.write() as connection:
        firm = connection.execute(sa.text("SELECT min(id) FROM firm")).scalar()
        if firm is None:
            firm = connection.execute(
                sa.insert(tables.firm).values(name="Havnens Revision").returning(tables.firm.c.id)
            ).scalar_one()
    secret = f"{HOOK_SECRET}-{number}"
    return Agreements(database, SecretBox([key])).add(number, firm_id=firm, grant_token=grant, hook_secret=secret)


def add_hints(database: Database, *numbers: int, kind: Kind = Kind.DEBTORS, agreement: int = AGREEMENT) -> list[int]:
    """One committed event for each number; returns their ids."""
    with database.write() as connection:
        SqlInbox(connection, database.sql).add(
            [NewHint(agreement, kind, Source.HOOK, f"cause-{number}", number, number) for number in numbers]
        )
    return [row.id for row in rows(database, "SELECT id FROM inbox ORDER BY id")][-len(numbers) :]


def rows(database: Database, query: str, **values: Any) -> list[sa.Row[Any]]:
    """What a query says now."""
    with database.read() as connection:
        return list(connection.execute(sa.text(query), values).all())


def scalar(database: Database, query: str, **values: Any) -> Any:
    """The one value a query says now."""
    with database.read() as connection:
        return connection.execute(sa.text(query), values).scalar()


def do(database: Database, statement: str, **values: Any) -> int:
    """One committed statement; returns how many rows it touched."""
    with database.write() as connection:
        return connection.execute(sa.text(statement), values).rowcount
