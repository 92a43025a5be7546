"""
What is shown of merges, and of the history of companies: read-only queries, plain tuples out. Each is given a firm.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.unmerge_companies import Kept
from infra.database.company_views import Named, names_of
from infra.database.dialect import Sql
from infra.database.merges import MergeRows
from infra.database.tables_companies import company, company_change
from infra.database.tables_merges import company_merge, company_merge_part


class Merge(NamedTuple):
    """A merge, undone or not. `changed`: field of the survivor → before, after."""

    id: int
    survivor: Named
    merged: list[Named]
    changed: dict[str, tuple[str | None, str | None]]
    who: str
    at: dt.datetime
    undone_by: str | None
    undone_at: dt.datetime | None
    kept: list[Kept]


class Happened(NamedTuple):
    """A line of history; `company` is whose it was when it happened."""

    id: int
    at: dt.datetime
    who: str
    what: str
    company: Named
    detail: dict[str, object]


def merges(connection: Connection, firm: int, *, after: int | None = None, limit: int) -> list[Merge]:
    """Newest first; `after` is the id of the last one of the page before."""
    page = sa.select(company_merge).where(company_merge.c.firm_id == firm)
    if after is not None:
        page = page.where(company_merge.c.id < after)
    return _merges(connection, page.order_by(company_merge.c.id.desc()).limit(limit))


def merge(connection: Connection, firm: int, merge_id: int) -> Merge | None:
    """One merge; None for another firm's."""
    found = _merges(
        connection, sa.select(company_merge).where(company_merge.c.firm_id == firm, company_merge.c.id == merge_id)
    )
    return found[0] if found else None


def history(
    connection: Connection, sql: Sql, firm: int, company_id: int, *, after: int | None = None, limit: int
) -> list[Happened]:
    """What happened to a company and to all that are part of it, newest first."""
    family = MergeRows(connection, sql, firm).family([company_id])
    names = names_of(connection, family)
    page = sa.select(company_change).where(company_change.c.company_id.in_(family))
    if after is not None:
        page = page.where(company_change.c.id < after)
    rows = connection.execute(page.order_by(company_change.c.id.desc()).limit(limit))
    return [Happened(row.id, row.at, row.who, row.what, names[row.company_id], row.detail) for row in rows]


def _merges(connection: Connection, query: sa.Select[tuple[object, ...]]) -> list[Merge]:
    rows = connection.execute(query).all()
    parts: dict[int, list[Named]] = defaultdict(list)
    merged = (
        sa.select(company_merge_part, company.c.name)
        .join(company, company.c.id == company_merge_part.c.company_id)
        .where(company_merge_part.c.merge_id.in_([row.id for row in rows]))
        .order_by(company.c.id)
    )
    for part in connection.execute(merged):
        parts[part.merge_id].append(Named(part.company_id, part.crm_id, part.name))
    survivors = names_of(connection, {row.survivor_id for row in rows})
    return [
        Merge(
            row.id,
            survivors[row.survivor_id],
            parts[row.id],
            {name: (before, after) for name, (before, after) in row.fields.items() if before != after},
            row.who,
            row.at,
            row.undone_by,
            row.undone_at,
            [Kept(**each) for each in row.kept or ()],
        )
        for row in rows
    ]
