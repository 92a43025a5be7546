"""The database, the broker, or both away: an event is confirmed somewhere durable, or its sender tries again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.errors import NotStored
from domain.hints import NewHint
from infra.broker.intake_queue import IntakeDrain, IntakeQueue
from infra.broker.topology import BROKER_AWAY
from infra.database.engine import Database, DatabaseAway
from infra.database.inbox import SqlInbox
from infra.intake.intake import Intake
from infra.intake.stores import PostgresEvents
from infra.intake.wake_ups import WakeUps
from tests.integration.intake.conftest import hint
from tests.support.brokers import waiting
from tests.support.databases import rows
from tests.support.network import Proxy
from tests.support.waiting import eventually

Fail = Callable[[Proxy], None]
HOW = pytest.mark.parametrize("fail", [Proxy.refuse, Proxy.freeze], ids=["refused", "frozen"])


@pytest.fixture
def intake(postgres_through: str, rabbitmq_through: str, wake_ups: WakeUps) -> Iterator[Intake]:
    """Both stores behind ways that can fail, each used once, as in a process that runs for a while."""
    intake = Intake(PostgresEvents(postgres_through), wake_ups, IntakeQueue(rabbitmq_through))
    yield intake
    intake.close()


def accept_many(intake: Intake, numbers: range) -> list[bool]:
    """Whether each was accepted, sent by sixteen senders at once."""

    def accept(number: int) -> bool:
        try:
            intake.accept(hint(number))
        except NotStored:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(accept, numbers))


def drained(url: str, database: Database) -> int:
    """What the scheduler does once a second; returns how many events it moved."""

    def store(hints: list[NewHint]) -> None:
        with database.write() as connection:
            SqlInbox(connection, database.sql).add(hints)

    drain = IntakeDrain(url)
    try:
        return drain(store)
    finally:
        drain.close()


def confirm(url: str, *hints: NewHint) -> None:
    """One message in the queue."""
    queue = IntakeQueue(url)
    queue.write(hints)
    queue.close()


def stored(database: Database) -> set[int]:
    return {row.new_number for row in rows(database, "SELECT new_number FROM inbox")}


@HOW
def test_the_broker_takes_over(
    intake: Intake, postgres: Database, postgres_proxy: Proxy, rabbitmq_url: str, fail: Fail
) -> None:
    """
    While the database is away every event is confirmed by the broker, within two seconds; once it is back events go
    to it directly again, and the drain brings the others.
    """
    intake.accept(hint(1))
    fail(postgres_proxy)

    started = time.monotonic()
    assert all(accept_many(intake, range(100, 200)))
    assert time.monotonic() - started < 3.5
    started = time.monotonic()
    intake.accept(hint(200))
    assert time.monotonic() - started < 0.9, "an absent database is left alone"
    assert intake.ready()
    assert waiting(rabbitmq_url)["debitor.intake"] > 0

    postgres_proxy.restore()
    eventually(intake._store.ready, within_s=5)
    confirmed = waiting(rabbitmq_url)["debitor.intake"]
    intake.accept(hint(300))
    assert waiting(rabbitmq_url)["debitor.intake"] == confirmed
    assert drained(rabbitmq_url, postgres) == 101
    assert stored(postgres) == {1, *range(100, 201), 300}
    assert drained(rabbitmq_url, postgres) == 0


@HOW
def test_both_away(
    intake: Intake, postgres: Database, postgres_proxy: Proxy, rabbitmq_proxy: Proxy, fail: Fail
) -> None:
    """With neither store every sender is told within three seconds to try again; then each store comes back alone."""
    intake.accept(hint(1))
    fail(postgres_proxy)
    intake.accept(hint(2))
    fail(rabbitmq_proxy)

    started = time.monotonic()
    assert not any(accept_many(intake, range(100, 132)))
    assert time.monotonic() - started < 3.5
    assert not intake.ready()

    rabbitmq_proxy.restore()
    eventually(lambda: all(accept_many(intake, range(200, 201))), within_s=10)
    assert intake.ready()
    postgres_proxy.restore()
    eventually(intake._store.ready, within_s=5)
    intake.accept(hint(300))
    assert {1, 300} <= stored(postgres)


def test_a_frozen_broker_holds_up_nobody_but_the_first(
    intake: Intake, postgres_proxy: Proxy, rabbitmq_proxy: Proxy
) -> None:
    """One sender waits a second for a frozen broker; those after it are told at once."""
    postgres_proxy.refuse()
    rabbitmq_proxy.freeze()
    for _ in range(2):
        with pytest.raises(NotStored):
            intake.accept(hint(1))

    started = time.monotonic()
    with pytest.raises(NotStored):
        intake.accept(hint(2))
    assert time.monotonic() - started < 0.9


def test_an_idle_broker_connection_is_renewed(
    intake: Intake, postgres_proxy: Proxy, rabbitmq_proxy: Proxy, rabbitmq_url: str
) -> None:
    """A connection the broker has closed meanwhile costs no event."""
    postgres_proxy.refuse()
    eventually(lambda: all(accept_many(intake, range(1))))
    rabbitmq_proxy.sever()

    intake.accept(hint(1))
    assert waiting(rabbitmq_url)["debitor.intake"] >= 2


def test_what_the_drain_could_not_store_stays(postgres: Database, rabbitmq_url: str) -> None:
    """A database that goes away during the drain loses nothing: the message waits for the next turn."""
    for number in (1, 2, 3):
        confirm(rabbitmq_url, hint(number))
    seen: list[int] = []

    def store(hints: list[NewHint]) -> None:
        seen.extend(one.new or 0 for one in hints)
        if len(seen) == 2:
            raise DatabaseAway("gone in the middle")

    drain = IntakeDrain(rabbitmq_url)
    with pytest.raises(DatabaseAway):
        drain(store)
    drain.close()
    eventually(lambda: waiting(rabbitmq_url)["debitor.intake"] == 2)

    assert drained(rabbitmq_url, postgres) == 2
    assert stored(postgres) == {2, 3}


def test_events_survive_the_queue_unchanged(postgres: Database, rabbitmq_url: str) -> None:
    """What comes through the broker is the very event: every field, text of every kind."""
    event = hint(5, body='{"ÆØÅ": "😀", \\ \t}')._replace(old=None)
    confirm(rabbitmq_url, event)
    drained(rabbitmq_url, postgres)

    (row,) = rows(postgres, "SELECT agreement, kind, source, correlation_id, old_number, new_number, body FROM inbox")
    assert NewHint(*row) == event


def test_a_drain_goes_on_after_the_broker_was_away(
    postgres: Database, rabbitmq_through: str, rabbitmq_proxy: Proxy, rabbitmq_url: str
) -> None:
    """The scheduler's drain opens its connection anew when the old one broke."""
    confirm(rabbitmq_url, hint(1))
    drain, moved = IntakeDrain(rabbitmq_through), []
    assert drain(moved.extend) == 1
    rabbitmq_proxy.sever()
    confirm(rabbitmq_url, hint(2))

    def again() -> bool:
        try:
            return drain(moved.extend) == 1
        except BROKER_AWAY:
            return False

    eventually(again)
    drain.close()
    assert [one.new for one in moved] == [1, 2]
