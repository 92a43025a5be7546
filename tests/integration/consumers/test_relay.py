"""The relay: deliveries to real HTTP endpoints, and the exchange of a real RabbitMQ."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest

from consumers.relay import Deliverer, Publisher
from domain.events import EventType, NewEvent, company_subject
from infra.bootstrap import Services
from infra.broker.topology import EVENTS_EXCHANGE
from infra.crm.signatures import BadSignature
from infra.database.engine import Database
from infra.database.outbox import SqlOutbox
from tests.integration.consumers.conftest import Connect
from tests.support.databases import AGREEMENT, do, rows, scalar
from tests.support.receiver import Receiver, receiver

CREATED, UPDATED = EventType.COMPANY_CREATED, EventType.COMPANY_UPDATED


@pytest.fixture
def crm() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def deliverer(services: Services) -> Iterator[Deliverer]:
    deliverer = Deliverer(services)
    yield deliverer
    deliverer.close()


def endpoint(services: Services, crm: Receiver, path: str = "/", **options: Any) -> tuple[int, str]:
    firm = scalar(services.database, "SELECT firm_id FROM agreement")
    return services.endpoints.add(firm, crm.address + path, internal=True, **options)


def tell(services: Services, *companies: int, kind: EventType = CREATED) -> list[str]:
    """One event for each company; their ids."""
    with services.database.write() as connection:
        SqlOutbox(connection, services.database.sql, agreement=AGREEMENT).add(
            [NewEvent(kind, company_subject(n), {"company": {"id": f"crm-{n}"}}) for n in companies]
        )
    found = rows(services.database, "SELECT event_id FROM outbox ORDER BY id")
    return [row.event_id for row in found][-len(companies) :]


def deliver(deliverer: Deliverer, steps: int = 1) -> None:
    """Begin what is due, wait for it, and write it down; `steps` times."""
    for _ in range(steps):
        deliverer.step()
        deliverer.finish()


def delivery(services: Services) -> Any:
    (row,) = rows(
        services.database,
        f"SELECT d.*, {services.database.sql.seconds_since('next_attempt_at')} AS due_since FROM delivery d",
    )
    return row


def let_time_pass(services: Services) -> None:
    """Whatever waits for its time is due."""
    moment = services.database.sql.after("ago")
    do(services.database, f"UPDATE delivery SET next_attempt_at = {moment} WHERE state = 'pending'", ago=-1)
    do(services.database, f"UPDATE endpoint SET paused_until = {moment} WHERE paused_until IS NOT NULL", ago=-1)


def failures(services: Services) -> list[tuple[str, str, str]]:
    found = rows(services.database, "SELECT subject_kind, reason, state FROM failure ORDER BY id")
    return [tuple(row) for row in found]


# -- what arrives ---------------------------------------------------------------------------


def test_an_event_arrives_signed(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """The envelope of the contract, signed with every secret in use, and with none that was retired."""
    number, old = endpoint(services, crm)
    new = services.endpoints.rotate(number)
    first, second = tell(services, 17, 17)
    deliver(deliverer, 2)

    assert crm.ids() == [first, second]
    assert [request.checked_with(secret) for request in crm.got for secret in (old, new)] == [first] * 2 + [second] * 2
    said = crm.got[1].event
    assert list(said) == ["id", "type", "timestamp", "firm", "agreement", "sequence", "data"]
    assert (said["id"], said["type"], said["sequence"]) == (second, "company.created", 2)
    assert (said["agreement"], said["data"]) == (AGREEMENT, {"company": {"id": "crm-17"}})
    assert said["timestamp"].endswith("Z")
    assert crm.got[0].headers["content-type"] == "application/json"

    assert services.endpoints.finish_rotation(number) == 1
    tell(services, 18)
    deliver(deliverer)
    crm.got[2].checked_with(new)
    with pytest.raises(BadSignature):
        crm.got[2].checked_with(old)


def test_each_endpoint_for_itself(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """Several endpoints, each with its types; one that fails does not touch the other."""
    endpoint(services, crm, "/all")
    endpoint(services, crm, "/updates", types=["company.updated"])
    crm.status["/all"] = 500
    created, updated = tell(services, 1) + tell(services, 2, kind=UPDATED)
    deliver(deliverer)

    assert sorted(crm.ids("/all")) == sorted([created, updated])
    assert crm.ids("/updates") == [updated]
    states = rows(services.database, "SELECT endpoint_id, state FROM delivery ORDER BY endpoint_id, id")
    assert [tuple(row) for row in states] == [(1, "pending"), (1, "pending"), (2, "delivered")]


# -- when it does not -----------------------------------------------------------------------


def test_an_event_is_tried_for_three_days(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """
    Ten attempts under one id, at the times of the schedule, which are in the database; then a failure, which closes
    when the event is resent and arrives.
    """
    number, _ = endpoint(services, crm)
    crm.status["/"] = 500
    (event,) = tell(services, 17)

    for waits in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400):
        deliver(deliverer)
        row = delivery(services)
        assert row.state == "pending"
        assert -waits - 1 < row.due_since < -waits + 5
        assert (row.last_status, row.last_error) == (500, "it answered 500")
        deliver(deliverer)
        assert delivery(services).attempts == row.attempts, "not before its time"
        let_time_pass(services)
    deliver(deliverer)
    assert (delivery(services).state, delivery(services).attempts) == ("given_up", 10)
    assert failures(services) == [("delivery", "not_delivered", "open")]

    crm.status["/"] = 204
    assert services.deliveries.again(number, events=[event]) == 1
    deliver(deliverer)
    assert crm.ids() == [event] * 11
    assert delivery(services).state == "delivered"
    assert failures(services) == [("delivery", "not_delivered", "resolved")]


def test_retry_after_is_honoured(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """An endpoint that asks for ten minutes gets them."""
    endpoint(services, crm)
    crm.status["/"], crm.headers["Retry-After"] = 503, "600"
    tell(services, 17)
    deliver(deliverer)

    assert -601 < delivery(services).due_since < -595


def test_an_endpoint_that_is_gone(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """410 disables it: nothing more is sent, also not what happens afterwards, and a person hears of it."""
    number, _ = endpoint(services, crm)
    crm.status["/"] = 410
    tell(services, *range(1, 10))
    deliver(deliverer)
    tell(services, 99)
    let_time_pass(services)
    deliver(deliverer)

    assert len(crm.got) <= 4
    assert {row.state for row in rows(services.database, "SELECT state FROM delivery")} == {"cancelled"}
    assert services.endpoints.get(number).state == "disabled"
    assert services.endpoints.get(number).disabled_reason == "gone"
    assert failures(services) == [("endpoint", "endpoint_gone", "open")]


def test_an_endpoint_that_keeps_failing_is_paused(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """After 20 failures in a row one event is tried now and then; the first that arrives brings all the others."""
    number, _ = endpoint(services, crm)
    crm.status["/"] = 500
    told = tell(services, *range(1, 31))
    deliver(deliverer, 5)
    assert services.endpoints.get(number).state == "paused"
    assert len(crm.got) == 20
    deliver(deliverer, 3)
    assert len(crm.got) == 20, "it is left in peace"
    assert failures(services) == [("endpoint", "endpoint_paused", "open")]

    let_time_pass(services)
    deliver(deliverer, 3)
    assert len(crm.got) == 21, "one attempt, then peace again"

    crm.status["/"] = 200
    let_time_pass(services)
    deliver(deliverer, 10)
    state = services.endpoints.get(number)
    assert (state.state, state.pending, state.failures, state.last_error) == ("active", 0, 0, None)
    assert set(crm.ids()[21:]) == set(told)
    assert failures(services) == [("endpoint", "endpoint_paused", "resolved")]


def test_a_disabled_endpoint_gets_nothing(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """What waits is cancelled; enough of it is forgotten with its events."""
    number, _ = endpoint(services, crm)
    tell(services, 1)
    services.endpoints.disable(number)
    deliver(deliverer)

    assert crm.got == []
    assert delivery(services).state == "cancelled"


def test_a_private_address_gets_nothing(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """Unless the endpoint is marked internal; the attempt fails with the reason."""
    endpoint(services, crm)
    do(services.database, "UPDATE endpoint SET internal = :no", no=False)
    tell(services, 1)
    deliver(deliverer)

    assert crm.got == []
    assert "not a public address" in delivery(services).last_error


# -- order ----------------------------------------------------------------------------------


def test_later_events_wait_for_the_first_retry_only(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """A company's next event waits until the one before was tried twice; other companies' do not wait at all."""
    endpoint(services, crm)
    crm.status["/"] = 500
    (first,) = tell(services, 17)
    deliver(deliverer)
    crm.status["/"] = 200
    second, other = tell(services, 17, 18)
    deliver(deliverer)
    assert crm.ids() == [first, other]

    crm.status["/"] = 500
    let_time_pass(services)
    deliver(deliverer)
    assert crm.ids() == [first, other, first]
    crm.status["/"] = 200
    deliver(deliverer)
    assert crm.ids() == [first, other, first, second]
    let_time_pass(services)
    deliver(deliverer)
    assert crm.ids() == [first, other, first, second, first]
    assert [request.event["sequence"] for request in crm.got] == [1, 1, 1, 2, 1]


def test_a_company_is_told_about_in_order(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """However many threads deliver, a company's events arrive as they happened."""
    endpoint(services, crm)
    tell(services, *([1, 2, 3, 4] * 5))
    deliver(deliverer, 10)

    sequences: dict[str, list[int]] = {}
    for request in crm.got:
        sequences.setdefault(request.event["data"]["company"]["id"], []).append(request.event["sequence"])
    assert sequences == {f"crm-{n}": [1, 2, 3, 4, 5] for n in (1, 2, 3, 4)}


