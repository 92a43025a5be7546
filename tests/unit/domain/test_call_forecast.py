"""How far the day's calls will go."""

from __future__ import annotations

import pytest

from domain.call_forecast import CallForecast, SpentHour, forecast

HOUR = 3_600


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([], CallForecast(0, 50_000, 0, None, 0.0)),
        ([(600, 60)], CallForecast(60, 49_940, 60, None, 0.0)),  # the pace of less than an hour is not blown up
        ([(1.5 * HOUR, 600), (0.5 * HOUR, 300)], CallForecast(900, 49_100, 600, None, 0.0)),
        ([(HOUR, 4_000)], CallForecast(4_000, 46_000, 4_000, 11 * HOUR, 0.0)),  # 44,000 for bulk work at 4,000 an hour
        ([(HOUR, 30_000)], CallForecast(30_000, 20_000, 30_000, 0.6 * HOUR, 8.64)),
        ([(5 * HOUR, 48_000)], CallForecast(48_000, 2_000, 0, 0.0, 86.4)),  # nothing but the reserve
        ([(5 * HOUR, 50_000)], CallForecast(50_000, 0, 0, 0.0, 600.0)),
        ([(26 * HOUR, 50_000)], CallForecast(0, 50_000, 0, None, 0.0)),  # of the day before
    ],
)
def test_the_forecast(hours: list[tuple[float, int]], expected: CallForecast) -> None:
    """Spent, left, pace, when bulk work has to stop, and how far apart drains are."""
    found = forecast([SpentHour(*hour) for hour in hours])

    assert found._replace(runs_out_in_s=None) == expected._replace(runs_out_in_s=None, every_s=found.every_s)
    assert found.runs_out_in_s == (None if expected.runs_out_in_s is None else pytest.approx(expected.runs_out_in_s))
    assert found.every_s == pytest.approx(expected.every_s)


def test_an_even_pace_that_lasts() -> None:
    """1,900 an hour all day: as many calls become free as are made, and bulk work never stops."""
    hours = [SpentHour(1_800, 950), *(SpentHour(age * HOUR + 1_800, 1_900) for age in range(1, 24))]

    assert forecast(hours).per_hour == 1_900
    assert forecast(hours).runs_out_in_s is None


def test_an_old_peak_makes_room() -> None:
    """A morning's storm leaves the count before the evening's pace reaches the end."""
    peak = SpentHour(24 * HOUR, 40_000)  # counts for another hour
    assert forecast([peak, SpentHour(HOUR, 1_000)]).runs_out_in_s is None
    assert forecast([peak, SpentHour(HOUR, 8_000)]).runs_out_in_s == 0.0
