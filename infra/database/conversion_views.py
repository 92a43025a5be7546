"""
What is shown of conversions: read-only queries, plain tuples out. Every query is given a firm.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.conversions import Needs, Said, State
from infra.database.tables import agreement
from infra.database.tables_companies import company
from infra.database.tables_conversions import conversion, conversion_step

_c = conversion.c


class ConversionView(NamedTuple):
    """A conversion; `company` is our own id, `crm_id` and `name` the company's as it is now."""

    id: int
    agreement: int
    company: int | None
    crm_id: str | None
    name: str | None
    state: State
    debtor: int | None
    reason: str | None
    message: str | None
    needs: Needs | None
    said: Said
    deal: str | None
    who: str
    created_at: dt.datetime
    changed_at: dt.datetime


class StepView(NamedTuple):
    """A line of its history; `state` is the one after it."""

    at: dt.datetime
    who: str
    state: str
    what: str
    detail: Mapping[str, Any]


def conversions(
    connection: Connection,
    firm: int,
    *,
    wanted_agreement: int | None = None,
    wanted_company: int | None = None,
    state: State | None = None,
    after: int | None = None,
    limit: int,
) -> list[ConversionView]:
    """Newest first, those before the id `after`."""
    query = _select(firm).order_by(_c.id.desc()).limit(limit)
    for column, value in (
        (_c.agreement, wanted_agreement),
        (_c.company_id, wanted_company),
        (_c.state, None if state is None else state.value),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(_c.id < after)
    return [_view(row) for row in connection.execute(query)]


def one(connection: Connection, firm: int | None, wanted: int) -> ConversionView | None:
    """None for another firm's; `firm` None: whoever's it is."""
    row = connection.execute(_select(firm).where(_c.id == wanted)).first()
    return None if row is None else _view(row)


def steps(connection: Connection, wanted: int) -> list[StepView]:
    """Oldest first."""
    columns = [conversion_step.c[name] for name in StepView._fields]
    rows = connection.execute(
        sa.select(*columns).where(conversion_step.c.conversion_id == wanted).order_by(conversion_step.c.id)
    )
    return [StepView._make(row) for row in rows]


def _select(firm: int | None) -> sa.Select[Any]:
    query = (
        sa.select(conversion, company.c.crm_id.label("company_crm_id"), company.c.name.label("company_name"))
        .join(agreement, agreement.c.number == _c.agreement)
        .outerjoin(company, company.c.id == _c.company_id)
        .where(agreement.c.removed_at.is_(None))
    )
    return query if firm is None else query.where(agreement.c.firm_id == firm)


def _view(row: Any) -> ConversionView:
    return ConversionView(
        row.id,
        row.agreement,
        row.company_id,
        row.crm_id if row.company_id is None else row.company_crm_id,
        row.company_name,
        State(row.state),
        row.debtor_number,
        row.reason,
        row.message,
        None if row.needs is None else Needs.from_json(row.needs),
        Said.from_json(row.said),
        row.deal,
        row.who,
        row.created_at,
        row.changed_at,
    )
