"""When work starts, and how long it waits."""

from __future__ import annotations

import pytest

from domain.errors import (
    Blocked,
    CredentialsMissing,
    CredentialsRefused,
    RateLimited,
    TransientError,
    Unavailable,
    WrongAgreement,
)
from domain.work import Arrivals, postpone_s, wait_s

LONG = float("inf")


@pytest.mark.parametrize(
    ("arrivals", "seconds"),
    [
        (Arrivals(1, 0.0, LONG, 0.0), 0.0),  # a lone hint
        (Arrivals(1, 0.0, 0.01, 0.0), 0.0),  # and the next one, right after
        (Arrivals(99, 0.0, 0.1, 0.19), 0.0),  # people at work
        (Arrivals(100, 0.0, 1.0, 0.0), 0.5),  # a storm
        (Arrivals(9_000, 0.2, 29.9, 0.0), 0.3),  # what is left of the half second
        (Arrivals(9_000, 0.49, 29.9, 0.0), 0.1),
        (Arrivals(9_000, 0.5, 1.0, 0.0), 0.0),  # it paused
        (Arrivals(9_000, 0.0, 30.0, 0.0), 0.0),  # it never pauses
        (Arrivals(9_000, 0.0, LONG, 0.0), 0.0),
        (Arrivals(1, 0.0, LONG, 0.2), 0.0),  # past 20 %: long since the last drain
        (Arrivals(1, 0.0, 0.0, 0.2), 4.32),  # what is left lasts for the day
        (Arrivals(1, 0.0, 4.0, 0.2), 0.32),
        (Arrivals(1, 0.0, 4.33, 0.2), 0.0),
        (Arrivals(1, 0.0, 0.0, 0.6), 8.64),
        (Arrivals(1, 0.0, 0.0, 0.96), 86.4),
        (Arrivals(1, 0.0, 0.0, 1.0), 600.0),
        (Arrivals(1, 0.0, 0.0, 1.5), 600.0),
        (Arrivals(1, 0.0, 600.0, 1.5), 0.0),
        (Arrivals(9_000, 0.0, 5.0, 0.2), 0.5),  # spaced out, but in the middle of a storm
        (Arrivals(9_000, 0.0, 5.0, 0.6), 3.64),
    ],
)
def test_the_pace(arrivals: Arrivals, seconds: float) -> None:
    """At once for people, in pauses for storms, spread over the day past 20 % of its calls."""
    assert postpone_s(arrivals) == pytest.approx(seconds)


@pytest.mark.parametrize("attempt", range(1, 40))
def test_outages_are_waited_out_in_growing_steps(attempt: int) -> None:
    """Twice as long each time, a fifth more or less by chance, ten minutes at most."""
    for _ in range(20):
        seconds = wait_s(Unavailable("down"), attempt)
        assert 0.8 * min(500.0, 2.0**attempt) <= seconds <= min(600.1, 1.2 * 2.0**attempt)


@pytest.mark.parametrize("error", [CredentialsRefused(""), CredentialsMissing(""), WrongAgreement(""), Blocked("")])
def test_what_a_person_must_mend_is_tried_rarely(error: TransientError) -> None:
    """After 1, 5 and 15 minutes, then hourly."""
    assert [wait_s(error, attempt) for attempt in range(1, 7)] == [60, 300, 900, 3600, 3600, 3600]


@pytest.mark.parametrize(
    ("asked", "seconds"), [(0.0, 1.0), (0.2, 1.0), (17.5, 17.5), (3_600.0, 3_600.0), (10.0**9, 86_400.0)]
)
def test_a_rate_limit_waits_as_long_as_asked(asked: float, seconds: float) -> None:
    """What e-conomic said, within a second and a day."""
    assert wait_s(RateLimited("429", retry_after_s=asked), 5) == seconds


def test_a_rate_limit_without_a_time_waits_like_an_outage() -> None:
    """e-conomic did not say: doubling."""
    assert 1.6 <= wait_s(RateLimited("429"), 1) <= 2.4
