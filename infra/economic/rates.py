"""
What e-conomic says about its rate limits, and who is told.

Source: e-conomic.md §2.11.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

MAX_RETRY_AFTER_S = 86_400.0
"""Longest wait believed: the fair-use allowance is counted over 24 hours."""

_LIMITING = re.compile(r"token-limit-(\d{1,9})-per-(\d{1,9})-seconds\s*:\s*(\d{1,9})\s*/\s*(\d{1,9})", re.ASCII | re.I)
_COST = re.compile(r"\d{1,9}", re.ASCII)
_SECONDS = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


class RateSeen(NamedTuple):
    """`used` of `limit` tokens are spent in the running window of `window_s` seconds; this call took `cost`."""

    limit: int | None
    window_s: int | None
    used: int | None
    cost: int | None


class Meter(Protocol):
    """
    Counts the calls of all agreements against their budgets.

    `bulk` calls are pages of lists and single reads of many; a lone single read, which people and conversions wait
    for, is not.
    """

    def admit(self, agreement: int, bulk: bool) -> None:
        """Called before each HTTP call, retries included. Raises RateLimited to hold it back."""
        ...

    def seen(self, agreement: int, status: int, rate: RateSeen | None, retry_after_s: float | None) -> None:
        """Called after each admitted call; `status` is 0 when no answer came."""
        ...


class NoMeter:
    """Admits everything."""

    def admit(self, agreement: int, bulk: bool) -> None:
        pass

    def seen(self, agreement: int, status: int, rate: RateSeen | None, retry_after_s: float | None) -> None:
        pass


def rate_seen(headers: Mapping[str, str]) -> RateSeen | None:
    """Read `X-RateLimiting` and `X-CallCost`; None when neither makes sense."""
    limiting = _LIMITING.search(headers.get("x-ratelimiting", ""))
    cost = _COST.fullmatch(headers.get("x-callcost", "").strip())
    limit = window_s = used = None
    if limiting and int(limiting[4]) and int(limiting[2]):
        limit, window_s, used = int(limiting[4]), int(limiting[2]), int(limiting[3])
    if limit is None and cost is None:
        return None
    return RateSeen(limit, window_s, used, int(cost[0]) if cost else None)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """
    Read `Retry-After`, seconds or an HTTP date: between 0 and a day, None when it says nothing usable.

    A date is held against the answer's own `Date`, so that a wrong clock of ours does not matter.
    """
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        wait = float(value)
    else:
        until = _date(value)
        if until is None:
            return None
        wait = (until - (_date(headers.get("date", "")) or dt.datetime.now(dt.UTC))).total_seconds()
    return min(max(wait, 0.0), MAX_RETRY_AFTER_S)


def _date(value: str) -> dt.datetime | None:
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
