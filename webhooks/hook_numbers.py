"""
The numbers in an e-conomic webhook, whatever its owner typed.

Parsed by content, never by content type: owners label forms as JSON and the other way round (e-conomic.md §1.1, §1.4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl

from domain.hints import usable

OLD = frozenset({"old", "oldnumber"})
NEW = frozenset({"new", "newnumber"})
NUMBER = frozenset({"number", "invoiceno", "invoicenumber"})
_NAMES = OLD | NEW | NUMBER

_BROKEN_JSON = re.compile(r'"(\w+)"\s*:\s*"?([^",}\s]*)')
_SEPARATORS = re.compile(r"[&,;\s]")


class Numbers(NamedTuple):
    """Usable numbers, or None where nothing was supplied."""

    old: int | None
    new: int | None

    def __bool__(self) -> bool:
        return self.old is not None or self.new is not None


def read_numbers(query: str, body: str) -> Numbers:
    """
    Old and new number of a hook: by name from the query, then the body; bare digits only when nothing is named.

    A single number counts as new. Never raises.
    """
    named = [(name.lower(), value) for name, value in (*_pairs(query), *_body_pairs(body))]
    known = [(name, value) for name, value in named if name in _NAMES]
    if known:
        old, new, number = _first(known, OLD), _first(known, NEW), _first(known, NUMBER)
        return Numbers(old, new) if old is not None or new is not None else Numbers(None, number)
    return _bare(query) or _bare(body.strip().strip('[]"'))


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(name.strip(), value) for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=None)]


def _body_pairs(body: str) -> Iterable[tuple[str, str]]:
    text = body.lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return _pairs(text.strip())
    try:
        return list(_flat(json.loads(text)))
    except (ValueError, RecursionError):
        # An unquoted merge field that was empty leaves `"old":,` behind.
        return _BROKEN_JSON.findall(text)


def _flat(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, dict):
                yield from _flat(inner)
            elif not isinstance(inner, bool):
                yield str(name), str(inner)


def _first(pairs: Iterable[tuple[str, str]], names: frozenset[str]) -> int | None:
    for name, value in pairs:
        if name in names and (number := usable(value)) is not None:
            return number
    return None


def _bare(text: str) -> Numbers:
    if "=" in text:
        text = "&".join(part for part in text.split("&") if "=" not in part)
    tokens = [token.strip('"') for token in _SEPARATORS.split(text.strip())]
    if len(tokens) == 1:
        return Numbers(None, usable(tokens[0]))
    numbers = [usable(token) for token in tokens[:2]]
    return Numbers(*numbers) if len(numbers) == 2 else Numbers(None, None)
