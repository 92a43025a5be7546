"""
Bringing the schema up, and refusing an older one.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from domain.errors import ConfigurationError
from infra.database.engine import Database

_LOCK = 5_318_008  # any constant: two processes migrating at once queue on it


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(database: Database) -> str:
    """Bring the schema to the newest revision and return it; safe beside other processes doing the same."""
    config = _config()
    with database.write() as connection:
        if database.sql.postgresql:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return newest()


def newest() -> str:
    """The revision this version of Debitor needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def current(database: Database) -> str | None:
    """The revision the database has; None before the first `debitor migrate`."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_newest(database: Database) -> None:
    """Raises ConfigurationError, naming the command, unless the schema is the one this version needs."""
    has, needs = current(database), newest()
    if has == needs:
        return
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if has is not None and has not in known:
        raise ConfigurationError(f"the database has schema {has}, which a newer Debitor made: install that version")
    raise ConfigurationError(
        f"the database has schema {has or 'none'}, this version needs {needs}: run `debitor migrate`"
    )
