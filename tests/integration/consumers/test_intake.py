"""The scheduler's part in taking in events: those the broker kept while the database was away."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pika
import pytest

from consumers.scheduler import Scheduler
from domain.hints import Kind, NewHint, Source
from infra.bootstrap import connect
from infra.broker.intake_queue import IntakeQueue
from infra.broker.topology import INTAKE_DEAD_LETTERS, INTAKE_QUEUE
from infra.database.engine import Database
from tests.integration.consumers.conftest import settings_for
from tests.support.brokers import waiting
from tests.support.databases import AGREEMENT, add_agreement, rows


def hint(number: int, body: str | None = None) -> NewHint:
    return NewHint(AGREEMENT, Kind.DEBTORS, Source.HOOK, f"cause-{number}", number, number, body)


@pytest.fixture
def scheduler(postgres: Database, rabbitmq_url: str) -> Iterator[Scheduler]:
    """One that ticks when it is told to."""
    add_agreement(postgres)
    services = connect(settings_for(postgres.url, rabbitmq_url))
    scheduler = Scheduler(services)
    yield scheduler
    scheduler.close()
    services.close()


def test_what_is_no_event_holds_up_nobody(scheduler: Scheduler, postgres: Database, rabbitmq_url: str) -> None:
    """
    Messages that cannot be read, and an event that the database refuses, are put aside as they are; those beside and
    behind them are stored.
    """
    unreadable = [b"\xff\x00 no JSON", b'[[1442871,"carrier pigeons","hook","c",1,1,null]]']
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        scheduler.drain_intake()  # declares the queue
        for body in unreadable:
            channel.basic_publish("", INTAKE_QUEUE, body)
        queue = IntakeQueue(rabbitmq_url)
        queue.write([hint(1), hint(2, body="a\0b"), hint(3)])
        queue.write([hint(4)])
        queue.close()

        scheduler.drain_intake()

        assert [row.new_number for row in rows(postgres, "SELECT new_number FROM inbox ORDER BY id")] == [1, 3, 4]
        left = waiting(rabbitmq_url)
        assert (left[INTAKE_QUEUE], left[INTAKE_DEAD_LETTERS]) == (0, 3)
        *first, last = [channel.basic_get(INTAKE_DEAD_LETTERS)[2] for _ in range(3)]
    assert first == unreadable
    assert msgspec.json.decode(last, type=list[NewHint]) == [hint(2, body="a\0b")]
