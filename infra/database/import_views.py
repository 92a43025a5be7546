"""
What is shown of an import: its rows with the companies they name, and the links a person is asked about.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.errors import PermanentError
from domain.import_rows import ImportRow, Verdict
from domain.precision import Part, Precision, Sample, precision
from infra.database.company_views import Named, names_of
from infra.database.engine import Database
from infra.database.imports import import_row_of
from infra.database.tables_imports import import_row

_row = import_row.c


class NotAsked(PermanentError):
    """The link is not one of those a person is asked about; the message says why."""

    reason = "not_asked"


class Shown(NamedTuple):
    """A row, and the companies it names, by our id."""

    row: ImportRow
    companies: dict[int, Named]


def rows(
    connection: Connection, run: int, *, verdict: str | None = None, after: int | None = None, limit: int
) -> list[Shown]:
    """A run's debtors by number."""
    found = sa.select(import_row).where(_row.run_id == run, _row.number > (after or 0))
    if verdict is not None:
        found = found.where(_row.verdict == verdict)
    return _shown(connection, connection.execute(found.order_by(_row.number).limit(limit)))


def asked(connection: Connection, run: int) -> list[Shown]:
    """The links a person is asked about, weakest first, then those drawn by lot."""
    found = sa.select(import_row).where(_row.run_id == run, _row.sample.is_not(None))
    return _shown(connection, connection.execute(found.order_by(_row.sample.desc(), _row.score, _row.number)))


def tick(database: Database, run: int, number: int, *, right: bool | None, who: str) -> None:
    """
    A person says whether a link is right; None takes it back.

    Raises:
        NotAsked: it is not one of those asked about.
    """
    now = None if right is None else sa.text(database.sql.now)
    with database.write() as connection:
        ticked = connection.execute(
            sa.update(import_row)
            .where(_row.run_id == run, _row.number == number, _row.sample.is_not(None))
            .values(is_right=right, ticked_by=None if right is None else who, ticked_at=now)
        )
        if not ticked.rowcount:
            raise NotAsked(f"debtor {number} is not one of the links of run {run} that are asked about")


class Parts(NamedTuple):
    """What was answered about the weakest links, and about the others, of which some were drawn by lot."""

    weakest: Part
    random: Part

    @property
    def precision(self) -> Precision | None:
        return precision(self)

    def as_json(self) -> dict[str, Any]:
        """With the share of right links and where it lies, 0-1; null while too little was answered."""
        found = self.precision
        return {
            "weakest": self.weakest._asdict(),
            "others": self.random._asdict(),
            "share": None if found is None else round(found.share, 4),
            "low": None if found is None else round(found.low, 4),
            "high": None if found is None else round(found.high, 4),
        }


def parts(connection: Connection, run: int) -> Parts:
    """What was answered so far."""
    linked = connection.execute(
        sa.select(sa.func.count()).where(_row.run_id == run, _row.verdict == Verdict.LINKED.value)
    ).scalar_one()
    counted = connection.execute(
        sa.select(_row.sample, sa.func.count(), sa.func.count(_row.is_right), sa.func.count().filter(_row.is_right))
        .where(_row.run_id == run, _row.sample.is_not(None))
        .group_by(_row.sample)
    )
    found = {sample: (asked, answered, right) for sample, asked, answered, right in counted}
    weakest = found.get(Sample.WEAKEST.value, (0, 0, 0))
    return Parts(Part(*weakest), Part(linked - weakest[0], *found.get(Sample.RANDOM.value, (0, 0, 0))[1:]))


def _shown(connection: Connection, found: Iterable[object]) -> list[Shown]:
    told = [import_row_of(row) for row in found]
    names = names_of(connection, {company for row in told for company in _companies(row)})
    return [Shown(row, {each: names[each] for each in _companies(row) if each in names}) for row in told]


def _companies(row: ImportRow) -> set[int]:
    named = {each.company for each in row.judgement.candidates} if row.judgement is not None else set()
    named |= {row.judgement.company} if row.judgement is not None and row.judgement.company is not None else set()
    named |= {row.done.company} if row.done is not None and row.done.company is not None else set()
    return {each for each in named if each > 0}
