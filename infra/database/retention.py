"""
What is forgotten when it is old and nothing needs it any more: rows of imports, undone merges, answers of the API.

What can still be undone keeps all that its undoing needs, however old it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.import_rows import Outcome, Reverted
from domain.run_kinds import RunKind
from infra.database import tables
from infra.database.answers import KEPT_S
from infra.database.engine import Database
from infra.database.tables_companies import debtor_link
from infra.database.tables_imports import import_row
from infra.database.tables_merges import company_merge

AT_ONCE = 5_000
"""Rows of one transaction."""

_row, _merge, _run = import_row.c, company_merge.c, tables.run.c
_REPORTED = ("candidates", "form", "refused", "note", "outcome_note", "revert_note")
"""What an import says of a debtor, and its revert does not need."""


def forget(database: Database, retention_days: int) -> dict[str, int]:
    """Forget what ended more than so many days ago; returns how many of each, without those of which there was none."""
    return dict(
        +Counter(
            import_rows=_import_rows(database, retention_days),
            merges=_merges(database, retention_days),
            answers=_answers(database),
        )
    )


def _import_rows(database: Database, retention_days: int) -> int:
    """Of runs that are done; a cancelled or failed one may go on, and what waits for a person waits."""
    gone = 0
    with database.read() as connection:
        ended = sa.select(_run.id, _run.options).where(
            _run.type.in_((RunKind.IMPORT.value, RunKind.MATCH.value)),
            _run.state == "done",
            _run.finished_at < sa.text(database.sql.after("ago")),
            sa.exists().where(_row.run_id == _run.id),
        )
        runs = connection.execute(ended, {"ago": -86_400 * retention_days}).all()
    for run_id, options in runs:
        needless = [_row.run_id == run_id, _row.number > 0]
        if not options["test"]:
            needless.append(~_revertable())
        gone += _portions(database, needless)
        with database.write() as connection:
            _blank(connection, run_id)
    return gone


def _revertable() -> sa.ColumnElement[bool]:
    """The import's own link still lives; a link that was cut, or made anew by somebody else, is nobody's to revert."""
    link = debtor_link.c
    lives = sa.exists().where(link.run_id == _row.run_id, link.debtor_id == _row.debtor_id, link.cut_at.is_(None))
    made = sa.func.coalesce(_row.outcome, "").in_((Outcome.CREATED.value, Outcome.LINKED.value))
    return sa.and_(made, sa.func.coalesce(_row.reverted, "") != Reverted.REVERTED.value, lives)


def _portions(database: Database, needless: Sequence[sa.ColumnElement[bool]]) -> int:
    """Delete them, a portion at a time."""
    gone = 0
    while True:
        some = sa.select(_row.run_id, _row.number).where(*needless).limit(AT_ONCE)
        with database.write() as connection:
            numbers = [row.number for row in connection.execute(some)]
            for start in range(0, len(numbers), 1_000):
                which = _row.number.in_(numbers[start : start + 1_000])
                gone += connection.execute(sa.delete(import_row).where(needless[0], which)).rowcount
        if len(numbers) < AT_ONCE:
            return gone


def _blank(connection: Connection, run_id: int) -> None:
    """Of what may be reverted the report goes; a link's revert does not need the debtor's values either."""
    said = sa.or_(*(_row[name].is_not(None) for name in _REPORTED))
    of_run = (_row.run_id == run_id, _row.number > 0)
    connection.execute(sa.update(import_row).where(*of_run, said).values(dict.fromkeys(_REPORTED)))
    linked = (_row.outcome == Outcome.LINKED.value, _row.content.is_not(None))
    connection.execute(sa.update(import_row).where(*of_run, *linked).values(content=None))


def _merges(database: Database, retention_days: int) -> int:
    """Those that were undone; the companies' history goes on telling of them."""
    with database.write() as connection:
        old = sa.select(_merge.id).where(_merge.undone_at < sa.text(database.sql.after("ago"))).limit(AT_ONCE)
        ids = list(connection.execute(old, {"ago": -86_400 * retention_days}).scalars())
        which = {"ids": database.sql.numbers(ids)}
        for table in ("company_merge_link", "company_merge_part"):
            connection.execute(sa.text(f"DELETE FROM {table} WHERE {database.sql.among('merge_id', 'ids')}"), which)
        connection.execute(sa.text(f"DELETE FROM company_merge WHERE {database.sql.among('id', 'ids')}"), which)
    return len(ids)


def _answers(database: Database) -> int:
    """Firms that go on asking forget theirs by themselves."""
    old = sa.text(f"DELETE FROM api_answer WHERE created_at < {database.sql.after('ago')}")
    with database.write() as connection:
        return connection.execute(old, {"ago": -KEPT_S}).rowcount
