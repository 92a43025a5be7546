"""
Which debtors an agreement synchronises: those of the chosen debtor groups, or all of them when none are chosen.

Whether a debtor is *in scope* is not stored but follows from its group and the choice: a new choice counts at its
commit, for every debtor, without a call to e-conomic; a debtor that changes its group goes out or comes back with
the reading that says so. The mirror holds all debtors either way.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.hints import match_hint
from domain.reference import Listing
from infra.database import tables, tables_mirror
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.database.views_names import chosen_from

_agreement, _debtor, _scope = tables.agreement, tables_mirror.debtor, tables_mirror.scope_group


def in_scope_sql(debtor: str = "debtor") -> str:
    """The question for plain SQL: whether the row of the debtor table with this name or alias is in scope."""
    chosen = f"SELECT 1 FROM scope_group WHERE scope_group.agreement = {debtor}.agreement"
    return f"(NOT EXISTS ({chosen}) OR EXISTS ({chosen} AND scope_group.debtor_group = {debtor}.debtor_group))"


def in_scope() -> sa.ColumnElement[bool]:
    """The question for a select from `tables_mirror.debtor`."""
    return sa.literal_column(in_scope_sql(), sa.Boolean).label("in_scope")


def chosen_groups(connection: Connection, agreement: int) -> list[int]:
    """The groups chosen, sorted; empty = all."""
    query = sa.select(_scope.c.debtor_group).where(_scope.c.agreement == agreement)
    return list(connection.execute(query.order_by(_scope.c.debtor_group)).scalars())


def choose_groups(database: Database, agreement: int, groups: Collection[int]) -> None:
    """From this commit on these groups are synchronised; none = all."""
    with database.write() as connection:
        connection.execute(sa.select(_agreement.c.number).where(_agreement.c.number == agreement).with_for_update())
        connection.execute(sa.delete(_scope).where(_scope.c.agreement == agreement))
        if groups:
            rows = [{"agreement": agreement, "debtor_group": group} for group in sorted(set(groups))]
            connection.execute(sa.insert(_scope), rows)
        if connection.execute(sa.select(_agreement.c.companies_since).where(_agreement.c.number == agreement)).scalar():
            SqlInbox(connection, database.sql).add([match_hint(agreement, None, "")])


class GroupState(NamedTuple):
    """One debtor group: `debtors` living in it, `synchronised` = they are in scope."""

    number: int
    name: str | None
    debtors: int
    synchronised: bool


def group_states(connection: Connection, agreement: int) -> list[GroupState]:
    """Every group that e-conomic has, that a debtor is in, or that is chosen; sorted by number."""
    listed = chosen_from(connection, agreement, Listing.DEBTOR_GROUPS)
    names = {int(key): name for key, name in listed.items() if key.isdecimal()}
    counted = connection.execute(
        sa.select(_debtor.c.debtor_group, sa.func.count())
        .where(_debtor.c.agreement == agreement, _debtor.c.gone_at.is_(None), _debtor.c.debtor_group.is_not(None))
        .group_by(_debtor.c.debtor_group)
    )
    debtors = {row[0]: row[1] for row in counted}
    chosen = set(chosen_groups(connection, agreement))
    return [
        GroupState(number, names.get(number), debtors.get(number, 0), not chosen or number in chosen)
        for number in sorted(names.keys() | debtors.keys() | chosen)
    ]
