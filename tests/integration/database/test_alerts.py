"""What a person is asked: groups, never pairs; joined, closed and moved, on each database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from domain.alerts import AlertReason, Ending
from domain.debtors import Debtor
from domain.take_companies import Deletion, take_companies
from infra.database.alerts import AlertRows
from infra.database.companies import CompanyRows
from infra.database.deliveries import Deliveries
from infra.database.engine import Database
from tests.integration.database.test_links import link
from tests.support.alerts import asked, company, debtor, debtors, endings, open_groups, raise_alerts
from tests.support.companies import crm, firm_of, take
from tests.support.databases import AGREEMENT, do, rows, scalar

DEBTOR = Debtor(4711, "Nordvind Service ApS", zip="7100", city="Vejle", cvr="87654338", phone="76000000")


@pytest.fixture
def firm(store: Database) -> Database:
    """Five companies of the CRM, 1 to 5, and three debtors, 1 to 3, that nobody has linked."""
    take(store, *[crm(f"crm-{n}", name=f"Nordvind {n}", vat=None, phone=None, zip=f"{n}") for n in range(1, 6)])
    assert debtors(store, *[DEBTOR._replace(number=n) for n in (4711, 4712, 4713)]) == [1, 2, 3]
    return store


def told(database: Database) -> list[str]:
    """The groups told of, in order."""
    return [row.subject for row in rows(database, "SELECT subject FROM outbox ORDER BY id")]


def alerts_in(database: Database, connection: object) -> AlertRows:
    return AlertRows(connection, database.sql, firm_of(database))  # type: ignore[arg-type]


def test_records_that_share_a_company_are_one_alert(firm: Database) -> None:
    """One alert per group, told once; asking the same again changes and tells nothing."""
    first = asked(debtor(1), 1, 2), asked(debtor(2), 2), asked(debtor(3), 4)

    assert raise_alerts(firm, *first) == [1, 2]
    assert open_groups(firm) == {1: ([1, 2], [1, 2]), 2: ([3], [4])}
    assert raise_alerts(firm, *first) == [1, 2]
    assert told(firm) == ["duplicate 1", "duplicate 2"]


def test_what_overlaps_joins(firm: Database) -> None:
    """A group that meets an open alert of its reason joins it; one that meets two makes them one."""
    raise_alerts(firm, asked(debtor(1), 1, 2))
    raise_alerts(firm, asked(debtor(2), 4, score=95.0))
    assert raise_alerts(firm, asked(debtor(3), 2, 4)) == [1]

    assert open_groups(firm) == {1: ([1, 2, 3], [1, 2, 4])}
    assert rows(firm, "SELECT id, joined_to, score FROM alert ORDER BY id") == [(1, None, 95.0), (2, 1, 95.0)]
    assert scalar(firm, "SELECT closed_at IS NOT NULL FROM alert WHERE id = 2")
    assert told(firm) == ["duplicate 1", "duplicate 2", "duplicate 1"]


def test_another_reason_is_another_alert(firm: Database) -> None:
    """Alerts of one reason may be answered at once, so reasons stay apart; a debtor is in one alert only."""
    raise_alerts(firm, asked(debtor(1), 1), asked(debtor(2), 1))
    assert raise_alerts(firm, asked(debtor(2), 1), reason=AlertReason.CVR) == [2]
    assert open_groups(firm) == {1: ([1], [1]), 2: ([2], [1])}

    assert raise_alerts(firm, asked(debtor(1), 1), reason=AlertReason.CVR) == [2]
    assert open_groups(firm) == {2: ([1, 2], [1])}


def test_a_record_is_asked_about_anew(firm: Database) -> None:
    """Other candidates replace those of before, in the same alert."""
    raise_alerts(firm, asked(debtor(1), 1, 2))
    assert raise_alerts(firm, asked(debtor(1), 3)) == [1]
    assert open_groups(firm) == {1: ([1], [3])}


def test_the_event(firm: Database) -> None:
    """The group, its records as each side knows them, the best score with its reasons, and where to look."""
    take(firm, crm(None, name="Sydvind", vat=None, phone=None, zip="9"))
    raise_alerts(firm, asked(debtor(1), 1, 6, score=91.5))

    [event] = Deliveries(firm).unpublished(9)
    body = msgspec.json.decode(event.body("https://debitor.example/"))
    assert (body["type"], body["agreement"]) == ("duplicate.found", AGREEMENT)
    assert body["data"] == {
        "group": "1",
        "records": [
            {"kind": "company", "id": "crm-1", "debitor_id": 1},
            {"kind": "company", "id": None, "debitor_id": 6},
            {"kind": "debtor", "agreement": AGREEMENT, "number": 4711},
        ],
        "score": 91.5,
        "reasons": ["same phone", "same domain nordvind.example"],
        "url": "https://debitor.example/duplicates/1",
    }


def test_an_alert_closes_when_its_debtor_is_linked(firm: Database) -> None:
    """Whoever links it: the rest of the group stays open."""
    raise_alerts(firm, asked(debtor(1), 1), asked(debtor(2), 1))
    link(firm, 3, 4711)
    assert endings(firm, 1) == ["linked", None]
    link(firm, 1, 4712)

    assert open_groups(firm) == {}
    assert rows(firm, "SELECT ended_by FROM alert_record WHERE id = 2") == [("mlj@fjordlys.example",)]


def test_a_deleted_company_is_no_candidate(firm: Database) -> None:
    """A record without another candidate is not in doubt any more, nor is the company itself."""
    raise_alerts(firm, asked(debtor(1), 1, 2), asked(company(3), 1))
    take(firm, Deletion("crm-1"))
    assert endings(firm, 1) == [None, "cleared"]
    take(firm, Deletion("crm-2"))
    assert open_groups(firm) == {}

    raise_alerts(firm, asked(company(4), 5))
    take(firm, Deletion("crm-4"))
    assert endings(firm, 2) == ["gone"]


def test_what_is_asked_moves_with_a_merged_company_and_back(firm: Database) -> None:
    """Candidates become the survivor, records that became one are not asked about, and all of it can be undone."""
    raise_alerts(firm, asked(debtor(1), 1), asked(debtor(2), 1, 2), asked(company(1), 2, 3))
    before = open_groups(firm), rows(firm, "SELECT * FROM alert_candidate ORDER BY 1, 2")
    with firm.write() as connection:
        moved = alerts_in(firm, connection).move(1, 2, who="mlj")
    assert open_groups(firm) == {1: ([1, 2], [2, 3])}, "company 1 is asked about as 2"
    assert rows(firm, "SELECT company_id FROM alert_candidate WHERE record_id = 3") == [(3,)]

    with firm.write() as connection:
        alerts_in(firm, connection).move_back(msgspec.json.decode(msgspec.json.encode(moved)))
    assert (open_groups(firm), rows(firm, "SELECT * FROM alert_candidate ORDER BY 1, 2")) == before


def test_two_companies_that_become_one_are_not_asked_about(firm: Database) -> None:
    """A pair that is merged closes its alert, whichever of them survives; what else was asked goes on."""
    raise_alerts(firm, asked(company(1), 2), asked(company(3), 4, 5), asked(company(4), 3, 2))
    with firm.write() as connection:
        first = alerts_in(firm, connection).move(2, 1, who="mlj")
        second = alerts_in(firm, connection).move(3, 4, who="mlj")
    assert endings(firm, 1) == ["merged", "merged", None]
    assert rows(firm, "SELECT record_id, company_id FROM alert_candidate WHERE record_id = 3 ORDER BY 2") == [
        (3, 1),
        (3, 5),
    ]
    with firm.write() as connection:
        alerts_in(firm, connection).move_back(second)
        alerts_in(firm, connection).move_back(first)
    assert open_groups(firm) == {1: ([1, 3, 4], [2, 3, 4, 5])}


def test_a_merged_company_is_asked_about_again_by_itself(firm: Database) -> None:
    """A company that was all that was asked about another one, and became part of it, is itself again."""
    raise_alerts(firm, asked(company(2), 1))
    with firm.write() as connection:
        moved = alerts_in(firm, connection).move(2, 1, who="mlj")
    assert endings(firm, 1) == ["merged"]
    with firm.write() as connection:
        alerts_in(firm, connection).move_back(moved)
    assert open_groups(firm) == {1: ([2], [1])}


def test_what_was_answered_meanwhile_stays(firm: Database) -> None:
    """Moving back leaves a record alone that was linked since."""
    raise_alerts(firm, asked(debtor(1), 1))
    with firm.write() as connection:
        moved = alerts_in(firm, connection).move(1, 2, who="mlj")
    link(firm, 2, 4711)
    with firm.write() as connection:
        alerts_in(firm, connection).move_back(moved)
    assert endings(firm, 1) == ["linked"]


def test_a_second_company_of_the_crm_is_asked_about(store: Database) -> None:
    """Two ids of the CRM with one CVR number are two companies, and one question; a sister unit is none."""
    with store.write() as connection:
        parts = (connection, store.sql, firm_of(store))
        records = [crm("crm-1"), crm("crm-2"), crm("crm-3", pno="1003388394"), crm("crm-4", pno="1012345678")]
        take_companies(CompanyRows(*parts), records, who="crm", alerts=AlertRows(*parts))

    assert rows(store, "SELECT reason FROM alert") == [("companies",)]
    candidates = "SELECT r.company_id, c.company_id FROM alert_record r JOIN alert_candidate c ON c.record_id = r.id"
    assert rows(store, f"{candidates} ORDER BY 1, 2") == [(2, 1), (3, 1), (3, 2), (4, 1), (4, 2)]


def test_two_that_find_the_same_group_make_one_alert(firm: Database) -> None:
    """Two processes at once, each with a debtor of its own: one alert."""
    barrier = threading.Barrier(2)

    def find(record: int) -> list[int]:
        barrier.wait(timeout=10)
        return raise_alerts(firm, asked(debtor(record), 1))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(find, [1, 2])) == [[1], [1]]
    assert open_groups(firm) == {1: ([1, 2], [1])}


def test_nobody_elses_alerts(firm: Database) -> None:
    """Another firm's alert about the same numbers is not met."""
    raise_alerts(firm, asked(debtor(1), 1))
    do(firm, "INSERT INTO firm (name) VALUES ('Havgus')")
    do(firm, "UPDATE alert SET firm_id = (SELECT max(id) FROM firm)")
    with firm.write() as connection:
        alerts_in(firm, connection).close_for(companies=[1], how=Ending.GONE, who="x")
    assert raise_alerts(firm, asked(debtor(2), 1)) == [2]
