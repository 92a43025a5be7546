"""
Where accepted events become durable: the inbox table, on a connection of its own.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import psycopg
import structlog
from sqlalchemy.engine import make_url

from domain.hints import NewHint
from infra.database.engine import prepare_sqlite
from infra.database.inbox import COLUMNS, as_row

log = structlog.get_logger()

SLOW_S = 1.0
"""A database that takes longer counts as away (design.md §2, Intake)."""

LEFT_ALONE_S = 1.0

Ids = dict[tuple[int, str], list[int]]
"""Ids of the rows written, by (agreement, kind)."""


class StoreAway(Exception):
    """Refused, frozen or too slow; whether the batch was written is unknown."""


class BadBatch(Exception):
    """The store is well, something in the batch is not."""


class EventStore(Protocol):
    """Writes a batch in one commit."""

    def write(self, batch: Sequence[NewHint]) -> Ids:
        """Raises StoreAway or BadBatch."""
        ...

    def ready(self) -> bool:
        """Whether the next write has a chance."""
        ...

    def close(self) -> None: ...


class _DeadlineConnection(psycopg.Connection[Any]):
    """Gives up waiting for the server after SLOW_S: a frozen server never answers and never refuses."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        return super().wait(gen, interval, SLOW_S if timeout is None else timeout)


_TYPES = ("bigint", "text", "text", "bigint", "bigint", "text", "text")
_POSTGRES_INSERT = (
    f"INSERT INTO inbox ({', '.join(COLUMNS)}, received_at)"
    f" SELECT {', '.join(COLUMNS)}, clock_timestamp() FROM unnest("
    + ", ".join(f"%s::{name}[]" for name in _TYPES)
    + f") AS batch({', '.join(COLUMNS)}) RETURNING id, agreement, kind"
)


class PostgresEvents:
    """
    One INSERT, one round trip, one commit for a batch.

    While the database is away every write fails at once; a thread of its own looks whether it is back, so that no
    request waits for a connection.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self._conninfo = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: psycopg.Connection[Any] | None = None
        self._closed = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._keep_connected, name="intake-database", daemon=True)
        self._connect()
        self._thread.start()

    def write(self, batch: Sequence[NewHint]) -> Ids:
        connection = self._connection
        if connection is None:
            self._wanted.set()
            raise StoreAway("the database is away")
        columns = list(zip(*(as_row(hint) for hint in batch), strict=True))
        try:
            rows = connection.execute(_POSTGRES_INSERT, [list(column) for column in columns], binary=False).fetchall()
        except psycopg.DataError as error:
            raise BadBatch(str(error)) from error
        except psycopg.Error as error:
            self._drop(connection)
            raise StoreAway(str(error) or type(error).__name__) from error
        ids: Ids = {}
        for row_id, agreement, kind in rows:
            ids.setdefault((agreement, kind), []).append(row_id)
        return ids

    def ready(self) -> bool:
        return self._connection is not None

    def close(self) -> None:
        self._closed.set()
        self._wanted.set()
        self._thread.join(timeout=5)
        if self._connection is not None:
            self._connection.close()

    def _drop(self, connection: psycopg.Connection[Any]) -> None:
        """A connection with an unknown outcome is never used again."""
        self._connection = None
        try:
            connection.pgconn.finish()
        finally:
            self._wanted.set()

    def _connect(self) -> None:
        try:
            connection = _DeadlineConnection.connect(
                self._conninfo, autocommit=True, connect_timeout=2, application_name="debitor intake"
            )
        except psycopg.Error as error:
            log.warning("intake.database_away", error=str(error).splitlines()[0] if str(error) else "")
            self._wanted.set()
        else:
            self._connection = connection

    def _keep_connected(self) -> None:
        while not self._closed.is_set():
            self._wanted.wait()
            self._wanted.clear()
            while self._connection is None and not self._closed.wait(LEFT_ALONE_S):
                self._connect()


class SqliteEvents:
    """The embedded form: the process's own file, one writer at a time."""

    def __init__(self, path: str, writing: threading.Lock) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        prepare_sqlite(self._connection)
        self._connection.execute(f"PRAGMA busy_timeout={int(SLOW_S * 1000)}")
        self._writing = writing
        self._away_until = 0.0
        names = ", ".join(COLUMNS)
        self._insert = (
            f"INSERT INTO inbox ({names}, received_at)"
            f" VALUES ({', '.join('?' * len(COLUMNS))}, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
        )

    def write(self, batch: Sequence[NewHint]) -> Ids:
        if not self.ready():
            raise StoreAway("the database did not take the last batch")
        if not self._writing.acquire(timeout=SLOW_S):
            raise StoreAway("the database is busy")
        try:
            last = self._commit(batch)
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.DataError | sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise BadBatch(str(error)) from error
            self._away_until = time.monotonic() + LEFT_ALONE_S
            raise StoreAway(str(error)) from error
        finally:
            self._writing.release()
        ids: Ids = {}
        for row_id, hint in zip(range(last - len(batch) + 1, last + 1), batch, strict=True):
            ids.setdefault((hint.agreement, hint.kind.value), []).append(row_id)
        return ids

    def _commit(self, batch: Sequence[NewHint]) -> int:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(self._insert, [as_row(hint) for hint in batch])
            (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return int(last)

    def ready(self) -> bool:
        return time.monotonic() >= self._away_until

    def close(self) -> None:
        self._connection.close()


EventStoreFactory = Callable[[], EventStore]
