"""Real servers in trouble under a load of hooks: senders are answered, nothing accepted is lost, nobody has to help."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pika
import psycopg
import pytest

from domain.hints import Kind
from infra.broker.brokers import WakeUpPublisher, make_broker
from infra.broker.topology import INTAKE_QUEUE, QUEUES
from tests.support.brokers import purge, waiting
from tests.support.forms import Agreement, Form
from tests.support.load import SEED, acknowledged_more, answered, everything_arrives, under_load
from tests.support.servers import PostgresServer, RabbitServer, Server
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

PAUSE_S = 0.1
"""Between two hooks of a sender: 60 a second in all, slow enough to be handled while the trouble lasts."""


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """SIGSTOP, and on again."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@contextmanager
def killed(server: Server) -> Iterator[None]:
    """kill -9, and started again."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    """An orderly stop, and started again."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def restarted(server: PostgresServer) -> Iterator[None]:
    """`pg_ctl restart -m immediate`: every transaction under way is broken off."""
    server.stop_immediately()
    server.start()
    yield


@contextmanager
def slow(server: PostgresServer) -> Iterator[None]:
    """It answers, but for the inbox it takes longer than a sender can wait."""
    with psycopg.connect(server.url) as connection:
        connection.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def alarmed(server: RabbitServer) -> Iterator[None]:
    """The memory alarm is on: whoever publishes is made to wait."""
    server.memory_alarm(True)
    try:
        yield
    finally:
        server.memory_alarm(False)


@pytest.fixture
def agreement(own_form: Form) -> Agreement:
    """One that every web process knows."""
    agreement = own_form.agreement(hooks=False, debtors=60)
    for _ in range(12):
        with httpx.Client(trust_env=False) as http:  # a new connection goes to any of them
            http.post(f"{agreement.address}/customer", data={"new": "1"})
    eventually(lambda: agreement.debtor(1))
    return agreement


def is_well(form: Form) -> bool:
    ready = form.http.get(form.ready_url())
    return ready.status_code == 200 and ready.json()["database"] == "up"


def queued(server: RabbitServer) -> int:
    """Events that wait in the broker for the database."""
    return waiting(server.url).get(INTAKE_QUEUE, 0)


def says_that_the_database_is_away(form: Form) -> None:
    """Health and metrics are answered in time: it takes events and has no database."""
    started = time.monotonic()
    ready = form.http.get(form.ready_url())
    assert (ready.status_code, ready.json()["database"] == "up") == (200, False)
    assert "debitor_database_up 0.0" in form.http.get(f"{form.address}/metrics").text
    assert time.monotonic() - started < 5


def test_the_database_in_trouble(
    own_form: Form, agreement: Agreement, own_postgres: PostgresServer, own_rabbitmq: RabbitServer
) -> None:
    """
    PostgreSQL stopped, frozen, slow, killed, restarted at once: the broker keeps the events meanwhile. Whether an
    agreement exists that no process has heard of nobody can say: 503, never 404.
    """
    with under_load(agreement, seed=SEED, pause_s=PAUSE_S) as load:
        for trouble in (stopped, frozen, slow, killed, restarted):
            new = own_form.agreement(hooks=False)
            with answered(load, 202), trouble(own_postgres):  # type: ignore[operator]
                acknowledged_more(load, 60)
                if trouble is not restarted:
                    assert queued(own_rabbitmq) > 0
                if trouble in (stopped, frozen):
                    says_that_the_database_is_away(own_form)
                    told_to_try_again(new)
            own_form.database.close()  # its connections are broken
            eventually(lambda: is_well(own_form), within_s=20)
            eventually(lambda: queued(own_rabbitmq) == 0, within_s=20)
    everything_arrives(load, by_itself=True)


def test_the_broker_in_trouble(own_form: Form, agreement: Agreement, own_rabbitmq: RabbitServer) -> None:
    """RabbitMQ frozen, out of memory, killed: events are stored meanwhile, and handled once it is back."""
    with under_load(agreement, seed=SEED, pause_s=PAUSE_S) as load:
        for trouble in (frozen, alarmed, killed):
            with answered(load, 202), trouble(own_rabbitmq):  # type: ignore[operator]
                acknowledged_more(load, 60)
                eventually(lambda: agreement.outstanding() >= 60)
            eventually(lambda: agreement.outstanding() < 60, within_s=30)
    everything_arrives(load, by_itself=True)


def test_queues_lost_and_messages_doubled(own_form: Form, agreement: Agreement, own_rabbitmq: RabbitServer) -> None:
    """Queues deleted while they are consumed come back by themselves; lost and doubled messages cost time at most."""
    with under_load(agreement, seed=SEED, pause_s=PAUSE_S) as load, answered(load, 202):
        with pika.BlockingConnection(pika.URLParameters(own_rabbitmq.url)) as connection:
            for queue in (*QUEUES, "debtors.DQ", INTAKE_QUEUE):
                connection.channel().queue_delete(queue)
        eventually(lambda: consumed(own_rabbitmq, QUEUES), within_s=30)
        eventually(lambda: INTAKE_QUEUE in waiting(own_rabbitmq.url), within_s=10)
        broker = make_broker(own_rabbitmq.url)
        publish = WakeUpPublisher(broker)
        for _ in range(200):
            publish(agreement.number, Kind.DEBTORS, [])
        acknowledged_more(load, 30)
        purge(own_rabbitmq.url)
        broker.close()
    everything_arrives(load, by_itself=True)


def consumed(server: RabbitServer, queues: list[str]) -> bool:
    """Whether each queue is there and both workers consume it."""
    with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
        try:
            counts = [connection.channel().queue_declare(queue, passive=True).method.consumer_count for queue in queues]
        except pika.exceptions.ChannelClosedByBroker:
            return False
    return all(count == 2 for count in counts)


def test_both_in_trouble(
    own_form: Form, agreement: Agreement, own_postgres: PostgresServer, own_rabbitmq: RabbitServer
) -> None:
    """With neither store a sender is told within 3 s to try again; once they are back all is well."""
    with under_load(agreement, seed=SEED, pause_s=PAUSE_S) as load:
        for database, broker in ((frozen, frozen), (killed, killed), (frozen, alarmed)):
            with answered(load, 202, 503), broker(own_rabbitmq), database(own_postgres):  # type: ignore[operator]
                refused = load.refused
                eventually(lambda refused=refused: load.refused >= refused + 40, within_s=30)  # type: ignore[misc]
                told_to_try_again(agreement)
                assert own_form.http.get(own_form.ready_url()).status_code == 503
                assert own_form.http.get(f"{own_form.address}/health/live").status_code == 200
            own_form.database.close()
            acknowledged_more(load, 30)
            eventually(lambda: is_well(own_form), within_s=20)
    everything_arrives(load, by_itself=True)


def told_to_try_again(agreement: Agreement) -> None:
    answer = agreement.hook(new=1)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
