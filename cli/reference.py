"""
`debitor agreement reference`: what numbers are called, and reading it now.
"""

from __future__ import annotations

import click

from cli.output import AGREEMENT, JSON, CommandFailed, connected, print_json, print_table, unlock
from consumers.drain import drain
from domain.hints import Kind
from domain.reference import Why
from infra.bootstrap import Services
from infra.database import views_names, views_status
from infra.database.views_names import ListState


@click.command()
@click.argument("number", type=AGREEMENT)
@click.option("--read", "read", is_flag=True, help="read every list now (about one call each)")
@click.option("--allow-deletions", is_flag=True, help="read now, and let go of as many names as are missing")
@JSON
def reference(number: int, read: bool, allow_deletions: bool, as_json: bool) -> None:
    """Show the lists of names (groups, terms, products …), or read them now."""
    with connected() as services:
        services.agreements.get(number)
        trouble = None
        if read or allow_deletions:
            unlock(services, number)
            trouble = _read(services, number, Why.ALLOW_DELETIONS if allow_deletions else Why.PERSON)
        with services.database.read() as connection:
            states = views_names.list_states(connection, [number])
    if as_json:
        print_json([shape(state) for state in states])
    else:
        print_table(
            ["list", "names", "without a name", "read", "problem"],
            [(label(state), state.names, state.unnamed, state.read_at, state.problem) for state in states],
        )
    if trouble is not None:
        raise CommandFailed(trouble)


def _read(services: Services, number: int, why: Why) -> str | None:
    """Read here and now, unless another process does already; returns why it has to wait."""
    services.ask_for_names(number, why)
    services.work.try_now(number)
    while services.work.is_due(number, Kind.REFERENCE):
        drain(services, number, Kind.REFERENCE)
    with services.database.read() as connection:
        work = views_status.work_states(connection, [number])
    for state in work:
        if state.kind == Kind.REFERENCE and state.outstanding:
            return (
                f"the lists are not read yet: {state.message or 'another process reads them, or the agreement rests'}"
            )
    return None


def label(state: ListState) -> str:
    """`debtor groups`."""
    return state.which.value.replace("_", " ")


def shape(state: ListState) -> dict[str, object]:
    """A list for scripts."""
    return {
        "list": state.which.value,
        "names": state.names,
        "without_a_name": state.unnamed,
        "read_at": state.read_at,
        "tried_at": state.tried_at,
        "problem": state.problem,
    }
