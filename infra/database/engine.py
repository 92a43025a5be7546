"""
Connections and transactions.

PostgreSQL: a pool, READ COMMITTED. SQLite: WAL, `synchronous=FULL`, one writer at a time: writers of this process
queue on a lock (fair, no busy waiting), other processes are waited for by SQLite itself.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from domain.errors import Unavailable
from infra.database.dialect import Sql

CONNECT_TIMEOUT_S = 3
SQLITE_BUSY_MS = 5_000

_DRIVERS_OWN = (psycopg.OperationalError, psycopg.InterfaceError, sqlite3.OperationalError)
"""What bulk statements raise, which go past SQLAlchemy (`bulk`)."""


class DatabaseAway(Unavailable):
    """The database refuses, is frozen, or broke the connection; nothing of this transaction is stored."""

    reason = "database_away"


class Database:
    """One database; made after forking, shared by a process's threads."""

    def __init__(self, url: str, *, pool_size: int = 16) -> None:
        self.url = url
        self.engine = _engine(url, pool_size)
        self._quick = _engine(url, pool_size, quick=True)
        self.sql = Sql(self.engine.dialect.name)
        self.writing = threading.Lock() if not self.sql.postgresql else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises DatabaseAway."""
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits on leaving and rolls back on an exception. Raises DatabaseAway."""
        if self.writing is None:
            with _translated(), self.engine.begin() as connection:
                yield connection
            return
        with self.writing, _translated(), self.engine.connect() as connection:
            connection = connection.execution_options(debitor_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    @contextmanager
    def quick(self) -> Iterator[Connection]:
        """
        Single statements, each its own transaction, that need not reach the disk before they return.

        The next commit of `write` takes them to the disk with it, since the log is one: whatever follows from them is
        never there without them. Raises DatabaseAway.
        """
        with self.writing or nullcontext(), _translated(), self._quick.connect() as connection:
            yield connection

    @contextmanager
    def quick_write(self) -> Iterator[Connection]:
        """Like `write`, for several statements, without waiting for the disk. Raises DatabaseAway."""
        with self.writing or nullcontext(), _translated(), self._quick.connect() as connection:
            if self.writing is None:
                connection = connection.execution_options(isolation_level="READ COMMITTED")
            else:
                connection = connection.execution_options(debitor_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    def ping(self) -> None:
        """Raises DatabaseAway unless a query succeeds."""
        with self.read() as connection:
            connection.execute(sa.text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()
        self._quick.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    """What the surroundings did becomes DatabaseAway; programming errors stay what they are."""
    try:
        yield
    except (OperationalError, sa.exc.TimeoutError, *_DRIVERS_OWN) as error:
        raise DatabaseAway(f"the database does not answer: {_first_line(error)}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseAway(f"the database connection broke: {_first_line(error)}") from error
        raise


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


def _engine(url: str, pool_size: int, *, quick: bool = False) -> sa.Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = sa.create_engine(
            url, connect_args={"check_same_thread": False, "timeout": SQLITE_BUSY_MS / 1000}, pool_size=pool_size
        )
        sa.event.listen(engine, "connect", _prepare_sqlite)
        if quick:
            sa.event.listen(engine, "connect", _do_not_wait_for_the_disk)
        sa.event.listen(engine, "begin", _begin_quick_sqlite if quick else _begin_sqlite)
        return engine
    return sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=4,
        pool_timeout=10,
        pool_use_lifo=True,  # few connections stay warm: each prepares its statements for itself
        pool_pre_ping=False,
        isolation_level="AUTOCOMMIT" if quick else "READ COMMITTED",
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "debitor",
            # A frozen server or a cut cable is noticed by the kernel, not by a thread waiting for ever.
            "tcp_user_timeout": 30_000,
            "keepalives_idle": 10,
            "options": "-c idle_in_transaction_session_timeout=60000 -c lock_timeout=30000"
            + (" -c synchronous_commit=off" if quick else ""),
        },
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    prepare_sqlite(connection)


def prepare_sqlite(connection: sqlite3.Connection) -> None:
    """The durability and speed every connection of ours has."""
    _keep_a_log(connection)
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={SQLITE_BUSY_MS}",
        "temp_store=MEMORY",
        "cache_size=-32000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """The first to open a file switches it to WAL; SQLite refuses whoever tries in that moment instead of waiting."""
    deadline = time.monotonic() + SQLITE_BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _do_not_wait_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("debitor_begin", "BEGIN"))


def _begin_quick_sqlite(connection: Connection) -> None:
    """Without a BEGIN each statement is its own transaction."""
    if begin := connection.get_execution_options().get("debitor_begin"):
        connection.exec_driver_sql(begin)
