"""
The rows of imports inside a transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.companies import Refusal
from domain.import_rows import (
    CONTENT,
    Content,
    Done,
    ImportRow,
    Judgement,
    Outcome,
    Reverted,
    Verdict,
    candidates_as_json,
    candidates_from_json,
)
from domain.imports import Phase, Settings
from domain.matching.records import Record
from domain.matching.verdicts import Rung
from domain.precision import Sample, Tick
from domain.run_kinds import RunKind
from infra.database import bulk, tables
from infra.database.comparisons import UNFINISHED
from infra.database.dialect import Sql
from infra.database.scope import in_scope
from infra.database.tables import agreement
from infra.database.tables_companies import debtor_link
from infra.database.tables_imports import import_row
from infra.database.tables_mirror import debtor
from infra.database.waiting_imports import WaitingRows

_row = import_row.c
_COLUMNS = [debtor.c.id, *(debtor.c[name] for name in CONTENT)]
_JUDGED = (
    *("verdict", "turn", "company_id", "joins", "rung", "score", "candidates"),
    *("form", "changed", "refused", "note"),
)
_CARRIED = ("outcome", "outcome_note", "company_id", "changed")


class ImportRows:
    """`domain.imports.ImportStore` on either database."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement
        waiting = WaitingRows(connection, sql, agreement)
        self.wait_for, self.waiting, self.settle = waiting.wait_for, waiting.waiting, waiting.settle

    def settings(self) -> Settings:
        row = self._connection.execute(
            sa.select(agreement.c.create_companies, agreement.c.field_owners).where(
                agreement.c.number == self._agreement
            )
        ).one()
        return Settings(row.create_companies, row.field_owners or {})

    def listed(self, numbers: Collection[int]) -> list[Content]:
        return self._contents(
            sa.text(self._sql.among("debtor.number", "numbers")).bindparams(numbers=self._sql.numbers(numbers))
        )

    def mirrored(self, after: int, limit: int) -> list[Content]:
        return self._contents(debtor.c.number > after, limit=limit)

    def unlinked(self, after: int, limit: int) -> list[Content]:
        linked = sa.exists().where(debtor_link.c.debtor_id == debtor.c.id, debtor_link.c.cut_at.is_(None))
        return self._contents(debtor.c.number > after, ~linked, limit=limit)

    def of_run(self, run: int, after: int, limit: int) -> list[Content]:
        theirs = sa.select(_row.debtor_id).where(_row.run_id == run)
        return self._contents(debtor.c.number > after, debtor.c.id.in_(theirs), limit=limit)

    def _contents(self, *where: sa.ColumnElement[bool] | sa.TextClause, limit: int | None = None) -> list[Content]:
        found = sa.select(*_COLUMNS).where(
            debtor.c.agreement == self._agreement, debtor.c.gone_at.is_(None), in_scope(), *where
        )
        rows = self._connection.execute(found.order_by(debtor.c.number).limit(limit))
        return [Content(row.number, row.id, dict(zip(CONTENT, row[1:], strict=True))) for row in rows]

    def add(self, run: int, rows: Sequence[Content]) -> None:
        """Rows without an id, or with one that is not there (any more), have none."""
        ids = [row.id for row in rows if row.id is not None]
        there = self._connection.execute(
            sa.text(f"SELECT id FROM debtor WHERE {self._sql.among('id', 'ids')}"), {"ids": self._sql.numbers(ids)}
        )
        known = set(there.scalars())
        self._connection.execute(
            sa.delete(import_row).where(_row.run_id == run, _row.number.in_([-row_id for row_id in ids]))
        )
        bulk.insert_rows(
            self._connection,
            self._sql,
            "import_row",
            ("run_id", "number", "debtor_id", "content"),
            [(run, row.number, row.id if row.id in known else None, _json(row.values)) for row in rows],
        )

    def refuse(self, run: int, problems: Mapping[int, str]) -> None:
        bulk.insert_rows(
            self._connection,
            self._sql,
            "import_row",
            ("run_id", "number", "verdict", "note"),
            [(run, number, Verdict.ERROR.value, problem) for number, problem in sorted(problems.items())],
        )

    def rows(self, run: int, after: int, limit: int) -> list[ImportRow]:
        found = sa.select(import_row).where(_row.run_id == run, _row.number > after)
        return [import_row_of(row) for row in self._connection.execute(found.order_by(_row.number).limit(limit))]

    def count(self, run: int) -> int:
        found = sa.select(sa.func.count()).where(_row.run_id == run, _row.number > 0)
        return self._connection.execute(found).scalar_one()

    def companies_of(self, run: int, numbers: Collection[int]) -> dict[int, int]:
        if not numbers:
            return {}
        rows = self._connection.execute(
            sa.select(_row.number, _row.company_id).where(
                _row.run_id == run,
                _row.outcome.is_not(None),
                _row.company_id.is_not(None),
                sa.text(self._sql.among("import_row.number", "numbers")),
            ),
            {"numbers": self._sql.numbers(numbers)},
        )
        return {row.number: row.company_id for row in rows}

    def judged(self, run: int, judgements: Mapping[int, Judgement]) -> None:
        self._update(_JUDGED, run, {number: _judged(each) for number, each in judgements.items()})

    def carried(self, run: int, done: Mapping[int, Done]) -> None:
        self._update(
            _CARRIED,
            run,
            {
                number: (each.outcome.value, each.note, each.company, _json(each.changed) if each.changed else None)
                for number, each in done.items()
            },
        )

    def _update(self, columns: Sequence[str], run: int, rows: Mapping[int, tuple[object, ...]]) -> None:
        bulk.update_rows(
            self._connection,
            self._sql,
            "import_row",
            columns,
            ("run_id", "number"),
            [(*rows[number], run, number) for number in sorted(rows)],
        )

    def links(self, run: int) -> list[tuple[int, float]]:
        rows = self._connection.execute(
            sa.select(_row.number, _row.score).where(_row.run_id == run, _row.verdict == Verdict.LINKED.value)
        )
        return [(row.number, row.score) for row in rows]

    def sample(self, run: int, chosen: Mapping[int, Sample]) -> None:
        self._update(("sample",), run, {number: (sample.value,) for number, sample in chosen.items()})

    def count_made(self, run: int) -> int:
        return self._connection.execute(sa.select(sa.func.count()).where(*_made(run))).scalar_one()

    def made(self, run: int, turn: int, before: int, limit: int) -> list[ImportRow]:
        found = sa.select(import_row).where(*_made(run), _row.turn == turn, _row.number < before)
        return [import_row_of(row) for row in self._connection.execute(found.order_by(_row.number.desc()).limit(limit))]

    def reverted(self, run: int, told: Mapping[int, tuple[Reverted, str | None]]) -> None:
        rows: dict[int, tuple[object, ...]] = {number: (what.value, why) for number, (what, why) in told.items()}
        self._update(("reverted", "revert_note"), run, rows)

    def under_way(self) -> bool:
        run = tables.run.c
        found = sa.select(run.options, run.progress).where(
            run.agreement == self._agreement,
            run.type.in_((RunKind.IMPORT.value, RunKind.MATCH.value)),
            run.state.in_(UNFINISHED),
        )
        return any(
            not options["test"] and progress["phase"] in (Phase.JUDGE, Phase.CARRY_OUT)
            for options, progress in self._connection.execute(found)
        )

    def approve(self) -> bool:
        approved = self._connection.execute(
            sa.text(
                f"UPDATE agreement SET companies_since = {self._sql.now}"
                " WHERE number = :agreement AND companies_since IS NULL"
            ),
            {"agreement": self._agreement},
        )
        return bool(approved.rowcount)


