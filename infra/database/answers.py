"""
Answers to POSTs with an Idempotency-Key: the same request again gets the same answer, and does nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from infra.database.dialect import Sql
from infra.database.tables import api_answer

KEPT_S = 7 * 86_400
"""So long an answer is kept."""


class Answer(NamedTuple):
    """What was answered: the body as text, and where what was made is found."""

    status: int
    body: str
    location: str | None = None


class Answers:
    """A firm's, inside the transaction that does what the request asks."""

    def __init__(self, connection: Connection, sql: Sql, firm: int) -> None:
        self._connection = connection
        self._sql = sql
        self._mine = api_answer.c.firm_id == firm
        self._firm = firm

    def begin(self, key: str, request: str) -> tuple[str, Answer] | None:
        """
        Take a key; whoever comes with the same one meanwhile waits until this transaction ends.

        Args:
            request: a digest of what is asked.

        Returns:
            The request that had this key before, and its answer; None = this is the first, and `answered` must follow.
        """
        self._connection.execute(
            sa.text(f"DELETE FROM api_answer WHERE firm_id = :firm AND created_at < {self._sql.after('ago')}"),
            {"firm": self._firm, "ago": -KEPT_S},
        )
        taken = self._connection.execute(
            sa.text(
                "INSERT INTO api_answer (firm_id, key, request, status, body, created_at)"
                f" VALUES (:firm, :key, :request, 0, '', {self._sql.now}) ON CONFLICT DO NOTHING"
            ),
            {"firm": self._firm, "key": key, "request": request},
        )
        if taken.rowcount:
            return None
        row = self._connection.execute(sa.select(api_answer).where(self._mine, api_answer.c.key == key)).one()
        return row.request, Answer(row.status, row.body, row.location)

    def answered(self, key: str, answer: Answer) -> None:
        """Remember what is answered, in the same commit as what was done."""
        self._connection.execute(
            sa.update(api_answer).where(self._mine, api_answer.c.key == key).values(answer._asdict())
        )
