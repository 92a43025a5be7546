"""
`debitor resync`: read everything of an agreement anew, with the database and e-conomic only.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import click

from cli.output import (
    AGREEMENT,
    JSON,
    CommandFailed,
    connected,
    counted,
    print_json,
    print_table,
)
from cli.run_work import check_tokens, finish, run_of
from domain.resync_state import ResyncOptions
from infra.bootstrap import Services
from infra.database.asked_runs import begin_resync, resume_resync

_WHAT = ("debtors", "invoices", "lines")
_COLUMNS = ("read", "new", "changed", "unchanged", "gone")


@click.command()
@click.argument("number", type=AGREEMENT)
@click.option("--debtors", is_flag=True, help="debtors only, unless --invoices is given too")
@click.option("--invoices", is_flag=True, help="invoices and their lines only, unless --debtors is given too")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="invoices dated from then on")
@click.option("--dry-run", is_flag=True, help="read and compare everything, store nothing")
@click.option("--resume", is_flag=True, help="go on with an unfinished resync; fail when there is none")
@click.option("--allow-deletions", is_flag=True, help="let debtors go that e-conomic lists no more, however many")
@click.option("--verbose", is_flag=True, help="show the log as well")
@JSON
def resync(
    number: int,
    debtors: bool,
    invoices: bool,
    since: dt.datetime | None,
    dry_run: bool,
    resume: bool,
    allow_deletions: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Compare everything of an agreement with e-conomic and store what differs."""
    both = debtors == invoices
    options = ResyncOptions(
        debtors=debtors or both,
        invoices=invoices or both,
        since=since.date() if since else None,
        dry_run=dry_run,
        allow_deletions=allow_deletions,
    )
    chosen = options != ResyncOptions() or debtors or invoices
    if resume and chosen:
        raise click.UsageError("--resume goes on with the options the resync began with: leave the others out")
    if options.since and not options.invoices:
        raise click.UsageError("--since limits invoices, which --debtors alone leaves out")
    with connected(verbose=verbose) as services:
        check_tokens(services, number)
        run_id = _begin(services, number, options, resume=resume, chosen=chosen)
        started = time.monotonic()
        goes_on = f"resync {run_id} keeps what it has stored: `debitor resync {number} --resume` goes on"
        run = finish(services, run_id, goes_on)
        report = {
            "run": run.id,
            "agreement": number,
            "state": run.state,
            "dry_run": bool(run.options.get("dry_run")),
            "counts": run.counts,
            "calls_spent": run.counts.get("calls", {}).get("spent", 0),
            "seconds": round(time.monotonic() - started, 1),
            "message": run.message,
        }
    if as_json:
        print_json(report)
    else:
        _print(report)
    if run.state != "done" or run.message:
        raise CommandFailed(f"resync of agreement {number}: {run.message or run.state}")


def _begin(services: Services, number: int, options: ResyncOptions, *, resume: bool, chosen: bool) -> int:
    """
    The run to work on: the agreement's unfinished one, or a new one.

    Raises:
        CommandFailed: `--resume` with nothing to resume, or an unfinished run that was asked for otherwise.
    """
    if resume:
        unfinished = resume_resync(services.database, number)
        if unfinished is None:
            raise CommandFailed(f"agreement {number} has no unfinished resync: leave out --resume to start one")
        return unfinished
    begun = begin_resync(services.database, number, options)
    if begun.fresh:
        return begun.run_id
    run = run_of(services, begun.run_id)
    before = ResyncOptions.from_json(run.options)
    if before != options and (chosen or before.dry_run):
        raise CommandFailed(
            f"resync {run.id} of agreement {number} is unfinished and was asked for otherwise ({_said(before)}):"
            f" finish it first with `debitor resync {number} --resume`"
        )
    click.echo(f"Going on with the unfinished resync {run.id} ({_said(before)}).", err=True)
    return run.id


def _said(options: ResyncOptions) -> str:
    parts = [" and ".join(name for name in ("debtors", "invoices") if getattr(options, name))]
    parts += [f"since {options.since.isoformat()}"] if options.since else []
    parts += ["dry run"] if options.dry_run else []
    parts += ["deletions allowed"] if options.allow_deletions else []
    return ", ".join(parts)


def _print(report: dict[str, Any]) -> None:
    counts: dict[str, dict[str, int]] = report["counts"]
    rows = [(what, *(counts[what].get(column, 0) for column in _COLUMNS)) for what in _WHAT if what in counts]
    print_table(["", *_COLUMNS], rows, empty="Nothing was read.")
    for what, column, said in (
        ("debtors", "kept", "look deleted in e-conomic and were kept"),
        ("debtors", "unreadable", "could not be read: see the failures"),
        ("invoices", "unreadable", "could not be read: see the failures"),
        ("invoices", "lines_unverified", "have unverified lines"),
    ):
        if count := counts.get(what, {}).get(column, 0):
            click.echo(f"{counted(count, what[:-1])} {said}.")
    spent = counted(report["calls_spent"], "call")
    click.echo(f"{spent} to e-conomic, {report['seconds']:,} seconds.")
    if report["dry_run"]:
        click.echo("Dry run: nothing was stored.")
