"""
How often matching is right in this very register: a person looks at a few links, and the rest is reckoned.

Asked about are the weakest links, where errors would be, and as many at random from the others.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from enum import StrEnum
from math import sqrt
from typing import NamedTuple

EACH = 20
_Z = 1.96  # 95 %


class Sample(StrEnum):
    """Why a person is asked about a link."""

    WEAKEST = "weakest"
    RANDOM = "random"


class Tick(NamedTuple):
    """A link that a person is asked about; `right` is None until it is answered."""

    sample: Sample
    right: bool | None = None
    who: str | None = None


def choose(links: Sequence[tuple[int, float]], *, seed: int, each: int = EACH) -> dict[int, Sample]:
    """
    Which links a person is asked about; the same ones whenever it is called.

    Args:
        links: number and score.
    """
    ordered = sorted(links, key=lambda link: (link[1], link[0]))
    chosen = {number: Sample.WEAKEST for number, _ in ordered[:each]}
    others = sorted(number for number, _ in ordered[each:])
    drawn = random.Random(seed).sample(others, min(each, len(others)))  # noqa: S311 - nobody gains by guessing it
    return chosen | dict.fromkeys(drawn, Sample.RANDOM)


class Part(NamedTuple):
    """One kind of links asked about: how many there are in all, how many were answered, and how many of these right."""

    links: int
    answered: int
    right: int


class Precision(NamedTuple):
    """Of all links: the share that is right, and where it lies 19 times of 20. 0-1."""

    share: float
    low: float
    high: float


def precision(parts: Collection[Part]) -> Precision | None:
    """
    The share of right links, each part counting by how many links it stands for; None while one is unanswered.

    The interval is Wilson's, which holds for few answers and for shares near 1; a part whose links were all looked at
    has none.
    """
    parts = [part for part in parts if part.links]
    if not parts or any(part.answered == 0 for part in parts):
        return None
    total = sum(part.links for part in parts)
    ranges = [(part.links / total, _wilson(part)) for part in parts]
    return Precision(*(sum(weight * each[place] for weight, each in ranges) for place in range(3)))


def _wilson(part: Part) -> tuple[float, float, float]:
    share, count = part.right / part.answered, part.answered
    if count >= part.links:
        return share, share, share
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return share, max(0.0, middle - half), min(1.0, middle + half)
