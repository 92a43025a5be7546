"""`debitor agreement new-debtors`."""

from __future__ import annotations

from collections.abc import Callable

from domain.new_debtor_settings import NewDebtorSettings, NumberSource, Policy
from infra.database.engine import Database
from infra.database.new_debtors import lists_of, settings_of
from tests.integration.cli.conftest import Debitor
from tests.support.databases import AGREEMENT


def stored(database: Database) -> NewDebtorSettings:
    with database.read() as connection:
        return settings_of(connection, AGREEMENT)


def test_nothing_is_set_at_first(debitor: Debitor, database: Database) -> None:
    """Debtors are made at once and numbered by e-conomic, and what to type is shown."""
    debitor("agreement", "add", AGREEMENT)

    shown = debitor("agreement", "new-debtors", AGREEMENT).stdout

    assert stored(database) == NewDebtorSettings()
    assert "are made at once" in shown
    assert f"debitor agreement new-debtors {AGREEMENT} all.customer_group=1" in shown


def test_settings_change_one_by_one(debitor: Debitor, database: Database) -> None:
    """What is set stays until it is set otherwise."""
    debitor("agreement", "add", AGREEMENT)
    debitor("agreement", "new-debtors", AGREEMENT, "all.payment_terms=1", "eu.firm.vat_zone=2", "--policy", "approval")
    debitor("agreement", "new-debtors", AGREEMENT, "--numbers", "company", "--home", "danmark")
    facts = debitor.json("agreement", "new-debtors", AGREEMENT, "eu.firm.vat_zone=", "DE.currency=EUR")

    defaults = {"all": {"payment_terms": "1"}, "DE": {"currency": "EUR"}}
    assert stored(database) == NewDebtorSettings(defaults, "DK", None, Policy.APPROVAL, NumberSource.COMPANY)
    assert facts["defaults"] == defaults
    assert facts["policy"] == "approval"


def test_wrong_usage(debitor: Debitor, database: Database) -> None:
    """What cannot be meant changes nothing."""
    debitor("agreement", "add", AGREEMENT)
    for words in (["all.vat_zone=1"], ["vat_zone=1"], ["--home", "Langtbortistan"], ["--policy", "perhaps"]):
        debitor("agreement", "new-debtors", AGREEMENT, "all.layout=19", *words, status=2)
    assert stored(database).defaults == {}


def test_numbers_are_held_against_the_lists(
    debitor: Debitor, database: Database, connected: Callable[..., None]
) -> None:
    """A number that e-conomic does not have is refused with those that it has; names are shown beside the others."""
    connected()
    debitor("agreement", "reference", AGREEMENT, "--read")

    refused = debitor("agreement", "new-debtors", AGREEMENT, "all.customer_group=99", status=1)
    shown = debitor("agreement", "new-debtors", AGREEMENT, "domestic.vat_zone=1").stdout

    assert "has no debtor group 99; nothing was changed. Known are: 1 " in refused.stderr
    assert "Domestic" in shown
    with database.read() as connection:
        assert len(lists_of(connection, AGREEMENT)) == 5
