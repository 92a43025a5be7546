"""
When work starts, how long it waits, how it is shared out.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from domain.errors import (
    Blocked,
    CredentialsMissing,
    CredentialsRefused,
    RateLimited,
    TransientError,
    WrongAgreement,
)
from domain.hints import Kind

DAY_CALLS = 50_000
"""Fair use: calls an agreement may spend in 24 hours (e-conomic.md §2.11)."""

BUSY_HINTS = 100  # hints in one second: a storm, not people at work
BUSY_SHARE = 0.20  # of the day's calls
QUIET_S = 0.5  # a storm pauses: drain now
LEAST_WAIT_S = 0.1  # as often as wake-ups come
PATIENCE_S = 30.0  # a storm that never pauses is drained this often
MAX_WAIT_S = 600.0
MAX_RETRY_AFTER_S = 86_400.0  # e-conomic's longest window is a day; more is a mistake of somebody in between

# A person must mend it (401 and its like): try again after 1, 5 and 15 minutes, then hourly (crm.md §7).
_REFUSED_WAITS_S = (60.0, 300.0, 900.0, 3600.0)


class Lease(NamedTuple):
    """The right to work on one kind of an agreement's events until somebody else may take it."""

    agreement: int
    kind: Kind
    token: str


class Arrivals(NamedTuple):
    """
    How events come in: hints of the last second (of BUSY_HINTS and more, so many), seconds since the last one and
    since the last drain, share of the day's calls spent, seconds the oldest has waited.
    """

    last_second: int
    since_hint_s: float
    since_drain_s: float
    spent_share: float
    oldest_s: float = 0.0

    @property
    def dear(self) -> bool:
        """So much is spent that what is left must last for the day."""
        return self.spent_share >= BUSY_SHARE


def spacing_s(spent_share: float) -> float:
    """From drain to drain: two calls each at least, so that the rest of the budget lasts for the day."""
    return min(MAX_WAIT_S, 2 * 86_400 / max(1.0, (1.0 - spent_share) * DAY_CALLS))


def postpone_s(arrivals: Arrivals) -> float:
    """
    Seconds to wait before draining; 0 = now.

    A lone hint is read at once. In a storm each read would be out of date before it ends, so it waits for half a
    second of silence, at most 30 seconds from drain to drain. Past 20 % of the day's calls, what is left is spread
    over the day.
    """
    if arrivals.dear:
        every_s = spacing_s(arrivals.spent_share)
        if arrivals.since_drain_s < every_s:
            return every_s - arrivals.since_drain_s
    calm = arrivals.last_second < BUSY_HINTS
    if calm or arrivals.since_hint_s >= QUIET_S or arrivals.since_drain_s >= PATIENCE_S:
        return 0.0
    return max(LEAST_WAIT_S, QUIET_S - arrivals.since_hint_s)


def wait_s(error: TransientError, attempt: int) -> float:
    """
    Seconds until the next try after the `attempt`-th failure in a row (1 = first).

    Doubling from 2 s with ±20 % of chance, at most 10 minutes; what e-conomic asked for when it said so.
    """
    if isinstance(error, RateLimited) and error.retry_after_s is not None:
        return min(MAX_RETRY_AFTER_S, max(1.0, error.retry_after_s))
    if isinstance(error, CredentialsRefused | CredentialsMissing | WrongAgreement | Blocked):
        return _REFUSED_WAITS_S[min(attempt, len(_REFUSED_WAITS_S)) - 1]
    return min(MAX_WAIT_S / 1.2, 2.0 ** min(attempt, 10)) * random.uniform(0.8, 1.2)  # noqa: S311
