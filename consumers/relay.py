"""
The relay: what stands in the outbox is published to the exchange, and delivered to the CRM's endpoints.

Two jobs, each done by one process at a time, so that events keep their order; apart, since an endpoint must not wait
for the broker nor the broker for an endpoint. Both write down what is done after it is done: whoever is killed in
between does it again, under the same id.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from consumers.trying import Tries
from domain.deliveries import Answer
from infra.bootstrap import Services
from infra.broker.exchange import EventsExchange
from infra.crm.sender import Sender
from infra.crm.signatures import sign
from infra.database.deliveries import Due, DueEndpoint
from infra.database.holders import new_token
from infra.database.jobs import Jobs
from infra.metrics import DELIVERIES, EVENTS_PUBLISHED

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
AFTER_TROUBLE_S = 2.0
AT_ONCE = 500

THREADS = 16
PER_ENDPOINT = 4
"""One endpoint that hangs for 15 seconds holds so many threads and no more."""

LEASE_S = 60.0
RENEW_S = 20.0


class Holder:
    """Keeps a job to this process as long as it goes on asking."""

    def __init__(self, jobs: Jobs, name: str) -> None:
        self._jobs = jobs
        self._name = name
        self._token = new_token()
        self._held_at: float | None = None

    def holds(self) -> bool:
        """Whether the job is ours; the database is asked only now and then."""
        now = time.monotonic()
        if self._held_at is None or now - self._held_at >= RENEW_S:
            self._held_at = now if self._jobs.hold(self._name, self._token, LEASE_S) else None
        return self._held_at is not None

    def let_go(self) -> None:
        """Another process need not wait for the lease to run out."""
        if self._held_at is not None:
            self._held_at = None
            self._jobs.let_go(self._token)


class Publisher:
    """Publishes to the exchange; without RabbitMQ there is nobody to tell, and events count as published."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._deliveries = services.deliveries
        self._exchange = None if settings.embedded else EventsExchange(settings.broker_url)
        self._public_url = settings.public_url
        self._holder = Holder(Jobs(services.database), "publish")

    def step(self) -> float:
        """Publish what waits, at most 500; returns the seconds until it is worth looking again."""
        if not self._holder.holds():
            return LOOK_EVERY_S
        waiting = self._deliveries.unpublished(AT_ONCE)
        if not waiting:
            if self._exchange is not None:
                self._exchange.rest()
            return LOOK_EVERY_S
        done: list[int] = []
        outcomes: Counter[str] = Counter()
        try:
            for event in waiting:
                outcome = "no_exchange"
                if self._exchange is not None:
                    routed = self._exchange.publish(event.type, event.event_id, event.body(self._public_url))
                    outcome = "confirmed" if routed else "unroutable"
                outcomes[outcome] += 1
                done.append(event.id)
        finally:
            if done:
                self._deliveries.published(done)
                for outcome, count in outcomes.items():
                    EVENTS_PUBLISHED.labels(outcome).inc(count)
        log.info("events.published", events=len(done), **outcomes)
        return 0.0

    def close(self) -> None:
        self._holder.let_go()
        if self._exchange is not None:
            self._exchange.close()


class Deliverer:
    """Delivers to endpoints, many at a time; an event's answers are written down together."""

    def __init__(self, services: Services, *, sender: Sender | None = None) -> None:
        self._endpoints = services.endpoints
        self._deliveries = services.deliveries
        self._public_url = services.settings.public_url
        self._sender = sender or Sender()
        self._holder = Holder(Jobs(services.database), "deliver")
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="deliver")
        self._under_way: dict[int, tuple[Due, Future[Answer]]] = {}
        self._ended = threading.Event()

    def step(self) -> float:
        """
        Write down what has ended, begin what is due; returns the seconds until it is worth looking again (`wait`).
        """
        self._ended.clear()
        self._record()
        if not self._holder.holds():
            return LOOK_EVERY_S
        for endpoint in self._deliveries.due_endpoints():
            self._begin(endpoint)
        return LOOK_EVERY_S

    def wait(self, seconds: float) -> None:
        """Until an attempt has ended, at most so long."""
        self._ended.wait(seconds)

    def finish(self) -> None:
        """Wait for what is under way and write it down."""
        for _, answer in list(self._under_way.values()):
            answer.exception()
        self._record()

    def close(self) -> None:
        self.finish()
        self._holder.let_go()
        self._pool.shutdown()

    def _begin(self, endpoint: DueEndpoint) -> None:
        mine = [due.delivery for due, _ in self._under_way.values() if due.endpoint == endpoint.id]
        room = min((1 if endpoint.paused else PER_ENDPOINT) - len(mine), THREADS - len(self._under_way))
        if room <= 0:
            return
        keys = self._endpoints.keys(endpoint.id)
        for due in self._deliveries.due(endpoint.id, room, under_way=mine):
            answer = self._pool.submit(self._post, endpoint, due, keys)
            self._under_way[due.delivery] = due, answer
            answer.add_done_callback(lambda _: self._ended.set())

    def _post(self, endpoint: DueEndpoint, due: Due, keys: tuple[bytes, ...]) -> Answer:
        started = time.monotonic()
        body, now = due.event.body(self._public_url), int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": due.event.event_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(keys, due.event.event_id, now, body),
        }
        answer = self._sender.post(endpoint.url, headers, body, internal=endpoint.internal)
        log.info(
            "event.sent",
            event_id=due.event.event_id,
            type=due.event.type,
            endpoint=endpoint.id,
            attempt=due.attempts + 1,
            status=answer.status,
            problem=answer.problem,
            duration_ms=round((time.monotonic() - started) * 1000),
        )
        return answer

    def _record(self) -> None:
        ended = [(due, answer) for due, answer in self._under_way.values() if answer.done()]
        if not ended:
            return
        known = [(due, _answer_of(answer)) for due, answer in ended]
        outcomes = self._deliveries.record(known)
        for due, _ in known:
            del self._under_way[due.delivery]
        for outcome in outcomes:
            DELIVERIES.labels(outcome).inc()


def _answer_of(answer: Future[Answer]) -> Answer:
    """A mistake of ours is a failed attempt like another: the rest goes on."""
    error = answer.exception()
    if error is None:
        return answer.result()
    log.error("delivery.bug", exc_info=error)
    return Answer(None, f"Debitor failed: {error!r}"[:200])


def run_publisher(services: Services, stop: threading.Event) -> None:
    """Publish until `stop`."""
    publisher = Publisher(services)
    repeat("publish", publisher.step, stop.wait, publisher.close, stop)


def run_deliverer(services: Services, stop: threading.Event) -> None:
    """Deliver until `stop`, then wait for what is under way: 15 seconds at most."""
    deliverer = Deliverer(services)
    repeat("deliver", deliverer.step, deliverer.wait, deliverer.close, stop)


def repeat(
    name: str,
    step: Callable[[], float],
    wait: Callable[[float], object],
    close: Callable[[], None],
    stop: threading.Event,
) -> None:
    """Step until `stop`; trouble is said, and tried again."""
    tries = Tries()
    while not stop.is_set():
        seconds = tries.call(name, step)
        if seconds is None:
            stop.wait(AFTER_TROUBLE_S)
        elif seconds:
            wait(seconds)
    tries.call(name, close)
