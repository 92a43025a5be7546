"""`debitor link` and `debitor unlink`."""

from __future__ import annotations

from domain.debtors import Debtor, DebtorChanges
from infra.database.engine import Database
from infra.database.mirror_debtors import DebtorRows
from tests.integration.cli.conftest import Debitor
from tests.support.companies import crm, take
from tests.support.databases import AGREEMENT, add_agreement, scalar

LIVING = "SELECT count(*) FROM debtor_link WHERE cut_at IS NULL"


def test_link_and_unlink(debitor: Debitor, database: Database) -> None:
    """A debtor is linked by the CRM's id or ours, and cut again; what cannot be is one clear line."""
    add_agreement(database)
    take(database, crm())
    with database.write() as connection:
        debtor = Debtor(4711, "Nordvind Service ApS")
        DebtorRows(connection, database.sql, AGREEMENT).write(DebtorChanges(insert=[debtor]), {})

    assert "Nordvind Service A/S" in debitor("link", 4711, "crm-17").stdout
    debitor("link", 4711, "#1")
    assert scalar(database, LIVING) == 1
    assert "is not" in debitor("unlink", 4711, "#1", "--agreement", AGREEMENT).stdout
    assert scalar(database, LIVING) == 0

    assert "no debtor 4712" in debitor("link", 4712, "crm-17", status=1).stderr
    assert "no company crm-9" in debitor("link", 4711, "crm-9", status=1).stderr
    assert "not linked" in debitor("unlink", 4711, "crm-17", status=1).stderr
    add_agreement(database, AGREEMENT + 1)
    assert "--agreement" in debitor("link", 4711, "crm-17", status=1).stderr
