"""
What the lists and pages of debtors show: read-only queries, plain tuples out.

Every query is given an agreement that `agreement` has found for the reader's firm, so that nothing crosses firms.
Lists are paged by key, never by offset: page 2,000 costs what page 1 costs.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.debtors import MAX_NUMBER
from infra.database import tables

PAGE = 50
MAX_TERMS = 5  # words of a search that count; more only cost time

_agreement, _debtor = tables.agreement, tables.debtor


class Agreement(NamedTuple):
    """One e-conomic account of the reader's firm; `base_currency` is None until e-conomic was asked."""

    number: int
    name: str | None
    base_currency: str | None
    debtors_total: int | None
    paused_at: dt.datetime | None


class DebtorRow(NamedTuple):
    """A debtor in the list; balance in the agreement's base currency."""

    id: int
    number: int
    name: str
    zip: str | None
    city: str | None
    country: str | None
    cvr: str | None
    email: str | None
    balance: Decimal | None
    barred: bool
    gone_at: dt.datetime | None


class DebtorPage(NamedTuple):
    """At most PAGE debtors; `cursor` asks for the next page, `exact` = the query is the number of what is shown."""

    rows: list[DebtorRow]
    cursor: int | None = None
    exact: bool = False


class DebtorDetail(NamedTuple):
    """Everything stored of one debtor; amounts in the agreement's base currency."""

    id: int
    number: int
    name: str
    currency: str | None
    debtor_group: int | None
    payment_terms: int | None
    vat_zone: int | None
    address: str | None
    zip: str | None
    city: str | None
    country: str | None
    cvr: str | None
    vat_number: str | None
    p_number: str | None
    ean: str | None
    email: str | None
    phone: str | None
    mobile: str | None
    website: str | None
    barred: bool
    credit_limit: Decimal | None
    balance: Decimal | None
    due_amount: Decimal | None
    gone_at: dt.datetime | None
    absorbed_by: int | None
    read_at: dt.datetime | None


def agreements(connection: Connection, firm_id: int) -> list[Agreement]:
    """The firm's agreements that were not removed, sorted by number."""
    query = sa.select(*columns_of(_agreement, Agreement)).order_by(_agreement.c.number)
    query = query.where(_agreement.c.firm_id == firm_id, _agreement.c.removed_at.is_(None))
    return [Agreement._make(row) for row in connection.execute(query)]


def agreement(connection: Connection, firm_id: int, number: int) -> Agreement | None:
    """One of the firm's agreements; None for another firm's."""
    query = sa.select(*columns_of(_agreement, Agreement)).where(
        _agreement.c.number == number, _agreement.c.firm_id == firm_id, _agreement.c.removed_at.is_(None)
    )
    row = connection.execute(query).first()
    return Agreement._make(row) if row else None


def debtors(
    connection: Connection,
    agreement: int,
    query: str = "",
    *,
    by_name: bool = False,
    after: int | None = None,
    everything: bool = False,
) -> DebtorPage:
    """
    A page of debtors, deleted ones included, sorted by number or name.

    Words of the query must all be found in number, name, CVR, zip, city or mail, upper or lower case alike.
    The number of a debtor finds just that debtor, by index, unless `everything` is asked for.

    Args:
        after: the cursor of the page before.
    """
    number = exact_number(query)
    here = sa.and_(_debtor.c.agreement == agreement, _debtor.c.absorbed_by.is_(None))
    if number is not None and not everything and after is None:
        same = sa.select(*columns_of(_debtor, DebtorRow)).where(here, _debtor.c.number == number)
        rows = connection.execute(same.order_by(_debtor.c.gone_at.is_not(None), _debtor.c.id.desc())).all()
        if rows:
            return DebtorPage([DebtorRow._make(row) for row in rows], exact=True)
    order = (sa.func.lower(_debtor.c.name), _debtor.c.id) if by_name else (_debtor.c.number, _debtor.c.id)
    page = sa.select(*columns_of(_debtor, DebtorRow)).where(here).order_by(*order).limit(PAGE + 1)
    for term in terms(query):
        page = page.where(_matches(connection, term))
    if after is not None:
        last = connection.execute(sa.select(*order).where(_debtor.c.id == after, here)).first()
        if last is None:
            return DebtorPage([])
        page = page.where(sa.tuple_(*order) > sa.tuple_(*(sa.literal(value) for value in last)))
    rows = connection.execute(page).all()
    return DebtorPage(
        [DebtorRow._make(row) for row in rows[:PAGE]], cursor=rows[PAGE - 1].id if len(rows) > PAGE else None
    )


