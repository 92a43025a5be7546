"""`/q2capi/v5.3.0/invoices/booked/lines`: lines of booked invoices in bulk."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from sandbox.agreement import Agreement
from sandbox.errors import bad_request_problem, problem_not_found
from sandbox.filters import (
    FilterError,
    Kind,
    Predicate,
    Property,
    Reach,
    compile_filter,
    names_used,
    parse_filter,
    parse_sort,
    reach,
    sort_records,
)
from sandbox.http import Answer, Request, as_json, encode
from sandbox.records import Invoice, Line

PREFIX = ["q2capi", "v5.3.0", "invoices", "booked"]
PAGE = 1000
MAX_PAGED = 100

Row = tuple[Invoice, Line]


def line_id(invoice: Invoice, line: Line) -> int:
    """
    The line identifier of this service.

    It is no display number: on every seventh invoice it differs from REST's
    `lineNumber`, so that nobody takes the two for the same.
    """
    return line.number if invoice.number % 7 else line.number + 1000


_OPERATORS = frozenset(("eq", "ne", "lt", "lte", "gt", "gte", "in", "nin"))


def _property(kind: Kind, get: Any, sortable: bool = False) -> Property:
    return Property(kind, get, sortable=sortable, operators=_OPERATORS)


SCHEMA = {
    "documentId": _property(Kind.NUMBER, lambda row: row[0].number, sortable=True),
    "number": _property(Kind.NUMBER, lambda row: line_id(*row), sortable=True),
    "userInterfaceNumber": _property(Kind.NUMBER, lambda row: row[1].sort_key, sortable=True),
    "productNumber": _property(Kind.TEXT, lambda row: row[1].product),
    "discountPercentage": _property(Kind.NUMBER, lambda row: row[1].discount),
    "departmentNumber": _property(Kind.NUMBER, lambda row: None),
    "bookedAccount": _property(Kind.NUMBER, lambda row: 1010),
    "projectCloseAccount": _property(Kind.NUMBER, lambda row: None),
}


def route(request: Request, agreement: Agreement, parts: list[str]) -> Answer:
    """
    Answer a path below `/q2capi/v5.3.0/invoices/booked`.

    Raises:
        Refused: 400 and 404 as problem+json.
    """
    match parts:
        case ["lines"]:
            return _cursor_page(request, agreement)
        case ["lines", "paged"]:
            return _paged(request, agreement)
        case ["lines", "count"]:
            return as_json(_Selection(request, agreement).count())
        case [document, "lines"]:
            return as_json([_shown(*row) for row in _rows_of(agreement, document)])
        case [document, "lines", number]:
            for row in _rows_of(agreement, document):
                if str(line_id(*row)) == number:
                    return as_json(_shown(*row))
    raise problem_not_found()


def _rows_of(agreement: Agreement, document: str) -> list[Row]:
    """Of an unknown document: none."""
    invoice = agreement.invoices.get(int(document)) if document.isdecimal() else None
    if invoice is None or not invoice.in_line_service:
        return []
    return [(invoice, line) for line in invoice.lines() if _included(agreement, line)]


def _included(agreement: Agreement, line: Line) -> bool:
    return line.quantity is not None or agreement.conventions.text_lines_in_line_service


class _Selection:
    """The lines a request's filter asks for."""

    def __init__(self, request: Request, agreement: Agreement) -> None:
        self._agreement = agreement
        self._where = Reach()
        self._row_test: Predicate | None = None
        self._document_test: Predicate | None = None  # when the filter looks at nothing but documents
        text = request.query.get("filter")
        if not text:
            return
        try:
            node = parse_filter(text, SCHEMA)
            test = compile_filter(node, SCHEMA)
        except FilterError as error:
            raise bad_request_problem(str(error), "BadFilterRequest") from None
        self._where = reach(node, "documentId")
        if names_used(node) == {"documentId"}:
            self._document_test = lambda invoice: test((invoice, None))
        else:
            self._row_test = test

    def _invoices(self, start: int) -> Iterator[Invoice]:
        table, where = self._agreement.invoices, self._where
        if where.keys is not None:
            found: Iterator[Invoice] = (i for i in table.within(where) if i.number >= start)
        else:
            low = start if where.low == float("-inf") else max(start, int(where.low))
            found = table.since(low)
        for invoice in found:
            if invoice.number > where.high:
                return
            if invoice.in_line_service and (self._document_test is None or self._document_test(invoice)):
                yield invoice

    def rows(self, start: int = 0) -> Iterator[Row]:
        """From this document on; within a document by the line's identifier."""
        keep_text = self._agreement.conventions.text_lines_in_line_service
        for invoice in self._invoices(start):
            for line in invoice.lines():
                row = (invoice, line)
                if (keep_text or line.quantity is not None) and (self._row_test is None or self._row_test(row)):
                    yield row

    def count(self) -> int:
        """How many lines."""
        if self._row_test is None and self._agreement.conventions.text_lines_in_line_service:
            return sum(invoice.line_count() for invoice in self._invoices(0))
        return sum(1 for _ in self.rows())


