"""
The filter and sort grammar both hosts share.

    filter := clause (("$and:" | "$or:") clause)*     clause := property op value | "(" filter ")"

Properties are described by a schema; a filter is parsed into a tree, checked
against it and compiled into one predicate. Mixed `$and:`/`$or:` without
parentheses is read from left to right: e-conomic does not state a precedence.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

MAX_IN = 200
NULL = object()

_CLAUSE = re.compile(r"([A-Za-z][A-Za-z0-9_.]*)\$(eq|ne|gte|gt|lte|lt|like|in|nin):")
_JOINER = re.compile(r"\$(and|or):")
_ESCAPED = re.compile(r"\$([$()*,])")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


class Kind(Enum):
    """What a property holds, which decides how a value is read and compared."""

    NUMBER = "number"
    TEXT = "text"
    DATE = "date"  # a record holds the ordinal of the day
    MOMENT = "moment"  # a record holds seconds since 1970
    FLAG = "flag"


ALL_OPERATORS = frozenset(("eq", "ne", "gt", "gte", "lt", "lte", "like", "in", "nin"))


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a collection: how to read it from a record, and what may be done with it."""

    kind: Kind
    get: Callable[[Any], Any]
    filterable: bool = True
    sortable: bool = True
    operators: frozenset[str] = ALL_OPERATORS


Schema = Mapping[str, Property]


class FilterError(ValueError):
    """The filter or sort cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`property op value`, the value typed by the property."""

    name: str
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by `and` or `or`."""

    joiner: str
    parts: tuple["Node", ...]


Node = Condition | Group
Predicate = Callable[[Any], bool]


def parse_filter(text: str, schema: Schema) -> Node:
    """
    Read a filter and check it against what the collection allows.

    Raises:
        FilterError: bad syntax, a property or operator that is not allowed, over 200 values.
    """
    parser = _Parser(text, schema)
    node = parser.expression()
    if parser.position != len(text):
        raise FilterError(f"Unexpected input at position {parser.position}.")
    return node


class _Parser:
    def __init__(self, text: str, schema: Schema) -> None:
        self.text, self.schema, self.position = text, schema, 0

    def expression(self) -> Node:
        node = self.clause()
        while joiner := _JOINER.match(self.text, self.position):
            self.position = joiner.end()
            right = self.clause()
            if isinstance(node, Group) and node.joiner == joiner[1]:
                node = Group(node.joiner, (*node.parts, right))
            else:
                node = Group(joiner[1], (node, right))
        return node

    def clause(self) -> Node:
        if self.text.startswith("(", self.position):
            self.position += 1
            node = self.expression()
            if not self.text.startswith(")", self.position):
                raise FilterError("Missing closing parenthesis.")
            self.position += 1
            return node
        match = _CLAUSE.match(self.text, self.position)
        if not match:
            raise FilterError(f"Expected a property and an operator at position {self.position}.")
        self.position = match.end()
        name, op = match[1], match[2]
        prop = self.schema.get(name)
        if prop is None or not prop.filterable:
            raise FilterError(f"Filtering is not allowed on property '{name}'.")
        if op not in prop.operators:
            raise FilterError(f"Operator ${op}: not supported on property {name}")
        return Condition(name, op, _typed(prop.kind, op, self.value(), name))

    def value(self) -> str:
        """The raw value, escapes still in: up to a joiner or an unescaped closing parenthesis."""
        start = at = self.position
        while at < len(self.text):
            char = self.text[at]
            if char == ")" or (char == "$" and _JOINER.match(self.text, at)):
                break
            at += 2 if char == "$" else 1
        self.position = min(at, len(self.text))
        return self.text[start : self.position]


def _typed(kind: Kind, op: str, raw: str, name: str) -> Any:
    if op in ("in", "nin"):
        if not (raw.startswith("[") and raw.endswith("]")):
            raise FilterError(f"The ${op}: operator needs its values in brackets.")
        values = re.split(r"(?<!\$),", raw[1:-1]) if raw != "[]" else []
        if len(values) > MAX_IN:
            raise FilterError(f"The ${op}: operator takes at most {MAX_IN} values.")
        return frozenset(_scalar(kind, value, name) for value in values)
    if op == "like":
        if kind is not Kind.TEXT:
            raise FilterError(f"Operator $like: not supported on property {name}")
        return _like(raw)
    return _scalar(kind, raw, name)


def _scalar(kind: Kind, raw: str, name: str) -> Any:
    if raw == "$null:":
        return NULL
    text = _ESCAPED.sub(r"\1", raw)
    try:
        if kind is Kind.NUMBER:
            return Decimal(text) if "." in text else int(text)
        if kind is Kind.DATE:
            return date.fromisoformat(text[:10]).toordinal()
        if kind is Kind.MOMENT:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if kind is Kind.FLAG:
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError, InvalidOperation):
        raise FilterError(f"'{text}' is not a valid value for property '{name}'.") from None
    return text.lower()


def _like(raw: str) -> re.Pattern[str]:
    """`*` is the wildcard, none means contains; `[` opens a character class."""
    pattern, wildcard = "", False
    for token in re.findall(r"\$[$()*,]|\*|\[[^\]]*\]|.", raw, re.DOTALL):
        if token == "*":  # noqa: S105
            pattern, wildcard = pattern + ".*", True
        elif len(token) > 2 and token[0] == "[":
            pattern += "[" + re.escape(token[1:-1]) + "]"
        else:
            pattern += re.escape(token[-1])
    return re.compile(pattern if wildcard else f".*{pattern}.*", re.IGNORECASE | re.DOTALL)


def compile_filter(node: Node, schema: Schema) -> Predicate:
    """One function from a record to whether it matches."""
    if isinstance(node, Condition):
        return _compile_condition(node, schema[node.name])
    if node.joiner == "or" and (values := _same_property_values(node)):
        return _compile_condition(Condition(node.parts[0].name, "in", values), schema[node.parts[0].name], exact=True)  # type: ignore[union-attr]
    parts = [compile_filter(part, schema) for part in node.parts]
    if node.joiner == "and":
        return lambda record: all(part(record) for part in parts)
    return lambda record: any(part(record) for part in parts)


def _same_property_values(node: Group) -> frozenset[Any] | None:
    """`a$eq:1$or:a$eq:2…` is one look-up in a set."""
    first = node.parts[0]
    if not isinstance(first, Condition):
        return None
    values = set()
    for part in node.parts:
        if not isinstance(part, Condition) or part.op != "eq" or part.name != first.name or part.value is NULL:
            return None
        values.add(part.value)
    return frozenset(values)


def _compile_condition(condition: Condition, prop: Property, *, exact: bool = False) -> Predicate:
    get, value, op = prop.get, condition.value, condition.op
    text = prop.kind is Kind.TEXT
    if value is NULL:
        absent = op == "eq"
        return lambda record: (get(record) in (None, "")) is absent
    if op in ("in", "nin"):
        if text and not exact:  # observed: 200, and nothing matches
            return lambda record: op == "nin"
        wanted = op == "in"
        if text:
            return lambda record: ((get(record) or "").lower() in value) is wanted
        return lambda record: (get(record) in value) is wanted
    if op == "like":
        return lambda record: value.fullmatch(get(record) or "") is not None
    if op in ("eq", "ne"):
        equal = op == "eq"
        if text:
            return lambda record: ((get(record) or "").lower() == value) is equal
        return lambda record: (get(record) == value) is equal
    compare = _COMPARE[op]
    if text:
        return lambda record: (found := get(record)) is not None and compare(found.lower(), value)
    if prop.kind is Kind.FLAG:
        raise FilterError(f"Operator ${op}: not supported on property {condition.name}")
    return lambda record: (found := get(record)) is not None and compare(found, value)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where in the key order a filter can match at all: some keys, or an open interval's inside."""

    keys: frozenset[int] | None = None
    low: float = float("-inf")
    high: float = float("inf")


