"""Events to publish, written with the data they follow from."""

from __future__ import annotations

import datetime as dt
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import sqlalchemy as sa

from domain.debtors import Debtor, DebtorChanges
from domain.events import EventType, NewEvent, company_subject
from domain.told import Party
from infra.database.engine import Database
from infra.database.mirror_debtors import DebtorRows
from infra.database.mirror_invoices import InvoiceRows
from infra.database.outbox import SqlOutbox
from tests.support.databases import AGREEMENT, do, rows, scalar
from tests.unit.domain.fakes import an_invoice

CREATED, MERGED = EventType.COMPANY_CREATED, EventType.COMPANY_MERGED


def event(company: int, kind: EventType = CREATED, **data: object) -> NewEvent:
    return NewEvent(kind, company_subject(company), data, AGREEMENT)


def add(store: Database, *events: NewEvent) -> None:
    with store.write() as connection:
        SqlOutbox(connection, store.sql, agreement=AGREEMENT).add(events)


def add_endpoint(store: Database, types: str | None = None, *, disabled: bool = False) -> int:
    firm = scalar(store, "SELECT firm_id FROM agreement")
    moment = store.sql.now if disabled else "NULL"
    do(
        store,
        "INSERT INTO endpoint (firm_id, url, types, internal, created_at, failures, disabled_at)"
        f" VALUES (:firm, 'https://crm.example', :types, :no, {store.sql.now}, 0, {moment})",
        firm=firm,
        types=types,
        no=False,
    )
    return int(scalar(store, "SELECT max(id) FROM endpoint"))


def test_events_count_up_in_their_subject(store: Database) -> None:
    """Each subject counts for itself, over transactions; ids are unique, data is JSON with exact amounts and times."""
    data = {"net": Decimal("200.00"), "date": dt.date(2026, 5, 4), "at": dt.datetime(2026, 5, 4, tzinfo=dt.UTC)}
    add(store, event(2), event(1, **data), event(2, MERGED))
    add(store, event(2), event(3))

    stored = rows(store, "SELECT subject, sequence, type, data, event_id, published_at FROM outbox ORDER BY id")
    assert [(row.subject, row.sequence) for row in stored] == [
        ("company 2", 1),
        ("company 1", 1),
        ("company 2", 2),
        ("company 2", 3),
        ("company 3", 1),
    ]
    assert stored[2].type == "company.merged"
    assert json.loads(stored[1].data) == {"net": "200.00", "date": "2026-05-04", "at": "2026-05-04T00:00:00Z"}
    assert len({row.event_id for row in stored}) == 5
    assert {row.published_at for row in stored} == {None}


def test_an_event_is_told_with_its_data_or_not_at_all(store: Database) -> None:
    """A transaction that fails leaves no event, and no gap in the numbers."""

    def fail() -> None:
        with store.write() as connection:
            SqlOutbox(connection, store.sql, agreement=AGREEMENT).add([event(1)])
            raise RuntimeError("the data's transaction fails")

    add(store, event(1))
    with pytest.raises(RuntimeError):
        fail()
    add(store, event(1))

    assert [row.sequence for row in rows(store, "SELECT sequence FROM outbox ORDER BY id")] == [1, 2]


def test_many_writers_of_one_subject(store: Database) -> None:
    """Transactions that tell of the same companies at once, in any order, wait for each other and leave no gap."""
    barrier = threading.Barrier(4)

    def tell(writer: int) -> None:
        barrier.wait(timeout=10)
        for _ in range(10):
            add(store, *(event(company) for company in ((1, 2, 3) if writer % 2 else (3, 2, 1))))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, range(4)))

    for company in (1, 2, 3):
        found = rows(store, "SELECT sequence FROM outbox WHERE subject = :s ORDER BY id", s=company_subject(company))
        assert [row.sequence for row in found] == list(range(1, 41))


