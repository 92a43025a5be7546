"""
The addresses of lists: walked by key, filtered by numbers, or page by page.

`$ : ,` may stand in a query as they are (RFC 3986 §3.4); brackets may not and are encoded (e-conomic.md §2.8).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from infra.economic.pages import PAGE_SIZE

MAX_NUMBERS = 200
"""Values `$in:` takes (e-conomic.md §2.8)."""

NAMESAKES = 400
"""Records of a name or CVR number that are looked at: a call costs more the longer its page may be."""

MAX_URL = 1_999
"""Servers commonly stop at 2,048 (e-conomic.md §8)."""

_CURSOR_ROOM = len("&cursor=") + 50


def walk(base: str, path: str, key: str, after: int, since: dt.date | None = None) -> str:
    """The page of records above `after`; since a time, those changed then or later, since a date, those dated so."""
    dated = ""
    if isinstance(since, dt.datetime):
        dated = f"$and:lastUpdated$gte:{since.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    elif since:
        dated = f"$and:date$gte:{since.isoformat()}"
    return _sorted(base, path, key, f"{key}$gt:{after}{dated}")


def among(base: str, path: str, key: str, numbers: Iterable[int]) -> str:
    """The page of the records with these numbers."""
    return _sorted(base, path, key, _any_of(key, numbers))


def containing(base: str, path: str, key: str, texts: Iterable[tuple[str, str]]) -> str:
    """The page of the records of which one of these properties contains its text; a long text is shortened to fit."""
    wanted = [(name, text) for name, text in texts if text]
    while True:
        criterion = "$or:".join(f"{name}$like:{_escaped(text)}" for name, text in wanted)
        url = _sorted(base, path, key, criterion, NAMESAKES)
        if len(url) <= MAX_URL:
            return url
        longest = max(len(text) for _, text in wanted)
        wanted = [(name, text[:-1] if len(text) == longest else text) for name, text in wanted]


def page(base: str, path: str, number: int, *, sort: str | None) -> str:
    """Page 0, 1, 2 … of a list whose keys may be texts, which nobody promises can be walked (e-conomic.md §2.7)."""
    order = f"&sort={sort}" if sort else ""
    return f"{base}/{path}?skippages={number}{order}&pagesize={PAGE_SIZE}"


def lines_among(base: str, path: str, key: str, numbers: Iterable[int], cursor: str | None) -> str:
    """The cursor list of these invoices' lines."""
    return _cursored(base, path, _any_of(key, numbers), cursor)


def lines_after(base: str, path: str, key: str, after: int, cursor: str | None) -> str:
    """The cursor list of the lines of invoices above `after`."""
    return _cursored(base, path, f"{key}$gt:{after}" if after > 0 else "", cursor)


def fitting(numbers: Sequence[int], urls: Iterable[str]) -> int:
    """How many of the first numbers fit into each of the URLs, which hold none yet; at least one."""
    room = MAX_URL - _CURSOR_ROOM - max(map(len, urls)) + 1  # the first number needs no comma
    for count, number in enumerate(numbers[:MAX_NUMBERS]):
        room -= len(str(number)) + 1
        if room < 0:
            return max(count, 1)
    return min(len(numbers), MAX_NUMBERS)


def _escaped(text: str) -> str:
    """A text for `$like:`, where a bracket opens a class of characters (e-conomic.md §2.8)."""
    return re.sub(r"[$()*,]", r"$\g<0>", text).replace("[", "[[]")


def _any_of(key: str, numbers: Iterable[int]) -> str:
    return f"{key}$in:[{','.join(map(str, numbers))}]"


def _sorted(base: str, path: str, key: str, criterion: str, size: int = PAGE_SIZE) -> str:
    return f"{base}/{path}?filter={_literal(criterion)}&sort={key}&pagesize={size}"


def _cursored(base: str, path: str, criterion: str, cursor: str | None) -> str:
    query = [f"filter={_literal(criterion)}"] if criterion else []
    if cursor is not None:
        query.append(f"cursor={quote(cursor, safe='')}")
    return f"{base}/{path}" + ("?" + "&".join(query) if query else "")


def _literal(criterion: str) -> str:
    return quote(criterion, safe="$:,")
