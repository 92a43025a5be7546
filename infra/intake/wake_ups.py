"""
Telling consumers where to look, not too often.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from domain.hints import Kind
from infra.metrics import WAKE_UPS

log = structlog.get_logger()

INTERVAL_S = 0.1
MOST_IDS = 500

Publish = Callable[[int, Kind, list[int]], None]


@dataclass(slots=True)
class _Pending:
    """What one wake-up will stand for."""

    ids: list[int] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    accepted: int = 0
    not_before: float = 0.0  # monotonic seconds


class WakeUps:
    """
    At most one wake-up per agreement and kind in 100 ms: the first at once, the last guaranteed.

    A wake-up names the events it stands for (at most 500, for the trace). Losing one costs a second, until the sweep
    comes by: the inbox is the truth.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._changed = threading.Condition()
        self._pending: dict[tuple[int, Kind], _Pending] = {}
        self._last: dict[tuple[int, Kind], float] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)
        self._thread.start()

    def note(
        self,
        agreement: int,
        kind: Kind,
        ids: Sequence[int] = (),
        causes: Sequence[str] = (),
        *,
        in_s: float = 0.0,
    ) -> None:
        """
        These events are committed; returns at once.

        Args:
            in_s: not worth going on before; the sweep alone would come up to a second later than that.
            causes: correlation ids of events accepted just now; they are logged with the wake-up, one line for many,
                since a line for each would cost more than storing them.
        """
        with self._changed:
            waiting = self._pending.get((agreement, kind))
            if waiting is None:
                waiting = self._pending[agreement, kind] = _Pending()
                waiting.not_before = time.monotonic() + in_s if in_s else 0.0
                self._changed.notify()
            elif not in_s and waiting.not_before:
                waiting.not_before = 0.0
                self._changed.notify()
            waiting.ids.extend(ids[: MOST_IDS - len(waiting.ids)])
            waiting.causes.extend(causes[: MOST_IDS - len(waiting.causes)])
            waiting.accepted += len(causes)

    def close(self) -> None:
        """Publish what is pending and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while (due := self._next()) is not None:
            for (agreement, kind), waiting in due.items():
                if waiting.accepted:
                    log.info(
                        "webhook.accepted",
                        agreement=agreement,
                        kind=kind.value,
                        events=waiting.accepted,
                        correlation_ids=waiting.causes,
                    )
                try:
                    self._publish(agreement, kind, waiting.ids)
                except Exception as error:  # noqa: BLE001 - the sweep publishes again
                    WAKE_UPS.labels("failed").inc()
                    log.warning("wake_up.failed", agreement=agreement, kind=kind.value, error=repr(error)[:200])
                else:
                    WAKE_UPS.labels("published").inc()

    def _next(self) -> dict[tuple[int, Kind], _Pending] | None:
        """What may be published now; waits for it. None when closed and empty."""
        with self._changed:
            while True:
                now = time.monotonic()
                due = {
                    key: one for key, one in self._pending.items() if self._due_in(key, one, now) <= 0 or self._closed
                }
                if due:
                    for key in due:
                        del self._pending[key]
                        self._last[key] = now
                    if len(self._last) > 10_000:  # forget who has been quiet
                        self._last = {key: at for key, at in self._last.items() if now - at < INTERVAL_S}
                    return due
                if self._closed:
                    return None
                waits = [self._due_in(key, one, now) for key, one in self._pending.items()]
                self._changed.wait(min(waits) if waits else None)

    def _due_in(self, key: tuple[int, Kind], waiting: _Pending, now: float) -> float:
        return max(self._last.get(key, -INTERVAL_S) + INTERVAL_S, waiting.not_before) - now
