"""
`debitor agreement owners`: who may change which field of a linked company.
"""

from __future__ import annotations

import click

from cli.output import AGREEMENT, JSON, connected, print_json, print_table
from domain.companies import DEFAULT_OWNERS
from infra.database.field_owners import field_owners


@click.command()
@click.argument("number", type=AGREEMENT)
@click.argument("changes", nargs=-1, metavar="[FIELD=OWNER]...")
@JSON
def owners(number: int, changes: tuple[str, ...], as_json: bool) -> None:
    """
    Show or set who owns the fields of companies linked to this agreement's debtors.

    OWNER is e-conomic, crm, or newest: whoever changed it last, unless both did. Fields of one address belong together:
    to name one of them is enough. A change that is not its owner's is kept as a difference.
    """
    wanted: dict[str, str] = {}
    for text in changes:
        field, separator, owner = text.partition("=")
        if not separator or field in wanted:
            raise click.UsageError(f"{text!r} must be FIELD=OWNER, each field once")
        wanted[field] = owner
    with connected() as services:
        services.agreements.get(number)
        found = field_owners(services.database, number, wanted)
    if as_json:
        print_json(found)
        return
    print_table(
        ["field", "owner", "default"],
        [(field, owner.value, owner == DEFAULT_OWNERS[field]) for field, owner in found.items()],
    )
