"""
The stores of one transaction in which alerts are answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from domain.answer_alerts import Stores, Transaction
from infra.database.alert_answers import AlertAnswers
from infra.database.companies import CompanyRows
from infra.database.engine import Database
from infra.database.links import LinkRows
from infra.database.outbox import SqlOutbox


def answering(database: Database, firm: int) -> Transaction:
    """Transactions for `domain.answer_alerts` and `domain.undo_answers`; each commits on leaving."""

    @contextmanager
    def transaction() -> Iterator[Stores]:
        with database.write() as connection:
            parts = (connection, database.sql, firm)
            yield Stores(
                AlertAnswers(*parts),
                CompanyRows(*parts),
                LinkRows(*parts),
                SqlOutbox(connection, database.sql, firm=firm),
            )

    return transaction
