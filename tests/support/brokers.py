"""RabbitMQ from the outside: emptying its queues, counting what is in them."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import pika
import pika.exceptions

from infra.broker.topology import INTAKE_DEAD_LETTERS, INTAKE_QUEUE, QUEUES
from tests.support.network import Proxy

_INTAKE = (INTAKE_QUEUE, INTAKE_DEAD_LETTERS)


def through(url: str, proxy: Proxy) -> str:
    """The same broker by another way."""
    parts = urlsplit(url)
    return urlunsplit(
        parts._replace(netloc=f"{parts.username or 'guest'}:{parts.password or 'guest'}@127.0.0.1:{proxy.port}")
    )


def purge(url: str) -> int:
    """Every message of Debitor's queues is lost; returns how many there were."""
    return sum(_each(url, "purge").values())


def waiting(url: str) -> dict[str, int]:
    """How many messages are ready in each queue."""
    return _each(url, "count")


def _each(url: str, action: str) -> dict[str, int]:
    counts = {}
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        for queue in (*QUEUES, *(f"{name}.{end}" for name in QUEUES for end in ("DQ", "XQ")), *_INTAKE):
            channel = connection.channel()
            try:
                declared = channel.queue_declare(queue, passive=True)
                if action == "purge":
                    channel.queue_purge(queue)
            except pika.exceptions.ChannelClosedByBroker:
                continue  # nobody has declared it yet
            counts[queue] = int(declared.method.message_count)
            channel.close()
    finally:
        connection.close()
    return counts
