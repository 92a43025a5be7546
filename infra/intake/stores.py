"""
Where accepted events become durable: the inbox table, on a connection of its own.
"""

from __future__ import annotations

import select
import sqlite3
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import psycopg
import structlog
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
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


_STATEMENT = b"debitor_intake"
_COLUMN_TYPES = ("bigint", "text", "text", "bigint", "bigint", "text", "text")
_POSTGRES_INSERT = (
    f"INSERT INTO inbox ({', '.join(COLUMNS)}, received_at)"
    f" SELECT {', '.join(COLUMNS)}, clock_timestamp() FROM json_to_recordset($1::json)"
    f" AS batch({', '.join(f'{name} {kind}' for name, kind in zip(COLUMNS, _COLUMN_TYPES, strict=True))}) RETURNING id"
).encode()
_BAD_DATA = ("22", "23")  # SQLSTATE classes: data exception, integrity violation


class PostgresEvents:
    """
    One prepared INSERT, one round trip, one commit for a batch.

    It speaks to libpq (psycopg.pq) itself: a frozen server never answers and never refuses, so the wait for the answer
    has a deadline, and the hot path saves two thirds of psycopg's client time. While the database is away every
    write fails at once; a thread of its own looks whether it is back, so that no request waits for a connection.
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
            raise StoreAway("the database is away")
        rows = msgspec.json.encode([dict(zip(COLUMNS, as_row(hint), strict=True)) for hint in batch])
        try:
            result = _execute(connection.pgconn, rows)
        except (psycopg.Error, OSError, TimeoutError) as error:
            self._drop(connection)
            raise StoreAway(str(error) or type(error).__name__) from error
        if result.status != ExecStatus.TUPLES_OK:
            message = result.error_message.decode(errors="replace").strip()
            if (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()[:2] in _BAD_DATA:
                raise BadBatch(message)
            self._drop(connection)
            raise StoreAway(message)
        ids: Ids = {}
        for index, hint in enumerate(batch):  # ids serve the trace only: their order is PostgreSQL's habit, no promise
            row_id = result.get_value(index, 0)
            assert row_id is not None
            ids.setdefault((hint.agreement, hint.kind.value), []).append(int(row_id))
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
            connection = psycopg.Connection.connect(
                self._conninfo, autocommit=True, connect_timeout=2, application_name="debitor intake"
            )
            connection.pgconn.prepare(_STATEMENT, _POSTGRES_INSERT)
            connection.pgconn.nonblocking = 1
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


def _execute(pgconn: PGconn, rows: bytes) -> PGresult:
    """
    The answer to the prepared statement within SLOW_S.

    Raises:
        TimeoutError: frozen or slow; the outcome is unknown.
        psycopg.Error: the connection broke.
    """
    deadline = time.monotonic() + SLOW_S
    pgconn.send_query_prepared(_STATEMENT, [rows])
    ready = select.poll()
    ready.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():  # 1 = not everything is sent yet
        _wait(ready, deadline)
        pgconn.consume_input()
    ready.modify(pgconn.socket, select.POLLIN)
    answer: PGresult | None = None
    while True:
        while pgconn.is_busy():
            _wait(ready, deadline)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            break
        answer = result
    if answer is None:
        raise psycopg.OperationalError("the database sent no result")
    return answer


def _wait(ready: select.poll, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0 or not ready.poll(left * 1000):
        raise TimeoutError(f"the database took longer than {SLOW_S:g} s")


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
