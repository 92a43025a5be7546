"""Who waits for a company while it becomes part of another one goes on with that one, on PostgreSQL's real locks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
import sqlalchemy as sa

from domain.take_companies import Outcome, Upsert, survivor
from infra.database.companies import CompanyRows
from infra.database.engine import Database
from tests.support.companies import companies, crm, firm_of, take
from tests.support.databases import add_agreement, rows
from tests.support.waiting import eventually

T = TypeVar("T")
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def two(postgres: Database) -> Database:
    """Two companies, the second without a CRM id."""
    add_agreement(postgres)
    take(postgres, crm("crm-17"), crm(None, name="Nordvind Service", vat=None, phone="+4512345678", zip="2100"))
    return postgres


def while_held(database: Database, act: Callable[[], T], *statements: str) -> T:
    """What `act` returns, which waits for two companies while a transaction changes them by these statements."""
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            CompanyRows(connection, database.sql, firm_of(database)).lock([1, 2])
            acting = pool.submit(act)
            eventually(lambda: rows(database, WAITING))
            for statement in statements:
                connection.execute(sa.text(statement))
        return acting.result(timeout=10)


def merged(company: int, into: int) -> tuple[str, str]:
    return (
        f"UPDATE company SET merged_into = {into} WHERE id = {company}",
        f"DELETE FROM company_key WHERE company_id = {company}",
    )


@pytest.mark.parametrize(("company", "into"), [(1, 2), (2, 1)])
def test_a_link_follows_under_the_lock(two: Database, company: int, into: int) -> None:
    """Whoever locks a company that is being merged gets it and its survivor, and they stay locked."""

    def follow() -> int | None:
        with two.write() as connection:
            locked = CompanyRows(connection, two.sql, firm_of(two)).lock((), follow=[company])
            found = survivor(locked, company)
            return None if found is None else found.id

    assert while_held(two, follow, *merged(company, into)) == into


def test_an_event_finds_the_survivor(two: Database) -> None:
    """A record whose company is just being merged is the survivor's, not a third company."""
    record = Upsert({"name": "Nordvind Service A/S", "phone": "+4512345678"})
    [taken] = while_held(two, lambda: take(two, record), *merged(2, 1))

    assert taken.company == 1
    assert len(companies(two)) == 2


def test_an_event_follows_its_id(two: Database) -> None:
    """An event of a CRM id that a merge gives to another company is that company's."""
    [taken] = while_held(
        two,
        lambda: take(two, crm("crm-17", city="Vejle")),
        "UPDATE company SET crm_id = NULL, merged_into = 2 WHERE id = 1",
        "UPDATE company SET crm_id = 'crm-17' WHERE id = 2",
    )

    assert (taken.outcome, taken.company) == (Outcome.UPDATED, 2)
    assert [row.city for row in companies(two)] == ["Horsens", "Vejle"]
