"""Companies that are merged and merges that are undone, in tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain import links
from domain.companies import LinkedHow
from domain.debtors import Debtor, DebtorChanges
from domain.merge_companies import Merged, merge
from domain.merging import Wish
from domain.unmerge_companies import Unmerged, unmerge
from infra.database.companies import CompanyRows
from infra.database.engine import Database
from infra.database.links import LinkRows
from infra.database.merges import MergeRows, merging
from infra.database.mirror_debtors import DebtorRows
from infra.database.outbox import SqlOutbox
from tests.support.companies import companies, firm_of
from tests.support.databases import AGREEMENT, rows

MARIE = "mlj@fjordlys.example"


def merged(database: Database, *companies: int, who: str = MARIE, **wish: Any) -> Merged:
    """Companies that become one, in one committed transaction."""
    with database.write() as connection:
        return merge(merging(connection, database.sql, firm_of(database)), Wish(companies, **wish), who=who)


def undone(database: Database, merge_id: int, who: str = MARIE) -> Unmerged:
    """A merge that is undone, in one committed transaction."""
    with database.write() as connection:
        stores = merging(connection, database.sql, firm_of(database))
        return unmerge(stores, MergeRows(connection, database.sql, firm_of(database)), merge_id, who=who)


def debtor(database: Database, number: int, name: str = "Nordvind Service A/S", **values: Any) -> None:
    """A debtor of the tests' agreement that nobody has linked."""
    with database.write() as connection:
        new = DebtorChanges(insert=[Debtor(number, name, **values)])
        DebtorRows(connection, database.sql, AGREEMENT).write(new, {})


def linked(database: Database, number: int, company: int, *, cut: bool = False) -> None:
    """A debtor that is this company, or that a person says is not."""
    firm = firm_of(database)
    with database.write() as connection:
        rows_ = LinkRows(connection, database.sql, firm)
        found = rows_.debtor(AGREEMENT, number)
        assert found is not None
        stores = CompanyRows(connection, database.sql, firm), rows_, SqlOutbox(connection, database.sql, firm=firm)
        if cut:
            links.unlink(*stores, found, company, who=MARIE)
        else:
            links.link(*stores, found, company, how=LinkedHow.PERSON, who=MARIE)


def links_of(database: Database) -> Mapping[int, int]:
    """Debtor number → the company it is linked to."""
    living = rows(
        database,
        "SELECT d.number, l.company_id FROM debtor_link l JOIN debtor d ON d.id = l.debtor_id WHERE l.cut_at IS NULL",
    )
    return {row.number: row.company_id for row in living}


def state(database: Database) -> dict[str, list[Any]]:
    """Everything that undoing a merge brings back, by value."""
    left_out = {"changed_at", "correlation_id", "created_at"}
    return {
        "companies": [
            {name: value for name, value in row._mapping.items() if name not in left_out} for row in companies(database)
        ],
        "keys": rows(database, "SELECT company_id, key FROM company_key ORDER BY company_id, key"),
        "links": rows(database, "SELECT id, debtor_id, company_id, cut_at, refused FROM debtor_link ORDER BY id"),
        "differences": rows(
            database, "SELECT company_id, debtor_id, field, theirs, why FROM company_difference ORDER BY 1, 2, 3"
        ),
    }
