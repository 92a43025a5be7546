"""
Debtors that wait for a person's word, as a run that nobody has started yet: rows with numbers below zero.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.imports import ImportOptions, ImportState, Phase, Waiting
from domain.run_kinds import RunKind
from infra.database import bulk, tables
from infra.database.comparisons import PROPOSED, queue_run
from infra.database.dialect import Sql
from infra.database.tables_imports import import_row

_row = import_row.c


class WaitingRows:
    """The part of `domain.imports.ImportStore` about these; of one agreement."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement

    def wait_for(self, debtors: Collection[int]) -> Waiting:
        """Their rows have numbers below zero until the run begins."""
        run = self._connection.execute(
            sa.select(tables.run.c.id)
            .where(*_proposed(self._agreement, PROPOSED))
            .order_by(tables.run.c.id)
            .with_for_update()
        ).scalar()
        is_new = run is None
        if run is None:
            options, state = ImportOptions(), ImportState(Phase.LOAD).as_json()
            run = queue_run(
                self._connection, self._sql, self._agreement, RunKind.IMPORT, options.as_json(), state, state=PROPOSED
            )
        known = set(self._connection.execute(sa.select(_row.debtor_id).where(_row.run_id == run)).scalars())
        bulk.insert_rows(
            self._connection,
            self._sql,
            "import_row",
            ("run_id", "number", "debtor_id"),
            [(run, -debtor_id, debtor_id) for debtor_id in sorted(set(debtors) - known)],
        )
        waiting = Waiting(int(run), len(known | set(debtors)), is_new)
        counts = {"verdicts": {"waiting": waiting.debtors}}
        self._connection.execute(sa.update(tables.run).where(tables.run.c.id == run).values(counts=counts))
        return waiting

    def waiting(self, debtors: Collection[int]) -> set[int]:
        runs = sa.select(tables.run.c.id).where(*_proposed(self._agreement, PROPOSED, "cancelled"))
        found = sa.select(_row.debtor_id).where(_row.run_id.in_(runs), _row.number < 0)
        rows = self._connection.execute(
            found.where(sa.text(self._sql.among("import_row.debtor_id", "ids"))), {"ids": self._sql.numbers(debtors)}
        )
        return set(rows.scalars())

    def settle(self) -> None:
        for state in (PROPOSED, "cancelled"):
            runs = sa.select(tables.run.c.id).where(*_proposed(self._agreement, state))
            self._connection.execute(sa.delete(import_row).where(_row.run_id.in_(runs), _row.number < 0))
        self._connection.execute(
            sa.update(tables.run)
            .where(*_proposed(self._agreement, PROPOSED))
            .values(
                state="cancelled", finished_at=sa.text(self._sql.now), message="an import of all debtors was started"
            )
        )


def _proposed(agreement_number: int, *states: str) -> tuple[sa.ColumnElement[bool], ...]:
    """The imports of an agreement in one of these states."""
    run = tables.run.c
    return run.agreement == agreement_number, run.type == RunKind.IMPORT.value, run.state.in_(states)
