"""Hostile answers: whatever arrives, only errors of the domain come out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounting_api import AccountingApi
from domain.errors import DebitorError
from tests.unit.economic.support import agreement, samples

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.decimals() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
bodies = [
    *(body for name in ("self", "debtors", "debtor_pages", "invoices", "line_pages") for body in samples(name)),
    *(body for name in ("errors_rest", "errors_openapi", "invoice_pages") for body in samples(name)),
    msgspec.json.encode({"collection": [msgspec.Raw(body) for body in samples("debtors") + samples("invoices")]}),
]
statuses = st.sampled_from([200, 200, 200, 400, 401, 403, 404, 409, 429, 500, 501]) | st.integers(200, 599)
reads: list[Callable[[AccountingApi], Any]] = [
    lambda api: api.identity(),
    lambda api: api.debtor(4711),
    lambda api: api.debtors([1, 902, 4711]),
    lambda api: api.debtors_after(0),
    lambda api: api.invoice(20417),
    lambda api: api.invoices([31, 20417]),
    lambda api: api.invoices_after(0),
    lambda api: api.unpaid_after(0),
    lambda api: api.lines([20417]),
    lambda api: api.lines_page(None),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A recorded body with a value replaced, removed, or its bytes damaged."""
    body = draw(st.sampled_from(bodies))
    match draw(st.sampled_from(["value", "value", "value", "cut", "byte", "number"])):
        case "cut":
            return body[: draw(st.integers(0, len(body)))]
        case "byte":
            at = draw(st.integers(0, len(body) - 1))
            return body[:at] + draw(st.binary(max_size=3)) + body[at + 1 :]
        case "number":
            found = draw(st.sampled_from(list(re.finditer(rb"(?<=:)[0-9.]+", body)) or [re.match(b"", body)]))
            assert found is not None
            text = draw(st.sampled_from([b"1e999999", b"-0", b"1" * 5000, b'"NaN"', b'"sNaN"', b"1e-999999999", b"0"]))
            return body[: found.start()] + text + body[found.end() :]
    value = msgspec.json.Decoder(float_hook=Decimal).decode(body)
    here = value
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if isinstance(here[key], dict | list) and draw(st.booleans()):
            here = here[key]
            continue
        here[key] = draw(json_values)
        break
    return msgspec.json.encode(value)


def read_all(status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    """Read an answer in every way; raises whatever is not the domain's."""
    api = agreement(lambda request: httpx.Response(status, headers=headers, content=body))
    for read in reads:
        with contextlib.suppress(DebitorError):
            storable(read(api))


def storable(value: Any) -> None:
    """Every text and number of a result fits a database column."""
    if isinstance(value, str):
        assert "\0" not in value
        value.encode()
    elif isinstance(value, Decimal):
        assert abs(value) < 10**12
        assert value.as_tuple().exponent == -6
    elif isinstance(value, int):
        assert abs(value) < 10**18
    elif isinstance(value, list | tuple):
        for inner in value:
            storable(inner)


@settings(max_examples=200, deadline=None)
@given(statuses, mutated())
def test_mutated_bodies(status: int, body: bytes) -> None:
    """A recorded body with anything in it changed is read, or refused in our own words."""
    read_all(status, body)


@settings(max_examples=60, deadline=None)
@given(statuses, json_values.map(msgspec.json.encode) | st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bodies(status: int, body: bytes) -> None:
    """Any JSON, any bytes."""
    read_all(status, body)


@settings(max_examples=60, deadline=None)
@given(
    statuses,
    st.dictionaries(
        st.sampled_from(["x-ratelimiting", "x-callcost", "retry-after", "date", "content-type", "location"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    ),
)
def test_any_headers(status: int, headers: dict[str, str]) -> None:
    """Any header values."""
    read_all(status, b'{"collection":[],"items":[]}', headers)


def test_bottomless_bodies() -> None:
    """Nesting without end is refused, not followed."""
    for body in (
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"collection":[{"email":' + b"[" * 90_000 + b"]" * 90_000 + b"}]}",
    ):
        for status in (200, 400, 404):
            read_all(status, body)
