"""
Every stored secret, for the change of the key.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.engine import Database
from infra.database.tables import agreement
from infra.database.tables_outbox import crm_secret, endpoint_secret
from infra.encryption import SecretBox

SEALED = (agreement.c.grant_token, agreement.c.hook_secret, crm_secret.c.secret, endpoint_secret.c.secret)
"""Columns that hold encrypted text."""


def reseal(database: Database, box: SecretBox) -> int:
    """Encrypt every stored secret with the first key, all or none; returns how many. Raises ConfigurationError."""
    count = 0
    with database.write() as connection:
        for column in SEALED:
            (key,) = column.table.primary_key
            for value, sealed in connection.execute(sa.select(key, column).where(column.is_not(None))).all():
                connection.execute(
                    sa.update(column.table).where(key == value).values({column.name: box.reseal(sealed)})
                )
                count += 1
    return count
