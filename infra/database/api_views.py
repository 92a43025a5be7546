"""
What the JSON API shows of debtors, invoices and runs.

Every query is given an agreement or a firm, so that nothing crosses firms. Lists are paged by key, never by offset.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from infra.database import scope, tables, tables_mirror
from infra.database.runs import Run
from infra.database.views_debtors import _matches as matches
from infra.database.views_debtors import columns_of, debtor_columns, terms

_agreement, _debtor, _invoice, _line, _run = (
    tables.agreement,
    tables_mirror.debtor,
    tables_mirror.invoice,
    tables_mirror.invoice_line,
    tables.run,
)


class Debtor(NamedTuple):
    """A debtor; credit limit, balance and due amount in the agreement's base currency."""

    number: int
    name: str
    cvr: str | None
    vat_number: str | None
    p_number: str | None
    ean: str | None
    address: str | None
    zip: str | None
    city: str | None
    country: str | None
    email: str | None
    phone: str | None
    mobile: str | None
    website: str | None
    barred: bool
    in_scope: bool
    currency: str | None
    debtor_group: int | None
    payment_terms: int | None
    vat_zone: int | None
    layout: int | None
    sales_person: int | None
    credit_limit: Decimal | None
    balance: Decimal | None
    due_amount: Decimal | None
    last_updated: dt.datetime | None
    gone_at: dt.datetime | None
    read_at: dt.datetime | None


class Invoice(NamedTuple):
    """A booked invoice; amounts in `currency`, those named base in the agreement's base currency."""

    number: int
    debtor_number: int
    date: dt.date
    due: dt.date | None
    currency: str
    exchange_rate: Decimal | None
    net: Decimal
    vat: Decimal
    gross: Decimal
    remainder: Decimal
    net_base: Decimal | None
    gross_base: Decimal | None
    remainder_base: Decimal | None
    payment_terms: int | None
    payment_terms_name: str | None  # as the invoice itself has it
    layout: int | None
    sales_person: int | None
    recipient_vat_zone: int | None
    order_number: int | None
    other_reference: str | None
    heading: str | None
    recipient_name: str | None
    recipient_address: str | None
    recipient_zip: str | None
    recipient_city: str | None
    recipient_country: str | None
    recipient_ean: str | None
    recipient_cvr: str | None
    lines_state: str


class Line(NamedTuple):
    """One line; amounts in the invoice's currency. A text line has a description only."""

    number: int
    position: int
    product: str | None
    description: str | None
    quantity: Decimal | None
    unit: int | None
    unit_price: Decimal | None
    discount_pct: Decimal | None
    vat_rate: Decimal | None
    net: Decimal | None


class InvoicePlace(NamedTuple):
    """Where a page of invoices ended."""

    date: dt.date
    number: int


def debtors(
    connection: Connection,
    agreement: int,
    *,
    query: str = "",
    in_scope: bool | None = None,
    after: int | None = None,
    limit: int,
) -> list[Debtor]:
    """
    One debtor per number, sorted by number: the living one, or else the one deleted last.

    Args:
        in_scope: only debtors of groups that are synchronised, or only the others; None = both.
    """
    page = _debtors(agreement).where(_shown()).order_by(_debtor.c.number).limit(limit)
    for term in terms(query):
        page = page.where(matches(connection, term))
    if in_scope is not None:
        page = page.where(scope.in_scope() if in_scope else sa.not_(scope.in_scope()))
    if after is not None:
        page = page.where(_debtor.c.number > after)
    return [Debtor._make(row) for row in connection.execute(page)]


def debtor(connection: Connection, agreement: int, number: int) -> Debtor | None:
    """The debtor under a number, or the tombstone of the one deleted last."""
    row = connection.execute(_debtors(agreement).where(_debtor.c.number == number, _shown())).first()
    return Debtor._make(row) if row else None


def _debtors(agreement: int) -> sa.Select[tuple[object, ...]]:
    reading = tables_mirror.reading
    same = sa.and_(
        reading.c.agreement == _debtor.c.agreement,
        reading.c.what == "debtor",
        reading.c.number == _debtor.c.number,
    )
    return (
        sa.select(*debtor_columns(Debtor), reading.c.read_at)
        .select_from(_debtor.outerjoin(reading, same))
        .where(_debtor.c.agreement == agreement)
    )


