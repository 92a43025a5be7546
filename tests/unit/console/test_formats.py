"""Numbers, money and times as the reader writes them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import pytest
from flask import Flask

from console import language


@pytest.fixture
def app() -> Flask:
    app = Flask("test")
    language.configure(app)
    return app


@pytest.fixture
def danish(app: Flask) -> Iterator[None]:
    with app.test_request_context(headers={"Accept-Language": "da"}):
        yield


@pytest.fixture
def english(app: Flask) -> Iterator[None]:
    with app.test_request_context(headers={"Accept-Language": "en"}):
        yield


@pytest.mark.usefixtures("danish")
def test_danish_money() -> None:
    """Danish amounts have a comma, thousands a point, and their currency on the same line."""
    assert language.money(Decimal("-1234567.5"), "DKK") == "-1.234.567,50\N{NO-BREAK SPACE}DKK"


@pytest.mark.usefixtures("english")
def test_english_money() -> None:
    """English amounts have it the other way round."""
    assert language.money(Decimal("1234567.5"), "EUR") == "1,234,567.50\N{NO-BREAK SPACE}EUR"


@pytest.mark.usefixtures("english")
def test_unknown_currency_is_named_as_such() -> None:
    """Before e-conomic told the base currency, an amount does not pretend to have one."""
    assert language.money(Decimal(1), None) == "1.00\N{NO-BREAK SPACE}base currency"
    assert language.money(None, "DKK") == "–"


@pytest.mark.usefixtures("danish")
def test_quantities_have_no_needless_decimals() -> None:
    """Half a kilo is 0,5 and three pieces are 3."""
    assert [language.number(Decimal(text)) for text in ("0.500000", "3", "1234.25")] == ["0,5", "3", "1.234,25"]


@pytest.mark.usefixtures("danish")
def test_danish_dates() -> None:
    """Days and times are Danish in form and in time zone."""
    assert language.day(dt.date(2026, 5, 4)) == "4. maj 2026"
    assert language.moment(dt.datetime(2025, 5, 4, 22, 30, tzinfo=dt.UTC)) == "5. maj 2025 00.30"
    assert language.month(dt.date(2026, 2, 1)) == "feb"


@pytest.mark.usefixtures("english")
def test_english_dates() -> None:
    """English dates name the month, so that 4/5 is no riddle."""
    assert language.day(dt.date(2026, 5, 4)) == "4 May 2026"


@pytest.mark.usefixtures("english")
def test_a_clock_ahead_of_ours_is_no_riddle() -> None:
    """A time some seconds in the future, written by another machine, is not shown as negative."""
    assert language.ago(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)) == "0 seconds"
