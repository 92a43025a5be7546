"""
Reading a file of companies in: row by row understood, stored in portions, reported one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from domain.company_files import BadCell, FileRow, row_of
from domain.company_headings import Columns, UnusableHeadings, columns_of
from domain.matching.keys import keys_of
from domain.normal_forms import company_form
from domain.take_companies import Mode, Outcome, Taken, Upsert, take_companies
from infra.database import company_files
from infra.database.alerts import AlertRows
from infra.database.companies import CompanyRows
from infra.database.engine import Database
from infra.database.outbox import SqlOutbox
from infra.spreadsheets.reading import rows_of, sha256_of
from infra.spreadsheets.rows import Row, Unreadable
from infra.spreadsheets.writing import written

AT_ONCE = 1_000
"""Rows of one transaction: SQLite has one writer, and webhooks want to write meanwhile."""

WHO = "file"
ERROR = "error"
HEADINGS = ("row", "outcome", "id", "debitor_id", "name", "column", "reason")

_REASONS = {
    Outcome.SUPERSEDED: "the CRM has said something newer since",
    Outcome.MERGED: "it was merged into another company: only the CRM's copy was changed",
    Outcome.EXISTS: "there is such a company already, and only new ones were to be created",
    Outcome.ABSENT: "there is no such company, and only known ones were to be updated",
    Outcome.NAMELESS: "a new company needs a name",
    Outcome.GONE: "it was deleted in the CRM",
}
_ERRORS = {Outcome.NAMELESS, Outcome.DOUBTFUL}


class Line(NamedTuple):
    """What became of a row, as in HEADINGS; `debitor_id` is Debitor's own, `column` the one at fault."""

    row: int
    outcome: str
    id: str | None = None
    debitor_id: int | None = None
    name: str = ""
    column: str = ""
    reason: str = ""


@dataclass(slots=True)
class Imported:
    """What became of a file. `problem` says why it was not read, or not to its end."""

    counts: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    resumed_after: int = 0
    ignored: list[str] = field(default_factory=list)  # headings
    problem: str | None = None


class _Understood(NamedTuple):
    number: int
    row: FileRow


def import_companies(
    database: Database,
    firm: int,
    path: Path,
    *,
    mode: Mode = Mode.BOTH,
    dry_run: bool = False,
    report: Path | None = None,
    on_line: Callable[[Line], None] = lambda line: None,
    on_portion: Callable[[int], None] = lambda row: None,
) -> Imported:
    """
    Take in the companies of a file.

    A portion of rows and the note how far the file was read are one transaction: nothing is half written, and the
    same file again goes on where it was cut short. A dry run writes nothing; rows that repeat each other further apart
    than a portion are then both shown as new.

    Args:
        report: written in the end, whatever the file was.
        on_line: told what became of each row.
        on_portion: told the number of the last row stored.

    Raises:
        DatabaseAway: what was stored stays stored; the same command goes on.
        Unwritable: the report's folder is not there.
    """
    imported = Imported()
    with ExitStack() as stack:
        lines = [on_line]
        if report is not None:
            write = stack.enter_context(written(report, HEADINGS))
            lines.append(write)
        reading = _Reading(database, firm, mode, dry_run=dry_run, imported=imported, lines=lines)
        try:
            reading.read(path, on_portion)
        except (Unreadable, UnusableHeadings) as error:
            imported.problem = str(error)
            reading.say(Line(0, "refused", reason=str(error)))
    return imported


