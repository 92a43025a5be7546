"""Companies in tests: taken in as the CRM says them, and looked at."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from domain.take_companies import Deletion, Mode, Taken, Upsert, take_companies
from infra.database.companies import CompanyRows
from infra.database.engine import Database
from infra.database.outbox import SqlOutbox
from infra.database.tables_companies import company
from infra.database.users import ensure_firm
from tests.support.databases import rows

NORDVIND: dict[str, str | None] = {
    "name": "Nordvind Service A/S",
    "vat": "31313139",
    "street": "Industrivej 7",
    "zip": "8700",
    "city": "Horsens",
    "country": "DK",
    "phone": "+4576000000",
    "mail": "faktura@nordvind.example",
    "relation": "prospect",
    "account_manager": "mlj",
}


def firm_of(database: Database) -> int:
    return ensure_firm(database)


def take(
    database: Database, *records: Upsert | Deletion, who: str = "crm", mode: Mode = Mode.BOTH, tell: bool = False
) -> list[Taken]:
    """Records taken in, in one committed transaction."""
    firm = firm_of(database)
    with database.write() as connection:
        outbox = SqlOutbox(connection, database.sql, firm=firm) if tell else None
        store = CompanyRows(connection, database.sql, firm)
        return take_companies(store, records, who=who, mode=mode, outbox=outbox)


def crm(crm_id: str | None = "crm-17", stamp: int | None = None, **values: str | None) -> Upsert:
    """Nordvind with other values; None as a value is blank."""
    return Upsert({**NORDVIND, **values}, crm_id, stamp, "cause")


def companies(database: Database) -> list[sa.Row[Any]]:
    """Every company, by id."""
    with database.read() as connection:
        return list(connection.execute(company.select().order_by(company.c.id)))


def history(database: Database) -> list[tuple[str, str]]:
    """Who did what, oldest first."""
    return [(row.who, row.what) for row in rows(database, "SELECT who, what FROM company_change ORDER BY id")]
