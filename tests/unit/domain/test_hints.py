"""Hints: usable numbers, re-numberings, and what must be decided together."""

from __future__ import annotations

import time

import pytest

from domain.debtors import MAX_NUMBER, Edge
from domain.hints import Hint, bundles, edges, usable


def hint(event: int, old: int | None, new: int | None) -> Hint:
    return Hint(event, old, new, "")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("4711", 4711),
        (" 4711\r\n", 4711),
        (4711, 4711),
        ("004711", 4711),
        ("1", 1),
        (str(MAX_NUMBER), MAX_NUMBER),
        ("0", None),
        ("000", None),
        ("", None),
        (None, None),
        (True, None),
        ("[NUMBER]", None),
        ("[newnumber]", None),
        ("-4711", None),
        ("+4711", None),
        ("4711.0", None),
        (4711.0, None),
        ("47 11", None),
        ("0x1267", None),
        ("1_000", None),
        ("٤٧١١", None),
        ("４７１１", None),
        ("²", None),
        (str(MAX_NUMBER + 1), None),
        ("9" * 18, None),
        ("9" * 19, None),
        ("9" * 5_000, None),
        ("0" * 30 + "7", None),
    ],
)
def test_only_numbers_e_conomic_could_mean_are_usable(value: object, number: int | None) -> None:
    """Plain digits from 1 to nine digits count; whatever a sender left empty or unreplaced does not."""
    assert usable(value) == number


def test_edges_come_in_order_of_arrival() -> None:
    """Only hints with two different numbers claim a re-numbering, the earliest event first."""
    hints = [hint(3, 2, 1), hint(1, 1, 2), hint(2, 5, 5), hint(4, None, 7), hint(5, 8, None)]

    assert edges(hints) == [Edge(1, 2), Edge(2, 1)]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], []),
        ([(None, None)], []),
        ([(3, 3), (1, None), (None, 2), (3, 3)], [{1}, {2}, {3}]),
        ([(1, 2), (2, 3), (9, 9)], [{1, 2, 3}, {9}]),
        ([(3, 2), (2, 1)], [{1, 2, 3}]),
        ([(1, 2), (2, 1)], [{1, 2}]),
        ([(1, 99), (2, 1), (99, 2)], [{1, 2, 99}]),
        ([(1, 2), (3, 4), (4, 1)], [{1, 2, 3, 4}]),
        ([(5, 6), (5, 7), (8, 8)], [{5, 6, 7}, {8}]),
    ],
)
def test_numbers_joined_by_re_numberings_are_one_bundle(
    pairs: list[tuple[int | None, int | None]], expected: list[set[int]]
) -> None:
    """Chains, swaps and detours share a set; everything else stands alone, sorted by the smallest number."""
    assert bundles([hint(i, *pair) for i, pair in enumerate(pairs)]) == expected


def test_a_storm_is_bundled_fast() -> None:
    """A chain through 100,000 numbers, worst way round, costs well under a second."""
    started = time.process_time()

    (chain,) = bundles([hint(i, i + 1, i) for i in range(100_000, 0, -1)])

    assert len(chain) == 100_001
    assert time.process_time() - started < 10
