"""
The broker's own durable queue for events accepted while the database is away.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout

import msgspec
import pika
import pika.exceptions
import structlog
from pika.adapters.blocking_connection import BlockingChannel

from domain.hints import NewHint
from infra.broker.topology import INTAKE_QUEUE
from infra.intake.stores import LEFT_ALONE_S, SLOW_S, StoreAway

log = structlog.get_logger()

_PERSISTENT = pika.BasicProperties(delivery_mode=2, content_type="application/json")
_ERRORS = (pika.exceptions.AMQPError, OSError)


def _declare(channel: BlockingChannel) -> None:
    channel.queue_declare(INTAKE_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})


class IntakeQueue:
    """
    Publishes batches, confirmed.

    The broker may freeze as well: a thread of its own publishes, and a caller waits for it for a second at most. A
    thread stuck in a frozen broker is left alone; meanwhile the queue counts as away.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._stuck: threading.Thread | None = None
        self._away_until = 0.0

    def ready(self) -> bool:
        """Whether a batch has a chance; opens the connection when there is none yet."""
        if not self._available():
            return False
        try:
            self._in_time(lambda: self._open())
        except StoreAway:
            return False
        return True

    def write(self, batch: Sequence[NewHint]) -> None:
        """
        Return once the broker confirmed the batch as one persistent message.

        Raises:
            StoreAway: refused, frozen or slower than a second; the outcome may be unknown.
        """
        if not self._available():
            raise StoreAway("the broker did not answer a moment ago")
        body = msgspec.json.encode(batch)
        self._in_time(lambda: self._publish(body))

    def close(self) -> None:
        """Close the connection, unless it is stuck in a frozen broker."""
        if self._available():
            with contextlib.suppress(StoreAway):
                self._in_time(self._forget)

    def _forget(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with contextlib.suppress(*_ERRORS):
                connection.close()

    def _available(self) -> bool:
        stuck = self._stuck is not None and self._stuck.is_alive()
        return not stuck and time.monotonic() >= self._away_until

    def _in_time(self, action: Callable[[], object]) -> None:
        done: Future[None] = Future()

        def run() -> None:
            try:
                with self._lock:
                    try:
                        action()
                    except _ERRORS:
                        self._forget()
                        raise
                done.set_result(None)
            except InvalidStateError:
                pass
            except Exception as error:  # noqa: BLE001 - handed to the caller
                done.set_exception(error)

        thread = threading.Thread(target=run, name="intake-queue", daemon=True)
        thread.start()
        try:
            done.result(timeout=SLOW_S)
        except FutureTimeout:
            self._stuck = thread
            raise StoreAway("the broker is frozen or slow") from None
        except _ERRORS as error:
            self._away_until = time.monotonic() + LEFT_ALONE_S
            raise StoreAway(f"the broker refuses: {error!r}"[:200]) from error

    def _open(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            self._forget()
            self._connection = pika.BlockingConnection(pika.URLParameters(self._url))
            channel = self._connection.channel()
            _declare(channel)
            channel.confirm_delivery()
            self._channel = channel
        return self._channel

    def _publish(self, body: bytes) -> None:
        try:
            self._open().basic_publish("", INTAKE_QUEUE, body, _PERSISTENT, mandatory=True)
        except _ERRORS:  # the connection was idle for long: once more on a new one
            self._forget()
            self._open().basic_publish("", INTAKE_QUEUE, body, _PERSISTENT, mandatory=True)


class IntakeDrain:
    """Moves what waits in the queue to the inbox; polled once a second by the scheduler, from one thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def __call__(self, store: Callable[[list[NewHint]], None], *, limit: int = 1_000) -> int:
        """
        Move at most `limit` messages, each acknowledged after `store` returned; returns how many events.

        Raises pika's errors when the broker is away and whatever `store` raises; what was not acknowledged stays in
        the queue.
        """
        try:
            moved = self._move(self._open(), store, limit)
        except BaseException:
            self.close()  # gives back what was fetched and not acknowledged
            raise
        if moved:
            log.info("intake.drained", events=moved)
        return moved

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with contextlib.suppress(*_ERRORS):
                connection.close()

    def _open(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            self._connection = pika.BlockingConnection(pika.URLParameters(self._url))
            self._channel = self._connection.channel()
            _declare(self._channel)
        return self._channel

    @staticmethod
    def _move(channel: BlockingChannel, store: Callable[[list[NewHint]], None], limit: int) -> int:
        moved = 0
        for _ in range(limit):
            method, _properties, body = channel.basic_get(INTAKE_QUEUE)
            if method is None or body is None:
                break
            hints = msgspec.json.decode(body, type=list[NewHint])
            store(hints)
            channel.basic_ack(method.delivery_tag)
            moved += len(hints)
        return moved
