"""
Making a broker, and publishing wake-ups to it.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import dramatiq
from dramatiq import Broker, Message
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware, Retries, ShutdownNotifications, TimeLimit

from domain.hints import Kind
from infra.broker import topology

_SLICE_LIMIT_MS = 600_000


def make_broker(url: str) -> Broker:
    """
    RabbitMQ with publisher confirms, or a broker in memory for `memory://`.

    Made after forking. Nothing waits in it: actors have `max_retries=0`, work rows keep all waiting.
    """
    middleware: list[Middleware] = [
        TimeLimit(time_limit=_SLICE_LIMIT_MS),
        ShutdownNotifications(),
        Retries(max_retries=0),
    ]
    broker: Broker
    if url.startswith("memory:"):
        broker = StubBroker(middleware=middleware)
    else:
        broker = RabbitmqBroker(url=_with_defaults(url), confirm_delivery=True, middleware=middleware)
    for queue in topology.QUEUES:
        broker.declare_queue(queue)
    dramatiq.set_broker(broker)  # libraries that look for one must not make their own
    return broker


def _with_defaults(url: str) -> str:
    """A frozen or full broker is noticed within half a minute."""
    parts = urlsplit(url)
    query = {"heartbeat": "30", "blocked_connection_timeout": "30", **dict(parse_qsl(parts.query))}
    return urlunsplit(parts._replace(query=urlencode(query)))


class WakeUpPublisher:
    """Publishes wake-ups; called from one thread at a time, since a connection belongs to its thread."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __call__(self, agreement: int, kind: Kind, ids: list[int]) -> None:
        route = topology.ROUTES[kind]
        self._send(route, agreement, ids)

    def run(self, run_id: int) -> None:
        """Wake up the consumer of a run."""
        self._send(topology.RESYNC, run_id, [])

    def _send(self, route: topology.Route, subject: int, ids: list[int]) -> None:
        self._broker.enqueue(
            Message(
                queue_name=route.queue,
                actor_name=route.actor,
                args=(subject, ids),
                kwargs={},
                options={},
            )
        )
