"""
What an agreement says about who owns the fields of companies.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from domain.companies import Owner, owners_of
from domain.field_owners import with_owners
from infra.database.engine import Database
from infra.database.tables import agreement


def field_owners(database: Database, number: int, changes: Mapping[str, str] | None = None) -> dict[str, Owner]:
    """
    Who owns each field, after these changes; they count from the next change of a company on.

    Raises:
        NoSuchOwner: nothing is changed.
    """
    row = sa.select(agreement.c.field_owners).where(agreement.c.number == number)
    if not changes:
        with database.read() as connection:
            return owners_of([connection.execute(row).scalar_one() or {}])
    with database.write() as connection:
        own = with_owners(connection.execute(row.with_for_update()).scalar_one() or {}, changes)
        connection.execute(
            sa.update(agreement).where(agreement.c.number == number).values(field_owners=own or sa.null())
        )
    return owners_of([own])