class _Reading:
    """One file on its way in."""

    def __init__(
        self,
        database: Database,
        firm: int,
        mode: Mode,
        *,
        dry_run: bool,
        imported: Imported,
        lines: Iterable[Callable[[Line], None]],
    ) -> None:
        self._database = database
        self._firm = firm
        self._mode = mode
        self._dry_run = dry_run
        self._imported = imported
        self._lines = list(lines)
        self._file_id = 0

    def say(self, line: Line) -> None:
        for tell in self._lines:
            tell(line)

    def read(self, path: Path, on_portion: Callable[[int], None]) -> None:
        with rows_of(path) as rows:
            columns = _headings(rows)
            self._imported.ignored = columns.ignored
            self._begin(path)
            if after := self._imported.resumed_after:
                self.say(Line(after, "done before", reason=f"rows up to {after:,} were stored by an earlier run"))
            understood = self._understood(columns, rows)
            while True:
                portion, broken = _portion(understood)
                if portion:
                    self._take(portion, columns)
                    on_portion(portion[-1].number)
                if broken is not None:
                    raise broken
                if len(portion) < AT_ONCE:
                    break
        if not self._dry_run:
            company_files.finish(self._database, self._file_id)

    def _begin(self, path: Path) -> None:
        if self._dry_run:
            return
        begun = company_files.begin(
            self._database, self._firm, sha256=sha256_of(path), name=path.name, mode=self._mode.value, who=WHO
        )
        self._file_id = begun.id
        self._imported.resumed_after = begun.rows_done
        self._imported.counts.update(begun.counts)
        self._imported.rows = sum(begun.counts.values())

    def _understood(self, columns: Columns, rows: Iterator[Row]) -> Iterator[_Understood]:
        for row in rows:
            if row.number <= self._imported.resumed_after:
                continue
            if row.problem is not None:
                yield _Understood(row.number, FileRow(None, "", BadCell("", row.problem)))
            elif (found := row_of(columns, row.cells)) is not None:
                yield _Understood(row.number, found)

    def _take(self, portion: list[_Understood], columns: Columns) -> None:
        """Store a portion, then say what became of it."""
        records = [each.row.record for each in portion if each.row.record is not None]
        counts, lines = self._imported.counts.copy(), []
        self._prepare(records)
        with self._database.write() as connection:
            attempt = connection.begin_nested() if self._dry_run else None
            store = CompanyRows(connection, self._database.sql, self._firm)
            outbox = SqlOutbox(connection, self._database.sql, firm=self._firm)
            alerts = AlertRows(connection, self._database.sql, self._firm)
            taken = iter(take_companies(store, records, who=WHO, mode=self._mode, outbox=outbox, alerts=alerts))
            for each in portion:
                outcome = None if each.row.record is None else next(taken)
                lines.append(_line(each, outcome, columns))
                counts[lines[-1].outcome] += 1
            if attempt is not None:
                attempt.rollback()
            else:
                company_files.advance(connection, self._file_id, portion[-1].number, counts)
        self._imported.counts = counts
        self._imported.rows += len(portion)
        for line in lines:
            self.say(line)

    def _prepare(self, records: Iterable[Upsert]) -> None:
        """Normalise companies that are probably new, and have it remembered, before others wait for us."""
        with self._database.read() as connection:
            ids = {record.crm_id for record in records if record.crm_id is not None}
            known = CompanyRows(connection, self._database.sql, self._firm).known(ids)
        for record in records:
            if record.crm_id not in known:
                keys_of(company_form(record.values, record.crm_id))


def _headings(rows: Iterator[Row]) -> Columns:
    first = next(rows, None)
    if first is None:
        raise UnusableHeadings("the file has no headings")
    if first.problem is not None:
        raise UnusableHeadings(f"the headings cannot be read: {first.problem}")
    return columns_of(["" if cell is None else str(cell) for cell in first.cells])


def _portion(rows: Iterator[_Understood]) -> tuple[list[_Understood], Unreadable | None]:
    """The next rows, and what broke the file off behind them."""
    portion: list[_Understood] = []
    try:
        for row in islice(rows, AT_ONCE):
            portion.append(row)
    except Unreadable as error:
        return portion, error
    return portion, None


def _line(understood: _Understood, taken: Taken | None, columns: Columns) -> Line:
    number, row = understood
    if row.problem is not None:
        return Line(number, ERROR, None, None, row.name, row.problem.column, row.problem.problem)
    assert taken is not None
    assert row.record is not None
    outcome = ERROR if taken.outcome in _ERRORS else taken.outcome.value
    reason, column = _REASONS.get(taken.outcome, ""), ""
    if taken.outcome is Outcome.NAMELESS:
        column = columns.called("name")
    elif taken.outcome is Outcome.DOUBTFUL:
        reason = f"fits several companies, or one that differs too much: {', '.join(f'#{i}' for i in taken.doubtful)}"
    elif taken.refused:
        column = ", ".join(columns.called(name) for name in taken.refused)
        reason = "not taken, it is e-conomic's or was changed on both sides: shown as a difference"
    return Line(number, outcome, row.record.crm_id, taken.company, row.name, column, reason)
