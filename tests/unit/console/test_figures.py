"""The figures of a debtor."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from console.figures import Due, age_field, first_day, owed, sales
from infra.database.views_invoices import DaySales, OpenAmount

TODAY = dt.date(2026, 5, 4)


def day(date: str, net: str, rate: str | None = None) -> DaySales:
    return DaySales(dt.date.fromisoformat(date), Decimal(net), Decimal(rate) if rate else None)


def unpaid(
    due: str, amount: str, currency: str = "DKK", rate: str | None = None, base: str | None = None
) -> OpenAmount:
    return OpenAmount(
        dt.date.fromisoformat(due),
        currency,
        Decimal(rate) if rate else None,
        Decimal(amount),
        Decimal(base) if base else None,
    )


def test_twelve_months_end_with_the_current_one() -> None:
    """The months are the current one and the eleven before, oldest first, empty ones included."""
    months = sales([day("2026-05-04", "10"), day("2025-06-30", "7")], TODAY).months

    assert [month.first for month in months][:2] == [dt.date(2025, 6, 1), dt.date(2025, 7, 1)]
    assert months[0].net == 7
    assert months[-1] == (dt.date(2026, 5, 1), Decimal(10))
    assert len(months) == 12


def test_years_are_compared_to_the_same_date() -> None:
    """Year to date, last year to the same date and the whole last year count what falls in them, ends included."""
    figures = sales(
        [day("2026-01-01", "1"), day("2026-05-04", "2"), day("2025-05-04", "10"), day("2025-05-05", "20")], TODAY
    )

    assert (figures.year_to_date, figures.last_year_to_date, figures.last_year) == (3, 10, 30)


def test_leap_day_is_compared_to_the_day_before_march() -> None:
    """29 February has 28 February as its date a year before."""
    figures = sales([day("2027-02-28", "5"), day("2027-03-01", "7")], dt.date(2028, 2, 29))

    assert figures.last_year_to_date == 5


def test_foreign_sales_without_base_amount_are_converted_exactly() -> None:
    """The rate is the price of 100 units: 200.10 EUR at 746.05 are 1492.84605 DKK, not a float."""
    assert sales([day("2026-05-01", "200.10", "746.05")], TODAY).year_to_date == Decimal("1492.84605")


@pytest.mark.parametrize(
    ("today", "first"),
    [(dt.date(2026, 5, 4), dt.date(2025, 1, 1)), (dt.date(2026, 12, 31), dt.date(2025, 1, 1))],
)
def test_first_day_covers_the_whole_last_year(today: dt.date, first: dt.date) -> None:
    """What is read from the database reaches back to 1 January of last year."""
    assert first_day(today) == first


@pytest.mark.parametrize(
    ("days", "field"),
    [
        (-3, "not_due"),
        (0, "not_due"),
        (1, "to_30"),
        (30, "to_30"),
        (31, "to_60"),
        (60, "to_60"),
        (61, "to_90"),
        (90, "to_90"),
        (91, "over_90"),
    ],
)
def test_age_of_unpaid_amounts(days: int, field: str) -> None:
    """An amount is overdue from the day after its due day, and ages at 30, 60 and 90 days."""
    assert age_field(days) == field


def test_unpaid_amounts_are_kept_apart_by_currency() -> None:
    """Ages are per invoice currency; only the sum is converted, with e-conomic's base amount where there is one."""
    result = owed(
        [
            unpaid("2026-05-20", "100"),
            unpaid("2026-04-20", "-40"),
            unpaid("2026-01-01", "10", "EUR", rate="750"),
            unpaid("2026-01-01", "10", "EUR", base="74.61"),
        ],
        TODAY,
    )

    assert result.base == 60 + 75 + Decimal("74.61")
    assert result.by_currency == [
        Due("DKK", not_due=Decimal(100), to_30=Decimal(-40)),
        Due("EUR", over_90=Decimal(20)),
    ]
    assert result.by_currency[0].total == 60


def test_nothing_unpaid_owes_nothing() -> None:
    """A debtor who paid everything has no ages at all."""
    assert owed([], TODAY) == (0, [])
