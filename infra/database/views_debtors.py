"""
What the lists and pages of debtors show: read-only queries, plain tuples out.

Every query is given an agreement that `agreement` has found for the reader's firm, so that nothing crosses firms.
Lists are paged by key, never by offset: page 2,000 costs what page 1 costs.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.hints import usable
from infra.database import scope, tables, tables_mirror

PAGE = 50
MAX_TERMS = 5  # words of a search that count; more only cost time

_agreement, _debtor = tables.agreement, tables_mirror.debtor


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
    debtor_group: int | None
    balance: Decimal | None
    barred: bool
    in_scope: bool  # of a debtor group that is synchronised
    gone_at: dt.datetime | None


class DebtorPage(NamedTuple):
    """At most PAGE debtors; `cursor` asks for the next page, `exact` = the query is their number or CVR."""

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
    layout: int | None
    sales_person: int | None
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
    in_scope: bool
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
    in_scope: bool | None = None,
) -> DebtorPage:
    """
    A page of debtors, deleted ones included, sorted by number or name.

    Words of the query must all be found in number, name, CVR, zip, city or mail, upper or lower case alike.
    A debtor's number or CVR number finds just that debtor, by index, unless `everything` is asked for.

    Args:
        after: the cursor of the page before.
        in_scope: only debtors that are synchronised, or only the others; None = both.
    """
    here = sa.and_(_debtor.c.agreement == agreement, _debtor.c.absorbed_by.is_(None))
    if in_scope is not None:
        here = sa.and_(here, scope.in_scope() if in_scope else sa.not_(scope.in_scope()))
    if after is None and not everything and (exact := _exactly(connection, here, query)):
        return DebtorPage(exact, exact=True)
    order = (sa.func.lower(_debtor.c.name), _debtor.c.id) if by_name else (_debtor.c.number, _debtor.c.id)
    page = sa.select(*debtor_columns(DebtorRow)).where(here).order_by(*order).limit(PAGE + 1)
    for term in terms(query):
        page = page.where(_matches(connection, term))
    last: Sequence[Any] | None = ("", 0) if by_name else (0, 0)
    if after is not None:
        last = connection.execute(sa.select(*order).where(_debtor.c.id == after, here)).first()
    if last is None:
        return DebtorPage([])
    # Said even for the first page, and in this form: it makes SQLite walk the index that has the order.
    page = page.where(order[0] >= last[0], sa.or_(order[0] > last[0], _debtor.c.id > last[1]))
    rows = [DebtorRow._make(row) for row in connection.execute(page)]
    return DebtorPage(rows[:PAGE], cursor=rows[PAGE - 1].id if len(rows) > PAGE else None)


def _exactly(connection: Connection, here: sa.ColumnElement[bool], query: str) -> list[DebtorRow]:
    """The debtors whose number, or else whose CVR number, is the query; living ones first. Index look-ups only."""
    found = sa.select(*debtor_columns(DebtorRow)).order_by(_debtor.c.gone_at.is_not(None), _debtor.c.id.desc())
    number, cvr = usable(query), cvr_number(query)
    conditions = [] if number is None else [_debtor.c.number == number]
    conditions += [] if cvr is None else [_debtor.c.cvr.in_([cvr, f"DK{cvr}"])]
    for condition in conditions:
        if rows := connection.execute(found.where(here, condition).limit(PAGE)).all():
            return [DebtorRow._make(row) for row in rows]
    return []


def cvr_number(query: str) -> str | None:
    """The eight digits of a CVR number as people write it: `DK 31 31 31 39`, `31313139`."""
    if re.fullmatch(r"\s*(DK[\s.-]?)?(\d[\s.-]?){8}\s*", query, re.ASCII | re.IGNORECASE):
        return re.sub(r"\D", "", query)
    return None


def terms(query: str) -> list[str]:
    """The words to look for, lower case, at most MAX_TERMS; a CVR number as people write it is one word."""
    cvr = cvr_number(query)
    return [cvr] if cvr else query.replace("\0", "").lower().split()[:MAX_TERMS]


def debtor(connection: Connection, agreement: int, debtor_id: int) -> DebtorDetail | None:
    """One debtor with the time its number was read last; `absorbed_by` names the row it became one with."""
    reading = tables_mirror.reading
    query = (
        sa.select(*debtor_columns(DebtorDetail), reading.c.read_at)
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


def debtor_columns(row: type[NamedTuple]) -> list[sa.ColumnElement[Any]]:
    """The columns of the debtor table that a tuple has fields for, and whether the debtor is in scope."""
    wanted = [name for name in row._fields if name in _debtor.c or name == "in_scope"]
    return [scope.in_scope() if name == "in_scope" else _debtor.c[name] for name in wanted]


def _matches(connection: Connection, term: str) -> sa.ColumnElement[bool]:
    """
    Whether a debtor holds a word, anywhere in a column.

    Each column is compared alone: a scan then stops at the first that fits, and PostgreSQL can join the results of
    one trigram index over all of them. Columns a word cannot be in are not looked at.
    """
    columns: list[sa.ColumnElement[Any]] = [_debtor.c.name, _debtor.c.city, _debtor.c.email]
    if any(char.isdigit() for char in term):
        columns += [_debtor.c.cvr, _debtor.c.zip]
    if term.isdigit():
        columns.append(sa.cast(_debtor.c.number, sa.Text))
    return contained(connection, term, columns)


def contained(connection: Connection, term: str, columns: Iterable[sa.ColumnElement[Any]]) -> sa.ColumnElement[bool]:
    """Whether one of these columns holds a word of lower case, upper or lower case alike."""
    contains = _contains_lowered if connection.dialect.name == "postgresql" else _contains_in_sqlite
    return sa.or_(*(contains(column, term) for column in columns))


def _contains_lowered(column: sa.ColumnElement[Any], term: str) -> sa.ColumnElement[bool]:
    return sa.func.lower(column, type_=sa.Text).contains(term, autoescape=True)


def _contains_in_sqlite(column: sa.ColumnElement[Any], term: str) -> sa.ColumnElement[bool]:
    """
    SQLite's LIKE takes capitals and small letters of ASCII alike and no others: those are lowered by hand.

    That is slow, so rows are first picked with any letter in their place.
    """
    others = sorted({char for char in term if not char.isascii() and char.upper() != char})
    if not others:
        return column.contains(term, autoescape=True)
    whole = column
    picked = "".join("_" if char in others else f"/{char}" if char in "/%_" else char for char in term)
    for char in others:
        column = sa.func.replace(column, char.upper(), char, type_=sa.Text)
    return sa.and_(whole.like(f"%{picked}%", escape="/"), column.contains(term, autoescape=True))
