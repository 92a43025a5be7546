"""
The numbers in an e-conomic webhook, whatever its owner typed.

Parsed by content, never by content type: owners label forms as JSON and the other way round (e-conomic.md §1.1, §1.4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from domain.hints import usable

OLD = frozenset({"old", "oldnumber"})
NEW = frozenset({"new", "newnumber"})
NUMBER = frozenset({"number", "invoiceno", "invoicenumber"})
_NAMES = OLD | NEW | NUMBER

_AROUND = "\ufeff\0 \t\r\n"
_MULTIPART = re.compile(r'name="(\w+)"[^\r\n]*\r?\n\r?\n([^\r\n]*)')
_BROKEN_JSON = re.compile(r'"(\w+)"\s*:\s*"?([^",}\s]*)(?=["},\s])')
_SEPARATOR = re.compile(r"\s*[&,;]\s*|\s+")
_BARE = re.compile(r'["\']?(\d*|\[[A-Za-z]+\])["\']?', re.ASCII)  # digits, nothing, or an unreplaced merge field
_LONGEST_BARE = 200


class Numbers(NamedTuple):
    """Usable numbers, or None where nothing was supplied."""

    old: int | None
    new: int | None

    def __bool__(self) -> bool:
        return self.old is not None or self.new is not None


NOTHING = Numbers(None, None)


def read_numbers(query: str, body: str) -> Numbers:
    """
    Old and new number of a hook: by name from the query, then the body; bare digits only when nothing is named.

    A single number counts as new. Never raises.
    """
    body = body.strip(_AROUND)
    named = [(name.strip().lower(), value) for name, value in (*_pairs(query), *_body_pairs(body))]
    known = [(name, value) for name, value in named if name in _NAMES]
    if known:
        old, new, number = _first(known, OLD), _first(known, NEW), _first(known, NUMBER)
        return Numbers(old, new) if old is not None or new is not None else Numbers(None, number)
    return _bare(query) or _bare(body[1:-1] if body.startswith("[") and body.endswith("]") else body)


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)


def _body_pairs(body: str) -> Iterable[tuple[str, str]]:
    if body.startswith("--") and (parts := _MULTIPART.findall(body)):
        return parts
    if not body.startswith(("{", "[")):
        return _pairs(body.strip('"'))
    try:
        return list(_flat(json.loads(body)))
    except (ValueError, RecursionError):
        # An unquoted merge field that was empty leaves `"old":,` behind.
        return _BROKEN_JSON.findall(body)


def _flat(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for inner in value:
            yield from _flat(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, dict | list):
                yield from _flat(inner)
            elif not isinstance(inner, bool):
                yield str(name), str(inner)


def _first(pairs: Iterable[tuple[str, str]], names: frozenset[str]) -> int | None:
    for name, value in pairs:
        if name in names and (number := usable(value)) is not None:
            return number
    return None


def _bare(text: str) -> Numbers:
    """`4711&4811`: old and new. Named values do not belong to it; beside anything else digits mean nothing."""
    text = "&".join(part for part in text.split("&") if "=" not in part) if "=" in text else text
    if len(text) > _LONGEST_BARE:
        return NOTHING
    tokens = [_BARE.fullmatch(unquote(token)) for token in _SEPARATOR.split(text.strip(_AROUND))]
    numbers = [usable(token[1]) for token in tokens if token]
    if len(numbers) < len(tokens):
        return NOTHING
    return Numbers(None, numbers[0]) if len(numbers) == 1 else Numbers(numbers[0], numbers[1])
