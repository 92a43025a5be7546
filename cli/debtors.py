"""
`debitor debtors`: fields of a debtor are changed in e-conomic, where the agreement allows it.
"""

from __future__ import annotations

import os
import time

import click

from cli.links import WHO
from cli.output import AGREEMENT, JSON, CommandFailed, connected, print_json, print_table, unlock
from consumers.drain import drain
from domain.debtor_edits import FIELDS, RUNNING, State
from domain.debtors import MAX_NUMBER
from domain.edit_requests import BadChange, ask, read_changes, read_seen
from domain.hints import Kind
from infra.bootstrap import Services
from infra.database import edits
from infra.database.edits import EditView
from infra.database.unit_of_work import SqlUnitOfWork
from webhooks import api_shapes_edits as shapes

PATIENCE_S = 45.0
LOOK_EVERY_S = 0.2

_NUMBER = click.IntRange(1, MAX_NUMBER)


@click.group()
def debtors() -> None:
    """Debtors: change them in e-conomic, and see what came of it."""


@debtors.command()
@click.argument("agreement", type=AGREEMENT)
@click.argument("number", type=_NUMBER)
@click.argument("changes", nargs=-1, required=True, metavar="FIELD=VALUE...")
@click.option("--was", "seen", multiple=True, metavar="FIELD=VALUE", help="what you saw there; else what is stored")
@JSON
def edit(agreement: int, number: int, changes: tuple[str, ...], seen: tuple[str, ...], as_json: bool) -> None:
    """
    Change fields of a debtor in e-conomic.

    FIELD is name, address, zip, city, country, phone, email, website, cvr, p_number or ean; an empty VALUE empties it.
    The debtor is read first: where a field is not what was seen, nothing is written, and both values are shown.
    Everything else goes back as it was read, except a price group, which e-conomic does not show.
    """
    with connected() as services:
        services.agreements.get(agreement)
        try:
            wanted, was = read_changes(_said(changes)), read_seen(_said(seen))
        except BadChange as error:
            raise click.UsageError(f"{error.field}: {error}") from None
        unlock(services, agreement)
        with services.database.write() as connection:
            uow = SqlUnitOfWork(connection, services.database.sql, agreement)
            try:
                asked = ask(uow, number, wanted, was, who=WHO, by_crm=False, cause=os.urandom(8).hex())
            except BadChange as error:
                raise click.UsageError(f"{error.field}: {error}") from None
        services.wake_ups.note(agreement, Kind.EDITS)
        found = _worked_on(services, agreement, asked.id)
    if as_json:
        print_json(shapes.edit(found))
    _say(found, quietly=as_json)


@debtors.command("edits")
@click.argument("agreement", type=AGREEMENT)
@click.argument("number", type=_NUMBER)
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="at most so many")
@JSON
def edits_(agreement: int, number: int, limit: int, as_json: bool) -> None:
    """List what was to be changed in a debtor, newest first."""
    with connected() as services, services.database.read() as connection:
        found = edits.of_number(connection, agreement, number, after=None, limit=limit)
    if as_json:
        print_json([shapes.edit(each) for each in found])
        return
    print_table(
        ["id", "asked for", "by", "state", "field", "was", "wanted", "now"],
        [
            (
                *(view.edit.id, view.created_at, view.edit.who, view.edit.state.value),
                *(name, wish.was, wish.value, (view.edit.found or {}).get(name)),
            )
            for view in found
            for name, wish in view.edit.wishes.items()
        ],
        empty="Nothing was to be changed.",
    )


def _said(texts: tuple[str, ...]) -> dict[str, object]:
    """Raises click.UsageError."""
    said: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"{text}: say it as FIELD=VALUE; the fields are {', '.join(FIELDS)}")
        said[name.strip()] = value
    return said


def _worked_on(services: Services, agreement: int, edit_id: int) -> EditView:
    """The edit once it has ended, or took too long: a running Debitor, or we, work on it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with services.database.read() as connection:
            found = edits.one(connection, None, edit_id)
        assert found is not None
        if found.edit.state not in RUNNING or time.monotonic() > deadline:
            return found
        drain(services, agreement, Kind.EDITS)
        time.sleep(LOOK_EVERY_S)


def _say(found: EditView, *, quietly: bool) -> None:
    """One line; CommandFailed unless e-conomic has what is wanted."""
    one = found.edit
    if one.state is State.WRITTEN:
        if not quietly:
            already = "" if one.sends else " already"
            fields = ", ".join(f"{name} {_shown(value)}" for name, value in one.changes.items())
            click.echo(f"Debtor {one.number} has{already}: {fields}.")
        return
    if one.state is State.REFUSED and not quietly:
        rows = [(name, wish.was, (one.found or {}).get(name), wish.value) for name, wish in one.wishes.items()]
        print_table(["field", "was", "is now", "wanted"], rows)
    if one.state in (State.REFUSED, State.FAILED):
        raise CommandFailed(f"debtor {one.number} was not changed: {one.message}")
    raise CommandFailed(
        f"the change of debtor {one.number} waits ({one.reason or 'busy'}): {one.message or 'it goes on by itself'}"
    )


def _shown(value: str | None) -> str:
    return "empty" if value is None else f'"{value}"'
