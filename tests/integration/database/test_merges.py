"""Companies that become one, and that are again what they were, on each database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.conversion_requests import Wanted, ask
from domain.merging import Keep, NotMerged
from domain.take_companies import Deletion, Outcome, Upsert
from infra.database.companies import CompanyRows
from infra.database.conversions import ConversionRows
from infra.database.engine import Database
from tests.support.companies import companies, crm, firm_of, history, take
from tests.support.databases import AGREEMENT, do, rows, scalar
from tests.support.merges import MARIE, debtor, linked, links_of, merged, state, undone

DIFFERENCES = "SELECT company_id, debtor_id, field, theirs FROM company_difference ORDER BY 1, 2, 3"


@pytest.fixture
def three(store: Database) -> Database:
    """Three companies of the CRM; the second one is linked to debtor 4711."""
    take(
        store,
        crm("crm-1", stamp=1, phone=None),
        crm("crm-2", stamp=1, name="Nordvind", vat=None, city="Vejle", zip="7100", street="Havnegade 1"),
        crm("crm-3", stamp=1, name="Nordvind Service", vat=None, phone=None, web="nordvind.example"),
    )
    debtor(store, 4711, cvr="87654338", ean="5790000000012", phone="+4512345678")
    debtor(store, 4712)
    linked(store, 4711, 2)
    return store


def told(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    events = rows(database, "SELECT type, subject, data FROM outbox ORDER BY id")
    return [(row.type, row.subject, json.loads(row.data)) for row in events]


def test_they_are_one_and_then_again_what_they_were(three: Database) -> None:
    """The linked one stays, blanks are filled, the others lead to it; undoing brings every value back."""
    before = state(three)
    done = merged(three, 1, 2, 3)

    [first, second, third] = companies(three)
    assert (second.name, second.vat, second.ean, second.web) == (
        "Nordvind",
        "87654338",
        "5790000000012",
        "nordvind.example",
    )
    assert (first.merged_into, second.merged_into, third.merged_into) == (2, None, 2)
    assert (first.name, first.crm_id) == ("Nordvind Service A/S", "crm-1"), "its row stays the CRM's own copy"
    assert scalar(three, "SELECT count(*) FROM company_key WHERE company_id <> 2") == 0
    assert take(three, Upsert({"web": "nordvind.example", "vat": "87654338"}))[0].company == 2

    undone(three, done.id)
    assert state(three) == before


def test_undoing_is_exact(three: Database) -> None:
    """Fields, keys, links, refusals, differences, CRM ids: all are as before, by value."""
    linked(three, 4712, 3)
    linked(three, 4712, 3, cut=True)
    take(three, crm("crm-2", stamp=2, name="Nordvind", vat="25511484", city="Vejle", zip="7100", street="Havnegade 1"))
    before = state(three)
    assert before["differences"] != []

    for wish in ({}, {"survivor": 1}, {"survivor": 3, "take": {"name": 1, "vat": 1}, "values": {"city": "Aarhus"}}):
        done = merged(three, 3, 1, 2, **wish)
        assert state(three) != before
        undone(three, done.id)
        assert state(three) == before
    assert [what for _, what in history(three)].count("unmerged") == 9


def test_the_survivor_takes_over_the_links(three: Database) -> None:
    """Who is chosen gets the debtor, what e-conomic owns with it, and what is not this company."""
    linked(three, 4712, 3)
    linked(three, 4712, 3, cut=True)
    merged(three, 1, 2, 3, survivor=1)

    assert links_of(three) == {4711: 1}
    [first, *_] = companies(three)
    assert (first.customer_number, first.vat, first.ean) == ("4711", "87654338", "5790000000012")
    assert (first.name, first.city) == ("Nordvind Service A/S", "Horsens")
    assert first.crm_apart["vat"] == "31313139", "the CRM's number said again is no news"
    take(three, crm("crm-1", stamp=3, phone=None))
    assert companies(three)[0].vat == "87654338"
    refused = "SELECT company_id FROM debtor_link WHERE refused"
    assert rows(three, refused) == [(1,)]


def test_what_is_not_this_company_stays_said_only_of_others(three: Database) -> None:
    """A debtor that one of them is, and another was said not to be, is the survivor's, with no word against it."""
    linked(three, 4712, 3)
    linked(three, 4712, 3, cut=True)
    linked(three, 4712, 2)
    merged(three, 2, 3)

    assert links_of(three) == {4711: 2, 4712: 2}
    assert rows(three, "SELECT company_id FROM debtor_link WHERE refused") == [(3,)]


def test_the_newest_address_wins_as_a_whole(three: Database) -> None:
    """The address that was given last is taken, street, zip, city and country together."""
    take(three, crm("crm-1", stamp=2, phone=None, street="Kystvej 3", zip="8000", city="Aarhus"))
    done = merged(three, 2, 1, 3)

    [_, second, _] = companies(three)
    assert (second.name, second.street, second.zip, second.city) == ("Nordvind", "Kystvej 3", "8000", "Aarhus")
    assert set(done.changed) == {"street", "zip", "city", "web"}


