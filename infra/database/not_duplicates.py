"""
Pairs that a person spoke of, inside a transaction: remembered until one of the two changes in what decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.alerts import RecordKind, RecordRef, pair_fingerprint
from domain.matching.records import Record
from domain.normal_forms import debtor_form
from infra.database.dialect import Sql
from infra.database.tables_alerts import not_duplicate
from infra.database.tables_companies import company
from infra.database.tables_mirror import debtor

Pair = tuple[RecordRef, int]
"""A record, and a company that it may be."""


class NotDuplicateRows:
    """What was said of pairs, on either database."""

    def __init__(self, connection: Connection, sql: Sql) -> None:
        self._connection = connection
        self._sql = sql

    def companies(self, records: Collection[RecordRef], *, left_too: bool) -> dict[RecordRef, set[int]]:
        """
        The companies that stand apart from each of these records, as long as neither changed in what decides.

        Args:
            left_too: also those of which nobody said that they differ, only not to ask again.
        """
        standing: dict[RecordRef, set[int]] = defaultdict(set)
        said = self._said(records)
        fingerprints = self.fingerprints([(record, other) for record, other, _, _ in said])
        for record, other, left, fingerprint in said:
            if fingerprints.get((record, other)) == fingerprint and (left_too or not left):
                standing[record].add(other)
        return dict(standing)

    def remember(self, pairs: Collection[Pair], *, left: bool, who: str) -> None:
        """Said now, whatever was said before."""
        fingerprints = self.fingerprints(pairs)
        self.forget(pairs)
        if not fingerprints:
            return
        self._connection.execute(
            sa.insert(not_duplicate).values(at=sa.text(self._sql.now)),
            [
                {**_columns(record, other), "left_open": left, "fingerprint": fingerprint, "who": who}
                for (record, other), fingerprint in fingerprints.items()
            ],
        )

    def forget(self, pairs: Iterable[Pair]) -> None:
        """Nobody said anything about these."""
        for record, other in pairs:
            columns = _columns(record, other)
            which = [not_duplicate.c[name] == value for name, value in columns.items() if value is not None]
            self._connection.execute(sa.delete(not_duplicate).where(*which))

    def fingerprints(self, pairs: Collection[Pair]) -> dict[Pair, str]:
        """Of what decides about each pair now; those of which one is not there are left out."""
        if not pairs:
            return {}
        debtors = self._debtors({record.id for record, _ in pairs if record.kind is RecordKind.DEBTOR})
        ids = {other for _, other in pairs} | {r.id for r, _ in pairs if r.kind is RecordKind.COMPANY}
        companies = self._companies(ids)
        found: dict[Pair, str] = {}
        for record, other in pairs:
            own = (debtors if record.kind is RecordKind.DEBTOR else companies).get(record.id)
            if own is not None and other in companies:
                found[record, other] = pair_fingerprint(own, companies[other])
        return found

    def _said(self, records: Collection[RecordRef]) -> list[tuple[RecordRef, int, bool, str]]:
        said = not_duplicate.c
        debtors = {record.id for record in records if record.kind is RecordKind.DEBTOR}
        companies = {record.id for record in records if record.kind is RecordKind.COMPANY}
        rows = self._connection.execute(
            sa.select(said.debtor_id, said.other_company_id, said.company_id, said.left_open, said.fingerprint).where(
                sa.text(
                    f"({self._sql.among('debtor_id', 'debtors')} OR {self._sql.among('other_company_id', 'companies')}"
                    f" OR other_company_id IS NOT NULL AND {self._sql.among('company_id', 'companies')})"
                )
            ),
            {"debtors": self._sql.numbers(debtors), "companies": self._sql.numbers(companies)},
        )
        found = []
        for debtor_id, one, other, left, fingerprint in rows:
            if debtor_id is not None:
                found.append((RecordRef(RecordKind.DEBTOR, debtor_id), other, left, fingerprint))
                continue
            for a, b in ((one, other), (other, one)):
                if a in companies:
                    found.append((RecordRef(RecordKind.COMPANY, a), b, left, fingerprint))
        return found

    def _debtors(self, ids: Collection[int]) -> dict[int, Record]:
        rows = self._connection.execute(
            sa.select(debtor).where(sa.text(self._sql.among("debtor.id", "ids"))), {"ids": self._sql.numbers(ids)}
        )
        return {row.id: debtor_form(dict(row._mapping)) for row in rows}

    def _companies(self, ids: Collection[int]) -> dict[int, Record]:
        rows = self._connection.execute(
            sa.select(company.c.id, company.c.normal).where(
                sa.text(self._sql.among("company.id", "ids")), company.c.normal.is_not(None)
            ),
            {"ids": self._sql.numbers(ids)},
        )
        return {row.id: Record.unpacked(row.normal) for row in rows}


def _columns(record: RecordRef, other: int) -> dict[str, int | None]:
    """A pair of companies is stored once, the lower id first."""
    if record.kind is RecordKind.DEBTOR:
        return {"debtor_id": record.id, "other_company_id": None, "company_id": other}
    first, second = sorted((record.id, other))
    return {"debtor_id": None, "other_company_id": first, "company_id": second}
