"""
Periodic jobs, shared by any number of schedulers, and the cleaning they do.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.engine import Database

CLEAN_AT_ONCE = 5_000


class Jobs:
    """Claims periodic jobs in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = database.sql

    def claim(self, name: str, every_s: float) -> bool:
        """Whether the job is due and this process does it; at most one caller in `every_s` seconds is told so."""
        with self._database.write() as connection:
            claimed = connection.execute(
                sa.text(
                    f"INSERT INTO job (name, claimed_at) VALUES (:name, {self._sql.now}) ON CONFLICT (name)"
                    " DO UPDATE SET claimed_at = excluded.claimed_at"
                    f" WHERE job.claimed_at <= {self._sql.after('ago')} RETURNING name"
                ),
                {"name": name, "ago": -every_s},
            )
            return claimed.first() is not None

    def clean_edges(self) -> None:
        """Forget re-numberings older than 30 days: nobody follows them any more (design.md §2)."""
        with self._database.write() as connection:
            connection.execute(
                sa.text(f"DELETE FROM debtor_edge WHERE seen_at < {self._sql.after('ago')}"), {"ago": -86_400 * 30}
            )

    def clean_inbox(self, retention_days: int) -> int:
        """Delete handled events older than so many days, at most 5,000 at once; returns how many."""
        with self._database.write() as connection:
            deleted = connection.execute(
                sa.text(
                    "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE handled_at IS NOT NULL"
                    f" AND received_at < {self._sql.after('ago')} ORDER BY id LIMIT :limit)"
                ),
                {"ago": -86_400 * retention_days, "limit": CLEAN_AT_ONCE},
            )
            return deleted.rowcount