def _cursor_page(request: Request, agreement: Agreement) -> Answer:
    """1,000 lines and where to go on; no cursor means the end. `sort` is ignored, as by the real one."""
    document, number = _read_cursor(request.query.get("cursor", ""))
    rows = _Selection(request, agreement).rows(document)
    page = []
    for row in rows:
        if row[0].number == document and line_id(*row) < number:
            continue
        page.append(row)
        if len(page) > PAGE:
            break
    items = b",".join([encode(_shown(*row)) for row in page[:PAGE]])
    if len(page) <= PAGE:
        return Answer(200, b'{"items":[' + items + b"]}")
    following = page[PAGE]
    cursor = b"%d.%d" % (following[0].number, line_id(*following))
    return Answer(200, b'{"cursor":"' + cursor + b'","items":[' + items + b"]}")


def _read_cursor(cursor: str) -> tuple[int, int]:
    if not cursor:
        return 0, 0
    document, _, number = cursor.partition(".")
    if not (document.isdecimal() and number.isdecimal()):
        raise bad_request_problem("The cursor is not valid.", "BadCursor", "cursor")
    return int(document), int(number)


def _paged(request: Request, agreement: Agreement) -> Answer:
    """A bare array: at most 100 pages of at most 100."""
    size = _bounded(request, "pagesize", 20, 1, MAX_PAGED)
    skip = _bounded(request, "skippages", 0, 0, 100)
    rows: Iterator[Row] = _Selection(request, agreement).rows()
    if request.query.get("sort"):
        try:
            rows = iter(sort_records(list(rows), parse_sort(request.query["sort"], SCHEMA)))
        except FilterError as error:
            raise bad_request_problem(str(error), "BadSortRequest") from None
    return as_json([_shown(*row) for row in islice(rows, skip * size, (skip + 1) * size)])


def _bounded(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if text.isdecimal() and low <= int(text) <= high:
        return int(text)
    raise bad_request_problem(f"'{name}' must be between {low} and {high}.", "BadPagingRequest", name)


_ZERO = Decimal("0.00")


def _shown(invoice: Invoice, line: Line) -> dict[str, Any]:
    text = line.quantity is None
    return {
        "documentId": invoice.number,
        "number": line_id(invoice, line),
        "userInterfaceNumber": line.sort_key,
        "productNumber": line.product,
        "description": line.description,
        "quantity": line.quantity,
        "unitNumber": line.unit,
        "unitNetPrice": None if text else line.unit_price,
        "unitCostPrice": None if text else line.cost,
        "discountPercentage": None if text else line.discount,
        "recommendedPrice": None if text else line.unit_price,
        "departmentNumber": None,
        "quantity2": None,
        "unit2Number": None,
        "bookedAccount": None if text else 1010,
        "projectCloseAccount": None,
        "accrue": False,
        "accrueStartDate": None,
        "accrueEndDate": None,
        "vatRate": None if text else line.vat_rate,
        "vatAmount": None if text else line.vat,
        "totalNetAmount": _ZERO if text else line.net,
    }
