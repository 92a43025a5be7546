"""
`debitor agreement companies`: what an agreement's debtors do to companies by themselves.
"""

from __future__ import annotations

import click

from cli.output import AGREEMENT, JSON, connected, print_facts, print_json
from infra.database.register import follow_settings, set_following


@click.command("companies")
@click.argument("number", type=AGREEMENT)
@click.option("--create/--no-create", default=None, help="make companies from debtors that fit none (on at first)")
@click.option(
    "--most-at-once",
    type=click.IntRange(0, 100_000),
    help="more new links and companies than this wait for a person (50 at first)",
)
@JSON
def companies(number: int, create: bool | None, most_at_once: int | None, as_json: bool) -> None:
    """
    Show or set what happens to companies when debtors are new or change.

    Nothing does before the first import was started: `debitor import NUMBER --test` shows what would happen.
    """
    with connected() as services:
        services.agreements.get(number)
        if create is not None or most_at_once is not None:
            set_following(services.database, number, create=create, most_at_once=most_at_once)
        with services.database.read() as connection:
            facts = follow_settings(connection, number)
    if as_json:
        print_json(facts)
        return
    print_facts([(name.replace("_", " "), value) for name, value in facts.items()])
    if facts["companies_since"] is None:
        click.echo(f"No company is linked, made or changed yet: start the first import with `debitor import {number}`.")
