"""
The mirrored debtors of an agreement by what a company is known by: `domain.debtor_traces.DebtorSearch`.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.debtor_traces import Traces
from domain.debtors import Debtor
from domain.matching.keys import MOST_PER_KEY
from infra.database.dialect import Sql
from infra.database.tables_companies import debtor_link
from infra.database.tables_mirror import PHONE_DIGITS, debtor

_MOST = MOST_PER_KEY + 1
"""Debtors read for one trace: enough to see that it is everybody's."""

_NAMESAKES = 200
"""Names that begin with one word and are looked through for a zip: about a millisecond."""


class DebtorSearchRows:
    """On either database."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement

    def traced(self, traces: Traces) -> list[Debtor]:
        parts: list[str] = []
        values: dict[str, object] = {"agreement": self._agreement, "most": _MOST, "namesakes": _NAMESAKES}
        here = "SELECT id FROM debtor WHERE agreement = :agreement AND gone_at IS NULL"
        if traces.cvrs:
            parts.append(f"{here} AND {self._sql.among_texts('cvr', 'cvrs')} LIMIT :most")
            values["cvrs"] = self._sql.texts(traces.cvrs)
        if traces.phones:
            phone = self._sql.among_texts(PHONE_DIGITS, "phones")
            parts.append(f"{here} AND phone IS NOT NULL AND {phone} LIMIT :most")
            values["phones"] = self._sql.texts(traces.phones)
        if traces.mail:
            parts.append(f"{here} AND email IS NOT NULL AND lower(email) = :mail LIMIT :most")
            values["mail"] = traces.mail
        if traces.number is not None:
            parts.append(f"{here} AND number = :number")
            values["number"] = traces.number
        # Names that begin alike stand side by side in the index; how far they reach depends on the collation, so they
        # are read from the first one on and looked at.
        from_here = "agreement = :agreement AND lower(name) >= lower(:{0}) ORDER BY lower(name), id LIMIT :{1}"
        begins = "gone_at IS NULL AND substr(lower(name), 1, length(:{0})) = lower(:{0})"
        for trace, most, also in (("name", "most", ""), ("word", "namesakes", " AND zip = :zip")):
            if text := getattr(traces, trace):
                near = from_here.format(trace, most)
                parts.append(
                    f"SELECT id FROM (SELECT id, name, zip, gone_at FROM debtor WHERE {near}) AS near"
                    f" WHERE {begins.format(trace)}{also}"
                )
                values[trace] = text
        values["zip"] = traces.zip
        if not parts:
            return []
        among = " UNION ".join(f"SELECT id FROM ({part}) AS part{at}" for at, part in enumerate(parts))
        columns = ", ".join(Debtor._fields)
        # As an array, so that PostgreSQL looks the few up instead of joining the whole table with them.
        found = f"id = ANY(ARRAY({among}))" if self._sql.postgresql else f"id IN ({among})"
        query = sa.text(f"SELECT {columns} FROM debtor WHERE {found} ORDER BY id")
        rows = self._connection.execute(query.columns(*(debtor.c[name] for name in Debtor._fields)), values)
        return [Debtor._make(row) for row in rows]

    def refused(self, company: int) -> set[int]:
        said = (
            sa.select(debtor.c.number)
            .join(debtor_link, debtor_link.c.debtor_id == debtor.c.id)
            .where(
                debtor_link.c.company_id == company,
                debtor_link.c.refused.is_(True),
                debtor.c.agreement == self._agreement,
            )
        )
        return set(self._connection.execute(said).scalars())
