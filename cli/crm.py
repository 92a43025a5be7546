"""
`debitor crm`: the connection to the CRM: what its events are signed with, where events for it go.
"""

from __future__ import annotations

import click

from cli.crm_endpoints import endpoint
from cli.output import AGREEMENT, JSON, connected, print_json, print_table, read_secret

_NUMBER = click.argument("number", type=AGREEMENT)


@click.group()
def crm() -> None:
    """The CRM: events from it and to it."""


crm.add_command(endpoint)


@crm.group()
def secret() -> None:
    """What the CRM signs its events with; several count at a time, for rotation."""


@secret.command("add")
@_NUMBER
@click.option("--stdin", "from_stdin", is_flag=True, help="the CRM made it: read it from standard input")
@JSON
def add_secret(number: int, from_stdin: bool, as_json: bool) -> None:
    """Accept events of an agreement signed with one more secret; a new one is shown this once."""
    with connected() as services:
        given = read_secret("The secret").strip() if from_stdin else None
        secret_id, made = services.crm_secrets.add(number, given)
        address = f"{services.settings.public_url.rstrip('/')}/webhooks/crm/{number}"
    if as_json:
        print_json({"id": secret_id, "address": address, "secret": None if from_stdin else made})
        return
    click.echo(f"Secret {secret_id} counts from now on; the CRM posts its events to {address}", err=True)
    if not from_stdin:
        click.echo("It is shown this once; keep it now:", err=True)
        click.echo(made)


@secret.command("list")
@_NUMBER
@JSON
def list_secrets(number: int, as_json: bool) -> None:
    """List the secrets of an agreement, retired ones included; never the secrets themselves."""
    with connected() as services:
        services.agreements.get(number)
        found = services.crm_secrets.list(number)
    if as_json:
        print_json([{"id": each.id, "created_at": each.created_at, "retired_at": each.retired_at} for each in found])
        return
    print_table(
        ["id", "since", "retired"],
        [(each.id, each.created_at, each.retired_at) for each in found],
        empty=f"There are none; `debitor crm secret add {number}` makes one.",
    )


@secret.command("retire")
@_NUMBER
@click.argument("secret_id", metavar="ID", type=int)
def retire_secret(number: int, secret_id: int) -> None:
    """Refuse what is signed with a secret, within seconds."""
    with connected() as services:
        services.crm_secrets.retire(number, secret_id)
    click.echo(f"Secret {secret_id} is refused from now on.")
