"""
`debitor link`, `debitor unlink`: which company a debtor is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import click

from cli.output import AGREEMENT, CommandFailed, connected
from domain import links
from domain.companies import LinkedHow
from infra.bootstrap import Services
from infra.database import company_views
from infra.database.companies import CompanyRows
from infra.database.links import LinkRows
from infra.database.outbox import SqlOutbox
from infra.database.users import ensure_firm

WHO = "command line"
F = TypeVar("F", bound=Callable[..., None])


class _Pair(NamedTuple):
    """A debtor and a company, and the stores of the transaction they are in."""

    debtor: links.LinkedDebtor
    company: int
    companies: CompanyRows
    links: LinkRows
    outbox: SqlOutbox


def _of_a_pair(command: F) -> F:
    for option in (
        click.option("--agreement", type=AGREEMENT, help="whose debtor; needed when there are several"),
        click.argument("company", metavar="COMPANY"),
        click.argument("debtor", metavar="DEBTOR", type=click.IntRange(1, 999_999_999)),
    ):
        command = option(command)
    return command


@click.command()
@_of_a_pair
def link(debtor: int, company: str, agreement: int | None) -> None:
    """Say which company a debtor is: COMPANY is the CRM's id, or # and Debitor's own."""
    with connected() as services, _pair(services, debtor, company, agreement) as pair:
        done = links.link(
            pair.companies, pair.links, pair.outbox, pair.debtor, pair.company, how=LinkedHow.PERSON, who=WHO
        )
    click.echo(f"Debtor {debtor} is {done.fields.name}.")


@click.command()
@_of_a_pair
def unlink(debtor: int, company: str, agreement: int | None) -> None:
    """Say that a debtor is not this company; it is remembered."""
    with connected() as services, _pair(services, debtor, company, agreement) as pair:
        done = links.unlink(pair.companies, pair.links, pair.outbox, pair.debtor, pair.company, who=WHO)
    click.echo(f"Debtor {debtor} is not {done.fields.name}; only a person can link them again.")


@contextmanager
def _pair(services: Services, number: int, company: str, agreement: int | None) -> Iterator[_Pair]:
    """Both, locked in one transaction. Raises CommandFailed when one of them is not there."""
    agreement = agreement or only_agreement(services)
    firm = ensure_firm(services.database)
    database = services.database
    with database.write() as connection:
        rows = LinkRows(connection, database.sql, firm)
        debtor = rows.debtor(agreement, number)
        if debtor is None:
            raise CommandFailed(f"agreement {agreement} has no debtor {number}")
        company_id = company_views.find(connection, firm, company)
        if company_id is None:
            raise CommandFailed(f"there is no company {company}")
        companies, outbox = CompanyRows(connection, database.sql, firm), SqlOutbox(connection, database.sql, firm=firm)
        yield _Pair(debtor, company_id, companies, rows, outbox)


def only_agreement(services: Services) -> int:
    """The one agreement there is. Raises CommandFailed when there are several, or none."""
    connected_ones = [each.number for each in services.agreements.all()]
    if len(connected_ones) != 1:
        raise CommandFailed(f"say whose debtor with --agreement: {len(connected_ones)} agreements are connected")
    return connected_ones[0]
