"""
Invoice lines, as REST gives them with a single invoice and q2capi in bulk.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Raw
from msgspec.json import Decoder

from domain.errors import PermanentError
from domain.invoices import Line
from infra.economic.bodies import Misfit, mended
from infra.economic.pages import Shape
from infra.economic.wire import Key, Number, UnitRef, Wire, amount, referred


class ProductRef(Wire):
    product_number: str | None = None  # never taken from the link: it is specially encoded there (§5.18)


class RestLineRecord(Wire):
    """A line of a single REST invoice; a text line has a description only (e-conomic.md §2.6)."""

    line_number: Key | None = None
    sort_key: Key | None = None
    product: ProductRef | None = None
    description: str | None = None
    quantity: Decimal | None = None
    unit: UnitRef | None = None
    unit_net_price: Decimal | None = None
    unit_cost_price: Decimal | None = None
    discount_percentage: Decimal | None = None
    vat_rate: Decimal | None = None
    vat_amount: Decimal | None = None
    total_net_amount: Decimal | None = None


class BulkLineRecord(Wire):
    """A line of q2capi; what is missing comes as null (e-conomic.md §3.2)."""

    document_id: Number
    number: Key
    user_interface_number: Key | None = None
    product_number: str | None = None
    description: str | None = None
    quantity: Decimal | None = None
    unit_number: Key | None = None
    unit_net_price: Decimal | None = None
    unit_cost_price: Decimal | None = None
    discount_percentage: Decimal | None = None
    vat_rate: Decimal | None = None
    vat_amount: Decimal | None = None
    total_net_amount: Decimal | None = None


def bulk_line(record: BulkLineRecord) -> Line:
    """A text line has zeros or nulls here and nothing at all in REST: it becomes the same line from either."""
    r = record
    position = r.number if r.user_interface_number is None else r.user_interface_number
    if not (r.product_number or r.quantity or r.unit_net_price or r.total_net_amount):
        return Line(r.document_id, r.number, position, description=r.description)
    return Line(
        r.document_id, r.number, position, r.product_number, r.description, amount(r.quantity), r.unit_number,
        amount(r.unit_net_price), amount(r.unit_cost_price), amount(r.discount_percentage), amount(r.vat_rate),
        amount(r.vat_amount), amount(r.total_net_amount),
    )  # fmt: skip


def rest_line(record: RestLineRecord) -> Line:
    """Without the invoice's number; number and position are 0 where e-conomic gave none."""
    r = record
    number = r.line_number or r.sort_key or 0
    product = r.product.product_number if r.product else None
    if not (product or r.quantity or r.unit_net_price or r.total_net_amount):
        return Line(0, number, r.sort_key or number, description=r.description)
    return Line(
        0, number, r.sort_key or number, product, r.description,
        amount(r.quantity), referred(r.unit), amount(r.unit_net_price), amount(r.unit_cost_price),
        amount(r.discount_percentage), amount(r.vat_rate), amount(r.vat_amount), amount(r.total_net_amount),
    )  # fmt: skip


class _Lines(Wire):
    lines: list[Raw] | None = None


_LINES = Decoder(_Lines)
_REST_LINE = Shape("", "lineNumber", RestLineRecord, rest_line)
LINE = Shape("invoices/booked/lines", "documentId", BulkLineRecord, bulk_line)


def read_rest_lines(body: bytes, invoice: int) -> list[Line]:
    """
    The lines of a single invoice. Where their numbers are missing or repeat, the order of the answer numbers them.

    Raises:
        PermanentError: a line cannot be read; without it the invoice would look complete.
    """
    try:
        lines = [_REST_LINE.read(raw) for raw in _LINES.decode(mended(body)).lines or []]
    except (Misfit, ValueError) as error:
        raise PermanentError(f"the lines of invoice {invoice} cannot be read: {error}") from None
    numbered = 0 not in (numbers := {line.number for line in lines}) and len(numbers) == len(lines)
    return [
        line._replace(
            invoice=invoice, number=line.number if numbered else place, position=line.position or line.number or place
        )
        for place, line in enumerate(lines, 1)
    ]
