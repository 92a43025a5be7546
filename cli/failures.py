"""
`debitor failures`: what a person must look at.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import click
from sqlalchemy.engine import Connection

from cli.dead_letters import dead_letters
from cli.output import AGREEMENT, JSON, CommandFailed, connected, counted, print_facts, print_json, print_table
from infra.bootstrap import Services
from infra.database import failure_list
from infra.database.failure_list import Failure, Filter

__all__ = ["dead_letters", "failures"]

F = TypeVar("F", bound=Callable[..., Any])

_HEADINGS = ["id", "agreement", "what", "reason", "times", "last seen", "message"]


def _filters(limit: int) -> Callable[[F], F]:
    def add(command: F) -> F:
        for option in (
            click.option("--limit", type=click.IntRange(1), default=limit, show_default=True, help="at most so many"),
            click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="seen since (UTC)"),
            click.option("--type", "reason", help="of this reason: unreadable, not_found, …"),
            click.option("--kind", help="about this kind of thing: debtor, invoice, hook, …"),
            click.option("--agreement", type=AGREEMENT, help="of this agreement"),
        ):
            command = option(command)
        return command

    return add


@click.group()
def failures() -> None:
    """What a person must look at: list, show, replay, dismiss."""


@failures.command("list")
@_filters(50)
@click.option("--state", type=click.Choice([*failure_list.STATES, "all"]), default="open", show_default=True)
@JSON
def list_(
    agreement: int | None,
    kind: str | None,
    reason: str | None,
    since: dt.datetime | None,
    limit: int,
    state: str,
    as_json: bool,
) -> None:
    """List failures, newest first."""
    wanted = Filter(None, agreement, None if state == "all" else state, kind, reason, _utc(since))
    with connected() as services, services.database.read() as connection:
        found = failure_list.failures(connection, wanted, limit=limit)
    if as_json:
        print_json([failure._asdict() for failure in found])
    else:
        _print_failures(found, empty="There are no such failures.")


@failures.command()
@click.argument("failure_id", metavar="ID", type=int)
@JSON
def show(failure_id: int, as_json: bool) -> None:
    """Show one failure with its whole story."""
    with connected() as services, services.database.read() as connection:
        found = failure_list.failure(connection, failure_id)
    if found is None:
        raise CommandFailed(f"there is no failure {failure_id}")
    if as_json:
        print_json(found._asdict())
        return
    print_facts([(name.replace("_", " "), value) for name, value in found._asdict().items()])
    if found.state == "open" and found.read_again is None:
        click.echo(f"Replaying does not help: {found.instead}.")


@failures.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@_filters(1_000)
@click.option("--all", "everything", is_flag=True, help="every open failure that a replay can help")
@click.option("--dry-run", is_flag=True, help="only say what would be replayed")
def replay(
    ids: tuple[int, ...],
    agreement: int | None,
    kind: str | None,
    reason: str | None,
    since: dt.datetime | None,
    limit: int,
    everything: bool,
    dry_run: bool,
) -> None:
    """Have the debtors and invoices behind failures read again: by id, by a filter, or all."""
    wanted = Filter(None, agreement, "open", kind, reason, _utc(since))
    _choose(ids, wanted, everything)
    with connected() as services:
        with services.database.read() as connection:
            if ids:
                chosen = _by_id(connection, ids)
            else:
                able = failure_list.failures(connection, wanted, limit=limit, replayable=True)
                chosen = able + failure_list.failures(connection, wanted, limit=limit, replayable=False)
        helped = [failure for failure in chosen if failure.state == "open" and failure.read_again]
        if dry_run:
            _print_failures(helped, empty="Nothing would be replayed.")
        else:
            _replay(services, helped)
    _say_what_is_left(
        [failure for failure in chosen if failure.state != "open" or not failure.read_again], by_id=bool(ids)
    )


def _replay(services: Services, chosen: list[Failure]) -> None:
    done = failure_list.replay(services.database, [failure.id for failure in chosen])
    replayed = [outcome.failure for outcome in done if outcome.correlation_id is not None]
    for number, kind in {(failure.agreement, failure.read_again) for failure in replayed}:
        if kind is not None:
            services.wake_ups.note(number, kind)
    click.echo(f"{counted(len(replayed), 'failure')} replayed: what they are about is read again now.")


@failures.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@_filters(1_000)
@click.option("--all", "everything", is_flag=True, help="every open failure")
@click.option("--dry-run", is_flag=True, help="only say what would be dismissed")
@click.option("--note", help="why, for the next reader")
def dismiss(
    ids: tuple[int, ...],
    agreement: int | None,
    kind: str | None,
    reason: str | None,
    since: dt.datetime | None,
    limit: int,
    everything: bool,
    dry_run: bool,
    note: str | None,
) -> None:
    """End failures as they are: by id, by a filter, or all."""
    wanted = Filter(None, agreement, "open", kind, reason, _utc(since))
    _choose(ids, wanted, everything)
    with connected() as services:
        with services.database.read() as connection:
            chosen = _by_id(connection, ids) if ids else failure_list.failures(connection, wanted, limit=limit)
        open_ones = [failure for failure in chosen if failure.state == "open"]
        if dry_run:
            _print_failures(open_ones, empty="Nothing would be dismissed.")
        else:
            done = failure_list.dismiss(services.database, [failure.id for failure in open_ones], note)
            dismissed = sum(failure.state == "dismissed" for failure in done)
            click.echo(f"{counted(dismissed, 'failure')} dismissed.")
    _say_what_is_left([failure for failure in chosen if failure.state != "open"], by_id=bool(ids))


def _choose(ids: tuple[int, ...], wanted: Filter, everything: bool) -> None:
    filtered = wanted != Filter()
    if sum((bool(ids), filtered or everything)) != 1:
        raise click.UsageError("say which: ids, or a filter (--kind, --type, --since, --agreement), or --all")


def _by_id(connection: Connection, ids: tuple[int, ...]) -> list[Failure]:
    """Raises CommandFailed when there is one that there is not."""
    found = []
    for wanted in dict.fromkeys(ids):
        failure = failure_list.failure(connection, wanted)
        if failure is None:
            raise CommandFailed(f"there is no failure {wanted}; nothing was changed")
        found.append(failure)
    return found


def _say_what_is_left(left: list[Failure], *, by_id: bool) -> None:
    """Named ones that were not done make the command fail; a bulk command only mentions what it left out."""
    reasons = [failure.instead if failure.state == "open" else f"it is {failure.state} already" for failure in left]
    if by_id and left:
        said = (f"failure {failure.id} was left as it is: {why}" for failure, why in zip(left, reasons, strict=True))
        raise CommandFailed("; ".join(said))
    for why, count in Counter(reasons).items():
        click.echo(f"Left open, {counted(count, 'failure')}: {why}.", err=True)


def _print_failures(found: list[Failure], *, empty: str) -> None:
    rows = [
        (f.id, f.agreement, f"{f.subject_kind} {f.subject}", f.reason, f.times, f.last_seen_at, f.message)
        for f in found
    ]
    print_table(_HEADINGS, rows, empty=empty)


def _utc(since: dt.datetime | None) -> dt.datetime | None:
    return None if since is None else since.replace(tzinfo=dt.UTC)
