"""When a delivery is tried again, and when an endpoint is left in peace."""

from __future__ import annotations

import pytest

from domain.deliveries import PAUSE_AFTER, RETRIES_S, Answer, pause_s, retry_s


def test_the_schedule() -> None:
    """5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, then never again."""
    hours = [5 / 3600, 1 / 12, 0.5, 2, 5, 10, 14, 20, 24]

    assert [retry_s(attempts, Answer(500)) for attempts in range(1, 10)] == [hour * 3600 for hour in hours]
    assert retry_s(10, Answer(500)) is None
    assert retry_s(10, Answer(503, retry_after_s=60)) is None


@pytest.mark.parametrize(("asked", "waits"), [(None, 300), (10, 300), (900, 900), (10**9, 86_400)])
def test_what_the_endpoint_asks_for_counts(asked: float | None, waits: float) -> None:
    """Retry-After is honoured where it is longer than our own time, up to a day."""
    assert retry_s(2, Answer(429, retry_after_s=asked)) == waits


def test_pauses_grow() -> None:
    """No single delivery pauses an endpoint; a minute at first, an hour at most."""
    assert pause_s(len(RETRIES_S) + 1) is None
    assert pause_s(PAUSE_AFTER - 1) is None
    assert [pause_s(PAUSE_AFTER + more) for more in (0, 1, 2, 10, 10_000)] == [60, 120, 240, 3_600, 3_600]


@pytest.mark.parametrize(("status", "accepted"), [(200, True), (204, True), (299, True), (302, False), (None, False)])
def test_only_2xx_accepts(status: int | None, accepted: bool) -> None:
    """A redirect or silence is no acceptance."""
    assert Answer(status).accepted is accepted
