"""
What is shown of companies: read-only queries, plain tuples out. Every query is given a firm.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.companies import CompanyFields
from infra.database.tables import agreement as _agreement
from infra.database.tables_companies import company, company_difference, debtor_link
from infra.database.tables_mirror import debtor
from infra.database.views_debtors import contained, terms


class DebtorNumber(NamedTuple):
    """A debtor that a company is linked to."""

    agreement: int
    number: int


class Named(NamedTuple):
    """A company as it is named: our id, the CRM's, and what it is called."""

    id: int
    crm_id: str | None
    name: str

    def __str__(self) -> str:
        return f"#{self.id} {self.name}" + (f" ({self.crm_id})" if self.crm_id is not None else "")


class Difference(NamedTuple):
    """A change that was not taken; `debtor` is whose, None = the CRM's. `why` is a domain.companies.Refusal."""

    field: str
    theirs: str | None
    debtor: int | None
    why: str
    since: dt.datetime


class Company(NamedTuple):
    """A company in full."""

    id: int
    crm_id: str | None
    fields: CompanyFields
    created_at: dt.datetime
    changed_at: dt.datetime
    deleted_at: dt.datetime | None
    debtors: list[DebtorNumber]
    differences: list[Difference]


def find(connection: Connection, firm: int, name: str) -> int | None:
    """
    Our own id of a company, by the CRM's id of it or by `#` and our own; of a merged one its survivor's.

    Deleted companies are found, too.
    """
    row_id = named(connection, firm, name)
    into = row_id
    while into is not None:
        row_id = into
        into = connection.execute(sa.select(company.c.merged_into).where(company.c.id == into)).scalar()
    return row_id


def named(connection: Connection, firm: int, name: str) -> int | None:
    """The company of that name itself (see `find`), though it may be part of another one now."""
    found = sa.select(company.c.id).where(company.c.firm_id == firm)
    row_id = connection.execute(found.where(company.c.crm_id == name)).scalar()
    own = name.removeprefix("#")
    if row_id is None and name.startswith("#") and own.isascii() and own.isdigit() and len(own) < 19:
        row_id = connection.execute(found.where(company.c.id == int(own))).scalar()
    return None if row_id is None else int(row_id)


def differing(connection: Connection, firm: int, *, limit: int) -> list[int]:
    """Living companies of which a side says something that was not taken, by id, at most `limit`."""
    found = (
        sa.select(company.c.id)
        .where(
            company.c.firm_id == firm,
            company.c.deleted_at.is_(None),
            company.c.merged_into.is_(None),
            company.c.id.in_(sa.select(company_difference.c.company_id)),
        )
        .order_by(company.c.id)
        .limit(limit)
    )
    return list(connection.execute(found).scalars())


def names_of(connection: Connection, ids: Collection[int]) -> dict[int, Named]:
    """Companies by our id, merged and deleted ones too; one of no id is left out."""
    if not ids:
        return {}
    found = sa.select(company.c.id, company.c.crm_id, company.c.name).where(company.c.id.in_(sorted(ids)))
    return {row.id: Named(row.id, row.crm_id, row.name) for row in connection.execute(found)}


def firm_of(connection: Connection, agreement: int) -> int:
    """Whose agreement it is."""
    row = sa.select(_agreement.c.firm_id).where(_agreement.c.number == agreement)
    return int(connection.execute(row).scalar_one())


def is_merged(connection: Connection, firm: int, crm_id: str) -> bool:
    """Whether the company of this id is part of another one now."""
    merged = sa.select(company.c.id).where(
        company.c.firm_id == firm, company.c.crm_id == crm_id, company.c.merged_into.is_not(None)
    )
    return connection.execute(merged).first() is not None


def one(connection: Connection, firm: int, company_id: int) -> Company | None:
    """One company, deleted or not."""
    found = _companies(connection, sa.select(company).where(company.c.firm_id == firm, company.c.id == company_id))
    return found[0] if found else None


def companies(
    connection: Connection, firm: int, *, query: str = "", relation: str | None = None, after: int = 0, limit: int
) -> list[Company]:
    """The companies that live, by our own id, from the one after `after`."""
    page = (
        sa.select(company)
        .where(
            company.c.firm_id == firm,
            company.c.id > after,
            company.c.deleted_at.is_(None),
            company.c.merged_into.is_(None),
        )
        .order_by(company.c.id)
        .limit(limit)
    )
    if relation is not None:
        page = page.where(sa.func.lower(company.c.relation) == relation.lower())
    for term in terms(query):
        columns = [company.c.name, company.c.city, company.c.mail, company.c.crm_id]
        if any(char.isdigit() for char in term):
            columns += [company.c.vat, company.c.zip, company.c.customer_number]
        page = page.where(contained(connection, term, columns))
    return _companies(connection, page)


def _companies(connection: Connection, query: sa.Select[tuple[object, ...]]) -> list[Company]:
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    debtors, differences = _debtors(connection, ids), _differences(connection, ids)
    return [
        Company(
            row.id,
            row.crm_id,
            CompanyFields(*(getattr(row, name) for name in CompanyFields._fields)),
            row.created_at,
            row.changed_at,
            row.deleted_at,
            debtors[row.id],
            differences[row.id],
        )
        for row in rows
    ]


def _debtors(connection: Connection, ids: Collection[int]) -> dict[int, list[DebtorNumber]]:
    found: dict[int, list[DebtorNumber]] = defaultdict(list)
    linked = (
        sa.select(debtor_link.c.company_id, debtor.c.agreement, debtor.c.number)
        .join(debtor, debtor.c.id == debtor_link.c.debtor_id)
        .where(debtor_link.c.company_id.in_(ids), debtor_link.c.cut_at.is_(None))
        .order_by(debtor.c.agreement, debtor.c.number)
    )
    for company_id, agreement, number in connection.execute(linked):
        found[company_id].append(DebtorNumber(agreement, number))
    return found


def _differences(connection: Connection, ids: Collection[int]) -> dict[int, list[Difference]]:
    found: dict[int, list[Difference]] = defaultdict(list)
    shown = (
        sa.select(company_difference, debtor.c.number)
        .outerjoin(debtor, debtor.c.id == company_difference.c.debtor_id)
        .where(company_difference.c.company_id.in_(ids))
        .order_by(company_difference.c.field, company_difference.c.debtor_id)
    )
    for row in connection.execute(shown):
        found[row.company_id].append(Difference(row.field, row.theirs, row.number, row.why, row.since))
    return found
