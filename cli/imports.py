"""
`debitor import`: e-conomic's debtors become companies, or are found to be known ones; tested, started, taken back.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from cli.output import AGREEMENT, JSON, CommandFailed, connected, counted, print_json, print_table
from cli.run_work import check_tokens, finish, run_of
from domain.imports import ImportOptions
from domain.precision import Precision, Sample
from domain.run_kinds import RunKind
from infra.bootstrap import Services
from infra.database import asked_runs, import_views
from infra.database.import_views import Parts, Shown
from infra.database.runs import Run
from infra.import_report import called, reasons, write_report

WHO = "command line"
RUN = click.IntRange(1, 2**63 - 1)
REPORT = click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="what became of each debtor, as CSV, or XLSX by its name",
)

_VERDICTS = {
    "new": "become a new company",
    "linked": "are a company that is known",
    "update": "have a company, which changes",
    "unchanged": "have a company, and nothing changes",
    "doubtful": "are doubtful: a person must say",
    "left": "get no company",
    "error": "cannot be read",
}


@click.command("import")
@click.argument("number", type=AGREEMENT)
@click.option("--test", is_flag=True, help="say what would become of each debtor, and change nothing")
@click.option("--waiting", is_flag=True, help="only the debtors that wait for a person's word")
@click.option("--cancel", type=RUN, metavar="RUN", help="end an import where it is, or drop one that waits for a word")
@click.option("--resume", type=RUN, metavar="RUN", help="go on with an import that was cut short or cancelled")
@click.option("--revert", type=RUN, metavar="RUN", help="take back the companies and links that an import made")
@click.option("--verbose", is_flag=True, help="show the log as well")
@REPORT
@JSON
def import_(
    number: int,
    test: bool,
    waiting: bool,
    cancel: int | None,
    resume: int | None,
    revert: int | None,
    verbose: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    """
    Find out which company each debtor of an agreement is, and make companies from those that are none.

    The list is read from e-conomic first. The first start is what allows Debitor to create, change and link companies
    of this agreement at all; until then nothing appears.
    """
    runs = [run for run in (cancel, resume, revert) if run is not None]
    if len(runs) > 1 or (runs and (test or waiting)):
        raise click.UsageError("--test, --cancel, --resume and --revert each stand alone")
    with connected(verbose=verbose) as services:
        services.agreements.get(number)
        for run_id in runs:
            _check_run(services, run_id, number)
        if cancel is not None:
            asked_runs.cancel(services.database, cancel)
            click.echo(f"Run {cancel} is cancelled. What it did stays: `debitor import {number} --revert {cancel}`.")
            return
        if resume is not None:
            asked_runs.resume(services.database, resume)
            run_id = resume
        elif revert is not None:
            run_id = asked_runs.begin_revert(services.database, revert, who=WHO).run_id
        else:
            if not waiting:
                check_tokens(services, number)
            run_id = _begin(services, number, RunKind.IMPORT, test=test, waiting=waiting)
        run_and_report(services, run_id, of_run=revert or run_id, report=report, as_json=as_json)


def _check_run(services: Services, run_id: int, number: int) -> None:
    run = run_of(services, run_id)
    if run.agreement != number:
        raise CommandFailed(f"run {run_id} is of agreement {run.agreement}")
    if run.type == RunKind.RESYNC:
        raise CommandFailed(f"run {run_id} is a resync: see `debitor resync`")


def _begin(services: Services, number: int, kind: RunKind, *, test: bool, waiting: bool = False) -> int:
    asked_for = None
    if waiting:
        with services.database.read() as connection:
            asked_for = asked_runs.proposed(connection, number)
        if asked_for is None:
            raise CommandFailed(f"nothing of agreement {number} waits for a word")
    options = ImportOptions(test=test, waiting=asked_for, who=WHO)
    begun = asked_runs.begin_import(services.database, number, kind, options)
    if not begun.fresh:
        click.echo(f"Going on with the unfinished {kind} {begun.run_id}.", err=True)
    return begun.run_id


def begin_match(services: Services, number: int, *, test: bool) -> int:
    """A match of an agreement's debtors. Raises NotNow."""
    return _begin(services, number, RunKind.MATCH, test=test)


