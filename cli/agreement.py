"""
`debitor agreement`: connect e-conomic accounts, and look whether the connection is right.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click

from cli.agreement_companies import companies
from cli.agreement_mail import mail
from cli.groups import groups
from cli.new_debtors import new_debtors
from cli.output import (
    AGREEMENT,
    JSON,
    CommandFailed,
    connected,
    print_facts,
    print_json,
    print_table,
    read_secret,
    unlock,
)
from cli.owners import owners
from cli.reference import label, reference, shape
from domain.accounting_api import AccountingApi, Identity
from domain.errors import PermanentError, WrongAgreement
from domain.invoices import Line, in_order, unique_lines
from infra.bootstrap import Services
from infra.database import scope, views_names, views_status
from infra.database.agreements import Agreement
from infra.database.users import ensure_firm

_NUMBER = click.argument("number", type=AGREEMENT)


class Hook(NamedTuple):
    """One webhook to set up in e-conomic; merge fields are in upper case and quoted (e-conomic.md §1.1, §1.4)."""

    event: str
    danish: str
    path: str
    query: str
    body: str


HOOKS = (
    Hook(
        "Customer updated",
        "Kunde opdateret",
        "customer",
        "old=[OLDNUMBER]&new=[NEWNUMBER]",
        '{"old":"[OLDNUMBER]","new":"[NEWNUMBER]"}',
    ),
    Hook("Invoice booked", "Faktura bogført", "invoice", "invoiceno=[INVOICENO]", '{"invoiceno":"[INVOICENO]"}'),
    Hook(
        "Day book booked",
        "Kassekladde bogført",
        "daybook",
        "daybook=[DAYBOOKNO]",
        '{"daybook":"[DAYBOOKNO]","from":"[FROMSERIALNO]","to":"[TOSERIALNO]"}',
    ),
)


def _only_a_dash(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value not in (None, "-"):
        raise click.BadParameter(
            "a token on the command line shows in the list of processes and the shell's history; write '-' and give it"
            " on standard input"
        )
    return value


_GRANT = click.option(
    "--grant-token", callback=_only_a_dash, metavar="-", help="'-': read the token from standard input, or a prompt"
)
_ASK = click.option("--ask-every-time", is_flag=True, help="store no token; each command asks for it")


@click.group()
def agreement() -> None:
    """Connect e-conomic agreements, test them, print their webhook addresses."""


agreement.add_command(companies)
agreement.add_command(groups)
agreement.add_command(mail)
agreement.add_command(reference)
agreement.add_command(new_debtors)
agreement.add_command(owners)


@agreement.command()
@_NUMBER
@click.option("--user-id", help="who gave the grant; a difference is only warned of")
@_GRANT
@_ASK
@click.option("--webhook-secret", metavar="SECRET", help="the secret in webhook addresses; made up when left out")
def add(
    number: int, user_id: str | None, grant_token: str | None, ask_every_time: bool, webhook_secret: str | None
) -> None:
    """Connect an agreement and print the webhook addresses to paste."""
    _one_of(grant_token, ask_every_time)
    with connected() as services:
        services.agreements.add(
            number,
            firm_id=ensure_firm(services.database),
            user_id=user_id,
            grant_token=read_secret("Grant token") if grant_token else None,
            ask_every_time=ask_every_time,
            hook_secret=webhook_secret,
        )
        click.echo(f"Agreement {number} is connected.")
        if not grant_token and not ask_every_time:
            click.echo(f"No grant token is stored yet: `debitor agreement credentials {number}` takes one.")
        click.echo(f"`debitor agreement test {number}` looks whether e-conomic agrees.\n")
        _print_hooks(services, number)


@agreement.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List the connected agreements."""
    with connected() as services:
        found = services.agreements.all()
    if as_json:
        print_json([_facts(each) for each in found])
        return
    print_table(
        ["agreement", "name", "currency", "grant token", "checked", "paused"],
        [(a.number, a.name, a.base_currency, _credentials(a), a.checked_at, a.paused_at) for a in found],
        empty="No agreement is connected; `debitor agreement add NUMBER` connects one.",
    )


