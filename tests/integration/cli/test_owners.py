"""Who owns which field, set on the command line."""

from __future__ import annotations

from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor
from tests.support.databases import AGREEMENT, add_agreement, scalar


def test_owners_are_shown_and_set(database: Database, debitor: Debitor) -> None:
    """What is set is shown and kept; a mistake changes nothing and says what there is."""
    add_agreement(database)
    owners = ("agreement", "owners", AGREEMENT)

    assert debitor.json(*owners)["vat"] == "e-conomic"
    changed = debitor.json(*owners, "vat=crm", "billing_zip=newest")
    assert (changed["vat"], changed["billing_city"], changed["name"]) == ("crm", "newest", "newest")
    assert "cannot belong to 'me'" in debitor(*owners, "name=crm", "phone=me", status=1).stderr
    assert debitor.json(*owners)["name"] == "newest"
    debitor(*owners, "vat", status=2)
    debitor(*owners, "vat=crm", "vat=newest", status=2)
    assert "no" in debitor(*owners).stdout
    debitor(*owners, "vat=e-conomic", "billing_zip=e-conomic")
    assert scalar(database, "SELECT field_owners FROM agreement") is None
    debitor("agreement", "owners", AGREEMENT + 1, status=1)
