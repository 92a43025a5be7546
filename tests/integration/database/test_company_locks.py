"""Who waits for a company while it becomes part of another one goes on with that one, on PostgreSQL's real locks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from domain.debtors import Debtor, DebtorChanges
from domain.merge_companies import Merged, merge
from domain.merging import NotMerged, Wish
from domain.take_companies import Outcome, Upsert, survivor
from infra.database.companies import CompanyRows
from infra.database.engine import Database
from infra.database.links import LinkRows
from infra.database.merges import merging
from infra.database.mirror_debtors import DebtorRows
from infra.database.mirror_invoices import InvoiceRows
from tests.integration.database.test_invoices import invoice
from tests.support.companies import companies, crm, firm_of, take
from tests.support.databases import AGREEMENT, add_agreement, rows
from tests.support.merges import MARIE, debtor, linked, links_of, merged, undone
from tests.support.waiting import eventually

T = TypeVar("T")
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def two(postgres: Database) -> Database:
    """Two companies, the second without a CRM id."""
    add_agreement(postgres)
    take(
        postgres,
        crm("crm-17", phone=None),
        crm(None, name="Nordvind Service", vat=None, phone="+4512345678", zip="2100"),
    )
    return postgres


def while_merging(database: Database, act: Callable[[], T], *, survivor: int) -> T:
    """What `act` returns, which waits for the two companies while they become one."""
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            stores = merging(connection, database.sql, firm_of(database))
            stores.companies.lock([1, 2])
            acting = pool.submit(act)
            eventually(lambda: rows(database, WAITING))
            merge(stores, Wish((1, 2), survivor), who=MARIE)
        return acting.result(timeout=10)


@pytest.mark.parametrize(("company", "into"), [(1, 2), (2, 1)])
def test_who_locks_it_follows(two: Database, company: int, into: int) -> None:
    """Whoever locks a company that is being merged gets it and its survivor, and they stay locked."""

    def follow() -> int | None:
        with two.write() as connection:
            locked = CompanyRows(connection, two.sql, firm_of(two)).lock((), follow=[company])
            found = survivor(locked, company)
            return None if found is None else found.id

    assert while_merging(two, follow, survivor=into) == into


@pytest.mark.parametrize(("company", "into"), [(1, 2), (2, 1)])
def test_a_link_follows(two: Database, company: int, into: int) -> None:
    """A debtor that is linked to a company in the moment of its merge is the survivor's, and stays it by undoing."""
    debtor(two, 4711)
    while_merging(two, lambda: linked(two, 4711, company), survivor=into)

    assert links_of(two) == {4711: into}
    undone(two, 1)
    assert links_of(two) == {4711: into}


def test_the_mirror_waits_for_debtors_in_the_order_of_matching(two: Database) -> None:
    """A page that updates debtors whose rows are in another order than their numbers waits, and nobody is cut off."""
    debtor(two, 4712)
    debtor(two, 4711)
    ids = {row.number: row.id for row in rows(two, "SELECT number, id FROM debtor")}
    changes = DebtorChanges(update=[(ids[number], Debtor(number, "Nordvind")) for number in (4711, 4712)])

    def mirror() -> None:
        with two.write() as connection:
            DebtorRows(connection, two.sql, AGREEMENT).write(changes, {})

    with ThreadPoolExecutor(1) as pool:
        with two.write() as connection:
            links = LinkRows(connection, two.sql, firm_of(two))
            links.debtors([ids[4712]])
            mirroring = pool.submit(mirror)
            eventually(lambda: rows(two, WAITING))
            links.debtors(ids.values())
        mirroring.result(timeout=10)
    assert rows(two, "SELECT DISTINCT name FROM debtor") == [("Nordvind",)]


def test_an_invoice_does_not_wait_for_its_debtor(two: Database) -> None:
    """Whoever matches a debtor holds up nobody who stores what refers to it."""
    debtor(two, 4711)
    with two.write() as connection:
        LinkRows(connection, two.sql, firm_of(two)).debtors([1])
        with two.write() as other:
            InvoiceRows(other, two.sql, AGREEMENT).write([invoice(20417, debtor=4711)], {20417: 1}, {})
    assert rows(two, "SELECT debtor_id FROM invoice") == [(1,)]


def test_a_record_finds_the_survivor(two: Database) -> None:
    """A record whose company is just being merged is the survivor's, not a third company."""
    record = Upsert({"name": "Nordvind Service", "phone": "+4512345678"})
    [taken] = while_merging(two, lambda: take(two, record), survivor=1)

    assert taken.company == 1
    assert len(companies(two)) == 2


def test_an_event_follows_its_id(two: Database) -> None:
    """An event of a CRM id that a merge gives to another company is that company's."""
    [taken] = while_merging(two, lambda: take(two, crm("crm-17", city="Vejle")), survivor=2)

    assert (taken.outcome, taken.company) == (Outcome.UPDATED, 2)
    assert [row.city for row in companies(two)] == ["Horsens", "Vejle"]


def test_two_merges_at_once(two: Database) -> None:
    """One of two overlapping merges is made; the other is told by whom, when, and to go on with the survivor."""
    take(two, crm("crm-19", name="Sydvind", vat=None, zip="7100"))

    def again() -> Merged | NotMerged:
        try:
            return merged(two, 2, 3, who="second@fjordlys.example")
        except NotMerged as refused:
            return refused

    told = while_merging(two, again, survivor=1)
    assert isinstance(told, NotMerged)
    assert told.survivor == 1
    assert f"was merged into #1 by {MARIE} on 20" in str(told)
    assert merged(two, 1, 3).survivor.id == 1


def test_undoing_waits_too(two: Database) -> None:
    """A merge that somebody undoes while another merge of the same companies is made is undone, or refused in words."""
    take(two, crm("crm-19", name="Sydvind", vat=None, zip="7100"))
    first = merged(two, 1, 3)

    def undo() -> str:
        try:
            undone(two, first.id)
        except NotMerged as refused:
            return str(refused)
        return "undone"

    assert "undo merge 2 first" in while_merging(two, undo, survivor=1)
