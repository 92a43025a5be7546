"""
Who may send hooks: webhook secrets, cached so that a hook costs no query.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable
from hashlib import sha256

from domain.errors import NotStored
from infra.database.engine import DatabaseAway

FRESH_S = 5.0
"""A rotated or removed secret is noticed within so many seconds."""

UNKNOWN_S = 1.0
MOST_UNKNOWN = 10_000

_NOBODY = b"\0" * 32  # no secret hashes to this


class HookKeys:
    """
    Checks an agreement's webhook secret in constant time.

    Known agreements are answered from memory, also while the database is away; an unknown one costs a query a
    second at most.
    """

    def __init__(self, secret_of: Callable[[int], str | None]) -> None:
        self._secret_of = secret_of
        self._known: dict[int, tuple[bytes, float]] = {}
        self._unknown: dict[int, float] = {}
        self._reading = threading.Lock()

    def accepts(self, agreement: int, secret: str) -> bool:
        """
        Whether this secret belongs to this agreement; an unknown agreement and a wrong secret look the same.

        Raises:
            NotStored: the agreement is not in memory and the database is away.
        """
        expected = self._digest(agreement)
        return hmac.compare_digest(sha256(secret.encode("utf-8", "surrogateescape")).digest(), expected)

    def _digest(self, agreement: int) -> bytes:
        now = time.monotonic()
        known = self._known.get(agreement)
        if known is not None and now - known[1] < FRESH_S:
            return known[0]
        if known is None and now - self._unknown.get(agreement, -UNKNOWN_S) < UNKNOWN_S:
            return _NOBODY
        if known is not None:
            # One thread looks again, the others go on with what they know.
            if self._reading.acquire(blocking=False):
                try:
                    return self._read(agreement, known[0])
                finally:
                    self._reading.release()
            return known[0]
        return self._read(agreement, None)

    def _read(self, agreement: int, known: bytes | None) -> bytes:
        try:
            secret = self._secret_of(agreement)
        except DatabaseAway as error:
            if known is None:
                raise NotStored(f"the database is away and agreement {agreement} is not in memory") from error
            self._known[agreement] = (known, time.monotonic())
            return known
        now = time.monotonic()
        if secret is None:
            if len(self._unknown) >= MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[agreement] = now
            self._known.pop(agreement, None)
            return _NOBODY
        digest = sha256(secret.encode()).digest()
        self._known[agreement] = (digest, now)
        self._unknown.pop(agreement, None)
        return digest
