"""
Failures inside a transaction: one open row per thing a person must look at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy.engine import Connection

from domain.ports import FailureReport
from infra.database.dialect import Sql, text


class FailureRows:
    """`domain.ports.FailureStore` on either database."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int, *, some_open: bool = True) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement
        self._some_open = some_open

    def report(self, failures: Iterable[FailureReport]) -> None:
        rows = [{"agreement": self._agreement, **failure._asdict()} for failure in failures]
        if rows:
            self._some_open = True
            self._connection.execute(
                text(
                    "INSERT INTO failure (agreement, subject_kind, subject, reason, message, advice, detail, state,"
                    " times, first_seen_at, last_seen_at) VALUES (:agreement, :subject_kind, :subject, :reason,"
                    f" :message, :advice, :detail, 'open', 1, {self._sql.now}, {self._sql.now})"
                    " ON CONFLICT (agreement, subject_kind, subject) WHERE state = 'open'"
                    " DO UPDATE SET times = failure.times + 1, last_seen_at = excluded.last_seen_at,"
                    " reason = excluded.reason, message = excluded.message, advice = excluded.advice,"
                    " detail = excluded.detail"
                ),
                rows,
            )

    def resolve(self, subject_kind: str, subjects: Collection[object]) -> None:
        if not self._some_open:
            return
        open_ones = self._connection.execute(
            text(
                "SELECT id, subject FROM failure WHERE agreement = :agreement AND subject_kind = :kind"
                " AND state = 'open'"
            ),
            {"agreement": self._agreement, "kind": subject_kind},
        ).all()
        wanted = {str(subject) for subject in subjects} if open_ones else set()
        self.end([row.id for row in open_ones if row.subject in wanted], "resolved")

    def end(self, ids: Collection[int], state: str, note: str | None = None) -> None:
        """End open failures as `resolved`, `dismissed` or `replayed`."""
        if ids:
            self._connection.execute(
                text(
                    f"UPDATE failure SET state = :state, note = :note, ended_at = {self._sql.now}"
                    f" WHERE {self._sql.among('id', 'ids')} AND agreement = :agreement AND state = 'open'"
                ),
                {"state": state, "note": note, "ids": self._sql.numbers(ids), "agreement": self._agreement},
            )
