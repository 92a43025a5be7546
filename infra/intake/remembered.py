"""
What is known of an agreement, in memory: an event costs no query, and is taken in while the database is away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Generic, TypeVar

import structlog

from domain.errors import NotStored

log = structlog.get_logger()

T = TypeVar("T")

FRESH_S = 5.0
"""A rotated or removed secret is noticed within so many seconds."""

UNKNOWN_S = 1.0
MOST_UNKNOWN = 10_000
ANSWER_S = 1.0
"""A database that takes longer counts as away."""


class Remembered(Generic[T]):
    """
    What the database says of each agreement.

    Known agreements are answered from memory, also while the database is away or frozen: a thread of its own asks the
    database. An unknown agreement costs a query a second at most.
    """

    def __init__(self, look_up: Callable[[int], T | None], known: Mapping[int, T] | None = None) -> None:
        """`known` = remembered from the start: an agreement whose first event finds no database is not refused."""
        self._look = look_up
        self._known = {agreement: (found, time.monotonic()) for agreement, found in (known or {}).items()}
        self._unknown: dict[int, float] = {}
        self._asked: dict[int, threading.Event] = {}
        self._lock = threading.Lock()
        self._questions: SimpleQueue[int] = SimpleQueue()
        threading.Thread(target=self._answer, name="remembered", daemon=True).start()

    def get(self, agreement: int) -> T | None:
        """
        What is known of it; None = there is no such agreement.

        Raises:
            NotStored: the agreement is not in memory and the database is away.
        """
        now = time.monotonic()
        known = self._known.get(agreement)
        if known is not None:
            if now - known[1] >= FRESH_S:
                self._ask(agreement)
            return known[0]
        if now - self._unknown.get(agreement, -UNKNOWN_S) < UNKNOWN_S:
            return None
        answered = self._ask(agreement).wait(ANSWER_S)
        known = self._known.get(agreement)
        if known is not None:
            return known[0]
        if answered and agreement in self._unknown:
            return None
        raise NotStored(f"the database is away and agreement {agreement} is not in memory")

    def _ask(self, agreement: int) -> threading.Event:
        """Have the database asked; one question at a time for each agreement."""
        with self._lock:
            asked = self._asked.get(agreement)
            if asked is None:
                asked = self._asked[agreement] = threading.Event()
                self._questions.put(agreement)
            return asked

    def _answer(self) -> None:
        while True:
            agreement = self._questions.get()
            try:
                self._look_up(agreement)
            except Exception as error:  # noqa: BLE001 - whoever waits is told by the missing answer
                self._unknown.pop(agreement, None)  # it may be connected by now: nobody can say
                log.warning("hook_keys.not_read", agreement=agreement, error=repr(error)[:200])
            finally:
                with self._lock:
                    self._asked.pop(agreement).set()

    def _look_up(self, agreement: int) -> None:
        found = self._look(agreement)
        if found is not None:
            self._known[agreement] = (found, time.monotonic())
            self._unknown.pop(agreement, None)
            return
        if len(self._unknown) >= MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[agreement] = time.monotonic()
        self._known.pop(agreement, None)
