"""
The fewest calls for a set of numbers: one by one, in filtered pages, or walking the list.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

PAGE = 1_000
"""Records a list page holds (e-conomic.md §2.7)."""

MOST_NUMBERS = 200
"""Numbers one filter may name (e-conomic.md §2.8)."""


class Batch(NamedTuple):
    """Numbers asked for in one filtered call (or singly, when there is one)."""

    numbers: list[int]


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
        bundles: sets that must be decided together; each stays in one call where it fits.
        expected_records: how many records a list walk over all these numbers is expected to pass; None = unknown.
        fits: how many of the first numbers one filtered call can ask for.
    """
    single = sorted(number for bundle in bundles if len(bundle) == 1 for number in bundle)
    joined = [sorted(bundle) for bundle in bundles if len(bundle) > 1]
    batches: Plan = list(_batches([[number] for number in single] + joined, fits))
    if len(batches) < 2 or not single:
        return batches
    width = single[-1] - single[0] + 1
    records = width if expected_records is None else min(width, max(expected_records, len(single)))
    walk_calls = -(-records // PAGE)
    joined_batches: Plan = list(_batches(joined, fits))
    if walk_calls + len(joined_batches) < len(batches):
        return [Walk(single), *joined_batches]
    return batches


def _batches(groups: Sequence[list[int]], fits: Callable[[Sequence[int]], int]) -> Iterator[Batch]:
    todo = list(reversed(groups))
    while todo:
        numbers: list[int] = []
        ends: list[int] = []
        taken: list[list[int]] = []
        while todo and len(numbers) < MOST_NUMBERS:
            taken.append(todo.pop())
            numbers += taken[-1]
            ends.append(len(numbers))
        room = fits(numbers)
        whole = bisect_right(ends, room)
        if whole == 0:  # one bundle larger than a call is cut, nothing else can be done
            todo += [*reversed(taken[1:]), numbers[room : ends[0]]]
        else:
            room = ends[whole - 1]
            todo += reversed(taken[whole:])
        yield Batch(numbers[:room])
