"""
The secrets CRMs sign with: several valid at a time, encrypted, never shown again.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import sqlalchemy as sa

from domain.errors import ConfigurationError
from infra.crm.signatures import key_of, new_secret
from infra.database.engine import Database
from infra.database.tables_outbox import crm_secret as _secret
from infra.encryption import SecretBox


class CrmSecret(NamedTuple):
    """What may be shown of a secret."""

    id: int
    agreement: int
    created_at: dt.datetime
    retired_at: dt.datetime | None


class CrmSecrets:
    """Adds, lists and retires the secrets of connected agreements."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    def add(self, agreement: int, secret: str | None = None) -> tuple[int, str]:
        """
        Accept what is signed with this secret, or with a new one; returns its id and the secret.

        Raises:
            ConfigurationError: no such agreement, or a text that is no secret of Standard Webhooks.
        """
        secret = secret or new_secret()
        try:
            key_of(secret)
        except ValueError as error:
            raise ConfigurationError(
                f"that is no secret of Standard Webhooks (whsec_ and base64 of 24 to 64 bytes): {error}"
            ) from None
        with self._database.write() as connection:
            known = connection.execute(
                sa.text("SELECT 1 FROM agreement WHERE number = :number AND removed_at IS NULL"), {"number": agreement}
            ).first()
            if known is None:
                raise ConfigurationError(
                    f"agreement {agreement} is not connected; add it with `debitor agreement add {agreement}`"
                )
            row = connection.execute(
                sa.text(
                    "INSERT INTO crm_secret (agreement, secret, created_at)"
                    f" VALUES (:agreement, :secret, {self._database.sql.now}) RETURNING id"
                ),
                {"agreement": agreement, "secret": self._box.seal(secret)},
            )
            return int(row.scalar_one()), secret

    def list(self, agreement: int) -> list[CrmSecret]:
        """Every secret an agreement ever had, oldest first."""
        query = sa.select(_secret.c.id, _secret.c.agreement, _secret.c.created_at, _secret.c.retired_at)
        with self._database.read() as connection:
            found = connection.execute(query.where(_secret.c.agreement == agreement).order_by(_secret.c.id))
            return [CrmSecret._make(row) for row in found]

    def retire(self, agreement: int, secret_id: int) -> None:
        """Refuse what is signed with it from now on, and forget it. Raises ConfigurationError for one there is not."""
        with self._database.write() as connection:
            done = connection.execute(
                sa.text(
                    f"UPDATE crm_secret SET secret = NULL, retired_at = {self._database.sql.now}"
                    " WHERE id = :id AND agreement = :agreement AND retired_at IS NULL"
                ),
                {"id": secret_id, "agreement": agreement},
            )
            if not done.rowcount:
                raise ConfigurationError(f"agreement {agreement} has no secret {secret_id} in use")

    def keys(self, agreement: int) -> tuple[bytes, ...] | None:
        """What an agreement's events may be signed with; None for an agreement that is not connected."""
        with self._database.quick() as connection:
            found = connection.execute(
                sa.text(
                    "SELECT s.secret FROM agreement a LEFT JOIN crm_secret s ON s.agreement = a.number"
                    " AND s.retired_at IS NULL WHERE a.number = :number AND a.removed_at IS NULL ORDER BY s.id"
                ),
                {"number": agreement},
            ).all()
        return tuple(key_of(self._box.open(sealed)) for (sealed,) in found if sealed) if found else None

    def all_keys(self) -> dict[int, tuple[bytes, ...]]:
        """`keys` of every connected agreement that has any."""
        with self._database.quick() as connection:
            found = connection.execute(
                sa.text(
                    "SELECT s.agreement, s.secret FROM crm_secret s JOIN agreement a ON a.number = s.agreement"
                    " WHERE s.retired_at IS NULL AND a.removed_at IS NULL ORDER BY s.id"
                )
            ).all()
        keys: dict[int, tuple[bytes, ...]] = {}
        for agreement, sealed in found:
            keys[agreement] = (*keys.get(agreement, ()), key_of(self._box.open(sealed)))
        return keys
