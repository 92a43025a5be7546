"""
The figures of a debtor, worked out of sums per day: exact, in base currency unless a currency is named.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from infra.database.views_invoices import DaySales, OpenAmount

MONTHS = 12
ZERO = Decimal(0)


class Month(NamedTuple):
    """Net sales of the month that starts on `first`; of the current month, up to today."""

    first: dt.date
    net: Decimal


class Sales(NamedTuple):
    """Net sales in base currency; `months` ends with the current one."""

    months: list[Month]
    year_to_date: Decimal
    last_year_to_date: Decimal
    last_year: Decimal


class Due(NamedTuple):
    """What is unpaid in one currency, by days over the due date."""

    currency: str
    not_due: Decimal = ZERO
    to_30: Decimal = ZERO
    to_60: Decimal = ZERO
    to_90: Decimal = ZERO
    over_90: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return sum(self[1:], ZERO)


class Owed(NamedTuple):
    """Everything unpaid: in base currency together, and per invoice currency by age, sorted by currency."""

    base: Decimal
    by_currency: list[Due]


def first_day(today: dt.date) -> dt.date:
    """The first day any of the sales figures looks at."""
    return min(dt.date(today.year - 1, 1, 1), _months(today)[0])


def sales(days: Iterable[DaySales], today: dt.date) -> Sales:
    """Sum up days from `first_day` to today."""
    months = dict.fromkeys(_months(today), ZERO)
    this_year = last_year = last_year_to_date = ZERO
    same_day = _year_before(today)
    for day in days:
        net = in_base(day.net, day.rate)
        first = day.date.replace(day=1)
        if first in months:
            months[first] += net
        if day.date.year == today.year:
            this_year += net
        elif day.date.year == today.year - 1:
            last_year += net
            if day.date <= same_day:
                last_year_to_date += net
    return Sales([Month(*item) for item in months.items()], this_year, last_year_to_date, last_year)


def owed(amounts: Iterable[OpenAmount], today: dt.date) -> Owed:
    """Sort what is unpaid by age; a credit note lowers the age it falls in."""
    base = ZERO
    ages: dict[str, Due] = {}
    for amount in amounts:
        base += in_base(amount.amount, amount.rate) if amount.base is None else amount.base
        due, age = ages.get(amount.currency, Due(amount.currency)), age_field((today - amount.due).days)
        ages[amount.currency] = due._replace(**{age: getattr(due, age) + amount.amount})
    return Owed(base, [ages[currency] for currency in sorted(ages)])


def age_field(days_over: int) -> str:
    """Which of Due's fields an amount belongs to; on its due day it is not overdue yet."""
    if days_over <= 0:
        return "not_due"
    if days_over <= 30:
        return "to_30"
    if days_over <= 60:
        return "to_60"
    return "to_90" if days_over <= 90 else "over_90"


def in_base(amount: Decimal, rate: Decimal | None) -> Decimal:
    """Base currency, where 100 units cost `rate`; without a rate the amount is base currency already."""
    return amount if rate is None else amount * rate / 100


def _months(today: dt.date) -> list[dt.date]:
    count = today.year * 12 + today.month - 1
    return [dt.date(month // 12, month % 12 + 1, 1) for month in range(count - MONTHS + 1, count + 1)]


def _year_before(day: dt.date) -> dt.date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # 29 February
        return day.replace(year=day.year - 1, day=28)
