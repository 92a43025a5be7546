"""Where the bars stand."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from console.chart import HEIGHT, bars


def test_bars_are_to_scale() -> None:
    """The highest value fills the chart, half of it half."""
    chart = bars([Decimal(50), Decimal(100)])

    assert [bar.height for bar in chart.bars] == [50, 100]
    assert [bar.y for bar in chart.bars] == [50, 0]
    assert chart.zero == HEIGHT


def test_credit_notes_hang_below_the_zero_line() -> None:
    """A month with more credit notes than invoices goes down from zero."""
    chart = bars([Decimal(75), Decimal(-25)])

    assert chart.zero == 75
    assert (chart.bars[1].y, chart.bars[1].height, chart.bars[1].below) == (75, 25, True)


def test_no_sales_draw_no_bars() -> None:
    """Twelve empty months are a line on the ground, not a division by zero."""
    chart = bars([Decimal(0)] * 12)

    assert {bar.height for bar in chart.bars} == {0}
    assert chart.zero == HEIGHT


@given(st.lists(st.decimals(min_value=-(10**9), max_value=10**9, places=2), min_size=1, max_size=24))
def test_bars_stay_inside_the_chart(values: list[Decimal]) -> None:
    """No bar leaves the box, whatever the amounts, and what is not nothing can be seen."""
    chart = bars(values)

    for bar, value in zip(chart.bars, values, strict=True):
        assert bar.y >= 0
        assert bar.y + bar.height <= HEIGHT + 0.02
        assert bool(bar.height) == bool(value)
