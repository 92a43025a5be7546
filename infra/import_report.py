"""
The report of an import: one line for each debtor, as CSV or XLSX.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domain.import_rows import Judgement
from domain.matching.verdicts import Candidate
from infra.database import import_views
from infra.database.company_views import Named
from infra.database.engine import Database
from infra.database.import_views import Shown
from infra.spreadsheets.writing import written

HEADINGS = (
    *("debtor", "name", "zip", "city", "cvr", "verdict", "company", "company id", "score", "reasons", "candidates"),
    *("changes", "not taken", "note", "done", "done note", "reverted", "reverted note", "asked about", "right"),
)
_PAGE = 1_000


def write_report(database: Database, run: int, path: Path) -> int:
    """
    Write the report of a run, however far it is; returns the number of debtors.

    Raises:
        Unwritable: the folder is not there, full, or not ours.
    """
    count = 0
    with written(path, HEADINGS) as write:
        for shown in _all(database, run):
            write(line(shown))
            count += 1
    return count


def _all(database: Database, run: int) -> Iterator[Shown]:
    after = 0
    while True:
        with database.read() as connection:
            page = import_views.rows(connection, run, after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].row.content.number


def line(shown: Shown) -> tuple[object, ...]:
    """The columns of HEADINGS."""
    row, names = shown
    judgement, done, tick = row.judgement, row.done, row.tick
    company = done.company if done is not None else None
    if company is None and judgement is not None:
        company = judgement.company
    values = row.content.values
    changed = done.changed if done is not None and done.changed else judgement.changed if judgement is not None else {}
    return (
        row.content.number,
        *(values.get(name) for name in ("name", "zip", "city")),
        values.get("cvr") or values.get("vat_number"),
        judgement.verdict.value if judgement is not None else None,
        called(judgement, company, names),
        company,
        judgement.score if judgement is not None else None,
        reasons(judgement),
        "; ".join(_candidate(each, names) for each in doubted(judgement)),
        "; ".join(f"{name}: {before or '-'} → {after or '-'}" for name, (before, after) in changed.items()),
        "; ".join(f"{name}: {theirs}" for name, (theirs, _) in judgement.refused.items()) if judgement else "",
        judgement.note if judgement is not None else None,
        done.outcome.value if done is not None else None,
        done.note if done is not None else None,
        row.reverted.value if row.reverted is not None else None,
        row.revert_note,
        tick.sample.value if tick is not None else None,
        None if tick is None or tick.right is None else ("yes" if tick.right else "no"),
    )


def called(judgement: Judgement | None, company: int | None, names: dict[int, Named]) -> str | None:
    """The company a debtor is linked to."""
    if company is not None:
        return names[company].name if company in names else None
    if judgement is not None and judgement.joins is not None:
        return f"the new company of debtor {judgement.joins}"
    return None


def reasons(judgement: Judgement | None) -> str:
    """Why it is this company, in words."""
    if judgement is None or len(judgement.candidates) != 1:
        return ""
    rung = [f"same {judgement.rung.value}"] if judgement.rung is not None else []
    [candidate] = judgement.candidates
    return ", ".join(dict.fromkeys([*rung, *(reason.text() for reason in candidate.reasons)]))


def doubted(judgement: Judgement | None) -> tuple[Candidate, ...]:
    """The companies between which a person must choose."""
    if judgement is None or judgement.company is not None or judgement.joins is not None:
        return ()
    return judgement.candidates


def _candidate(candidate: Candidate, names: dict[int, Named]) -> str:
    name = f"the new company of debtor {-candidate.company}"
    if candidate.company > 0:
        name = f"#{candidate.company} {names[candidate.company].name if candidate.company in names else ''}".rstrip()
    against = "".join(f", but {reason.text()}" for reason in candidate.against)
    return f"{name} ({candidate.score:.0f}: {', '.join(reason.text() for reason in candidate.reasons)}{against})"
