"""
Answers to alerts inside a transaction: what was asked, what was said, and what that changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.alerts import AlertReason, Answer, Ending
from domain.questions import AskedRecord, Undoing
from infra.database.alert_endings import AlertEndings
from infra.database.alert_records import candidates_of, ref_of
from infra.database.dialect import Sql
from infra.database.not_duplicates import NotDuplicateRows
from infra.database.tables_alerts import alert, alert_decision, alert_record
from infra.database.tables_companies import company
from infra.database.tables_mirror import debtor

_record, _decision = alert_record.c, alert_decision.c


class AlertAnswers:
    """`domain.questions.AnswerStore` on either database, for one firm."""

    def __init__(self, connection: Connection, sql: Sql, firm: int) -> None:
        self._connection = connection
        self._sql = sql
        self._firm = firm
        self._endings = AlertEndings(connection, sql, firm)
        self._spoken_of = NotDuplicateRows(connection, sql)
        self.lock = self._endings.lock
        self.remember = self._spoken_of.remember
        self.forget = self._spoken_of.forget

    def records(self, alerts: Collection[int]) -> list[AskedRecord]:
        return self._records(_record.alert_id, alerts)

    def decided(self, decision: int) -> list[AskedRecord]:
        return [each for each in self._records(_record.decision_id, [decision]) if each.ending is not None]

    def open_alerts(self, reason: AlertReason | None, after: int, limit: int) -> list[int]:
        found = sa.select(alert.c.id).where(
            alert.c.firm_id == self._firm, alert.c.closed_at.is_(None), alert.c.id > after
        )
        if reason is not None:
            found = found.where(alert.c.reason == reason.value)
        return list(self._connection.execute(found.order_by(alert.c.id).limit(limit)).scalars())

    def begin(self, answer: Answer, reason: AlertReason | None, who: str) -> int:
        made = sa.insert(alert_decision).values(
            firm_id=self._firm,
            answer=answer.value,
            reason=None if reason is None else reason.value,
            who=who,
            at=sa.text(self._sql.now),
        )
        return int(self._connection.execute(made.returning(_decision.id)).scalar_one())

    def answered(
        self, record: AskedRecord, how: Ending, *, who: str, decision: int, done: Mapping[str, object]
    ) -> None:
        self._connection.execute(
            sa.update(alert_record)
            .where(_record.id == record.id)
            .values(
                ending=how.value, ended_by=who, ended_at=sa.text(self._sql.now), decision_id=decision, done=dict(done)
            )
        )
        self._endings.settle([record.alert])

    def undone(self, records: Sequence[AskedRecord], *, decision: int, who: str) -> None:
        by_ending: dict[Ending, list[int]] = {}
        for each in records:
            if each.ending is not None:
                by_ending.setdefault(each.ending, []).append(each.id)
        reopened = [row_id for was, ids in by_ending.items() for row_id in self._endings.reopen(ids, was=was)]
        if elsewhere := {each.id for each in records} - set(reopened):
            self._connection.execute(
                sa.text(
                    "UPDATE alert_record SET ending = :cleared, decision_id = NULL, done = NULL"
                    f" WHERE ending IS NOT NULL AND {self._sql.among('id', 'ids')}"
                ),
                {"ids": self._sql.numbers(elsewhere), "cleared": Ending.CLEARED.value},
            )
        self._endings.settle({each.alert for each in records})
        if records and not self.decided(decision):
            self._connection.execute(
                sa.update(alert_decision)
                .where(_decision.id == decision)
                .values(undone_by=who, undone_at=sa.text(self._sql.now))
            )

    def undoing(self, decisions: Collection[int]) -> Undoing | None:
        undone = (
            sa.select(_decision.undone_by, _decision.undone_at)
            .where(_decision.id.in_(decisions), _decision.undone_at.is_not(None))
            .order_by(_decision.undone_at.desc())
        )
        row = self._connection.execute(undone).first()
        return None if row is None else Undoing(*row)

    def _records(self, column: sa.Column[Any], numbers: Collection[int]) -> list[AskedRecord]:
        if not numbers:
            return []
        rows = self._connection.execute(
            sa.select(
                alert_record,
                debtor.c.number,
                debtor.c.name.label("debtor_name"),
                company.c.name.label("company_name"),
            )
            .join(alert, alert.c.id == _record.alert_id)
            .outerjoin(debtor, debtor.c.id == _record.debtor_id)
            .outerjoin(company, company.c.id == _record.company_id)
            .where(alert.c.firm_id == self._firm, sa.text(self._sql.among(f"alert_record.{column.name}", "numbers")))
            .order_by(_record.alert_id, _record.id),
            {"numbers": self._sql.numbers(numbers)},
        ).all()
        candidates = candidates_of(self._connection, self._sql, [row.id for row in rows], living=True)
        return [
            AskedRecord(
                row.id,
                row.alert_id,
                ref_of(row.debtor_id, row.company_id),
                f"debtor {row.number} {row.debtor_name}"
                if row.debtor_id is not None
                else f"company #{row.company_id} {row.company_name}",
                tuple(candidates.get(row.id, ())),
                None if row.ending is None else Ending(row.ending),
                row.ended_by,
                row.ended_at,
                row.decision_id,
                row.done,
            )
            for row in rows
        ]