def _made(run: int) -> tuple[sa.ColumnElement[bool], ...]:
    """The rows of debtors whose link a run made, and that was not reverted."""
    return (
        _row.run_id == run,
        _row.outcome.in_((Outcome.CREATED.value, Outcome.LINKED.value)),
        sa.or_(_row.reverted.is_(None), _row.reverted != Reverted.REVERTED.value),
    )


def _judged(each: Judgement) -> tuple[object, ...]:
    """The columns of _JUDGED."""
    return (
        each.verdict.value,
        each.turn,
        each.company,
        each.joins,
        each.rung.value if each.rung is not None else None,
        each.score,
        _json(candidates_as_json(each.candidates)) if each.candidates else None,
        each.form.packed() if each.form is not None else None,
        _json(each.changed) if each.changed else None,
        _json(each.refused) if each.refused else None,
        each.note,
    )


def import_row_of(row: Any) -> ImportRow:
    """A row of `import_row` as the rules see it."""
    judgement = None
    if row.verdict is not None:
        judgement = Judgement(
            Verdict(row.verdict),
            row.company_id,
            row.joins,
            Rung(row.rung) if row.rung is not None else None,
            candidates_from_json(row.candidates or ()),
            Record.unpacked(row.form) if row.form is not None else None,
            {name: (before, after) for name, (before, after) in (row.changed or {}).items()},
            {name: (theirs, Refusal(why)) for name, (theirs, why) in (row.refused or {}).items()},
            row.note,
            row.turn or 1,
        )
    done = None
    if row.outcome is not None:
        changed = judgement.changed if judgement is not None else {}
        done = Done(Outcome(row.outcome), row.company_id, changed, row.outcome_note)
    return ImportRow(
        Content(row.number, row.debtor_id, row.content or {}),
        judgement,
        done,
        Tick(Sample(row.sample), row.is_right, row.ticked_by) if row.sample is not None else None,
        Reverted(row.reverted) if row.reverted is not None else None,
        row.revert_note,
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