def exact_number(query: str) -> int | None:
    """The debtor number a query may be."""
    compact = query.strip()
    if compact.isascii() and compact.isdigit() and len(compact) <= 9:
        return int(compact) if 1 <= int(compact) <= MAX_NUMBER else None
    return None


def terms(query: str) -> list[str]:
    """The words to look for, lower case, at most MAX_TERMS; a CVR number as people write it is one word."""
    text = query.replace("\0", "").strip().lower()
    if re.fullmatch(r"(dk[\s.-]?)?(\d[\s.-]?){8}", text, re.ASCII):
        return [re.sub(r"\D", "", text)]
    return text.split()[:MAX_TERMS]


def debtor(connection: Connection, agreement: int, debtor_id: int) -> DebtorDetail | None:
    """One debtor with the time its number was read last; `absorbed_by` names the row it became one with."""
    reading = tables.reading
    query = (
        sa.select(*columns_of(_debtor, DebtorDetail), reading.c.read_at)
        .select_from(
            _debtor.outerjoin(
                reading,
                sa.and_(
                    reading.c.agreement == _debtor.c.agreement,
                    reading.c.what == "debtor",
                    reading.c.number == _debtor.c.number,
                ),
            )
        )
        .where(_debtor.c.id == debtor_id, _debtor.c.agreement == agreement)
    )
    row = connection.execute(query).first()
    return DebtorDetail._make(row) if row else None


def columns_of(table: sa.Table, row: type[NamedTuple]) -> list[sa.Column[Any]]:
    """The columns of a table that a tuple has fields for, in the tuple's order."""
    return [table.c[name] for name in row._fields if name in table.c]


def _matches(connection: Connection, term: str) -> sa.ColumnElement[bool]:
    """
    Whether a debtor holds a word, anywhere in a column.

    Each column is compared alone: a scan then stops at the first that fits, and PostgreSQL can join the results of
    one trigram index over all of them. Columns a word cannot be in are not looked at.
    """
    columns: list[sa.ColumnElement[Any]] = [_debtor.c.name, _debtor.c.city, _debtor.c.email]
    if any(char.isdigit() for char in term):
        columns += [_debtor.c.cvr, _debtor.c.zip]
    folds = _folds(connection, term)
    searched = [_folded(column, folds) for column in columns]
    if term.isdigit():
        searched.append(sa.cast(_debtor.c.number, sa.Text))
    escaped = "".join("\\" + char if char in "\\%_" else char for char in term)
    return sa.or_(*(column.like(f"%{escaped}%", escape="\\") for column in searched))


def _folds(connection: Connection, term: str) -> list[tuple[str, str]] | None:
    """Which capitals must be lowered by hand: SQLite knows those of ASCII only. None = the database knows all."""
    if connection.dialect.name == "postgresql":
        return None
    return sorted({(char.upper(), char) for char in term if not char.isascii() and char.upper() != char})


def _folded(column: sa.ColumnElement[Any], folds: list[tuple[str, str]] | None) -> sa.ColumnElement[Any]:
    if folds is None:
        return sa.func.lower(column, type_=sa.Text)
    for upper, lower in folds:
        column = sa.func.replace(column, upper, lower, type_=sa.Text)
    return column
