"""Proposals carried out, on each database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa

from domain.debtors import Debtor, DebtorChanges
from domain.match_debtors import Carried, Did, MatchedDebtor, Proposal, Proposed, carry_out, propose
from infra.database.engine import Database
from infra.database.links import linked_debtor, living_debtors
from infra.database.match_stores import MatchRows
from infra.database.mirror_debtors import DebtorRows
from infra.database.tables_mirror import debtor
from tests.support.alerts import open_groups
from tests.support.companies import companies, crm, firm_of, history, take
from tests.support.databases import AGREEMENT, do, rows, scalar

WHO = "e-conomic"
NORDVIND = Debtor(4711, "Nordvind Service ApS", address="Industrivej 7", zip="8700", city="Horsens", cvr="31313139")
SYDHAVN = Debtor(4712, "Sydhavn Maskiner", address="Havnegade 3", zip="9000", city="Aalborg", phone="98765432")


def mirror(database: Database, *debtors: Debtor) -> None:
    with database.write() as connection:
        DebtorRows(connection, database.sql, AGREEMENT).write(DebtorChanges(insert=list(debtors)), {})


def stores(database: Database, connection: sa.Connection) -> MatchRows:
    return MatchRows(connection, database.sql, firm_of(database), agreement=AGREEMENT)


def debtors(database: Database) -> list[MatchedDebtor]:
    with database.read() as connection:
        query = living_debtors(firm_of(database)).order_by(debtor.c.number)
        return [linked_debtor(row) for row in connection.execute(query)]


def proposals(database: Database, **options: Any) -> list[Proposal]:
    firm_of(database)
    with database.read() as connection:
        seen = stores(database, connection)
        return propose(debtors(database), seen.index, seen.links, **{"may_create": True, **options})


def carried(database: Database, some: Sequence[Proposal], run_id: int | None = None) -> list[Carried]:
    firm_of(database)
    with database.write() as connection:
        return carry_out(stores(database, connection), some, who=WHO, run_id=run_id)


def did(database: Database, some: Sequence[Proposal] | None = None, **options: Any) -> list[Did]:
    some = proposals(database) if some is None else some
    return [each.did for each in carried(database, some, **options)]


def test_debtors_are_linked_and_companies_made(store: Database) -> None:
    """One is linked with its reasons, a stranger becomes a customer, its second number is linked to that company."""
    take(store, crm())
    mirror(store, NORDVIND, SYDHAVN, SYDHAVN._replace(number=4713, name="Sydhavn Maskiner A/S"))

    assert did(store, run_id=9) == [Did.LINKED, Did.CREATED, Did.LINKED]

    first, second = companies(store)
    assert (first.customer_number, first.name, first.billing_street) == (
        "4711",
        "Nordvind Service A/S",
        "Industrivej 7",
    )
    assert (second.customer_number, second.name, second.relation) == ("4712", "Sydhavn Maskiner", "customer")
    made = rows(store, "SELECT company_id, how, linked_by, run_id FROM debtor_link ORDER BY id")
    assert made == [(1, "ladder", WHO, 9), (2, "created", WHO, 9), (2, "ladder", WHO, 9)]
    assert "same CVR" in scalar(store, "SELECT CAST(reasons AS TEXT) FROM debtor_link WHERE id = 1")
    told = rows(store, "SELECT type, subject FROM outbox ORDER BY id")
    assert told == [("company.updated", "company 1"), ("company.created", "company 2")]
    assert history(store)[1:4] == [(WHO, "linked"), (WHO, "updated"), (WHO, "created")]
    assert scalar(store, "SELECT count(*) FROM company_change WHERE run_id = 9") == 5


def test_carried_out_twice_is_done_once(store: Database) -> None:
    """The same proposals again are stale; proposed anew, there is nothing to do."""
    take(store, crm())
    mirror(store, NORDVIND, SYDHAVN)
    some = proposals(store)
    carried(store, some)

    assert did(store, some) == [Did.STALE, Did.STALE]
    assert [each.action for each in proposals(store)] == [Proposed.NONE, Proposed.NONE]
    assert len(companies(store)) == 2


def test_whoever_came_first_is_not_created_again(store: Database) -> None:
    """The CRM made the company between the proposal and its carrying out: stale, and linked when proposed anew."""
    mirror(store, NORDVIND)
    some = proposals(store)
    take(store, crm())

    assert did(store, some) == [Did.STALE]
    assert did(store) == [Did.LINKED]
    assert len(companies(store)) == 1


def test_a_changed_side_makes_a_proposal_stale(store: Database) -> None:
    """A company that was renamed, deleted or refused meanwhile, and a debtor that changed, are judged anew."""
    take(store, crm())
    mirror(store, NORDVIND)
    some = proposals(store)

    take(store, crm(street="Havnegade 9"))
    assert did(store, some) == [Did.STALE]
    some = proposals(store)
    do(store, "UPDATE debtor SET name = 'Nordvind'")
    assert did(store, some) == [Did.STALE]
    some = proposals(store)
    do(store, "UPDATE company SET deleted_at = created_at")
    assert did(store, some) == [Did.STALE]
    do(store, "UPDATE debtor SET gone_at = first_seen_at")
    assert did(store, some) == [Did.STALE]
    assert scalar(store, "SELECT count(*) FROM debtor_link") == 0


def test_changes_flow_into_the_company_and_are_told(store: Database) -> None:
    """What e-conomic changed is taken and told, what the CRM changed as well is shown; blanks clear nothing."""
    take(store, crm())
    mirror(store, NORDVIND._replace(phone="75620000"))
    did(store)
    do(store, "DELETE FROM outbox")
    do(store, "UPDATE debtor SET phone = '75629999', email = 'post@nordvind.example', ean = NULL, number = 4720")
    take(store, crm(mail="salg@nordvind.example"))

    assert did(store) == [Did.UPDATED]
    [row] = companies(store)
    assert (row.customer_number, row.phone, row.mail) == ("4720", "75629999", "salg@nordvind.example")
    assert rows(store, "SELECT field, theirs FROM company_difference") == [("mail", "post@nordvind.example")]
    assert rows(store, "SELECT type FROM outbox") == [("company.updated",)]
    assert did(store) == [Did.NOTHING]
    do(store, "UPDATE debtor SET email = 'salg@nordvind.example', phone = NULL")
    assert did(store) == [Did.UPDATED], "bills go there now"
    assert rows(store, "SELECT field FROM company_difference") == []
    assert companies(store)[0].phone == "75629999"
    do(store, "UPDATE debtor SET phone = '75629999', city = 'Vejle'")
    take(store, crm(city="Vejle", mail="salg@nordvind.example"))
    do(store, "DELETE FROM outbox")
    assert did(store) == [Did.UPDATED]
    assert [row.data for row in rows(store, "SELECT data FROM outbox") if '"changed":["billing_city"]' in row.data]


def test_doubts_are_asked_about(store: Database) -> None:
    """Who may be several is asked about by its real candidates, also one that was only just made."""
    take(store, crm(vat=None, phone=None), crm("crm-18", vat=None, phone=None))
    twin = SYDHAVN._replace(number=4714, phone=None, cvr="87654338", p_number="1003388394")
    mirror(store, NORDVIND._replace(cvr=None), SYDHAVN._replace(cvr="25511484"), twin)
    done = carried(store, proposals(store))

    assert [each.did for each in done] == [Did.ALERTED, Did.CREATED, Did.ALERTED]
    asked = {tuple(records): companies for records, companies in open_groups(store).values()}
    assert asked == {(done[0].proposal.debtor.id,): [1, 2], (done[2].proposal.debtor.id,): [3]}
    do(store, "UPDATE debtor SET cvr = '31313139' WHERE number = 4711")
    take(store, crm())
    assert did(store)[0] is Did.LINKED
    assert list(open_groups(store).values()) == [([done[2].proposal.debtor.id], [3])]


def test_two_at_once_make_one_company(store: Database) -> None:
    """Two that carry out the same proposals in one moment make each company once, and neither fails."""
    mirror(store, NORDVIND, SYDHAVN)
    some, gate = proposals(store), threading.Barrier(2)

    def one(_: int) -> list[Did]:
        gate.wait(timeout=10)
        return did(store, some)

    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(one, range(2)))
    assert done == [[Did.CREATED, Did.CREATED], [Did.STALE, Did.STALE]]
    assert len(companies(store)) == 2
