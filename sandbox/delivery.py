"""
Sending webhooks: one request per event, over kept connections.

Written on bare streams because a storm is 100,000 requests "within a fraction
of a second": a general HTTP client would be the slowest part of a benchmark.
"""

# ruff: noqa: S311 - chance makes the data and the faults here, no secrets

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sandbox.hooks import Webhook

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Origin = tuple[bool, str, int]


class Mode(msgspec.Struct, forbid_unknown_fields=True):
    """How delivery goes wrong."""

    duplicate: float = 0.0  # share of events sent twice
    drop: float = 0.0  # share of events never sent
    delay_ms: float = 0.0
    reorder: bool = False


class DeliverySettings(msgspec.Struct, forbid_unknown_fields=True):
    """Attempts and time-outs; e-conomic publishes none, these are the assumption of the contract."""

    attempts: int = 5
    delay_ms: float = 10_000  # before the second attempt; doubles each time
    timeout_ms: float = 5_000
    concurrency: int = 32
    disable_after: int = 0  # failed requests in a row; 0 = never
    mode: Mode = msgspec.field(default_factory=Mode)


@dataclass(slots=True)
class Event:
    """One thing that happened, on its way to one webhook."""

    agreement: int
    webhook: Webhook
    values: dict[str, Any]
    attempt: int = 0


@dataclass(slots=True)
class Counts:
    """
    What became of the events.

    `sent` and `failed` count requests; `delivered`, `lost` and `pending` count
    events (a duplicated one counts twice).
    """

    sent: int = 0
    delivered: int = 0
    failed: int = 0
    lost: int = 0
    pending: int = 0


@dataclass(slots=True)
class Delivery:
    """The sender; it lives on the event loop it is used from."""

    now: Callable[[], float]
    settings: DeliverySettings = field(default_factory=DeliverySettings)
    counts: Counts = field(default_factory=Counts)
    recent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=200))
    _queue: deque[Event] = field(default_factory=deque)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _idle: dict[Origin, list[Connection]] = field(default_factory=dict)
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, event: Event) -> None:
        """Send an event soon; dropping, doubling and delaying are decided here."""
        mode = self.settings.mode
        for _ in range(2 if mode.duplicate and random.random() < mode.duplicate else 1):
            self.counts.pending += 1
            if mode.drop and random.random() < mode.drop:
                self._settle(event, "lost", None)
            elif mode.delay_ms:
                self._later(mode.delay_ms, event)
            else:
                self._enqueue(event)

    async def settled(self) -> None:
        """Return when nothing is pending."""
        while self.counts.pending:
            self._settled.clear()
            await self._settled.wait()

    def forget(self) -> None:
        """Drop what is pending and the counts with it; for a reset."""
        for task in self._tasks:
            task.cancel()
        self._queue.clear()
        self._tasks.clear()
        for connections in self._idle.values():
            for _, writer in connections:
                writer.close()
        self._idle.clear()
        self.recent.clear()
        self.counts = Counts()
        self._settled.set()

    def _later(self, delay_ms: float, event: Event) -> None:
        counts = self.counts

        def due() -> None:
            if self.counts is counts:  # no reset in between
                self._enqueue(event)

        asyncio.get_running_loop().call_later(delay_ms / 1000, due)

    def _enqueue(self, event: Event) -> None:
        self._queue.append(event)
        if len(self._tasks) < min(self.settings.concurrency, len(self._queue)):
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while self._queue:
            event = self._next()
            if event.webhook.is_disabled:
                self._settle(event, "lost", None)
                continue
            event.attempt += 1
            self.counts.sent += 1
            try:
                async with asyncio.timeout(self.settings.timeout_ms / 1000):
                    status = await self._send(event)
            except TimeoutError:
                status = None
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                status = None
            self._judge(event, status)

    def _next(self) -> Event:
        if self.settings.mode.reorder:
            other = random.randrange(min(len(self._queue), 256))
            self._queue[0], self._queue[other] = self._queue[other], self._queue[0]
        return self._queue.popleft()

    def _judge(self, event: Event, status: int | None) -> None:
        settings, hook = self.settings, event.webhook
        if status is not None and 200 <= status < 300:
            hook.failures = 0
            self._settle(event, "delivered", status)
            return
        self.counts.failed += 1
        hook.failures += 1
        if settings.disable_after and hook.failures >= settings.disable_after and not hook.is_disabled:
            hook.is_disabled, hook.last_disabled = True, self.now()
            hook.version += 1
        if event.attempt >= settings.attempts or hook.is_disabled:
            self._settle(event, "lost", status)
        else:
            self._later(settings.delay_ms * 2 ** (event.attempt - 1), event)

    def _settle(self, event: Event, outcome: str, status: int | None) -> None:
        counts = self.counts
        counts.pending -= 1
        if outcome == "delivered":
            counts.delivered += 1
        else:
            counts.lost += 1
        self.recent.append(
            {
                "at": self.now(),
                "agreement": event.agreement,
                "event_type": event.webhook.event_type,
                "values": event.values,
                "attempts": event.attempt,
                "status": status,
                "outcome": outcome,
            }
        )
        if not counts.pending:
            self._settled.set()

    async def _send(self, event: Event) -> int:
        """One request; returns the status."""
        origin = event.webhook.origin()
        request = event.webhook.request(event.values)
        kept = self._idle.setdefault(origin, [])
        while kept:
            reader, writer = kept.pop()
            if reader.at_eof() or writer.is_closing():
                writer.close()
                continue
            try:
                return await self._exchange(origin, reader, writer, request)
            except (ConnectionError, asyncio.IncompleteReadError):
                continue  # closed by the receiver while it was idle: not a failed delivery
        secure, host, port = origin
        reader, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context() if secure else None)
        return await self._exchange(origin, reader, writer, request)

    async def _exchange(
        self, origin: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> int:
        reusable = False
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            status = int(head[9:12])
            if (start := head.find(b"\r\ncontent-length:")) >= 0:
                length = int(head[start + 17 : head.index(b"\r\n", start + 2)])
                if length:
                    await reader.readexactly(length)
                reusable = b"\r\nconnection: close" not in head
            else:
                reusable = status == 204
            return status
        finally:
            if reusable:
                self._idle.setdefault(origin, []).append((reader, writer))
            else:
                writer.close()