def test_an_endpoint_that_hangs_holds_up_nobody(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """It keeps four threads busy and no more, while another endpoint's events arrive."""
    goes_on = threading.Event()
    crm.before = lambda request: None if request.path == "/" else goes_on.wait(10)  # type: ignore[func-returns-value]
    endpoint(services, crm, "/hangs")
    endpoint(services, crm)
    told = tell(services, *range(1, 31))
    deadline = time.monotonic() + 10
    while set(crm.ids()) != set(told) and time.monotonic() < deadline:
        deliverer.step()
        deliverer.wait(0.2)

    assert set(crm.ids()) == set(told)
    assert len(crm.ids("/hangs")) == 4
    goes_on.set()


# -- crashes --------------------------------------------------------------------------------


class Killed(Exception):
    """The process ends here."""


def test_killed_between_the_answer_and_its_commit(
    process: Connect, services: Services, crm: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint has the event, the database does not know: another process delivers it again, under its id."""
    endpoint(services, crm)
    (event,) = tell(services, 17)
    killed = Deliverer(services)
    monkeypatch.setattr(services.deliveries, "record", lambda attempts: (_ for _ in ()).throw(Killed()))
    killed.step()
    with pytest.raises(Killed):
        killed.finish()
    killed._pool.shutdown()
    assert (delivery(services).state, delivery(services).attempts) == ("pending", 0)

    after = Deliverer(process())
    deliver(after)
    assert crm.ids() == [event], "while the dead one's lease lasts nobody else delivers"
    do(services.database, f"UPDATE job SET lease_until = {services.database.sql.after('ago')}", ago=-1)
    deliver(after)
    assert crm.ids() == [event, event]
    assert delivery(services).state == "delivered"
    after.close()


def test_killed_before_the_request(process: Connect, services: Services, crm: Receiver) -> None:
    """A process that took the job and did nothing loses nothing; what it told is not sent twice by two at once."""
    endpoint(services, crm)
    (event,) = tell(services, 17)
    first, second = Deliverer(services), Deliverer(process())
    deliver(first)
    deliver(second)
    assert crm.ids() == [event]

    (later,) = tell(services, 18)
    first.close()
    deliver(second)
    assert crm.ids() == [event, later], "a process that ends in order hands the job on at once"
    second.close()


def test_a_resent_event_is_not_ended_by_an_older_attempt(
    services: Services, crm: Receiver, deliverer: Deliverer
) -> None:
    """Somebody disables the endpoint while an attempt is under way: its answer changes nothing any more."""
    number, _ = endpoint(services, crm)
    crm.status["/"] = 500
    crm.before = lambda request: services.endpoints.disable(number)
    tell(services, 17)
    deliver(deliverer)

    assert delivery(services).state == "cancelled"


# -- resending ------------------------------------------------------------------------------


def test_a_range_is_resent(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """A new endpoint is told what happened before it was there, of the types it takes; doing it twice is no harm."""
    told = tell(services, 1, 2) + tell(services, 3, kind=UPDATED)
    number, _ = endpoint(services, crm, types=["company.created"])
    since, until = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    assert services.deliveries.again(number, since=until) == 0
    assert services.deliveries.again(number, since=since, until=until) == 2
    assert services.deliveries.again(number, since=since) == 2
    assert services.deliveries.again(number, given_up=True) == 0
    assert services.deliveries.again(number, events=[told[2], "evt_none"]) == 1
    deliver(deliverer, 2)

    assert sorted(crm.ids()) == sorted(told)


def test_old_events_are_forgotten(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """Events past their time go with their deliveries, unless somebody still waits for them."""
    endpoint(services, crm)
    tell(services, 1, 2)
    crm.status["/"] = 500
    deliver(deliverer)
    do(services.database, f"UPDATE outbox SET created_at = {services.database.sql.after('ago')}", ago=-86_400 * 91)
    do(services.database, f"UPDATE outbox SET published_at = {services.database.sql.now}")
    assert services.deliveries.clean(90) == 0
    do(services.database, "UPDATE delivery SET state = 'delivered' WHERE outbox_id = 1")

    assert services.deliveries.clean(90) == 1
    assert [row.outbox_id for row in rows(services.database, "SELECT outbox_id FROM delivery")] == [2]
    tell(services, 1)
    assert scalar(services.database, "SELECT max(sequence) FROM outbox") == 2, "its count goes on"


# -- the exchange ---------------------------------------------------------------------------

GROWN = pytest.mark.parametrize("form", ["grown"], indirect=True)
EMBEDDED = pytest.mark.parametrize("form", ["embedded"], indirect=True)


@pytest.fixture
def bound(rabbitmq_url: str) -> Iterator[Callable[[], list[tuple[str, str, dict[str, Any]]]]]:
    """Somebody who listens for what happens to companies; says what has come: (routing key, id, body)."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    channel = connection.channel()
    channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, EVENTS_EXCHANGE, "company.*")

    def come() -> list[tuple[str, str, dict[str, Any]]]:
        got = []
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return got
            assert (properties.delivery_mode, properties.content_type) == (2, "application/json")
            assert properties.type == method.routing_key
            got.append((method.routing_key, properties.message_id, json.loads(body)))

    yield come
    connection.close()


@pytest.fixture
def publisher(services: Services) -> Iterator[Publisher]:
    publisher = Publisher(services)
    yield publisher
    publisher.close()


@GROWN
def test_events_go_to_the_exchange(
    services: Services, publisher: Publisher, bound: Callable[[], list[tuple[str, str, dict[str, Any]]]]
) -> None:
    """Persistent, by their type, in order; what nobody listens for is dropped by the broker and no error."""
    told = tell(services, 17, 17)
    tell(services, 1, kind=EventType.DUPLICATE_FOUND)
    assert publisher.step() == 0.0
    assert publisher.step() > 0

    come = bound()
    assert [(key, name) for key, name, _ in come] == [("company.created", name) for name in told]
    assert [body["sequence"] for _, _, body in come] == [1, 2]
    assert scalar(services.database, "SELECT count(*) FROM outbox WHERE published_at IS NULL") == 0
    assert publisher.step() > 0
    assert bound() == []


@GROWN
def test_killed_between_publishing_and_its_commit(
    services: Services,
    publisher: Publisher,
    bound: Callable[[], list[tuple[str, str, dict[str, Any]]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is published again, under its id."""
    (event,) = tell(services, 17)
    with monkeypatch.context() as dying:
        dying.setattr(services.deliveries, "published", lambda ids: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            publisher.step()
    publisher.step()

    assert [name for _, name, _ in bound()] == [event, event]


@GROWN
def test_a_transaction_that_ends_late(
    services: Services, publisher: Publisher, bound: Callable[[], list[tuple[str, str, dict[str, Any]]]]
) -> None:
    """An event with a lower number than one that is published already is published all the same."""
    with services.database.write() as late:
        SqlOutbox(late, services.database.sql, agreement=AGREEMENT).add([NewEvent(CREATED, company_subject(1), {})])
        tell(services, 2)
        publisher.step()
        assert len(bound()) == 1
    publisher.step()

    assert [body["data"] for _, _, body in bound()] == [{}]


@GROWN
def test_the_broker_is_away(services: Services, crm: Receiver, deliverer: Deliverer) -> None:
    """Endpoints get their events all the same; the exchange gets them later."""
    services.settings.broker_url = "amqp://guest:guest@127.0.0.1:1/"
    away = Publisher(services)
    endpoint(services, crm)
    (event,) = tell(services, 17)
    with pytest.raises(pika.exceptions.AMQPError):
        away.step()
    deliver(deliverer)

    assert crm.ids() == [event]
    assert scalar(services.database, "SELECT count(*) FROM outbox WHERE published_at IS NULL") == 1
    away.close()


@EMBEDDED
def test_without_a_broker_nobody_is_told(services: Services, publisher: Publisher, sqlite: Database) -> None:
    """Events count as published: whoever moves to RabbitMQ later does not hear the whole past."""
    tell(services, 1, 2)
    publisher.step()

    assert scalar(sqlite, "SELECT count(*) FROM outbox WHERE published_at IS NULL") == 0
