"""
Delivering an event to an address of the CRM: when it is tried again, and when its endpoint is left in peace.
"""

from __future__ import annotations

from typing import NamedTuple

RETRIES_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each retry: 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h; ten attempts in a little over 3 days."""

TIMEOUT_S = 15.0
MOST_RETRY_AFTER_S = 86_400.0

PAUSE_AFTER = 20
"""Failed attempts in a row after which an endpoint is paused: more than any one delivery makes."""

_PAUSE_S, _LONGEST_PAUSE_S = 60.0, 3_600.0

GONE = 410


class Answer(NamedTuple):
    """What an endpoint said to one attempt; `status` is None when it said nothing, and `problem` why."""

    status: int | None
    problem: str | None = None
    retry_after_s: float | None = None

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def retry_s(attempts: int, answer: Answer) -> float | None:
    """
    Seconds until the next attempt after `attempts` failed ones (1 = the first); None = given up.

    What the endpoint asked for counts where it is longer, up to a day.
    """
    if attempts > len(RETRIES_S):
        return None
    return max(float(RETRIES_S[attempts - 1]), min(MOST_RETRY_AFTER_S, answer.retry_after_s or 0.0))


def pause_s(failures: int) -> float | None:
    """
    Seconds an endpoint is left in peace after so many failed attempts in a row; None = go on.

    A minute at first, twice as long after each further failure, at most an hour; then one event is tried.
    """
    if failures < PAUSE_AFTER:
        return None
    return float(min(_LONGEST_PAUSE_S, _PAUSE_S * 2 ** min(failures - PAUSE_AFTER, 10)))
