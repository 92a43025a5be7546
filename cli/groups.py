"""
`debitor agreement groups`: which debtor groups are synchronised.
"""

from __future__ import annotations

import click

from cli.output import AGREEMENT, JSON, CommandFailed, connected, print_json, print_table
from infra.database import scope

_GROUPS = click.IntRange(1)


@click.command()
@click.argument("number", type=AGREEMENT)
@click.option("--only", type=_GROUPS, multiple=True, metavar="GROUP", help="synchronise this group; may be repeated")
@click.option("--all", "everything", is_flag=True, help="synchronise all groups")
@JSON
def groups(number: int, only: tuple[int, ...], everything: bool, as_json: bool) -> None:
    """
    Show the debtor groups, or choose those to synchronise.

    Debtors of other groups are mirrored too, marked as out of scope. A new choice counts at once and costs no call.
    """
    if only and everything:
        raise click.UsageError("--only chooses groups, --all chooses every one: take one of them")
    with connected() as services:
        services.agreements.get(number)
        with services.database.read() as connection:
            known = {state.number for state in scope.group_states(connection, number)}
        unknown = sorted(set(only) - known)
        if unknown:
            raise CommandFailed(
                f"agreement {number} has no debtor group {', '.join(map(str, unknown))}; nothing was changed."
                f" `debitor agreement reference {number} --read` reads the groups anew"
            )
        if only or everything:
            scope.choose_groups(services.database, number, only)
        with services.database.read() as connection:
            states = scope.group_states(connection, number)
    if as_json:
        print_json([state._asdict() for state in states])
        return
    print_table(
        ["group", "name", "debtors", "synchronised"],
        [(state.number, state.name, state.debtors, state.synchronised) for state in states],
        empty=f"No debtor group is known yet; `debitor agreement reference {number} --read` reads them.",
    )
