"""
What is asked about a company that becomes part of another, and goes back with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.alerts import Ending
from infra.database.alert_endings import AlertEndings
from infra.database.alert_records import candidates_of, packed
from infra.database.dialect import Sql

_INSERT = (
    "INSERT INTO alert_candidate (record_id, company_id, score, reasons, against)"
    " VALUES (:record, :company, :score, :reasons, :against) ON CONFLICT (record_id, company_id) DO NOTHING"
)


class AlertMoves:
    """`move` and `move_back` of `domain.alerts.AlertStore`, on either database."""

    def __init__(self, connection: Connection, sql: Sql, endings: AlertEndings) -> None:
        self._connection = connection
        self._sql = sql
        self._endings = endings

    def move(self, old: int, new: int, *, who: str) -> dict[str, Any]:
        asked = self._asked_about(old)
        self._endings.lock(set(asked.values()))
        before = self._candidates(asked)
        own, survivors = self._own_record(old), self._own_record(new)
        given: list[int] = []
        if own and survivors:
            others = [one for one in before[own] if one[0] not in (old, new)]
            given = [one[0] for one in others if one[0] not in {c[0] for c in self._candidates([survivors])[survivors]}]
            self._insert(survivors, [one for one in others if one[0] in given])
        elif own:
            self._run("UPDATE alert_record SET company_id = :new WHERE id = :own", new=new, own=own)
        for record, candidates in before.items():
            known = {one[0] for one in candidates}
            if old in known and record != survivors:
                self._insert(record, [(new, *one[1:]) for one in candidates if one[0] == old])
            gone = [old, new] if record in (own, survivors) else [old]
            self._delete(record, gone)
        left = self._candidates(asked)
        ended = [record for record in asked if not left[record] or (record == own and survivors)]
        self._endings.end(ended, Ending.MERGED, who=who)
        self._endings.settle(set(asked.values()))
        return {
            "old": old,
            "new": new,
            "own": own,
            "survivors": survivors,
            "given": given,
            "ended": ended,
            "candidates": [[record, [list(one) for one in candidates]] for record, candidates in before.items()],
        }

    def move_back(self, moved: Mapping[str, Any]) -> None:
        old, new, own, survivors = moved["old"], moved["new"], moved["own"], moved["survivors"]
        before = {record: [tuple(one) for one in candidates] for record, candidates in moved["candidates"]}
        alerts = self._alerts_of(before)
        self._endings.lock(set(alerts.values()))
        self._endings.reopen(moved["ended"], was=Ending.MERGED)
        standing = self._open_ones(before)
        if own in standing:
            self._run("UPDATE alert_record SET company_id = :old WHERE id = :own", old=old, own=own)
        if survivors in standing:
            self._delete(survivors, moved["given"])
        for record in standing:
            if new not in {one[0] for one in before[record]}:
                self._delete(record, [new])
            self._insert(record, before[record])
        self._endings.settle(set(alerts.values()))

    def _asked_about(self, company: int) -> dict[int, int]:
        """Open records that are this company or may be it → their alerts."""
        rows = self._connection.execute(
            sa.text(
                "SELECT id, alert_id FROM alert_record WHERE ending IS NULL AND (company_id = :company OR id IN"
                " (SELECT record_id FROM alert_candidate WHERE company_id = :company)) ORDER BY id"
            ),
            {"company": company},
        )
        return {row.id: row.alert_id for row in rows}

    def _alerts_of(self, records: Collection[int]) -> dict[int, int]:
        rows = self._connection.execute(
            sa.text(f"SELECT id, alert_id FROM alert_record WHERE {self._sql.among('id', 'ids')} ORDER BY id"),
            {"ids": self._sql.numbers(records)},
        )
        return {row.id: row.alert_id for row in rows}

    def _open_ones(self, records: Collection[int]) -> list[int]:
        rows = self._connection.execute(
            sa.text(f"SELECT id FROM alert_record WHERE ending IS NULL AND {self._sql.among('id', 'ids')} ORDER BY id"),
            {"ids": self._sql.numbers(records)},
        )
        return list(rows.scalars())

    def _own_record(self, company: int) -> int | None:
        """The open record for which the company is sought that this one may be part of."""
        return self._connection.execute(
            sa.text("SELECT id FROM alert_record WHERE ending IS NULL AND company_id = :company"), {"company": company}
        ).scalar()

    def _candidates(self, records: Collection[int]) -> dict[int, list[tuple[int, float, str, str]]]:
        found = candidates_of(self._connection, self._sql, records)
        return {record: [packed(one) for one in found.get(record, ())] for record in records}

    def _insert(self, record: int, candidates: Iterable[tuple[int, float, str, str]]) -> None:
        for company, score, reasons, against in candidates:
            self._run(_INSERT, record=record, company=company, score=score, reasons=reasons, against=against)

    def _delete(self, record: int, companies: Collection[int]) -> None:
        self._run(
            f"DELETE FROM alert_candidate WHERE record_id = :record AND {self._sql.among('company_id', 'companies')}",
            record=record,
            companies=self._sql.numbers(companies),
        )

    def _run(self, statement: str, **values: object) -> None:
        self._connection.execute(sa.text(statement), values)
