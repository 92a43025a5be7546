"""
Debtors as events name them, with the company each is linked to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.told import Party
from infra.database.scope import in_scope_sql

PARTY = f"p.id, p.number, p.name, {in_scope_sql('p')}, c.id, c.crm_id"
"""Columns of a row `p` of the debtor table and what PARTY_JOINS adds to it."""

PARTY_JOINS = (
    "LEFT JOIN debtor_link l ON l.debtor_id = p.id AND l.cut_at IS NULL LEFT JOIN company c ON c.id = l.company_id"
)


def party_of(row: Sequence[Any]) -> Party:
    """From the columns PARTY."""
    number, *rest = row
    return Party(number, rest[0], rest[1], bool(rest[2]), rest[3], rest[4])