def test_differences_follow_their_debtor(three: Database) -> None:
    """What a debtor says otherwise is shown of the survivor; what the CRM says of the other stays with its copy."""
    take(three, crm("crm-2", stamp=2, name="Nordvind", vat="25511484", city="Vejle", zip="7100", street="Havnegade 1"))
    four = scalar(three, "SELECT id FROM debtor WHERE number = 4711")
    for name, theirs in (("phone", "+4512345678"), ("name", "nordvind service a/s")):
        do(
            three,
            "INSERT INTO company_difference VALUES (2, :debtor, :name, :theirs, 'both_changed', :since)",
            debtor=four,
            name=name,
            theirs=theirs,
            since=scalar(three, "SELECT created_at FROM company WHERE id = 1"),
        )
    before = rows(three, DIFFERENCES)
    done = merged(three, 1, 2, survivor=1)
    assert rows(three, DIFFERENCES) == [(1, four, "phone", "+4512345678"), (2, 0, "vat", "25511484")]

    undone(three, done.id)
    assert rows(three, DIFFERENCES) == before


def test_a_survivor_without_an_id_takes_one_over(store: Database) -> None:
    """The CRM's record of a company it did not know is the survivor from now on; undoing gives the id back."""
    take(store, crm(None, phone=None), who="file")
    take(store, crm("crm-2", stamp=5, name="Nordvind", vat="25511484", city="Vejle"))
    before = state(store)
    done = merged(store, 1, 2)

    [first, second] = companies(store)
    assert (first.crm_id, first.crm_stamp, second.crm_id) == ("crm-2", 5, None)
    assert first.crm_apart == {"name": "Nordvind", "vat": "25511484"} | {
        name: value for name, value in first.crm_apart.items() if name in ("city", "street", "zip")
    }
    undone(store, done.id)
    assert state(store) == before


def test_what_the_crm_said_meanwhile_goes_with_the_id(store: Database) -> None:
    """Words and the deletion of a record whose id the survivor had are that record's when the merge is undone."""
    take(store, crm(None, phone=None), who="file")
    take(store, crm("crm-2", stamp=5, name="Nordvind", vat="25511484"))
    done = merged(store, 1, 2)
    assert take(store, crm("crm-2", stamp=6, name="Nordvind", vat="25511484", city="Vejle"))[0].company == 1
    take(store, Deletion("crm-2", 7))
    back = undone(store, done.id)

    [first, second] = companies(store)
    assert (first.crm_id, first.crm_stamp, first.deleted_at, first.name) == (None, None, None, "Nordvind Service A/S")
    assert (second.crm_id, second.crm_stamp, second.city) == ("crm-2", 7, "Vejle")
    assert second.deleted_at is not None
    assert first.city == "Vejle"
    assert [each for each in back.kept if each.name == "city"] == [("field", "city", "Vejle")]


def test_later_changes_stay_with_the_survivor(three: Database) -> None:
    """A field that changed since stays, with its unit, and so does a debtor attached since: both are named."""
    done = merged(three, 1, 3, take={"name": 3, "web": 3}, values={"city": "Aarhus"})
    take(three, crm("crm-1", stamp=2, phone="+4512345678", zip="8000"))
    linked(three, 4712, 1)
    back = undone(three, done.id)

    first = companies(three)[0]
    assert (first.name, first.web) == ("Nordvind Service A/S", None)
    assert (first.zip, first.city, first.phone) == ("8000", "Aarhus", "+4512345678")
    assert links_of(three) == {4711: 2, 4712: 1}
    assert ("link", "1442871/4712", None) in back.kept
    assert {each.name for each in back.kept if each.kind == "field"} >= {"zip", "city", "phone"}


def test_a_link_that_was_cut_stays_cut(three: Database) -> None:
    """Not this company is said of the one whose debtor it was; the debtor's number goes, too."""
    done = merged(three, 1, 2, survivor=1)
    linked(three, 4711, 1, cut=True)
    undone(three, done.id)

    assert links_of(three) == {}
    assert [row.customer_number for row in companies(three)] == [None, None, None]
    assert rows(three, "SELECT company_id FROM debtor_link WHERE refused") == [(2,)]


def test_companies_catch_up_with_their_debtors(three: Database) -> None:
    """What a debtor said while its company was another is that company's when the merge is undone, once."""
    done = merged(three, 1, 2, survivor=1)
    do(three, "UPDATE debtor SET cvr = '25511484', number = 4800 WHERE number = 4711")
    do(three, "UPDATE company SET vat = '25511484', customer_number = '4800' WHERE id = 1")
    back = undone(three, done.id)

    [first, second, _] = companies(three)
    assert (second.vat, second.customer_number) == ("25511484", "4800")
    assert (first.vat, first.customer_number) == ("25511484", None)
    assert ("field", "vat", "25511484") in back.kept
    seen = scalar(three, "SELECT seen FROM debtor_link WHERE cut_at IS NULL")
    assert (seen if isinstance(seen, dict) else json.loads(seen))["vat"] == "25511484"


