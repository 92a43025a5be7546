"""
Slowing down whoever guesses passwords.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

FREE = 5
"""Failures in a row before waiting starts: 1, 2, 4 … seconds, at most MAX_WAIT_S: about 100 guesses a day."""

MAX_WAIT_S = 900.0
MAX_KEYS = 10_000  # about 2 MB; a key pushed out costs an attacker 10,000 slow password checks


class _Record(NamedTuple):
    failures: int
    open_at: float


class Attempts:
    """
    Counts failed sign-ins per address and person, in this process's memory.

    An attempt counts as failed until it is known to have succeeded, so many at once gain nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[tuple[str, str], _Record] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, email: str, address: str) -> int:
        """Seconds to wait before an attempt is allowed, rounded up; 0 = go on, it has been counted."""
        key, now = _key(email, address), self._clock()
        with self._lock:
            record = self._records.get(key, _Record(0, now))
            if record.open_at > now:
                return math.ceil(record.open_at - now)
            if now - record.open_at > MAX_WAIT_S:
                record = _Record(0, now)
            failures = record.failures + 1
            wait = min(MAX_WAIT_S, 2.0 ** min(failures - FREE, 30)) if failures >= FREE else 0.0
            self._records[key] = _Record(failures, now + wait)
            self._records.move_to_end(key)
            if len(self._records) > MAX_KEYS:
                self._records.popitem(last=False)
        return 0

    def succeeded(self, email: str, address: str) -> None:
        """Forget this person's failures from here."""
        with self._lock:
            self._records.pop(_key(email, address), None)


def _key(email: str, address: str) -> tuple[str, str]:
    return email.strip().lower()[:254], address
