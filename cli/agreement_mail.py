"""
`debitor agreement mail`: whom mails about an agreement's trouble go to.
"""

from __future__ import annotations

import click

from cli.output import AGREEMENT, JSON, connected, print_facts, print_json
from infra.database.mails import name_reader, readers, trouble_address
from infra.mail.server import address_of


@click.command("mail")
@click.argument("number", type=AGREEMENT)
@click.argument("address", required=False)
@click.option("--none", "no_address", is_flag=True, help="name no address: mails go to the admins again")
@JSON
def mail(number: int, address: str | None, no_address: bool, as_json: bool) -> None:
    """
    Show or name the address that mails about this agreement's trouble go to.

    Without one they go to every admin. None is sent unless DEBITOR_SMTP_URL names a mail server.
    """
    if address is not None and no_address:
        raise click.UsageError("give either an ADDRESS or --none")
    found = None if address is None else address_of(address)
    if address is not None and found is None:
        raise click.BadParameter(f"{address!r} is not one e-mail address", param_hint="ADDRESS")
    with connected() as services:
        services.agreements.get(number)
        if found is not None or no_address:
            name_reader(services.database, number, None if found is None else found.addr_spec)
        with services.database.read() as connection:
            named, them = trouble_address(connection, number), readers(connection, number)
        is_set = services.settings.post is not None
    if as_json:
        print_json({"address": named, "goes_to": them, "mail_server": is_set})
        return
    print_facts(
        [
            ("address", named),
            ("goes to", ", ".join(them) or "nobody: there is no admin"),
            ("mail server", "set" if is_set else "none: nothing is sent (DEBITOR_SMTP_URL)"),
        ]
    )
