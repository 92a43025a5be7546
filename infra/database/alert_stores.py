"""
The stores of one transaction in which alerts are answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from domain.questions import Stores, Transaction
from infra.database.alert_answers import AlertAnswers
from infra.database.conversions import ConversionRows
from infra.database.engine import Database
from infra.database.links import LinkRows
from infra.database.merges import MergeRows, merging


def answering(database: Database, firm: int) -> Transaction:
    """Transactions for `domain.answer_alerts` and `domain.undo_answers`; each commits on leaving."""

    @contextmanager
    def transaction() -> Iterator[Stores]:
        with database.write() as connection:
            parts = merging(connection, database.sql, firm)
            yield Stores(
                AlertAnswers(connection, database.sql, firm),
                parts.companies,
                LinkRows(connection, database.sql, firm),
                parts.outbox,
                ConversionRows(connection, database.sql),
                parts,
                MergeRows(connection, database.sql, firm),
            )

    return transaction