@agreement.command()
@_NUMBER
@JSON
def show(number: int, as_json: bool) -> None:
    """Show one agreement, when its names were read, and what of its work waits."""
    with connected() as services:
        found = services.agreements.get(number)
        with services.database.read() as connection:
            work = views_status.work_states(connection, [number])
            lists = views_names.list_states(connection, [number])
            chosen = scope.chosen_groups(connection, number)
    facts = _facts(found) | {"debtor_groups": chosen or "all", "names_read_at": views_names.all_read_at(lists)}
    waiting = [state for state in work if state.reason is not None]
    if as_json:
        waits = [{"kind": w.kind, "reason": w.reason, "message": w.message, "until": w.not_before} for w in waiting]
        print_json({**facts, "lists": [shape(each) for each in lists], "waits": waits})
        return
    print_facts([(name.replace("_", " "), _joined(value)) for name, value in facts.items()])
    for each in lists:
        if each.problem is not None:
            click.echo(f"{label(each)} are not read as a whole: {each.problem}")
    for state in waiting:
        click.echo(f"{state.kind} wait: {state.message} ({state.reason})")


@agreement.command()
@_NUMBER
@_GRANT
@_ASK
def credentials(number: int, grant_token: str | None, ask_every_time: bool) -> None:
    """Replace the grant token: from standard input or a prompt, or asked for every time."""
    _one_of(grant_token, ask_every_time)
    with connected() as services:
        services.agreements.get(number)
        token = None if ask_every_time else read_secret("Grant token")
        services.agreements.set_credentials(number, grant_token=token, ask_every_time=ask_every_time)
    said = "is asked for every time" if ask_every_time else "is stored; what waited for it starts now"
    click.echo(f"The grant token of agreement {number} {said}.")


@agreement.command()
@_NUMBER
def pause(number: int) -> None:
    """Let an agreement's events come in and wait."""
    with connected() as services:
        services.agreements.pause(number, paused=True)
    click.echo(f"Agreement {number} is paused: events are taken in and wait for `debitor agreement resume {number}`.")


@agreement.command()
@_NUMBER
def resume(number: int) -> None:
    """Let a paused agreement's work go on."""
    with connected() as services:
        services.agreements.pause(number, paused=False)
    click.echo(f"Agreement {number} goes on.")


@agreement.command()
@_NUMBER
def remove(number: int) -> None:
    """Disconnect an agreement: its token is forgotten, its webhooks are refused."""
    with connected() as services:
        services.agreements.remove(number)
    click.echo(f"Agreement {number} is removed. What was stored stays; remove its webhooks in e-conomic too.")


@agreement.command()
@_NUMBER
@click.option("--report", is_flag=True, help="also count records and read one invoice both ways (about 5 calls)")
@JSON
def test(number: int, report: bool, as_json: bool) -> None:
    """Ask e-conomic who the tokens speak for."""
    with connected() as services:
        stored = unlock(services, number)
        token = services.granted.get(number) or services.agreements.grant_token(number)
        api = services.client.agreement(number, token)
        identity = api.identity()
        if identity.agreement != number:
            raise WrongAgreement(
                f"the grant token given for agreement {number} opens agreement {identity.agreement}:"
                f" `debitor agreement credentials {number}` takes the right one"
            )
        services.agreements.identified(number, identity)
        services.work.try_now(number)
        facts = _identity_facts(stored, identity) | (_report(api) if report else {})
    if as_json:
        print_json(facts)
    else:
        click.echo(f"e-conomic answers for agreement {number}.")
        print_facts([(name.replace("_", " "), _joined(value)) for name, value in facts.items()])
    if facts["user_matches"] is False:
        click.echo(
            f"Warning: the token belongs to user {identity.user_id}, not {stored.user_id}; it works all the same.",
            err=True,
        )


