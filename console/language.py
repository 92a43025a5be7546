"""
Danish and English: whose words, numbers and dates a page speaks.

The catalogue is a plain .po file, read once at start, so there is nothing to compile and nothing to forget.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, request
from flask_babel import (  # type: ignore[import-untyped]
    Babel,
    format_date,
    format_decimal,
    format_time,
    format_timedelta,
    get_locale,
)

COOKIE = "language"
LANGUAGES = {"da": "Dansk", "en": "English"}
_LOCALES = {"da": "da", "en": "en_GB"}
_CATALOGUES = Path(__file__).parent / "translations"

ZONE = ZoneInfo("Europe/Copenhagen")
"""Whose midnight "today" ends at: e-conomic's dates are Danish."""

TIME_ZONE = ZONE.key


def configure(app: Flask) -> None:
    """Let templates of this app speak the reader's language."""
    Babel(
        app,
        configure_jinja=False,
        default_locale=_LOCALES["en"],
        default_timezone=TIME_ZONE,
        locale_selector=lambda: _LOCALES[_chosen()],
    )
    app.jinja_env.add_extension("jinja2.ext.i18n")
    install = app.jinja_env.install_gettext_callables  # type: ignore[attr-defined]  # the extension adds it
    install(
        gettext=lambda text: _translations().gettext(text),
        ngettext=lambda one, many, n: _translations().ngettext(one, many, n),
        newstyle=True,
    )
    app.jinja_env.filters.update(day=day, moment=moment, ago=ago, money=money, number=number, month=month)
    app.jinja_env.globals.update(language=language, languages=LANGUAGES)


def gettext(text: str, **values: object) -> str:
    """A message in the reader's language; `%(name)s` is filled in."""
    translated = _translations().gettext(text)
    return translated % values if values else translated


def marked(text: str) -> str:
    """Marks a message for translation where it is written; it is translated where it is shown."""
    return text


def language() -> str:
    """`da` or `en`, for this request."""
    locale = get_locale()
    return str(locale.language) if locale is not None else "en"


def today() -> dt.date:
    return dt.datetime.now(ZONE).date()


def day(value: dt.date | None) -> str:
    return "–" if value is None else str(format_date(value, "medium"))


def month(value: dt.date, width: str = "MMM") -> str:
    """`maj`, or with `MMMM yyyy` the whole of it."""
    return str(format_date(value, width)).rstrip(".")


def moment(value: dt.datetime | None) -> str:
    """Day and time in Danish time; a time of today is told apart by its seconds."""
    if value is None:
        return "–"
    if value.astimezone(ZONE).date() == today():
        return gettext("today at %(time)s", time=format_time(value, "medium"))
    return f"{format_date(value, 'medium')} {format_time(value, 'short')}"


def ago(value: dt.datetime | None) -> str:
    """How long since then, roughly: `3 minutes`."""
    if value is None:
        return "–"
    return str(format_timedelta(max(dt.datetime.now(dt.UTC) - value, dt.timedelta(0))))


def money(value: Decimal | None, currency: str | None = "") -> str:
    """An amount to the hundredth, with its currency; None as currency is one we were not told."""
    if value is None:
        return "–"
    amount = format_decimal(value, "#,##0.00")
    unit = gettext("base currency") if currency is None else currency
    return f"{amount}\N{NO-BREAK SPACE}{unit}" if unit else amount


def number(value: Decimal | int | None) -> str:
    """A quantity or count without needless decimals."""
    return "" if value is None else str(format_decimal(value, "#,##0.######"))


def _chosen() -> str:
    cookie = request.cookies.get(COOKIE, "")
    if cookie in LANGUAGES:
        return cookie
    # By hand: Werkzeug's best_match prefers "da" in "en-US, da;q=0.5", because en-US itself is not offered.
    wanted = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality > 0)
    return next((tag for tag in wanted if tag in LANGUAGES), "en")


def _translations() -> NullTranslations:
    return catalogue(language())


@cache
def catalogue(name: str) -> NullTranslations:
    """A language's messages; English is what the code is written in."""
    path = _CATALOGUES / f"{name}.po"
    if not path.exists():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=name))
    compiled.seek(0)
    loaded: Any = Translations(compiled)
    assert isinstance(loaded, NullTranslations)
    return loaded
