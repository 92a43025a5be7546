"""Transactions: committed, rolled back, and what an absent database becomes."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from domain.debtors import Debtor, DebtorChanges
from infra.database.engine import Database, DatabaseAway
from infra.database.mirror_debtors import DebtorRows
from tests.support.databases import AGREEMENT, add_agreement, do, scalar
from tests.support.network import Proxy

PAGE = DebtorChanges(insert=[Debtor(number, f"Firma {number}") for number in range(1, 1_001)])


def a_page(database: Database, break_off: object = None) -> None:
    """One page of debtors in a transaction; `break_off` happens before it is written."""
    with database.write() as connection:
        connection.execute(sa.text("SELECT 1"))
        if callable(break_off):
            break_off(connection)
        DebtorRows(connection, database.sql, AGREEMENT).write(PAGE, {})


def test_an_exception_rolls_back(store: Database) -> None:
    """What a transaction wrote before it failed is not there."""
    with pytest.raises(IntegrityError):
        _write_and_fail(store)
    assert scalar(store, "SELECT count(*) FROM job") == 0


def _write_and_fail(database: Database) -> None:
    with database.write() as connection:
        for _ in range(2):
            connection.execute(sa.text(f"INSERT INTO job (name, claimed_at) VALUES ('once', {database.sql.now})"))


def test_writers_of_a_process_queue(store: Database) -> None:
    """Many threads that write at once all get their turn, on either database."""
    do(store, "INSERT INTO stamp (agreement, value) VALUES (:a, 0) ON CONFLICT DO NOTHING", a=AGREEMENT)

    def write() -> None:
        for _ in range(10):
            do(store, "UPDATE stamp SET value = value + 1")

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert scalar(store, "SELECT value FROM stamp") == 80


def test_a_broken_connection_is_the_databases_absence(postgres: Database) -> None:
    """A connection that breaks in the middle of a page raises DatabaseAway, stores nothing, and is not used again."""
    add_agreement(postgres)

    def kill(connection: sa.Connection) -> None:
        pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        do(postgres, "SELECT pg_terminate_backend(:pid)", pid=pid)

    with pytest.raises(DatabaseAway):
        a_page(postgres, kill)

    assert scalar(postgres, "SELECT count(*) FROM debtor") == 0
    a_page(postgres)
    assert scalar(postgres, "SELECT count(*) FROM debtor") == 1_000


def test_a_lock_held_too_long_is_the_databases_absence(postgres: Database) -> None:
    """A bulk statement that waits for a lock in vain raises DatabaseAway: the work waits, it is no bug of ours."""
    add_agreement(postgres)
    a_page(postgres)
    with postgres.write() as holder:
        holder.execute(sa.text("SELECT 1 FROM debtor WHERE id = 1 FOR UPDATE"))
        with pytest.raises(DatabaseAway):
            _update_in_bulk(postgres)


def _update_in_bulk(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
        changes = DebtorChanges(update=[(1, Debtor(1, "Firma 1 ApS"))])
        DebtorRows(connection, database.sql, AGREEMENT).write(changes, {})


def test_a_refusing_server_is_the_databases_absence(postgres_through: str, postgres_proxy: Proxy) -> None:
    """A stopped server raises DatabaseAway at once, and once it is back everything works."""
    database = Database(postgres_through)
    try:
        database.ping()
        postgres_proxy.refuse()
        started = time.monotonic()
        for _ in range(2):
            with pytest.raises(DatabaseAway):
                database.ping()
        assert time.monotonic() - started < 3

        postgres_proxy.restore()
        database.ping()
    finally:
        database.close()


def test_a_locked_file_is_the_databases_absence(sqlite: Database, tmp_path: Path) -> None:
    """Another program that holds the file for long raises DatabaseAway, in bulk statements too, and reads go on."""
    add_agreement(sqlite)
    other = sqlite3.connect(tmp_path / "debitor.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseAway):
            a_page(sqlite)
        assert scalar(sqlite, "SELECT count(*) FROM debtor") == 0
        other.execute("ROLLBACK")
    finally:
        other.close()
    a_page(sqlite)


def test_a_full_disk_is_the_databases_absence(sqlite: Database) -> None:
    """A page that finds no room raises DatabaseAway and stores nothing."""
    add_agreement(sqlite)

    def fill(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(DatabaseAway):
        a_page(sqlite, fill)
    assert scalar(sqlite, "SELECT count(*) FROM debtor") == 0


def test_sqlite_is_durable(sqlite: Database) -> None:
    """Every connection keeps a write-ahead log, waits for the disk and checks foreign keys."""
    with sqlite.write() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert found == ["wal", 2]
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
