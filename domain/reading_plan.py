"""
The fewest calls for a set of numbers: one by one, in filtered pages, or walking the list.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

PAGE = 1_000
"""Records a list page holds (e-conomic.md §2.7)."""

MOST_NUMBERS = 200
"""Numbers one filter may name (e-conomic.md §2.8)."""

MOST_TOGETHER = 5_000
"""Numbers decided in one transaction at most (design.md §2)."""


class Batch(NamedTuple):
    """Sets of numbers read together: in one filtered call, or in several when one set is larger than a call."""

    bundles: list[list[int]]

    @property
    def numbers(self) -> list[int]:
        return [number for bundle in self.bundles for number in bundle]


class Walk(NamedTuple):
    """Pages of the list by key, from the smallest to the largest number wanted."""

    numbers: list[int]


Plan = list[Batch | Walk]


def plan_reads(
    bundles: Sequence[set[int]], *, expected_records: int | None, fits: Callable[[Sequence[int]], int]
) -> Plan:
    """
    The cheapest reading of all numbers.

    Args:
        bundles: sets that must be decided together; each stays in one batch.
        expected_records: how many records a list walk over all these numbers is expected to pass; None = unknown.
        fits: how many of the first numbers one filtered call can ask for.
    """
    single = sorted(number for bundle in bundles if len(bundle) == 1 for number in bundle)
    joined = [sorted(bundle) for bundle in bundles if len(bundle) > 1]
    if not single:
        return list(_batches(joined, fits))
    width = single[-1] - single[0] + 1
    records = width if expected_records is None else min(width, max(expected_records, len(single)))
    walk: Plan = [Walk(single), *_batches(joined, fits)]
    walk_calls = -(-records // PAGE) + len(walk) - 1
    if walk_calls < -(-len(single) // MOST_NUMBERS):  # however short the numbers are: batches need not be tried
        return walk
    batches: Plan = list(_batches([*([number] for number in single), *joined], fits))
    return walk if walk_calls < len(batches) and len(batches) > 1 else batches


def _batches(groups: Iterable[list[int]], fits: Callable[[Sequence[int]], int]) -> Iterator[Batch]:
    todo = [group[i : i + MOST_TOGETHER] for group in groups for i in range(0, len(group), MOST_TOGETHER)]
    todo.reverse()
    while todo:
        taken: list[list[int]] = []
        numbers: list[int] = []
        ends: list[int] = []
        while todo and len(numbers) < MOST_NUMBERS:
            taken.append(todo.pop())
            numbers += taken[-1]
            ends.append(len(numbers))
        whole = max(1, bisect_right(ends, fits(numbers)))
        todo += reversed(taken[whole:])
        yield Batch(taken[:whole])