def run_and_report(services: Services, run_id: int, *, of_run: int, report: Path | None, as_json: bool) -> None:
    """Work on a run to its end, and say what came of it."""
    number, started = run_of(services, run_id).agreement, time.monotonic()
    goes_on = f"run {run_id} keeps what it has done: `debitor import {number} --resume {run_id}` goes on"
    run = finish(services, run_id, goes_on)
    if report is not None:
        write_report(services.database, of_run, report)
    with services.database.read() as connection:
        parts, asked = import_views.parts(connection, of_run), import_views.asked(connection, of_run)
    told = {
        "run": run.id,
        "agreement": number,
        "type": run.type,
        "state": run.state,
        "test": bool(run.options.get("test")),
        "counts": run.counts,
        "precision": parts.as_json(),
        "seconds": round(time.monotonic() - started, 1),
        "message": run.message,
    }
    if as_json:
        print_json(told)
    else:
        _print(run, told, len(asked))
        if report is not None:
            click.echo(f"What became of each debtor: {report}.")
    if run.state != "done" or run.message:
        raise CommandFailed(f"{run.type} {run.id} of agreement {number}: {run.message or run.state}")


def _print(run: Run, told: dict[str, Any], asked: int) -> None:
    counts: dict[str, dict[str, int]] = run.counts
    if run.type == RunKind.REVERT:
        print_table(["debtors", "count"], sorted(counts.get("reverted", {}).items()), empty="Nothing was to revert.")
        return
    verdicts = counts.get("verdicts", {})
    rows = [(said, verdicts[verdict]) for verdict, said in _VERDICTS.items() if verdicts.get(verdict)]
    print_table(["debtors that", "count"], rows, empty="There are no debtors.")
    done = counts.get("done", {})
    if told["test"]:
        click.echo(f"A test: nothing was changed. `debitor import {run.agreement}` does it.")
    elif done:
        said = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(done.items()))
        click.echo(f"Done: {said}. `debitor import {run.agreement} --revert {run.id}` takes it back.")
    if asked:
        click.echo(f"Are the links right? `debitor companies check {run.id}` shows {counted(asked, 'link')} to tick.")
    click.echo(f"Run {run.id}, {told['seconds']:,} seconds.")


@click.command()
@click.argument("run", type=RUN)
@click.option("--right", type=int, multiple=True, metavar="DEBTOR", help="this debtor's link is right")
@click.option("--wrong", type=int, multiple=True, metavar="DEBTOR", help="this debtor's link is wrong")
@JSON
def check(run: int, right: tuple[int, ...], wrong: tuple[int, ...], as_json: bool) -> None:
    """
    Say of some links of an import or test whether they are right.

    Asked about are the 20 weakest and 20 drawn by lot; from the answers the share of right links in this register is
    reckoned.
    """
    with connected() as services:
        run_of(services, run)
        for numbers, is_right in ((right, True), (wrong, False)):
            for number in numbers:
                import_views.tick(services.database, run, number, right=is_right, who=WHO)
        with services.database.read() as connection:
            asked, parts = import_views.asked(connection, run), import_views.parts(connection, run)
    if as_json:
        print_json({"run": run, "links": [_link_json(each) for each in asked], "precision": parts.as_json()})
        return
    print_table(
        ["debtor", "name", "company", "score", "reasons", "asked as", "right"],
        [_link_row(each) for each in asked],
        empty=f"Run {run} links nothing.",
    )
    click.echo(precision_text(parts.precision, parts))


def _link_json(shown: Shown) -> dict[str, Any]:
    number, name, company, score, why, sample, right = _link_row(shown)
    return {
        "debtor": number,
        "name": name,
        "company": company,
        "score": score,
        "reasons": why,
        "sample": sample,
        "right": right,
    }


def _link_row(shown: Shown) -> tuple[Any, ...]:
    row, judgement = shown.row, shown.row.judgement
    assert judgement is not None
    assert row.tick is not None
    score = None if judgement.score is None else round(judgement.score, 1)
    company = called(judgement, judgement.company, shown.companies)
    return (
        *(row.content.number, row.content.values.get("name"), company, score, reasons(judgement)),
        *(row.tick.sample.value, row.tick.right),
    )


def precision_text(found: Precision | None, parts: Parts) -> str:
    """In words."""
    answered = parts.weakest.answered + parts.random.answered
    if found is None:
        return f"{counted(answered, 'link')} answered; answer some of either kind ({' and '.join(Sample)})."
    right = parts.weakest.right + parts.random.right
    return (
        f"{right} of {counted(answered, 'link')} answered are right: of all links about {found.share:.1%},"
        f" and 19 times of 20 between {found.low:.1%} and {found.high:.1%}."
    )
