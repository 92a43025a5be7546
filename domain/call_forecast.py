"""
How far the day's calls will go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from domain.work import BUSY_SHARE, DAY_CALLS, spacing_s

DAY_RESERVE = 2_000
"""Calls of the day kept for people and conversions."""

DAY_S = 25 * 3_600
"""Calls are counted by the full hour: those of the first minutes of an hour must last as long."""

HOUR_S = 3_600.0


class SpentHour(NamedTuple):
    """Calls made within one hour that began `age_s` seconds ago."""

    age_s: float
    calls: int


class CallForecast(NamedTuple):
    """
    What an agreement has spent in 24 hours, what is left, and until when.

    `per_hour` is the pace of the last hour or two. `runs_out_in_s`: seconds until bulk work has to stop at that
    pace; None = it does not within a day, because as many calls become free again. `every_s`: so long waits from
    drain to drain make what is left last; 0 = nothing is spread.
    """

    spent: int = 0
    left: int = DAY_CALLS
    per_hour: int = 0
    runs_out_in_s: float | None = None
    every_s: float = 0.0


def forecast(hours: Sequence[SpentHour]) -> CallForecast:
    """What the calls of the last hours say."""
    counted = [hour for hour in hours if hour.age_s < DAY_S]
    spent = sum(hour.calls for hour in counted)
    recent = [hour for hour in counted if hour.age_s < 2 * HOUR_S]
    per_hour = sum(hour.calls for hour in recent) / max([1.0, *(hour.age_s / HOUR_S for hour in recent)])
    share = spent / DAY_CALLS
    return CallForecast(
        spent,
        max(0, DAY_CALLS - spent),
        round(per_hour),
        _runs_out_in_s(counted, per_hour / HOUR_S),
        spacing_s(share) if share >= BUSY_SHARE else 0.0,
    )


def _runs_out_in_s(hours: Sequence[SpentHour], per_second: float) -> float | None:
    """Step from one hour that stops counting to the next; in between the sum only grows."""
    limit = DAY_CALLS - DAY_RESERVE
    waiting = sorted(hours, key=lambda hour: -hour.age_s)
    level = sum(hour.calls for hour in hours)
    for leaving in waiting:
        until_s = DAY_S - leaving.age_s
        if level + per_second * until_s >= limit:
            return max(0.0, (limit - level) / per_second) if per_second else 0.0
        level -= leaving.calls
    return None
