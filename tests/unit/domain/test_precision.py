"""Which links a person is asked about, and what follows from the answers."""

from __future__ import annotations

import pytest

from domain.precision import Part, Sample, choose, precision


def test_the_weakest_and_some_by_lot() -> None:
    """The weakest are always asked about, the others are drawn, the same ones each time."""
    links = [(number, 100.0 - number / 10) for number in range(1, 101)]

    chosen = choose(links, seed=7)

    weakest = {number for number, sample in chosen.items() if sample is Sample.WEAKEST}
    assert weakest == set(range(81, 101))
    assert sum(sample is Sample.RANDOM for sample in chosen.values()) == 20
    assert choose(list(reversed(links)), seed=7) == chosen != choose(links, seed=8)


def test_few_links_are_all_asked_about() -> None:
    """Fewer than twenty are the weakest, all of them."""
    assert choose([(1, 90.0), (2, 99.0)], seed=1) == {1: Sample.WEAKEST, 2: Sample.WEAKEST}
    assert choose([], seed=1) == {}


def test_weak_links_count_by_how_many_they_are() -> None:
    """Half of twenty weak ones wrong, all drawn ones right: of a thousand links 99 % are."""
    found = precision([Part(20, 20, 10), Part(980, 20, 20)])

    assert found is not None
    assert found.share == pytest.approx(0.99)
    assert 0.82 < found.low < 0.84  # twenty right ones of a thousand say little more
    assert found.high == pytest.approx(0.99)


@pytest.mark.parametrize(("right", "low", "high"), [(20, 0.839, 1.0), (18, 0.699, 0.972), (0, 0.0, 0.161)])
def test_the_interval_is_wilsons(right: int, low: float, high: float) -> None:
    """Figures as tables of Wilson's interval have them (20 answers of very many)."""
    found = precision([Part(1_000_000, 20, right)])

    assert found is not None
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_all_looked_at_leaves_nothing_open() -> None:
    """Links that were all answered have no interval; with nothing answered nothing is said."""
    found = precision([Part(4, 4, 3), Part(0, 0, 0)])
    assert found is not None
    assert (found.share, found.low, found.high) == (0.75, 0.75, 0.75)
    assert precision([Part(4, 4, 3), Part(10, 0, 0)]) is None
    assert precision([]) is None
