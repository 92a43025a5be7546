"""Imports in tests: run to their end, or so far, without any process."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from consumers.run_jobs import place_of
from domain.accounting_api import Page, Unreadable
from domain.debtors import Debtor
from domain.import_run import Import
from domain.imports import ImportOptions, ImportState
from domain.reverting import Revert, RevertState
from domain.run_kinds import Job, RunKind
from infra.database.asked_runs import begin_import, begin_revert
from infra.database.engine import Database
from infra.database.runs import Run, Runs, RunWork
from tests.support.accounting import HeldAccounting
from tests.support.databases import AGREEMENT, rows

WHO = "anna@example.test"


class Lists(HeldAccounting):
    """An e-conomic whose list has pages of `at_once` debtors; numbers in `unreadable` cannot be read."""

    def __init__(self, *debtors: Debtor, at_once: int = 1_000, unreadable: tuple[int, ...] = ()) -> None:
        super().__init__(*debtors)
        self.at_once = at_once
        self.unreadable = unreadable

    def debtors_after(self, number: int, *, changed_since: dt.datetime | None = None) -> Page[Debtor]:
        page = super().debtors_after(number)
        items = page.items[: self.at_once]
        last = items[-1].number if items else number
        bad = [Unreadable(each, "name is no text") for each in self.unreadable if number < each <= last]
        return Page(items, bad, len(self.books), len(page.items) > len(items))


def begin(
    database: Database,
    *,
    test: bool = False,
    kind: RunKind = RunKind.IMPORT,
    waiting: int | None = None,
    agreement: int = AGREEMENT,
) -> int:
    options = ImportOptions(test=test, who=WHO, waiting=waiting)
    return begin_import(database, agreement, kind, options).run_id


def run_of(database: Database, run_id: int) -> Run:
    run = Runs(database).get(run_id)
    assert run is not None
    return run


def advance(database: Database, run_id: int, api: HeldAccounting | None = None, *, steps: int = 1_000) -> str:
    """So many portions of a run by a process of its own; returns the phase it is in then."""
    runs = Runs(database)
    token = runs.take(run_id)
    assert token is not None
    run = run_of(database, run_id)
    job = _job(database, run, token, api)
    for _ in range(steps):
        if not job.step():
            runs.finish(run_id, token, message=job.closing())
            break
    else:
        runs.release(run_id, token)
    return str(place_of(run_of(database, run_id)).phase)


def _job(database: Database, run: Run, token: str, api: HeldAccounting | None) -> Job:
    if run.type == RunKind.REVERT:
        work = RunWork(database, run, token)
        return Revert(work, run.options["run"], run.options["who"], RevertState.from_json(run.progress))
    options = ImportOptions.from_json(run.options)
    work = RunWork(database, run, token, dry=options.test, matches=True)
    return Import(work, api, options, ImportState.from_json(run.progress))  # type: ignore[arg-type]


def imported(database: Database, api: HeldAccounting | None, **options: Any) -> int:
    """A whole import, test or match."""
    run_id = begin(database, **options)
    advance(database, run_id, api)
    return run_id


def reverted(database: Database, run_id: int) -> int:
    """A whole revert of it."""
    revert = begin_revert(database, run_id, who=WHO).run_id
    advance(database, revert)
    return revert


def verdicts(database: Database, run_id: int) -> dict[int, tuple[Any, ...]]:
    """What a run says about each debtor, by number; companies that it makes are named by their debtor."""
    found = rows(
        database,
        "SELECT number, verdict, joins, rung, score, note, CAST(changed AS TEXT) AS changed,"
        " CASE WHEN joins IS NULL AND verdict <> 'new' THEN company_id END AS company"
        " FROM import_row WHERE run_id = :run ORDER BY number",
        run=run_id,
    )
    return {row.number: tuple(row)[1:] for row in found}


def told(database: Database, run_id: int) -> dict[int, tuple[Any, ...]]:
    """Verdict and outcome of each debtor, by number."""
    found = rows(
        database, "SELECT number, verdict, outcome FROM import_row WHERE run_id = :run ORDER BY number", run=run_id
    )
    return {row.number: (row.verdict, row.outcome) for row in found}


_FIRMS = ("Nordvind", "Sydhavn", "Østerbro", "Vestkyst", "Havgus", "Lyngby", "Klitten", "Bakken", "Fjorden", "Skagen")
_TRADES = ("Service", "Maskiner", "VVS", "Tømrer", "El", "Revision", "Transport", "Bageri")
_STREETS = ("Industrivej", "Havnegade", "Torvet", "Skolevej", "Markvej")
_PLACES = (("8700", "Horsens"), ("9000", "Aalborg"), ("5000", "Odense C"), ("7100", "Vejle"))
_CVRS = ("31313139", "24256790", "10150817", "61056416", "26259495", "36213728")


def a_register(count: int, seed: int) -> list[Debtor]:
    """Invented debtors, many of whom are one firm, or look like it: poor in keys, as real registers are."""
    chance = random.Random(seed)
    debtors: list[Debtor] = []
    for number in range(1, count + 1):
        zip_code, city = chance.choice(_PLACES)
        debtor = Debtor(
            number,
            f"{chance.choice(_FIRMS)} {chance.choice(_TRADES)} {chance.choice(('ApS', 'A/S', ''))}".strip(),
            address=f"{chance.choice(_STREETS)} {chance.randint(1, 60)}",
            zip=zip_code,
            city=city,
            cvr=chance.choice(_CVRS) if chance.random() < 0.2 else None,
            phone=str(chance.randint(70_000_000, 70_000_040)) if chance.random() < 0.5 else None,
            email=f"post{chance.randint(1, 60)}@firma.example" if chance.random() < 0.2 else None,
        )
        if debtors and chance.random() < 0.3:  # once more, told a little otherwise
            twin = chance.choice(debtors)
            kept = {name: getattr(twin, name) for name in ("address", "zip", "city", "cvr", "phone", "email")}
            for name in chance.sample(sorted(kept), 2):
                kept[name] = getattr(debtor, name)
            debtor = twin._replace(number=number, **kept)
        debtors.append(debtor)
    return debtors
