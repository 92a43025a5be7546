"""
Where companies are found by their keys, on either database: `domain.matching.index.CompanyIndex`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.matching.keys import keys_of
from domain.matching.records import Record
from infra.database import bulk
from infra.database.dialect import Sql

_REKEYED_AT_ONCE = 5_000


class CompanyIndexRows:
    """The living companies of one firm, as one connection sees them; of a key's list no more is read than is asked."""

    def __init__(self, connection: Connection, sql: Sql, firm: int) -> None:
        self._connection = connection
        self._sql = sql
        self._firm = firm

    def under(self, keys: Collection[int], most: int) -> Mapping[int, Sequence[int]]:
        if not keys:
            return {}
        found: dict[int, list[int]] = {}
        if self._sql.postgresql:
            rows = self._connection.execute(
                sa.text(
                    "SELECT s.n, k.company_id FROM unnest(CAST(:keys AS bigint[])) AS s(n) CROSS JOIN LATERAL"
                    " (SELECT company_id FROM company_key WHERE firm_id = :firm AND key = s.n LIMIT :most) AS k"
                ),
                {"firm": self._firm, "keys": self._sql.numbers(keys), "most": most + 1},
            )
            for key, company in rows:
                found.setdefault(key, []).append(company)
            return found
        # SQLite is in the process: a statement costs microseconds, and its joins cannot stop within a list.
        driver = self._connection.connection.driver_connection
        assert driver is not None
        query = "SELECT company_id FROM company_key WHERE firm_id = ? AND key = ? LIMIT ?"
        for key in keys:
            if ids := driver.execute(query, (self._firm, key, most + 1)).fetchall():
                found[key] = [company for (company,) in ids]
        return found

    def records(self, ids: Collection[int]) -> Mapping[int, Record]:
        if not ids:
            return {}
        rows = self._connection.execute(
            sa.text(
                f"SELECT id, normal FROM company WHERE {self._sql.among('id', 'ids')} AND normal IS NOT NULL"
                " AND deleted_at IS NULL AND merged_into IS NULL"
            ),
            {"ids": self._sql.numbers(ids)},
        )
        return {company: Record.unpacked(normal) for company, normal in rows}


def rekey(connection: Connection, sql: Sql) -> None:
    """Make the keys of all companies anew from their normal forms, after a change of what keys are made of."""
    connection.execute(sa.text("DELETE FROM company_key"))
    last = 0
    while True:
        rows = connection.execute(
            sa.text(
                "SELECT id, firm_id, normal FROM company WHERE id > :last AND normal IS NOT NULL"
                " AND deleted_at IS NULL AND merged_into IS NULL ORDER BY id LIMIT :most"
            ),
            {"last": last, "most": _REKEYED_AT_ONCE},
        ).all()
        if not rows:
            return
        last = rows[-1].id
        keys = [(row.firm_id, key.hash, row.id) for row in rows for key in keys_of(Record.unpacked(row.normal))]
        bulk.insert_rows(connection, sql, "company_key", ("firm_id", "key", "company_id"), keys)
