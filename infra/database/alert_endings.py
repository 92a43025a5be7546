"""
Open and closed alerts inside a transaction: locked, ended record by record, asked about again.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.alerts import Ending
from infra.database.dialect import Sql
from infra.database.tables_alerts import alert


class AlertEndings:
    """Which alerts of one firm are open, on either database."""

    def __init__(self, connection: Connection, sql: Sql, firm: int) -> None:
        self._connection = connection
        self._sql = sql
        self._firm = firm

    def end(self, record_ids: Collection[int], how: Ending, *, who: str) -> None:
        """The question about these is over; an alert without an open record closes."""
        if not record_ids:
            return
        alerts = self._connection.execute(
            sa.text(f"SELECT DISTINCT alert_id FROM alert_record WHERE {self._sql.among('id', 'ids')}"),
            {"ids": self._sql.numbers(record_ids)},
        )
        touched = self.lock(list(alerts.scalars()))
        self._connection.execute(
            sa.text(
                f"UPDATE alert_record SET ending = :ending, ended_by = :who, ended_at = {self._sql.now}"
                f" WHERE ending IS NULL AND {self._sql.among('id', 'ids')}"
            ),
            {"ids": self._sql.numbers(record_ids), "ending": how.value, "who": who},
        )
        self.settle(touched)

    def reopen(self, record_ids: Collection[int], *, was: Ending) -> list[int]:
        """
        Ask about these again, where they ended so and are not asked about elsewhere by now; returns which.

        Their alerts must be locked; `settle` them after.
        """
        return list(
            self._connection.execute(
                sa.text(
                    "UPDATE alert_record SET ending = NULL, ended_by = NULL, ended_at = NULL, done = NULL"
                    f" WHERE ending = :was AND {self._sql.among('id', 'ids')} AND NOT EXISTS (SELECT 1"
                    " FROM alert_record o WHERE o.ending IS NULL AND (o.debtor_id = alert_record.debtor_id"
                    " OR o.company_id = alert_record.company_id)) RETURNING id"
                ),
                {"ids": self._sql.numbers(record_ids), "was": was.value},
            ).scalars()
        )

    def lock(self, alerts: Collection[int]) -> list[int]:
        """These alerts, locked in the order of their ids until the end of the transaction."""
        if not alerts:
            return []
        rows = self._connection.execute(
            sa.select(alert.c.id)
            .where(sa.text(self._sql.among("alert.id", "ids")), alert.c.firm_id == self._firm)
            .order_by(alert.c.id)
            .with_for_update(),
            {"ids": self._sql.numbers(alerts)},
        )
        return list(rows.scalars())

    def settle(self, alerts: Collection[int]) -> None:
        """Score, open or closed: as the records of these alerts have it now."""
        if not alerts:
            return
        open_ones = "FROM alert_record r WHERE r.alert_id = alert.id AND r.ending IS NULL"
        best = (
            "SELECT max(c.score) FROM alert_record r JOIN alert_candidate c ON c.record_id = r.id"
            " WHERE r.alert_id = alert.id AND r.ending IS NULL"
        )
        self._connection.execute(
            sa.text(
                f"UPDATE alert SET changed_at = {self._sql.now}, score = COALESCE(({best}), score),"
                f" closed_at = CASE WHEN EXISTS (SELECT 1 {open_ones}) THEN NULL"
                f" ELSE COALESCE(closed_at, {self._sql.now}) END WHERE {self._sql.among('id', 'ids')}"
            ),
            {"ids": self._sql.numbers(alerts)},
        )
