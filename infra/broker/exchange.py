"""
The exchange that everything Debitor tells goes to, for whoever binds a queue to it.
"""

from __future__ import annotations

import contextlib

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from infra.broker.topology import BROKER_AWAY, EVENTS_EXCHANGE


class EventsExchange:
    """Publishes persistent messages, each confirmed by the broker; called from one thread."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = 30
        self._parameters.blocked_connection_timeout = 30  # a broker without memory or disk takes nothing
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def publish(self, event_type: str, event_id: str, body: bytes) -> bool:
        """
        Return once the broker has it; False = nobody has bound a queue for this type, so the broker dropped it.

        Raises one of BROKER_AWAY: whether the broker has the message is then unknown.
        """
        properties = pika.BasicProperties(
            delivery_mode=2, content_type="application/json", message_id=event_id, type=event_type
        )
        try:
            self._open().basic_publish(EVENTS_EXCHANGE, event_type, body, properties, mandatory=True)
        except pika.exceptions.UnroutableError:
            return False
        except BROKER_AWAY:
            self.close()
            raise
        return True

    def rest(self) -> None:
        """Answer the broker's heartbeats while there is nothing to publish; a broken connection is dropped."""
        if self._connection is not None:
            try:
                self._connection.process_data_events(0)
            except BROKER_AWAY:
                self.close()

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with contextlib.suppress(*BROKER_AWAY):
                connection.close()

    def _open(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            self.close()
            self._connection = pika.BlockingConnection(self._parameters)
            self._channel = self._connection.channel()
            self._channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
            self._channel.confirm_delivery()
        return self._channel