def _shown() -> sa.ColumnElement[bool]:
    """Nobody living, and nobody who left later, has the same number."""
    other = _debtor.alias()
    later = sa.or_(
        other.c.gone_at.is_(None),
        other.c.gone_at > _debtor.c.gone_at,
        sa.and_(other.c.gone_at == _debtor.c.gone_at, other.c.id > _debtor.c.id),
    )
    followed = sa.exists().where(
        other.c.agreement == _debtor.c.agreement, other.c.number == _debtor.c.number, other.c.id != _debtor.c.id, later
    )
    return sa.or_(_debtor.c.gone_at.is_(None), ~followed)


def invoices(connection: Connection, agreement: int, *, after: int | None = None, limit: int) -> list[Invoice]:
    """An agreement's invoices, highest number first."""
    page = _invoices(agreement).order_by(_invoice.c.number.desc()).limit(limit)
    if after is not None:
        page = page.where(_invoice.c.number < after)
    return [Invoice._make(row) for row in connection.execute(page)]


def debtor_invoices(
    connection: Connection, agreement: int, debtor: int, *, after: InvoicePlace | None = None, limit: int
) -> list[Invoice]:
    """The invoices of the debtor under a number, newest first; they follow a debtor that is re-numbered."""
    row_id = connection.execute(
        sa.select(_debtor.c.id).where(_debtor.c.agreement == agreement, _debtor.c.number == debtor, _shown())
    ).scalar()
    page = _invoices(agreement).order_by(_invoice.c.date.desc(), _invoice.c.number.desc()).limit(limit)
    if row_id is not None:
        page = page.where(_invoice.c.debtor_id == row_id)
    else:  # the invoice came first
        page = page.where(_invoice.c.debtor_id.is_(None), _invoice.c.debtor_number == debtor)
    if after is not None:
        place = sa.tuple_(_invoice.c.date, _invoice.c.number)
        page = page.where(place < sa.tuple_(sa.literal(after.date, sa.Date), sa.literal(after.number)))
    return [Invoice._make(row) for row in connection.execute(page)]


def invoice(connection: Connection, agreement: int, number: int) -> Invoice | None:
    """One booked invoice."""
    row = connection.execute(_invoices(agreement).where(_invoice.c.number == number)).first()
    return Invoice._make(row) if row else None


def lines(connection: Connection, agreement: int, invoice: int) -> list[Line]:
    """An invoice's lines in the order on paper."""
    query = (
        sa.select(*columns_of(_line, Line))
        .where(_line.c.agreement == agreement, _line.c.invoice == invoice)
        .order_by(_line.c.position, _line.c.number)
    )
    return [Line._make(row) for row in connection.execute(query)]


def _invoices(agreement: int) -> sa.Select[tuple[object, ...]]:
    """An invoice follows its debtor: the number is the debtor's of today, whatever it was when the invoice was read."""
    owner = sa.and_(_debtor.c.id == _invoice.c.debtor_id, _debtor.c.gone_at.is_(None))
    columns: dict[str, sa.ColumnElement[Any]] = {column.name: column for column in columns_of(_invoice, Invoice)}
    columns["debtor_number"] = sa.func.coalesce(_debtor.c.number, _invoice.c.debtor_number).label("debtor_number")
    return (
        sa.select(*columns.values())
        .select_from(_invoice.outerjoin(_debtor, owner))
        .where(_invoice.c.agreement == agreement)
    )


def runs(
    connection: Connection, firm: int, *, agreement: int | None = None, after: int | None = None, limit: int
) -> list[Run]:
    """A firm's runs, newest first."""
    page = _runs(firm).order_by(_run.c.id.desc()).limit(limit)
    if agreement is not None:
        page = page.where(_run.c.agreement == agreement)
    if after is not None:
        page = page.where(_run.c.id < after)
    return [Run(*row) for row in connection.execute(page)]


def run(connection: Connection, firm: int, run_id: int) -> Run | None:
    """One run; None for another firm's."""
    row = connection.execute(_runs(firm).where(_run.c.id == run_id)).first()
    return Run(*row) if row else None


def _runs(firm: int) -> sa.Select[tuple[Any, ...]]:
    return (
        sa.select(*columns_of(_run, Run))
        .join(_agreement, _agreement.c.number == _run.c.agreement)
        .where(_agreement.c.firm_id == firm, _agreement.c.removed_at.is_(None))
    )
