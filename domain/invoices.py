"""
Booked invoices and their lines: final, numbered, immutable; only what is still open changes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from domain.fingerprints import fingerprint, spelling

LINE_TOLERANCE = Decimal("0.01")
"""Rounding allowed per line when the sum of lines is held against the header (design.md §2)."""


class Invoice(NamedTuple):
    """
    The header of a booked invoice. Amounts are in `currency` unless the name says base; `rounding` is in base
    currency; `exchange_rate` is base-currency units for 100 units of `currency`. A credit note is negative.

    Source: e-conomic.md §2.6.
    """

    number: int
    debtor_number: int
    date: dt.date
    currency: str
    net: Decimal
    vat: Decimal
    gross: Decimal
    remainder: Decimal
    due: dt.date | None = None
    order_number: int | None = None
    exchange_rate: Decimal | None = None
    rounding: Decimal | None = None
    net_base: Decimal | None = None
    gross_base: Decimal | None = None
    remainder_base: Decimal | None = None
    payment_terms: int | None = None
    payment_terms_name: str | None = None
    layout: int | None = None
    sales_person: int | None = None
    project: int | None = None
    recipient_name: str | None = None
    recipient_address: str | None = None
    recipient_zip: str | None = None
    recipient_city: str | None = None
    recipient_country: str | None = None
    recipient_ean: str | None = None
    recipient_cvr: str | None = None
    recipient_vat_zone: int | None = None
    delivery_address: str | None = None
    delivery_zip: str | None = None
    delivery_city: str | None = None
    delivery_country: str | None = None
    delivery_date: dt.date | None = None
    heading: str | None = None
    text1: str | None = None
    text2: str | None = None
    other_reference: str | None = None

    def fingerprint(self) -> str:
        """The same text for the same content."""
        return fingerprint(_HEADER % self)


_HEADER = spelling(Invoice, 0)


class Line(NamedTuple):
    """
    One line; a text line has a description only. `number` is the source's identifier within the invoice,
    `position` the order on paper. Amounts are in the invoice's currency, `net` after the line's discount.

    Source: e-conomic.md §§2.6, 3.2.
    """

    invoice: int
    number: int
    position: int
    product: str | None = None
    description: str | None = None
    quantity: Decimal | None = None
    unit: int | None = None
    unit_price: Decimal | None = None
    unit_cost: Decimal | None = None
    discount_pct: Decimal | None = None
    vat_rate: Decimal | None = None
    vat: Decimal | None = None
    net: Decimal | None = None


_CONTENT = spelling(Line, 3)


class LinesState(StrEnum):
    """How far an invoice's lines can be trusted."""

    PENDING = "pending"  # not read yet
    VERIFIED = "verified"  # they sum up to the header
    COMPLETE = "complete"  # read with the single invoice, and they sum up: as good as it gets, text lines included
    DIFFERENT = "different"  # read with the single invoice, and even so they do not sum up: as good as it gets
    UNVERIFIED = "unverified"  # those of the list do not sum up, and were not read singly

    @property
    def read_singly(self) -> bool:
        """Nothing better can be read: booked lines never change, and a list never replaces these."""
        return self in (LinesState.COMPLETE, LinesState.DIFFERENT)


class InvoiceWithLines(NamedTuple):
    """A single invoice as REST gives it."""

    header: Invoice
    lines: list[Line]


def lines_fingerprint(lines: Sequence[Line]) -> str:
    """The same text for the same lines in the same order, whichever source numbered them."""
    return fingerprint(";".join([_CONTENT % line[3:] for line in in_order(lines)]))


def in_order(lines: Sequence[Line]) -> list[Line]:
    """Display order; neither source promises it."""
    return sorted(lines, key=lambda line: (line.position, line.number))


def lines_agree(net: Decimal, lines: Sequence[Line]) -> bool:
    """
    Whether lines sum up to the header's net amount, 0.01 allowed per line with an amount.

    Credit notes are compared by magnitude: the sign on their lines is not confirmed (e-conomic.md §2.6).
    """
    amounts = [line.net for line in lines if line.net is not None]
    total = sum(amounts, Decimal(0))
    allowed = LINE_TOLERANCE * len(amounts)
    return abs(total - net) <= allowed or (net < 0 and abs(abs(total) - abs(net)) <= allowed)


def facing(net: Decimal, lines: Sequence[Line]) -> list[Line]:
    """
    Lines with the header's sign.

    The bulk list may show a credit note's lines as positive (e-conomic.md §7); summed up they would count as sales.
    """
    total = sum((line.net for line in lines if line.net is not None), Decimal(0))
    if not (net < 0 < total and lines_agree(net, lines)):
        return list(lines)
    return [
        line._replace(quantity=_negative(line.quantity), vat=_negative(line.vat), net=_negative(line.net))
        for line in lines
    ]


def _negative(amount: Decimal | None) -> Decimal | None:
    return amount if not amount else -amount  # no negative zeros


def unique_lines(lines: Sequence[Line]) -> list[Line]:
    """Each line once, the last reading of a number winning: a cursor may repeat records while data changes."""
    return list({line.number: line for line in lines}.values())
