"""
`debitor companies differences`: changes that were not taken, and what to do about them.
"""

from __future__ import annotations

import click

from cli.links import WHO, only_agreement
from cli.output import AGREEMENT, JSON, CommandFailed, connected, print_json, print_table
from domain.companies import CompanyFields
from domain.settle_differences import settle
from domain.take_companies import CRM
from infra.bootstrap import Services
from infra.database import company_views
from infra.database.links import LinkRows
from infra.database.merges import MergeRows, merging
from infra.database.users import ensure_firm
from webhooks.api_shapes import time


@click.group()
def differences() -> None:
    """Changes that were not taken: list them, take theirs, keep ours."""


@differences.command("list")
@click.argument("company", required=False)
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="at most so many companies")
@JSON
def list_(company: str | None, limit: int, as_json: bool) -> None:
    """List the differences of one company, or of all: COMPANY is the CRM's id, or # and Debitor's own."""
    with connected() as services, services.database.read() as connection:
        firm = ensure_firm(services.database)
        if company is None:
            ids = company_views.differing(connection, firm, limit=limit)
        else:
            ids = [_found(services, firm, company)]
        shown = [one for each in ids if (one := company_views.one(connection, firm, each)) is not None]
    rows = [
        {
            "company": one.crm_id or f"#{one.id}",
            "name": one.fields.name,
            "field": each.field,
            "ours": getattr(one.fields, each.field),
            "theirs": each.theirs,
            "whose": "crm" if each.debtor is None else f"debtor {each.debtor}",
            "why": each.why,
            "since": time(each.since),
        }
        for one in shown
        for each in one.differences
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ["company", "name", "field", "ours", "theirs", "whose", "why", "since"],
            [list(row.values()) for row in rows],
            empty="There are no differences.",
        )


def _whose(command: click.Command) -> click.Command:
    for option in (
        click.Option(["--crm"], is_flag=True, help="the CRM's, where several say something else"),
        click.Option(["--debtor"], type=click.IntRange(1, 999_999_999), help="this debtor's, by number"),
        click.Option(["--agreement"], type=AGREEMENT, help="whose debtor; needed when there are several"),
    ):
        command.params.append(option)
    return command


@differences.command()
@click.argument("company")
@click.argument("field", type=click.Choice(CompanyFields._fields))
def take(company: str, field: str, crm: bool, debtor: int | None, agreement: int | None) -> None:
    """Write what the other side says of a field; an address is taken as a whole."""
    _settle(company, field, crm, debtor, agreement, taking=True)


@differences.command()
@click.argument("company")
@click.argument("field", type=click.Choice(CompanyFields._fields))
def keep(company: str, field: str, crm: bool, debtor: int | None, agreement: int | None) -> None:
    """Keep what is stored, until the other side says something new."""
    _settle(company, field, crm, debtor, agreement, taking=False)


_whose(take)
_whose(keep)


def _settle(company: str, field: str, crm: bool, number: int | None, agreement: int | None, *, taking: bool) -> None:
    if crm and number is not None:
        raise click.UsageError("--crm and --debtor are two sides: name one")
    with connected() as services:
        firm = ensure_firm(services.database)
        company_id = _found(services, firm, company)
        whose = (agreement or only_agreement(services)) if number is not None else None
        with services.database.write() as connection:
            parts = (connection, services.database.sql, firm)
            speaker = CRM if crm else None
            if number is not None and whose is not None:
                linked = LinkRows(*parts).debtor(whose, number)
                if linked is None:
                    raise CommandFailed(f"agreement {whose} has no debtor {number}")
                speaker = linked.id
            stores = merging(*parts)
            settled = settle(
                stores.companies,
                MergeRows(*parts),
                stores.outbox,
                company_id,
                field,
                take=taking,
                who=WHO,
                speaker=speaker,
            )
    for each in settled:
        click.echo(f"{each.field}: {each.theirs} was taken." if taking else f"{each.field} stays as it is.")


def _found(services: Services, firm: int, name: str) -> int:
    with services.database.read() as connection:
        found = company_views.find(connection, firm, name)
    if found is None:
        raise CommandFailed(f"there is no company {name}")
    return found
