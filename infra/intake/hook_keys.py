"""
Who may send hooks: webhook secrets, cached so that a hook costs no query.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from queue import SimpleQueue

import structlog

from domain.errors import NotStored

log = structlog.get_logger()

FRESH_S = 5.0
"""A rotated or removed secret is noticed within so many seconds."""

UNKNOWN_S = 1.0
MOST_UNKNOWN = 10_000
ANSWER_S = 1.0
"""A database that takes longer counts as away."""

_NOBODY = b"\0" * 32  # no secret hashes to this


class HookKeys:
    """
    Checks an agreement's webhook secret in constant time.

    Known agreements are answered from memory, also while the database is away or frozen: a thread of its own asks the
    database. An unknown agreement costs a query a second at most.
    """

    def __init__(self, secret_of: Callable[[int], str | None]) -> None:
        self._secret_of = secret_of
        self._known: dict[int, tuple[bytes, float]] = {}
        self._unknown: dict[int, float] = {}
        self._asked: dict[int, threading.Event] = {}
        self._lock = threading.Lock()
        self._questions: SimpleQueue[int] = SimpleQueue()
        threading.Thread(target=self._answer, name="hook-keys", daemon=True).start()

    def accepts(self, agreement: int, secret: str) -> bool:
        """
        Whether this secret belongs to this agreement; an unknown agreement and a wrong secret look the same.

        Raises:
            NotStored: the agreement is not in memory and the database is away.
        """
        expected = self._digest(agreement) if secret else _NOBODY
        return hmac.compare_digest(sha256(secret.encode("utf-8", "surrogateescape")).digest(), expected)

    def _digest(self, agreement: int) -> bytes:
        now = time.monotonic()
        known = self._known.get(agreement)
        if known is not None:
            if now - known[1] >= FRESH_S:
                self._ask(agreement)
            return known[0]
        if now - self._unknown.get(agreement, -UNKNOWN_S) < UNKNOWN_S:
            return _NOBODY
        answered = self._ask(agreement).wait(ANSWER_S)
        known = self._known.get(agreement)
        if known is not None:
            return known[0]
        if answered and agreement in self._unknown:
            return _NOBODY
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
        secret = self._secret_of(agreement)
        if secret is not None:
            self._known[agreement] = (sha256(secret.encode()).digest(), time.monotonic())
            self._unknown.pop(agreement, None)
            return
        if len(self._unknown) >= MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[agreement] = time.monotonic()
        self._known.pop(agreement, None)
