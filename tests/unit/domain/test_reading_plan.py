"""The reading plan: every number once, in the fewest calls."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reading_plan import MOST_TOGETHER, Batch, Plan, Walk, plan_reads


def plan(bundles: Sequence[set[int]], expected: int | None = None, room: int = 200) -> Plan:
    return plan_reads(bundles, expected_records=expected, fits=lambda numbers: min(len(numbers), room))


def asked(steps: Plan) -> list[int]:
    return sorted(number for step in steps for number in step.numbers)


def test_nothing_to_read_is_no_call() -> None:
    """No numbers, no plan."""
    assert plan([]) == []


def test_one_number_is_read_singly() -> None:
    """A lone hint is one batch of one."""
    assert plan([{4711}]) == [Batch([[4711]])]


@pytest.mark.parametrize(("count", "calls"), [(2, 1), (200, 1), (201, 2), (400, 2), (1_001, 6)])
def test_filtered_pages_are_full(count: int, calls: int) -> None:
    """Numbers far apart are asked for 200 at a time."""
    steps = plan([{number * 100_000} for number in range(1, count + 1)])

    assert len(steps) == calls
    assert all(isinstance(step, Batch) for step in steps)


def test_the_list_is_walked_only_when_that_is_cheaper() -> None:
    """2,000 numbers are ten filtered calls: a list of 9,000 is walked, one of 10,000 is not."""
    bundles = [{number * 50} for number in range(1, 2_001)]

    assert plan(bundles, expected=9_000) == [Walk([number * 50 for number in range(1, 2_001)])]
    assert len(plan(bundles, expected=10_000)) == 10


def test_an_unknown_list_is_bounded_by_the_numbers_themselves() -> None:
    """Between the smallest and the largest number there cannot be more records than numbers."""
    assert plan([{number} for number in range(5_000, 10_000)]) == [Walk(list(range(5_000, 10_000)))]


def test_a_mirror_that_knows_too_few_is_not_believed() -> None:
    """At least the wanted numbers may be there: 3,000 are never expected on fewer than three pages."""
    bundles = [{number * 300_000} for number in range(1, 401)]

    assert len(plan(bundles, expected=0)) == 1  # one page instead of two calls
    assert all(isinstance(step, Batch) for step in plan(bundles, expected=2_000))


def test_bundles_stay_in_one_call() -> None:
    """A pair that would be cut goes to the next call as a whole."""
    steps = plan([{1}, {2}, {10, 11}, {20, 21}], room=3)

    assert steps == [Batch([[1], [2]]), Batch([[10, 11]]), Batch([[20, 21]])]


def test_a_bundle_larger_than_a_call_is_one_batch() -> None:
    """It is read in several calls and decided once."""
    steps = plan([set(range(1, 501)), {1_000}], room=200)

    assert steps == [Batch([[1_000]]), Batch([list(range(1, 501))])]


def test_a_bundle_larger_than_a_transaction_is_cut() -> None:
    """5,000 numbers are decided together at most."""
    steps = plan([set(range(1, 2 * MOST_TOGETHER + 2))])

    assert [len(step.numbers) for step in steps] == [MOST_TOGETHER, MOST_TOGETHER, 1]


def test_re_numberings_are_read_beside_a_walk() -> None:
    """Bundles are never spread over the pages of a walk."""
    steps = plan([*({number} for number in range(1, 3_001)), {3_001, 3_002}], expected=3_002)

    assert steps == [Walk(list(range(1, 3_001))), Batch([[3_001, 3_002]])]


@given(
    st.lists(st.sets(st.integers(1, 500), min_size=1, max_size=12), max_size=60),
    st.none() | st.integers(0, 2_000),
    st.integers(1, 20),
)
def test_every_number_is_read_once(sets: list[set[int]], expected: int | None, room: int) -> None:
    """Whatever is asked for: nothing twice, nothing forgotten, no batch of several bundles beyond one call."""
    seen: set[int] = set()
    bundles = []
    for one in sets:
        if one - seen:
            bundles.append(one - seen)
        seen |= one

    steps = plan(bundles, expected, room)

    assert asked(steps) == sorted(seen)
    for step in steps:
        if isinstance(step, Batch):
            assert all(set(bundle) in bundles for bundle in step.bundles)
            assert len(step.bundles) == 1 or len(step.numbers) <= room


def test_100_000_numbers_are_planned_fast() -> None:
    """A storm's plan costs well under a second."""
    numbers = random.Random(1).sample(range(1, 999_999_999), 100_000)
    started = time.process_time()

    steps = plan([{number} for number in numbers])

    assert len(steps) == 500
    assert time.process_time() - started < 5