def test_each_endpoint_gets_what_it_wants(store: Database) -> None:
    """An event has a delivery for each endpoint of its firm that takes its type; disabled ones get none."""
    everything, merges = add_endpoint(store), add_endpoint(store, "company.merged company.unmerged")
    add_endpoint(store, disabled=True)
    with store.write() as connection:
        other = connection.execute(sa.text("INSERT INTO firm (name) VALUES ('Another') RETURNING id")).scalar_one()
        SqlOutbox(connection, store.sql, firm=other).add([NewEvent(CREATED, "company 9", {})])

    add(store, event(1), event(1, MERGED), *(event(company) for company in range(2, 1_200)))

    found = rows(
        store,
        "SELECT d.endpoint_id, o.type, count(*) AS times FROM delivery d JOIN outbox o ON o.id = d.outbox_id"
        " WHERE d.state = 'pending' GROUP BY 1, 2 ORDER BY 1, 2",
    )
    assert [tuple(row) for row in found] == [
        (everything, "company.created", 1_199),
        (everything, "company.merged", 1),
        (merges, "company.merged", 1),
    ]


def test_what_endpoints_take(store: Database) -> None:
    """The types of all endpoints together; everything as soon as one takes all; disabled ones take nothing."""

    def wanted() -> frozenset[str]:
        with store.read() as connection:
            return SqlOutbox(connection, store.sql, agreement=AGREEMENT).wanted()

    assert wanted() == frozenset()
    add_endpoint(store, "invoice.booked", disabled=True)
    assert wanted() == frozenset()
    add_endpoint(store, "invoice.booked")
    add_endpoint(store, "invoice.paid debtor.deleted")
    assert wanted() == {"invoice.booked", "invoice.paid", "debtor.deleted"}
    add_endpoint(store)
    assert wanted() == frozenset(EventType)


def test_parties(store: Database) -> None:
    """A debtor is named with the company it is linked to now, and says whether it is in scope; so does its invoice."""
    with store.write() as connection:
        debtors = [Debtor(100, "Nordvind Service A/S", debtor_group=1), Debtor(200, "Fjordlys A/S", debtor_group=2)]
        DebtorRows(connection, store.sql, AGREEMENT).write(DebtorChanges(insert=debtors), {})
        InvoiceRows(connection, store.sql, AGREEMENT).write(
            [an_invoice(1, 100).header, an_invoice(2, 200).header, an_invoice(3, 300).header], {1: 1, 2: 1, 3: 1}, {}
        )
    ids = [row.id for row in rows(store, "SELECT id FROM debtor ORDER BY number")]
    firm = scalar(store, "SELECT firm_id FROM agreement")
    do(
        store,
        "INSERT INTO company (firm_id, crm_id, name, created_at, changed_at)"
        f" VALUES (:firm, 'crm-17', 'Nordvind', {store.sql.now}, {store.sql.now})",
        firm=firm,
    )
    company = scalar(store, "SELECT id FROM company")
    for debtor, cut in zip(ids, ("NULL", store.sql.now), strict=True):
        do(
            store,
            "INSERT INTO debtor_link (agreement, debtor_id, company_id, how, reasons, seen, linked_by, linked_at,"
            f" refused, cut_at) VALUES (:a, :d, :c, 'hand', '[]', '{{}}', 'mlj', {store.sql.now}, :no, {cut})",
            a=AGREEMENT,
            d=debtor,
            c=company,
            no=False,
        )
    do(store, "INSERT INTO scope_group (agreement, debtor_group) VALUES (:a, 1)", a=AGREEMENT)

    nordvind = Party(ids[0], 100, "Nordvind Service A/S", True, company, "crm-17")
    fjordlys = Party(ids[1], 200, "Fjordlys A/S", False)
    with store.read() as connection:
        assert DebtorRows(connection, store.sql, AGREEMENT).parties(ids) == {ids[0]: nordvind, ids[1]: fjordlys}
        assert InvoiceRows(connection, store.sql, AGREEMENT).parties([1, 2, 3]) == {1: nordvind, 2: fjordlys}
