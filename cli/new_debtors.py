"""
`debitor agreement new-debtors`: what a debtor gets that is made from a company, and whether existing ones are changed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import click

from cli.output import AGREEMENT, JSON, CommandFailed, connected, print_facts, print_json, print_table
from domain.countries import country_code, is_country
from domain.new_debtor_settings import (
    DEFAULTED,
    LABELS,
    Lists,
    NewDebtorSettings,
    NumberSource,
    Policy,
    read_default,
    with_defaults,
)
from infra.database.new_debtors import lists_of, lock_settings, save_settings, settings_of


def _one_of(words: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([each.value for each in words])


@click.command("new-debtors")
@click.argument("number", type=AGREEMENT)
@click.argument("defaults", nargs=-1, metavar="[SCOPE.FIELD=NUMBER]...")
@click.option(
    "--policy",
    type=click.Choice([each.value for each in Policy]),
    help="make debtors at once, after approval, or not at all",
)
@click.option(
    "--numbers",
    type=click.Choice([each.value for each in NumberSource]),
    help="who numbers them: e-conomic, or the company",
)
@click.option("--home", metavar="COUNTRY", help="the agreement's own country, two letters")
@click.option("--edits", type=click.Choice(["on", "off"]), help="whether existing debtors may be changed in e-conomic")
@JSON
def new_debtors(
    number: int,
    defaults: tuple[str, ...],
    policy: str | None,
    numbers: str | None,
    home: str | None,
    edits: str | None,
    as_json: bool,
) -> None:
    """
    Show or set what new debtors get.

    FIELD is currency, customer_group, payment_terms, vat_zone or layout; NUMBER is e-conomic's, empty takes a default
    back. SCOPE is all; firm, person or public; domestic, eu or abroad; a country's two letters; or a place and a kind,
    as in eu.firm. The closest scope counts. A VAT zone needs a place: domestic.vat_zone=1 eu.vat_zone=2
    abroad.vat_zone=3. Private people abroad get the domestic zone unless eu.person.vat_zone or abroad.person.vat_zone
    say otherwise.

    With --edits on, the CRM and people may change existing debtors (`debitor debtors edit`, and the API). Leave it off
    where the agreement uses price groups: e-conomic does not show a debtor's, so each change would take it away.
    """
    with connected() as services:
        services.agreements.get(number)
        try:
            changes = [read_default(text) for text in defaults]
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        if home is not None and not is_country(home := country_code(home)):
            raise click.UsageError("--home takes the two letters of a country, for example DK")
        if changes or policy or numbers or home or edits:
            with services.database.write() as connection:
                settings = lock_settings(connection, number)
                lists = lists_of(connection, number)
                _check(number, changes, lists)
                settings = settings._replace(
                    defaults=with_defaults(settings.defaults, changes),
                    policy=Policy(policy) if policy else settings.policy,
                    number=NumberSource(numbers) if numbers else settings.number,
                    home=home or settings.home,
                    edits=edits == "on" if edits else settings.edits,
                )
                save_settings(connection, number, settings)
        else:
            with services.database.read() as connection:
                settings, lists = settings_of(connection, number), lists_of(connection, number)
    if as_json:
        print_json(_facts(settings))
        return
    _print(number, settings, lists)


def _check(number: int, changes: list[tuple[str, str, str]], lists: Lists) -> None:
    """Raises CommandFailed when e-conomic has no such entry; a list nobody has read yet is believed."""
    for _, name, key in changes:
        entries = lists.get(DEFAULTED[name])
        if key and entries is not None and key not in entries:
            known = ", ".join(f"{known} {called}".strip() for known, called in list(entries.items())[:20])
            raise CommandFailed(
                f"agreement {number} has no {LABELS[name]} {key}; nothing was changed. Known are: {known or 'none'}."
                f" `debitor agreement reference {number} --read` reads the lists anew"
            )


def _facts(settings: NewDebtorSettings) -> dict[str, Any]:
    return {
        "policy": settings.policy,
        "numbers": settings.number,
        "home": settings.home_country,
        "base_currency": settings.base_currency,
        "edits": settings.edits,
        "defaults": settings.defaults,
    }


_POLICIES = {
    Policy.AT_ONCE: "are made at once",
    Policy.APPROVAL: "wait for the bookkeeper's approval",
    Policy.NOT_ALLOWED: "are not made",
}


_EDITS = {
    True: "may be changed; a price group is lost by it, which e-conomic does not show",
    False: "are left alone (--edits on lets the CRM and people change them)",
}


def _print(number: int, settings: NewDebtorSettings, lists: Lists) -> None:
    print_facts(
        [
            ("new debtors", _POLICIES[settings.policy]),
            ("number", "given by e-conomic" if settings.number is NumberSource.ECONOMIC else "the company's own"),
            ("existing debtors", _EDITS[settings.edits]),
            ("home", settings.home_country),
            ("currency", settings.base_currency),
        ]
    )
    click.echo()
    print_table(
        ["for", "field", "number", "name"],
        [
            (scope.replace(" ", "."), name, key, lists.get(DEFAULTED[name], {}).get(key))
            for scope, values in sorted(settings.defaults.items())
            for name, key in sorted(values.items())
        ],
        empty=(
            "No defaults yet: each new debtor asks. For example"
            f" `debitor agreement new-debtors {number} all.customer_group=1 all.payment_terms=1 domestic.vat_zone=1`"
        ),
    )
