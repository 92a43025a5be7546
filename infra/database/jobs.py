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

    def hold(self, name: str, token: str, seconds: float) -> bool:
        """
        Whether this token's holder does a job that only one process does, for so many seconds from now; it is asked
        for again before they have passed.
        """
        with self._database.quick() as connection:
            held = connection.execute(
                sa.text(
                    "INSERT INTO job (name, claimed_at, lease_token, lease_until)"
                    f" VALUES (:name, {self._sql.now}, :token, {self._sql.after('seconds')}) ON CONFLICT (name)"
                    " DO UPDATE SET lease_token = excluded.lease_token, lease_until = excluded.lease_until"
                    " WHERE job.lease_token IS NULL OR job.lease_token = excluded.lease_token"
                    f" OR job.lease_until < {self._sql.now} RETURNING name"
                ),
                {"name": name, "token": token, "seconds": seconds},
            )
            return held.first() is not None

    def let_go(self, token: str) -> None:
        """Somebody else may do at once what this token's holder did."""
        with self._database.quick() as connection:
            connection.execute(
                sa.text("UPDATE job SET lease_token = NULL, lease_until = NULL WHERE lease_token = :token"),
                {"token": token},
            )

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
