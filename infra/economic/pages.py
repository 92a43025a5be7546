"""
Lists and single records: whole pages decoded at once, record by record only when one of them does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct, field
from msgspec.json import Decoder

from domain.accounting_api import Page, Unreadable
from domain.errors import PermanentError, Unavailable
from domain.hints import usable
from infra.economic.bodies import Misfit, mended, without_nul

PAGE_SIZE = 1_000
"""Records in one answer: the largest page of REST, the fixed one of q2capi (e-conomic.md §§2.7, 3.2)."""

R = TypeVar("R", bound=Struct)
T = TypeVar("T")


@dataclass(frozen=True)
class Shape(Generic[R, T]):
    """One kind of record: where it is listed, the property that is its key, and how it is read (`convert`: Misfit)."""

    path: str
    key: str
    record: type[R]
    convert: Callable[[R], T]

    @cached_property
    def one(self) -> Decoder[R]:
        return Decoder(self.record)

    @cached_property
    def listed(self) -> Decoder[_Listed[R]]:
        return Decoder(_Listed[self.record])  # type: ignore[name-defined]

    @cached_property
    def cursored(self) -> Decoder[_Cursored[R]]:
        return Decoder(_Cursored[self.record])  # type: ignore[name-defined]

    def read(self, body: bytes | Raw) -> T:
        """Read one record, without its unreadable optional parts. Raises Misfit."""
        try:
            record = self.one.decode(body)
        except (ValueError, RecursionError):
            record = _salvage(body, self.record)
        return self.convert(record)


class _Pagination(Struct, rename="camel"):
    next_page: str | None = None
    results_without_filter: Annotated[int, Meta(ge=0)] | None = None


class _Listed(Struct, Generic[R]):
    records: list[R] = field(name="collection")
    pagination: _Pagination | None = None


class _Cursored(Struct, Generic[R]):
    records: list[R] = field(name="items")
    cursor: str | int | None = None


class _ListedApart(Struct):
    records: list[Raw] = field(name="collection")
    pagination: Raw = Raw(b"null")


class _CursoredApart(Struct):
    records: list[Raw] = field(name="items")
    cursor: str | int | None = None


_LISTED_APART = Decoder(_ListedApart)
_CURSORED_APART = Decoder(_CursoredApart)
_PAGINATION = Decoder(_Pagination | None)
_FIELDS = Decoder(dict[str, Raw])
_NUMBER = Decoder(int, strict=False)


def read_list(body: bytes, shape: Shape[R, T]) -> Page[T]:
    """
    Read a REST list. `more` = the page is full or names a next one.

    Raises:
        Unavailable: the body is no list; it is never taken for an empty one.
    """
    try:
        listed = shape.listed.decode(without_nul(body))
        items, pagination = [shape.convert(record) for record in listed.records], listed.pagination
        unreadable: list[Unreadable] = []
    except (ValueError, RecursionError):
        apart = _shaped(_LISTED_APART, body)
        items, unreadable = _one_by_one(apart.records, shape)
        try:
            pagination = _PAGINATION.decode(apart.pagination)
        except (ValueError, RecursionError):
            pagination = None
    more = len(items) + len(unreadable) >= PAGE_SIZE or bool(pagination and pagination.next_page)
    return Page(items, unreadable, pagination.results_without_filter if pagination else None, more)


def read_cursor_list(body: bytes, shape: Shape[R, T]) -> tuple[list[T], list[Unreadable], str | None]:
    """
    Read an OpenAPI cursor list; without a cursor it is the last page (e-conomic.md §3.4).

    Raises:
        Unavailable: the body is no list.
    """
    items: list[T]
    unreadable: list[Unreadable]
    try:
        listed = shape.cursored.decode(without_nul(body))
        items, unreadable, cursor = [shape.convert(record) for record in listed.records], [], listed.cursor
    except (ValueError, RecursionError):
        apart = _shaped(_CURSORED_APART, body)
        items, unreadable = _one_by_one(apart.records, shape)
        cursor = apart.cursor
    return items, unreadable, None if cursor is None or cursor == "" else str(cursor)


def read_one(body: bytes, shape: Shape[R, T], number: int | None) -> T:
    """
    Read the single record `number`; None: whichever it is.

    Raises:
        Unavailable: the body is something else, another number included.
        PermanentError: it is a record, but without a readable number or otherwise unreadable.
    """
    body = mended(body)
    fields = _shaped(_FIELDS, body)
    found = _number(fields, shape.key)
    if found is None and "currency" in fields:  # every debtor and invoice has one, an empty list has none
        raise PermanentError(f"{shape.path}/{number} cannot be read: it has no number")
    if found is None or number not in (None, found):
        raise Unavailable(f"e-conomic answered something else than {shape.path}/{number or ''}".rstrip("/"))
    try:
        return shape.read(body)
    except Misfit as error:
        raise PermanentError(f"{shape.path}/{found} cannot be read: {error}") from None


def _shaped(decoder: Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(mended(body))
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"e-conomic's answer cannot be read: {error}") from None


def _one_by_one(records: list[Raw], shape: Shape[R, T]) -> tuple[list[T], list[Unreadable]]:
    items: list[T] = []
    unreadable: list[Unreadable] = []
    for raw in records:
        try:
            items.append(shape.read(raw))
        except Misfit as error:
            try:
                number = _number(_FIELDS.decode(raw), shape.key)
            except (ValueError, RecursionError):
                number = None
            unreadable.append(Unreadable(number, str(error)))
    return items, unreadable


def _number(fields: dict[str, Raw], key: str) -> int | None:
    try:
        return usable(_NUMBER.decode(fields[key])) if key in fields else None
    except (ValueError, RecursionError):
        return None


@cache
def _decoders(record: type[Struct]) -> list[tuple[msgspec.structs.FieldInfo, Decoder[Any]]]:
    return [(info, Decoder(info.type, strict=False)) for info in msgspec.structs.fields(record)]


def _salvage(body: bytes | Raw, record: type[R]) -> R:
    """Read a record field by field: numbers may be quoted, and an optional field that does not fit is left out."""
    try:
        fields = _FIELDS.decode(body)
    except (ValueError, RecursionError) as error:
        raise Misfit(str(error)) from None
    values: dict[str, Any] = {}
    for info, decoder in _decoders(record):
        if info.encode_name in fields:
            try:
                values[info.name] = decoder.decode(fields[info.encode_name])
            except (ValueError, RecursionError) as error:
                if info.required:
                    raise Misfit(f"{info.encode_name}: {error}") from None
        elif info.required:
            raise Misfit(f"{info.encode_name} is missing")
    return record(**values)
