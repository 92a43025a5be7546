"""
What the pages show of invoices: figures of a debtor, its invoices, their lines. Read-only queries, plain tuples out.

Sums are made by the database, so that a debtor with 20,000 invoices is as quick to show as one with ten; what is in
a foreign currency without a base amount is summed per exchange rate and converted by the caller, exactly.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from infra.database import tables_mirror
from infra.database.views_debtors import columns_of

PAGE = 50

_debtor, _invoice, _line = tables_mirror.debtor, tables_mirror.invoice, tables_mirror.invoice_line


class DaySales(NamedTuple):
    """Net sales of one day; in base currency when `rate` is None, else in a currency of which 100 units cost `rate`."""

    date: dt.date
    net: Decimal
    rate: Decimal | None


class OpenAmount(NamedTuple):
    """What is unpaid of one due day in one currency; `base` is the part whose base amount e-conomic gave."""

    due: dt.date
    currency: str
    rate: Decimal | None
    amount: Decimal
    base: Decimal | None


class InvoiceRow(NamedTuple):
    """A booked invoice in a list; amounts in `currency`."""

    number: int
    date: dt.date
    due: dt.date | None
    currency: str
    net: Decimal
    vat: Decimal
    gross: Decimal
    remainder: Decimal


class InvoicePage(NamedTuple):
    """At most PAGE invoices, newest first; `cursor` asks for the next page."""

    rows: list[InvoiceRow]
    cursor: int | None = None


class Line(NamedTuple):
    """One line of an invoice; amounts in the invoice's currency."""

    product: str | None
    description: str | None
    quantity: Decimal | None
    unit: int | None
    unit_price: Decimal | None
    discount_pct: Decimal | None
    net: Decimal | None


class InvoiceDetail(NamedTuple):
    """One booked invoice; amounts in `currency`, those named base in the agreement's base currency."""

    number: int
    date: dt.date
    due: dt.date | None
    currency: str
    net: Decimal
    vat: Decimal
    gross: Decimal
    remainder: Decimal
    net_base: Decimal | None
    exchange_rate: Decimal | None
    debtor_number: int
    debtor_id: int | None
    payment_terms: int | None
    payment_terms_name: str | None
    recipient_vat_zone: int | None
    layout: int | None
    sales_person: int | None
    order_number: int | None
    recipient_name: str | None
    recipient_address: str | None
    recipient_zip: str | None
    recipient_city: str | None
    recipient_country: str | None
    heading: str | None
    text1: str | None
    text2: str | None
    other_reference: str | None
    lines_state: str
    debtor_name: str | None


def sales_by_day(connection: Connection, debtor_id: int, since: dt.date, until: dt.date) -> list[DaySales]:
    """Net sales per day, both days included; one row more for each exchange rate of invoices without a base amount."""
    unconverted = _invoice.c.net_base.is_(None)
    rate = sa.case((unconverted, _invoice.c.exchange_rate))
    net = sa.case((unconverted, _invoice.c.net), else_=_invoice.c.net_base)
    query = (
        sa.select(_invoice.c.date, sa.func.sum(net), rate)
        .where(_invoice.c.debtor_id == debtor_id, _invoice.c.date >= since, _invoice.c.date <= until)
        .group_by(_invoice.c.date, rate)
    )
    return [DaySales._make(row) for row in connection.execute(query)]


def open_amounts(connection: Connection, debtor_id: int) -> list[OpenAmount]:
    """What is unpaid, credit notes included (negative), by due day and currency; without a due day, the invoice's."""
    due = sa.func.coalesce(_invoice.c.due, _invoice.c.date, type_=sa.Date)
    unconverted = _invoice.c.remainder_base.is_(None)
    rate = sa.case((unconverted, _invoice.c.exchange_rate))
    keys = (due, _invoice.c.currency, rate, unconverted)
    query = (
        sa.select(
            due, _invoice.c.currency, rate, sa.func.sum(_invoice.c.remainder), sa.func.sum(_invoice.c.remainder_base)
        )
        .where(_invoice.c.debtor_id == debtor_id, _invoice.c.remainder != 0)
        .group_by(*keys)
    )
    return [OpenAmount._make(row) for row in connection.execute(query)]


def invoices(connection: Connection, agreement: int, debtor_id: int, *, after: int | None = None) -> InvoicePage:
    """A debtor's booked invoices, newest first; `after` is the cursor of the page before."""
    query = (
        sa.select(*columns_of(_invoice, InvoiceRow))
        .where(_invoice.c.debtor_id == debtor_id, _invoice.c.agreement == agreement)
        .order_by(_invoice.c.date.desc(), _invoice.c.number.desc())
        .limit(PAGE + 1)
    )
    if after is not None:
        last = connection.execute(
            sa.select(_invoice.c.date).where(_invoice.c.agreement == agreement, _invoice.c.number == after)
        ).scalar()
        if last is None:
            return InvoicePage([])
        place = sa.tuple_(_invoice.c.date, _invoice.c.number)
        query = query.where(place < sa.tuple_(sa.literal(last, sa.Date), sa.literal(after)))
    rows = [InvoiceRow._make(row) for row in connection.execute(query)]
    return InvoicePage(rows[:PAGE], cursor=rows[PAGE - 1].number if len(rows) > PAGE else None)


def invoice(connection: Connection, agreement: int, number: int) -> InvoiceDetail | None:
    """One booked invoice."""
    query = (
        sa.select(*columns_of(_invoice, InvoiceDetail), _debtor.c.name)
        .select_from(_invoice.outerjoin(_debtor, _debtor.c.id == _invoice.c.debtor_id))
        .where(_invoice.c.agreement == agreement, _invoice.c.number == number)
    )
    row = connection.execute(query).first()
    return InvoiceDetail._make(row) if row else None


def lines(connection: Connection, agreement: int, invoice: int) -> list[Line]:
    """An invoice's lines in the order on paper."""
    query = (
        sa.select(*columns_of(_line, Line))
        .where(_line.c.agreement == agreement, _line.c.invoice == invoice)
        .order_by(_line.c.position, _line.c.number)
    )
    return [Line._make(row) for row in connection.execute(query)]
