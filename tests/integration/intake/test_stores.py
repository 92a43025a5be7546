"""The inbox as intake writes it, on both databases."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain.errors import NotStored
from domain.hints import Kind, NewHint, Source
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.intake.intake import Intake
from infra.intake.stores import BadBatch, EventStore, PostgresEvents, SqliteEvents, StoreAway
from infra.intake.wake_ups import WakeUps
from tests.integration.intake.conftest import Published, hint
from tests.support.databases import AGREEMENT, do, rows, scalar
from tests.support.waiting import eventually


@pytest.fixture
def store(database: Database) -> Iterator[EventStore]:
    """The store that fits each database."""
    store: EventStore
    if database.sql.postgresql:
        store = PostgresEvents(database.url)
    else:
        assert database.engine.url.database is not None
        assert database.writing is not None
        store = SqliteEvents(database.engine.url.database, database.writing)
    yield store
    store.close()


def test_a_batch_is_stored_as_given(database: Database, store: EventStore) -> None:
    """Consumers read what intake wrote: numbers, absent numbers, text of every kind; ids come in the same order."""
    body = "customer ?old=\n{\"ÆØÅ\": '😀', \\ \t\x01"
    given = [
        hint(1),
        NewHint(AGREEMENT, Kind.DEBTORS, Source.HOOK, "c2", 2, None),
        NewHint(7, Kind.PAYMENTS, Source.HOOK, "c3"),
        NewHint(AGREEMENT, Kind.UNUSABLE, Source.HOOK, "c4", body=body),
    ]
    ids = store.write(given)

    assert len(set(ids)) == 4
    with database.read() as connection:
        inbox = SqlInbox(connection, database.sql)
        debtors = inbox.outstanding(AGREEMENT, Kind.DEBTORS, 10)
        (unusable,) = inbox.outstanding(AGREEMENT, Kind.UNUSABLE, 10)
    assert [(one.id, one.old, one.new, one.correlation_id) for one in debtors] == [
        (ids[0], 1, 1, "cause-1"),
        (ids[1], 2, None, "c2"),
    ]
    assert (unusable.id, unusable.body) == (ids[3], body)
    assert -1 < scalar(database, f"SELECT {database.sql.seconds_since('max(received_at)')} FROM inbox") < 30


def test_an_event_of_the_crm_is_stored_once(database: Database, store: EventStore, wake_ups: WakeUps) -> None:
    """The same webhook-id of an agreement is one row, in one batch, in a later one, and when it comes by the broker."""

    def event(name: str, agreement: int = AGREEMENT) -> NewHint:
        return NewHint(agreement, Kind.COMPANIES, Source.CRM, f"c-{name}", body="{}", webhook_id=name)

    first = store.write([hint(1), event("a"), event("b"), event("a"), hint(2), event("a", 7)])
    again = store.write([event("b"), event("c")])
    with database.write() as connection:
        SqlInbox(connection, database.sql).add([event("c"), event("d"), hint(3)])

    assert [row is not None for row in first] == [True, True, True, False, True, True]
    assert [row is not None for row in again] == [False, True]
    stored = {
        row.id: (row.agreement, row.webhook_id or row.new_number) for row in rows(database, "SELECT * FROM inbox")
    }
    assert [stored[row] for row in first if row is not None] == [
        (AGREEMENT, 1),
        (AGREEMENT, "a"),
        (AGREEMENT, "b"),
        (AGREEMENT, 2),
        (7, "a"),
    ]
    assert sorted(str(name) for _, name in stored.values()) == ["1", "2", "3", "a", "a", "b", "c", "d"]
    intake = Intake(store, wake_ups)
    assert (intake.accept(event("e")), intake.accept(event("e"))) == (True, False)


def test_one_bad_row_fails_alone(database: Database, store: EventStore, wake_ups: WakeUps) -> None:
    """What the database cannot take fails its own request; everybody who shared the commit is stored once."""
    intake = Intake(store, wake_ups)
    bad = (
        hint(0)._replace(correlation_id=None, new=2**70)
        if database.sql.postgresql
        else hint(0)._replace(kind=_NoKind())
    )

    def accept(one: NewHint) -> bool:
        try:
            intake.accept(one)
        except NotStored:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(accept, [*(hint(n) for n in range(1, 50)), bad, *(hint(n) for n in range(50, 100))]))

    assert done == [True] * 49 + [False] + [True] * 50
    numbers = [row.new_number for row in rows(database, "SELECT new_number FROM inbox ORDER BY new_number")]
    assert numbers == list(range(1, 100))


class _NoKind:
    value = None  # the column says NOT NULL


def test_a_bad_batch_leaves_nothing_behind(database: Database, store: EventStore) -> None:
    """A batch with a bad row stores none of it, and the store takes the next one at once."""
    with pytest.raises(BadBatch):
        store.write([hint(1), hint(2)._replace(kind=_NoKind())])
    assert scalar(database, "SELECT count(*) FROM inbox") == 0

    store.write([hint(3)])
    assert scalar(database, "SELECT new_number FROM inbox") == 3


def test_threads_share_commits(database: Database, store: EventStore, wake_ups: WakeUps) -> None:
    """Under many threads every accepted event is a row when its sender is answered, each once."""
    intake = Intake(store, wake_ups)
    commits = _count_commits(store)

    def accept(number: int) -> bool:
        intake.accept(hint(number))
        return (
            bool(scalar(database, "SELECT 1 FROM inbox WHERE new_number = :n", n=number)) if number % 20 == 0 else True
        )

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(accept, range(1, 601)))

    assert scalar(database, "SELECT count(*) FROM inbox") == 600
    assert scalar(database, "SELECT count(DISTINCT new_number) FROM inbox") == 600
    assert len(commits) < 400


def _count_commits(store: EventStore) -> list[int]:
    sizes: list[int] = []
    write = store.write
    store.write = lambda batch: sizes.append(len(batch)) or write(batch)  # type: ignore[method-assign,func-returns-value]
    return sizes


def test_wake_ups_name_their_events(store: EventStore, wake_ups: WakeUps, published: Published) -> None:
    """After the commit a wake-up goes out with the ids of the rows."""
    Intake(store, wake_ups).accept(hint(1))

    assert eventually(lambda: published) == [(AGREEMENT, Kind.DEBTORS, [1])]


def test_a_file_held_by_another_program(sqlite: Database, tmp_path: Path, wake_ups: WakeUps) -> None:
    """While another program holds the file senders are refused within about a second each, never kept hanging."""
    assert sqlite.writing is not None
    store = SqliteEvents(str(tmp_path / "debitor.db"), sqlite.writing)
    intake = Intake(store, wake_ups)
    intake.accept(hint(1))
    other = sqlite3.connect(tmp_path / "debitor.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(8) as pool:
            started = time.monotonic()
            answers = [pool.submit(intake.accept, hint(n)) for n in range(2, 10)]
            for answer in answers:
                with pytest.raises(NotStored):
                    answer.result(timeout=10)
        assert time.monotonic() - started < 3
        assert not intake.ready()
        other.execute("ROLLBACK")
        eventually(intake.ready, within_s=3)
        intake.accept(hint(10))
    finally:
        other.close()
        store.close()
    assert [row.new_number for row in rows(sqlite, "SELECT new_number FROM inbox ORDER BY id")] == [1, 10]


def test_a_long_writer_of_our_own(sqlite: Database, tmp_path: Path, wake_ups: WakeUps) -> None:
    """While a writer of this process takes long senders are refused in about a second; afterwards all is well."""
    assert sqlite.writing is not None
    store = SqliteEvents(str(tmp_path / "debitor.db"), sqlite.writing)
    intake = Intake(store, wake_ups)
    leave, inside = threading.Event(), threading.Event()

    def long_write() -> None:
        with sqlite.write():
            inside.set()
            assert leave.wait(10)

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(long_write)
        assert inside.wait(5)
        started = time.monotonic()
        with pytest.raises(NotStored):
            intake.accept(hint(1))
        assert time.monotonic() - started < 2.5
        leave.set()
        writer.result(timeout=5)
    intake.accept(hint(2))
    store.close()


def test_a_server_that_ends_the_connection(postgres: Database, wake_ups: WakeUps) -> None:
    """A connection the server ended is replaced within two seconds or so; without a fallback senders try again."""
    store = PostgresEvents(postgres.url)
    try:
        do(
            postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'debitor intake' AND datname = current_database()",
        )
        with pytest.raises(StoreAway):
            store.write([hint(1)])
        assert not store.ready()
        eventually(store.ready, within_s=5)
        store.write([hint(2)])
    finally:
        store.close()
    assert scalar(postgres, "SELECT count(*) FROM inbox WHERE new_number = 2") == 1
