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
from infra.database.inbox import COLUMNS, HINT_COLUMNS, STORED_ONCE, as_row

log = structlog.get_logger()

SLOW_S = 1.0
"""A database that takes longer counts as away (design.md §2, Intake)."""

LEFT_ALONE_S = 1.0


class StoreAway(Exception):
    """Refused, frozen or too slow; whether the batch was written is unknown."""


class BadBatch(Exception):
    """The store is well, something in the batch is not."""


class EventStore(Protocol):
    """Writes a batch in one commit, or in two when hints and events with a webhook-id come together."""

    def write(self, batch: Sequence[NewHint]) -> Sequence[int | None]:
        """The row of each event; None = its webhook-id was stored before. Raises StoreAway or BadBatch."""
        ...

    def ready(self) -> bool:
        """Whether the next write has a chance."""
        ...

    def close(self) -> None: ...


_COLUMN_TYPES = ("bigint", "text", "text", "bigint", "bigint", "text", "text", "text")


def _postgres_insert(columns: Sequence[str], ending: str) -> bytes:
    typed = ", ".join(f"{name} {kind}" for name, kind in zip(columns, _COLUMN_TYPES, strict=False))
    return (
        f"INSERT INTO inbox ({', '.join(columns)}, received_at) SELECT {', '.join(columns)}, clock_timestamp()"
        f" FROM json_to_recordset($1::json) AS batch({typed}){ending}"
    ).encode()


_HINTS, _NAMED = b"debitor_hints", b"debitor_events"  # hints storm: they do not pay for a look whether they are new
_STATEMENTS = {
    _HINTS: _postgres_insert(HINT_COLUMNS, " RETURNING id"),
    _NAMED: _postgres_insert(COLUMNS, f"{STORED_ONCE} RETURNING id, agreement, webhook_id"),
}
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

    def write(self, batch: Sequence[NewHint]) -> Sequence[int | None]:
        hints = [hint for hint in batch if hint.webhook_id is None]
        if len(hints) == len(batch):
            # Ids serve the trace only: that they come in the order of the batch is PostgreSQL's habit, no promise.
            return [int(row) for (row,) in self._insert(_HINTS, batch)]
        plain = iter([int(row) for (row,) in self._insert(_HINTS, hints)] if hints else [])
        named = [hint for hint in batch if hint.webhook_id is not None]
        fresh = {(int(agreement), name.decode()): int(row) for row, agreement, name in self._insert(_NAMED, named)}
        return [
            next(plain) if hint.webhook_id is None else fresh.pop((hint.agreement, hint.webhook_id), None)
            for hint in batch
        ]

    def _insert(self, statement: bytes, batch: Sequence[NewHint]) -> list[tuple[bytes, ...]]:
        """What the statement returns for a batch, row by row."""
        connection = self._connection
        if connection is None:
            raise StoreAway("the database is away")
        columns = HINT_COLUMNS if statement is _HINTS else COLUMNS
        rows = msgspec.json.encode([dict(zip(columns, as_row(hint), strict=False)) for hint in batch])
        try:
            result = _execute(connection.pgconn, statement, rows)
        except (psycopg.Error, OSError, TimeoutError) as error:
            self._drop(connection)
            raise StoreAway(str(error) or type(error).__name__) from error
        if result.status != ExecStatus.TUPLES_OK:
            message = result.error_message.decode(errors="replace").strip()
            if (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()[:2] in _BAD_DATA:
                raise BadBatch(message)
            self._drop(connection)
            raise StoreAway(message)
        fields = range(result.nfields)
        return [tuple(result.get_value(row, field) or b"" for field in fields) for row in range(result.ntuples)]

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
            for name, statement in _STATEMENTS.items():
                connection.pgconn.prepare(name, statement)
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


def _execute(pgconn: PGconn, statement: bytes, rows: bytes) -> PGresult:
    """
    The answer to a prepared statement within SLOW_S.

    Raises:
        TimeoutError: frozen or slow; the outcome is unknown.
        psycopg.Error: the connection broke.
    """
    deadline = time.monotonic() + SLOW_S
    pgconn.send_query_prepared(statement, [rows])
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
            f" VALUES ({', '.join('?' * len(COLUMNS))}, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')){STORED_ONCE}"
        )

    def write(self, batch: Sequence[NewHint]) -> Sequence[int | None]:
        if not self.ready():
            raise StoreAway("the database did not take the last batch")
        if not self._writing.acquire(timeout=SLOW_S):
            raise StoreAway("the database is busy")
        try:
            return self._commit(batch)
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.DataError | sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise BadBatch(str(error)) from error
            self._away_until = time.monotonic() + LEFT_ALONE_S
            raise StoreAway(str(error)) from error
        finally:
            self._writing.release()

    def _commit(self, batch: Sequence[NewHint]) -> Sequence[int | None]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            ids = self._insert_into(connection, batch)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return ids

    def _insert_into(self, connection: sqlite3.Connection, batch: Sequence[NewHint]) -> Sequence[int | None]:
        if all(hint.webhook_id is None for hint in batch):
            connection.executemany(self._insert, [as_row(hint) for hint in batch])
            (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
            return range(last - len(batch) + 1, last + 1)
        ids: list[int | None] = []
        for hint in batch:
            row = connection.execute(f"{self._insert} RETURNING id", as_row(hint)).fetchone()
            ids.append(row[0] if row else None)
        return ids

    def ready(self) -> bool:
        return time.monotonic() >= self._away_until

    def close(self) -> None:
        self._connection.close()