EVERYWHERE = Reach()


def reach(node: Node, key: str) -> Reach:
    """Which keys could match, so that a look-up by key does not walk the whole collection."""
    if isinstance(node, Condition):
        if node.name != key or node.value is NULL:
            return EVERYWHERE
        match node.op:
            case "eq":
                return Reach(frozenset((node.value,)))
            case "in":
                return Reach(node.value)
            case "gt" | "gte":
                return Reach(low=node.value)
            case "lt" | "lte":
                return Reach(high=node.value)
        return EVERYWHERE
    parts = [reach(part, key) for part in node.parts]
    if node.joiner == "and":
        known = [part.keys for part in parts if part.keys is not None]
        if known:
            return Reach(frozenset.intersection(*known))
        return Reach(low=max(part.low for part in parts), high=min(part.high for part in parts))
    if all(part.keys is not None for part in parts):
        return Reach(frozenset().union(*(part.keys or () for part in parts)))
    return EVERYWHERE


def names_used(node: Node) -> set[str]:
    """The properties a filter looks at."""
    if isinstance(node, Condition):
        return {node.name}
    return set().union(*(names_used(part) for part in node.parts))


@dataclass(frozen=True, slots=True)
class Order:
    """One key of a sort."""

    name: str
    descending: bool
    key: Callable[[Any], Any]


def parse_sort(text: str, schema: Schema) -> list[Order]:
    """
    `-date,customerNumber`; a leading `~` sorts numbers alphabetically.

    Raises:
        FilterError: the property cannot be sorted by.
    """
    return list(_orders(text, schema))


def _orders(text: str, schema: Schema) -> Iterator[Order]:
    for part in text.split(","):
        name = part.lstrip("+-~")
        marks = part[: len(part) - len(name)]
        prop = schema.get(name)
        if prop is None or not prop.sortable:
            raise FilterError(f"Sorting is not allowed on property '{name}'.")
        get = prop.get
        if "~" in marks:
            key = _alphabetical(get)
        elif prop.kind is Kind.TEXT:
            key = _text_key(get)
        else:
            key = _plain_key(get)
        yield Order(name if "~" not in marks else "", "-" in marks, key)


def _alphabetical(get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda record: str(get(record))


def _text_key(get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda record: (get(record) or "").lower()


def _plain_key(get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda record: ((found := get(record)) is not None, found if found is not None else 0)


def sort_records(records: Sequence[Any], orders: Sequence[Order]) -> list[Any]:
    """Sorted by several keys, the first one strongest; records arrive in key order, which breaks ties."""
    result = list(records)
    for order in reversed(orders):
        result.sort(key=order.key, reverse=order.descending)
    return result
