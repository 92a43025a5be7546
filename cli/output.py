"""
What the short commands share: opening the services, asking for secrets, tables and JSON.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.errors import DebitorError
from infra import logs, settings
from infra.bootstrap import Services, connect
from infra.database import schema
from infra.database.agreements import Agreement
from infra.database.dialect import time_text

AGREEMENT = click.IntRange(1, 999_999_999_999)
JSON = click.option("--json", "as_json", is_flag=True, help="print JSON, for scripts")


class CommandFailed(DebitorError):
    """The command could not do what it was asked; the message says what to do."""

    reason = "command"


@contextmanager
def connected(*, verbose: bool = False) -> Iterator[Services]:
    """
    The services of one command, with the newest schema.

    What goes wrong is said in one line by the command itself; `verbose` adds the log.

    Raises:
        ConfigurationError: a wrong setting, or a schema of another version.
        DatabaseAway: the database does not answer.
    """
    logs.set_up("cli", level="DEBUG" if verbose else "CRITICAL")
    services = connect(settings.load())
    try:
        schema.require_newest(services.database)
        yield services
    finally:
        services.close()


def unlock(services: Services, number: int) -> Agreement:
    """An agreement whose e-conomic can be called: its token is asked for, for this run only, where none is stored."""
    agreement = services.agreements.get(number)
    if not agreement.has_grant and agreement.ask_every_time and number not in services.granted:
        services.granted[number] = read_secret(f"Grant token of agreement {number}")
    return agreement


def read_secret(what: str) -> str:
    """From a hidden prompt, or one line of standard input. Raises CommandFailed when that is empty."""
    text: str = click.prompt(what, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not text.strip():
        raise CommandFailed(f"nothing came on standard input: {what.lower()} is needed there")
    return text.strip("\r\n")


def on_terminal() -> bool:
    """Whether a person watches."""
    return sys.stdout.isatty()


def print_json(value: object) -> None:
    """Indented JSON; times end in Z, amounts are text."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str = "There are none.") -> None:
    """A table on a terminal, aligned columns of plain text elsewhere; numbers stand to the right."""
    if not rows:
        click.echo(empty)
        return
    cells = [[shown(value) for value in row] for row in rows]
    right = [{type(row[column]) for row in rows} - {type(None)} == {int} for column in range(len(headings))]
    if on_terminal():
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading, numeric in zip(headings, right, strict=True):
            table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in [list(headings), *cells]:
        aligned = [
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, right, strict=True)
        ]
        click.echo("  ".join(aligned).rstrip())


def print_facts(facts: Sequence[tuple[str, object]]) -> None:
    """One fact a line, names aligned."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        click.echo(f"{name.ljust(width)}  {shown(value)}".rstrip())


def shown(value: object) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return str(value)


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 failure`, `1,204 failures`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _plain(value: object) -> object:
    if isinstance(value, dt.datetime):
        return time_text(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
