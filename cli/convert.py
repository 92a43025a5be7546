"""
`debitor convert`: a company becomes a debtor, or a conversion under way is given what it lacks.
"""

from __future__ import annotations

import time

import click

from cli.links import only_agreement
from cli.output import AGREEMENT, JSON, CommandFailed, connected, print_facts, print_json, print_table, unlock
from consumers.drain import drain
from domain.conversion_requests import Supply, Wanted
from domain.conversions import Said, State, WrongState
from domain.crm_events import SECOND_NEEDS_DEAL
from domain.hints import Kind
from domain.new_debtor import BadOverride, read_overrides
from infra.bootstrap import Services
from infra.database import company_views, conversion_views
from infra.database.conversion_views import ConversionView
from infra.database.users import ensure_firm

WHO = "command line"
PATIENCE_S = 45.0
LOOK_EVERY_S = 0.2

_UNDER_WAY = (State.REQUESTED, State.CREATING)


@click.command()
@click.argument("company", metavar="COMPANY")
@click.option("--agreement", type=AGREEMENT, help="where; needed when there are several")
@click.option("--override", "overrides", multiple=True, metavar="FIELD=VALUE", help="say a field of the debtor")
@click.option("--second", is_flag=True, help="another debtor, although the company has one; --deal says what for")
@click.option("--deal", help="the deal that was won")
@click.option("--link", type=click.IntRange(1, 999_999_999), help="it is this debtor, which exists")
@click.option("--create", is_flag=True, help="it is none of the debtors shown")
@click.option("--approve", is_flag=True, help="the bookkeeper says yes")
@click.option("--decline", is_flag=True, help="the bookkeeper says no")
@JSON
def convert(
    company: str,
    agreement: int | None,
    overrides: tuple[str, ...],
    second: bool,
    deal: str | None,
    link: int | None,
    create: bool,
    approve: bool,
    decline: bool,
    as_json: bool,
) -> None:
    """
    Make a debtor of a company: COMPANY is the CRM's id, or # and Debitor's own.

    Said again, it goes on with the same conversion; nothing is created twice.
    """
    said = Said(_overrides(overrides), link, create, approve)
    if second and not (deal or "").strip():
        raise click.UsageError(f"--deal {SECOND_NEEDS_DEAL}")
    with connected() as services:
        number = agreement or only_agreement(services)
        unlock(services, number)
        with services.database.read() as connection:
            company_id = company_views.find(connection, ensure_firm(services.database), company)
        if company_id is None:
            raise CommandFailed(f"there is no company {company}")
        wanted = Wanted(company=company_id, said=said._replace(link=None, create=False, approved=False))
        asked = services.desk.ask(number, wanted._replace(second=second, deal=deal, who=WHO)).conversion
        if decline or (asked.state in (State.NEEDS_INPUT, State.WAITING_APPROVAL) and said != Said()):
            try:
                services.desk.supply(number, Supply(asked.id, said, decline, WHO))
            except WrongState as error:
                raise CommandFailed(str(error)) from None
        found = _worked_on(services, asked.id)
        with services.database.read() as connection:
            steps = conversion_views.steps(connection, found.id)
    if as_json:
        print_json({**_as_json(found), "history": [each._asdict() for each in steps]})
    _say(found, company, quietly=as_json)


def _worked_on(services: Services, conversion: int) -> ConversionView:
    """The conversion once it has ended, asks for something, or took too long: a running Debitor, or we, work on it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with services.database.read() as connection:
            found = conversion_views.one(connection, None, conversion)
        assert found is not None
        if found.state not in _UNDER_WAY or time.monotonic() > deadline:
            return found
        drain(services, found.agreement, Kind.CONVERSIONS)
        time.sleep(LOOK_EVERY_S)


def _say(found: ConversionView, company: str, *, quietly: bool) -> None:
    """One line; CommandFailed unless the company has its debtor."""
    name = found.name or company
    if found.state in (State.CREATED, State.LINKED):
        if not quietly:
            how = "is" if found.state is State.CREATED else "exists already: it is"
            click.echo(f"{name} {how} debtor {found.debtor}.")
        return
    if found.state is State.NEEDS_INPUT and found.needs is not None:
        if not quietly and found.needs.candidates:
            print_table(
                ["debtor", "name", "score", "reasons", "linked to"],
                [(c.number, c.name, c.score, ", ".join(c.reasons), c.linked_to) for c in found.needs.candidates],
            )
            raise CommandFailed(f"{name} may be one of these: say --link NUMBER, or --create when it is none of them")
        if not quietly:
            print_facts([(each.field, each.reason) for each in found.needs.missing])
        raise CommandFailed(f"{name} lacks something: say it with --override FIELD=VALUE ({found.message})")
    if found.state is State.WAITING_APPROVAL:
        raise CommandFailed(f"{name} waits for the bookkeeper: --approve, or --decline")
    if found.state is State.FAILED:
        raise CommandFailed(f"{name} did not become a debtor: {found.message}")
    raise CommandFailed(f"{name} waits ({found.reason or 'busy'}): {found.message or 'it goes on by itself'}")


def _as_json(found: ConversionView) -> dict[str, object]:
    needs = None if found.needs is None else found.needs.as_json()
    return {**found._asdict(), "state": found.state.value, "needs": needs, "said": found.said.as_json()}


def _overrides(given: tuple[str, ...]) -> dict[str, str]:
    """Raises click.UsageError."""
    said: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"--override {text}: say it as FIELD=VALUE")
        said[name.strip()] = value
    try:
        return read_overrides(said)
    except BadOverride as error:
        raise click.UsageError(f"--override {error.field}: {error}") from None