def test_the_copy_of_a_merged_company_keeps_its_owners(three: Database) -> None:
    """The CRM's word of a linked company stays refused while that company is part of another."""
    done = merged(three, 1, 2, survivor=1)
    [taken] = take(three, crm("crm-2", stamp=4, vat="25511484", relation="customer"))
    assert taken.outcome is Outcome.MERGED
    assert companies(three)[0].relation == "prospect"
    undone(three, done.id)

    second = companies(three)[1]
    assert (second.vat, second.relation) == ("87654338", "customer")
    assert rows(three, DIFFERENCES) == [(2, 0, "vat", "25511484")]


def test_newest_first(three: Database) -> None:
    """An older merge names the newer one that must be undone before it, whichever side its survivor was on."""
    first, second = merged(three, 1, 3), merged(three, 1, 2)
    with pytest.raises(NotMerged, match=rf"undo merge {second.id} first, which {MARIE} made on \d{{4}}"):
        undone(three, first.id)
    undone(three, second.id)
    undone(three, first.id)
    with pytest.raises(NotMerged, match=f"merge {first.id} was undone by {MARIE} on"):
        undone(three, first.id)
    with pytest.raises(NotMerged, match="no merge 99"):
        undone(three, 99)


def test_who_comes_second_is_told(three: Database) -> None:
    """A company that is part of another is not merged again: who did it, when, and where to go on is said."""
    done = merged(three, 1, 3, survivor=1)
    merged(three, 1, 2, survivor=2)
    told = rf"#3 Nordvind Service \(crm-3\) was merged into #1 by {MARIE} on .* \(merge {done.id}\); go on with #2"
    with pytest.raises(NotMerged, match=told) as refused:
        merged(three, 2, 3)
    assert refused.value.survivor == 2


def test_a_deleted_company_may_become_part_of_a_living_one(three: Database) -> None:
    """That is how a merge in the CRM looks from here: its debtor goes over; nothing becomes part of a deleted one."""
    take(three, Deletion("crm-2", 2))
    with pytest.raises(NotMerged, match="was deleted in the CRM"):
        merged(three, 1, 2, survivor=2)
    done = merged(three, 1, 2)

    assert done.survivor.id == 1
    assert links_of(three) == {4711: 1}
    undone(three, done.id)
    assert companies(three)[1].deleted_at is not None


def convert(database: Database, crm_id: str) -> int:
    with database.write() as connection:
        conversions = ConversionRows(connection, database.sql, AGREEMENT)
        companies_ = CompanyRows(connection, database.sql, firm_of(database))
        [asked] = ask(companies_, conversions, AGREEMENT, [Wanted(crm_id)])
    return asked.conversion.id


def test_conversions_follow_and_go_back(three: Database) -> None:
    """Two on their way to be debtors are not merged; one goes on with the survivor, and back with its company."""
    first, third = convert(three, "crm-1"), convert(three, "crm-3")
    with pytest.raises(NotMerged, match=rf"\(conversion {first}\) and #3 .* \(conversion {third}\) are on their way"):
        merged(three, 1, 2, 3)
    do(three, "UPDATE conversion SET state = 'failed' WHERE id = :id", id=first)
    done = merged(three, 1, 3, survivor=1)
    do(three, "UPDATE conversion SET state = 'requested', company_id = 2 WHERE id = :id", id=first)
    with pytest.raises(NotMerged, match="on their way"):
        merged(three, 1, 2)

    assert convert(three, "crm-1") == third
    do(three, "UPDATE conversion SET company_id = 1 WHERE id = :id", id=third)
    undone(three, done.id)
    assert scalar(three, "SELECT company_id FROM conversion WHERE id = :id", id=third) == 3


def test_merges_are_told(three: Database) -> None:
    """One event each, under the survivor, with everybody's ids of both sides and the company as it is."""
    do(three, "DELETE FROM outbox")
    done = merged(three, 1, 3, keep=Keep.OLDEST)
    undone(three, done.id)

    [(kind, subject, data), (back, _, again)] = told(three)
    assert (kind, subject, back) == ("company.merged", "company 1", "company.unmerged")
    assert data["merge"] == done.id
    assert data["merged"] == [{"id": "crm-3", "debitor_id": 3}]
    assert (data["company"]["id"], data["company"]["web"], data["changed"]) == ("crm-1", "nordvind.example", ["web"])
    assert (again["company"]["web"], again["changed"]) == (None, ["web"])


def test_firms_are_apart(three: Database) -> None:
    """Another firm's company is none."""
    other = scalar(three, "SELECT min(id) FROM firm") + 1
    do(three, "INSERT INTO firm (id, name) VALUES (:id, 'Another')", id=other)
    do(three, "UPDATE company SET firm_id = :id WHERE id = 3", id=other)
    with pytest.raises(NotMerged, match="no company #3"):
        merged(three, 1, 3)
