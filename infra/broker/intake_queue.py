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
import structlog
from pika.adapters.blocking_connection import BlockingChannel

from domain.hints import NewHint
from infra.broker.topology import BROKER_AWAY, INTAKE_DEAD_LETTERS, INTAKE_QUEUE
from infra.intake.stores import LEFT_ALONE_S, SLOW_S, BadBatch, StoreAway
from infra.metrics import INTAKE_EVENTS

log = structlog.get_logger()

_PERSISTENT = pika.BasicProperties(delivery_mode=2, content_type="application/json")
_QUORUM = {"x-queue-type": "quorum"}

Store = Callable[[list[NewHint]], None]


def _declare(channel: BlockingChannel) -> None:
    channel.queue_declare(INTAKE_QUEUE, durable=True, arguments=_QUORUM)


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
            with contextlib.suppress(*BROKER_AWAY):
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
                    except BROKER_AWAY:
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
        except BROKER_AWAY as error:
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
        except BROKER_AWAY:  # the connection was idle for long: once more on a new one
            self._forget()
            self._open().basic_publish("", INTAKE_QUEUE, body, _PERSISTENT, mandatory=True)


class IntakeDrain:
    """Moves what waits in the queue to the inbox; polled once a second by the scheduler, from one thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def __call__(self, store: Store, *, limit: int = 1_000) -> int:
        """
        Move at most `limit` messages, each acknowledged after `store` returned; returns how many events.

        What can never be stored is put aside as it is, so that it holds up nobody behind it: a message that is no
        batch of events, and an event for which `store` raises BadBatch.

        Raises one of BROKER_AWAY, or whatever else `store` raises; what was not acknowledged stays in the queue.
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
            with contextlib.suppress(*BROKER_AWAY):
                connection.close()

    def _open(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            self._connection = pika.BlockingConnection(pika.URLParameters(self._url))
            self._channel = self._connection.channel()
            _declare(self._channel)
            self._channel.confirm_delivery()
        return self._channel

    @staticmethod
    def _move(channel: BlockingChannel, store: Store, limit: int) -> int:
        moved = 0
        for _ in range(limit):
            method, _properties, body = channel.basic_get(INTAKE_QUEUE)
            if method is None or body is None:
                break
            try:
                hints = msgspec.json.decode(body, type=list[NewHint])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                _put_aside(channel, body, error)
            else:
                moved += _store_all(channel, store, hints)
            channel.basic_ack(method.delivery_tag)
        return moved


def _store_all(channel: BlockingChannel, store: Store, hints: list[NewHint]) -> int:
    """One bad event fails alone; returns how many were stored."""
    try:
        store(hints)
    except BadBatch as error:
        if len(hints) > 1:
            return sum(_store_all(channel, store, [hint]) for hint in hints)
        _put_aside(channel, msgspec.json.encode(hints), error)
        return 0
    return len(hints)


def _put_aside(channel: BlockingChannel, body: bytes, error: Exception) -> None:
    """Returns once the broker has confirmed it: nothing that was accepted is dropped."""
    channel.queue_declare(INTAKE_DEAD_LETTERS, durable=True, arguments=_QUORUM)
    channel.basic_publish("", INTAKE_DEAD_LETTERS, body, _PERSISTENT, mandatory=True)
    INTAKE_EVENTS.labels("dead_letter").inc()
    log.error("intake.put_aside", bytes=len(body), error=str(error)[:200])
