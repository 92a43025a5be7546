"""`debitor agreement companies`."""

from __future__ import annotations

from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor
from tests.support.databases import AGREEMENT, do, rows


def test_what_debtors_do_to_companies_is_shown_and_set(debitor: Debitor, database: Database) -> None:
    """At first nothing happens; what is set stays, and allowing companies again looks at all debtors."""
    debitor("agreement", "add", AGREEMENT)
    assert f"debitor import {AGREEMENT}" in debitor("agreement", "companies", AGREEMENT).stdout

    do(database, "UPDATE agreement SET companies_since = created_at")
    debitor("agreement", "companies", AGREEMENT, "--no-create")
    facts = debitor.json("agreement", "companies", AGREEMENT, "--most-at-once", 200)
    assert (facts["create_companies"], facts["most_at_once"]) == (False, 200)
    asked = "SELECT new_number FROM inbox WHERE kind = 'links'"
    assert rows(database, asked) == []
    debitor("agreement", "companies", AGREEMENT, "--create")
    assert rows(database, asked) == [(None,)]