@agreement.command()
@_NUMBER
@click.option("--print", "_print", is_flag=True, help="print them (the default)")
@JSON
def webhooks(number: int, _print: bool, as_json: bool) -> None:
    """Print the webhook addresses to paste into e-conomic."""
    with connected() as services:
        services.agreements.get(number)
        _print_hooks(services, number, as_json=as_json)


def _one_of(grant_token: str | None, ask_every_time: bool) -> None:
    if grant_token and ask_every_time:
        raise click.UsageError("--grant-token stores a token, --ask-every-time stores none: choose one")


def _credentials(agreement: Agreement) -> str:
    return "stored" if agreement.has_grant else "asked every time" if agreement.ask_every_time else "missing"


def _facts(agreement: Agreement) -> dict[str, Any]:
    return {
        "number": agreement.number,
        "name": agreement.name,
        "user_id": agreement.user_id,
        "base_currency": agreement.base_currency,
        "grant_token": _credentials(agreement),
        "checked_at": agreement.checked_at,
        "paused_at": agreement.paused_at,
    }


def _identity_facts(stored: Agreement, identity: Identity) -> dict[str, Any]:
    same = None if stored.user_id is None else stored.user_id.casefold() == (identity.user_id or "").casefold()
    return {
        "agreement": identity.agreement,
        "company": identity.company,
        "user_id": identity.user_id,
        "user_matches": same,
        "roles": list(identity.roles),
        "base_currency": identity.base_currency,
    }


def _report(api: AccountingApi) -> dict[str, Any]:
    """How much there is, and whether both services tell the same of one invoice (e-conomic.md §3.2)."""
    debtors, invoices = api.debtors_after(0), api.invoices_after(0)
    facts: dict[str, Any] = {
        "debtors": debtors.total,
        "invoices": invoices.total,
        "unreadable": len(debtors.unreadable) + len(invoices.unreadable),
    }
    if not invoices.items:
        return facts | {"compared_invoice": None, "lines_agree": None}
    number = invoices.items[-1].number
    return facts | {"compared_invoice": number, "lines_agree": _lines_agree(api, number)}


def _lines_agree(api: AccountingApi, number: int) -> bool | str:
    single = api.invoice(number)
    try:
        listed = api.lines([number])
    except PermanentError as error:
        return f"the list of lines is refused: {error}"
    return single is not None and not listed.unreadable and _amounts(single.lines) == _amounts(listed.items)


def _amounts(lines: list[Line]) -> list[tuple[object, ...]]:
    """What counts of the lines that have amounts; the list may leave text lines out."""
    return [(x.product, x.quantity, x.unit_price, x.net) for x in in_order(unique_lines(lines)) if x.net is not None]


def _joined(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _print_hooks(services: Services, number: int, *, as_json: bool = False) -> None:
    secret = services.agreements.hook_secret(number)
    if secret is None:
        raise CommandFailed(f"agreement {number} is not connected")
    base = f"{services.settings.public_url.rstrip('/')}/webhooks/e-conomic/{number}/{secret}"
    if as_json:
        print_json(
            [
                {"event": h.event, "address": f"{base}/{h.path}", "content_type": "application/json", "body": h.body}
                for h in HOOKS
            ]
        )
        return
    click.echo("In e-conomic: Settings > Extensions > Webhooks, one for each of these events (method POST).\n")
    for hook in HOOKS:
        click.echo(f"{hook.event} ({hook.danish})")
        click.echo(f"  address       {base}/{hook.path}")
        click.echo("  content type  application/json")
        click.echo(f"  body          {hook.body}")
        click.echo(f"  without body  {base}/{hook.path}?{hook.query}\n")
    if urlsplit(services.settings.public_url).hostname in ("127.0.0.1", "localhost", "::1"):
        click.echo(
            "e-conomic cannot reach this address: set DEBITOR_PUBLIC_URL to one that the internet can.", err=True
        )
