"""
Where the bars of a chart stand, in the units of an SVG that is stretched to its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

HEIGHT = 100
STEP = 10  # width of a bar with its gap
GAP = 3


class Bar(NamedTuple):
    """A rectangle; `below` = it hangs under the zero line."""

    x: float
    y: float
    width: float
    height: float
    below: bool


class Chart(NamedTuple):
    """Bars in a box of `width` × HEIGHT; `zero` is the height of the zero line, `top` the value of the upper edge."""

    bars: list[Bar]
    width: int
    zero: float
    top: Decimal


def bars(values: Sequence[Decimal]) -> Chart:
    """One bar a value, to scale; what is not nothing is at least visible."""
    top, bottom = max([Decimal(0), *values]), min([Decimal(0), *values])
    span = top - bottom
    unit = Decimal(HEIGHT) / span if span else Decimal(0)
    zero = round(float(top * unit), 2)
    made = []
    for place, value in enumerate(values):
        height = round(float(abs(value) * unit), 2)
        height = max(height, 1.0) if value else 0.0
        y = zero if value < 0 else zero - height
        made.append(
            Bar(place * STEP + GAP / 2, round(min(max(y, 0), HEIGHT - height), 2), STEP - GAP, height, value < 0)
        )
    return Chart(made, len(values) * STEP, zero if span else float(HEIGHT), top)
