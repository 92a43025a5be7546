"""A page of a REST collection: filter, sort, skip, and the links around it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sandbox.errors import bad_filter, rest_error
from sandbox.filters import (
    EVERYWHERE,
    FilterError,
    Reach,
    Schema,
    compile_filter,
    parse_filter,
    parse_sort,
    reach,
    sort_records,
)
from sandbox.http import REST_HOST, Answer, Refused, Request, encode

MAX_PAGE = 1000
DEFAULT_PAGE = 20


@dataclass(frozen=True, slots=True)
class Collection:
    """
    What a page is made from.

    `records` returns, in key order, at least every record within a reach;
    `total` is how many there are without a filter.
    """

    schema: Schema
    key: str
    records: Callable[[Reach], Sequence[Any]]
    total: int
    render: Callable[[Any], bytes]
    create: str | None = None  # description of the link that creates one


def rest_page(request: Request, collection: Collection) -> Answer:
    """
    Answer `GET` of a collection.

    Raises:
        Refused: 400 for a filter, sort or page size e-conomic would not take.
    """
    size = _whole(request, "pagesize", DEFAULT_PAGE, 1, MAX_PAGE)
    skip = _whole(request, "skippages", 0, 0, 1 << 31)
    found = _matching(request, collection)
    chosen = found[skip * size : (skip + 1) * size]
    last = max(0, -(-len(found) // size) - 1)
    link = _Links(request, size)
    paging: dict[str, Any] = {
        "maxPageSizeAllowed": MAX_PAGE,
        "skipPages": skip,
        "pageSize": size,
        "results": len(found),
        "resultsWithoutFilter": collection.total,
        "firstPage": link.to(0),
    }
    if 0 < skip <= last:
        paging["previousPage"] = link.to(skip - 1)
    if skip < last:
        paging["nextPage"] = link.to(skip + 1)
    paging["lastPage"] = link.to(last)
    tail: dict[str, Any] = {"pagination": paging}
    if collection.create:
        href = link.to(skip)
        tail["metaData"] = {"create": {"description": collection.create, "href": href, "httpMethod": "post"}}
    tail["self"] = link.to(skip)
    items = b",".join(map(collection.render, chosen))
    return Answer(200, b'{"collection":[' + items + b"]," + encode(tail)[1:])


def _matching(request: Request, collection: Collection) -> Sequence[Any]:
    schema, query = collection.schema, request.query
    where = EVERYWHERE
    predicate = None
    if query.get("filter"):
        try:
            node = parse_filter(query["filter"], schema)
            predicate = compile_filter(node, schema)
        except FilterError as error:
            raise bad_filter(str(error), [name for name, prop in schema.items() if prop.filterable]) from None
        where = reach(node, collection.key)
    records = collection.records(where)
    if predicate:
        records = list(filter(predicate, records))
    if not query.get("sort"):
        return records
    try:
        orders = parse_sort(query["sort"], schema)
    except FilterError as error:
        raise Refused(
            rest_error(
                400,
                "Could not parse query string sort parameter.",
                "Sorting on collections can be done using the querystring parameter 'sort'.",
                errors=[str(error)],
                allowedSortingFields=[name for name, prop in schema.items() if prop.sortable],
            )
        ) from None
    if orders[0].name == collection.key:  # already in that order, and the key leaves no ties
        return records[::-1] if orders[0].descending else records
    return sort_records(records, orders)


def _whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if text.isdecimal() and low <= int(text) <= high:
        return int(text)
    message = f"The value '{text}' of '{name}' must be between {low} and {high}."
    raise Refused(rest_error(400, message, "Use a smaller page.", "E04810"))


class _Links:
    """The request's own parameters in their order, lower-case escapes, skippages and pagesize last."""

    def __init__(self, request: Request, size: int) -> None:
        kept = [(name, value) for name, value in request.pairs if name.lower() not in ("skippages", "pagesize")]
        own = "".join(f"{_escaped(name)}={_escaped(value)}&" for name, value in kept)
        self._start = f"{REST_HOST}{request.path}?{own}skippages="
        self._end = f"&pagesize={size}"

    def to(self, page: int) -> str:
        """The address of a page."""
        return f"{self._start}{page}{self._end}"


def _escaped(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), quote(text, safe=""))
