"""Companies as the CRM and files say them, on each database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from domain.debtors import Debtor, DebtorChanges
from domain.take_companies import Deletion, Mode, Outcome, Upsert, take_companies
from infra.database.companies import CompanyRows
from infra.database.engine import Database
from infra.database.mirror_debtors import DebtorRows
from tests.support.companies import NORDVIND, companies, crm, firm_of, history, take
from tests.support.databases import AGREEMENT, do, rows, scalar

O = Outcome  # noqa: E741


def outcomes(database: Database, *records: Upsert | Deletion, **options: Any) -> list[Outcome]:
    return [taken.outcome for taken in take(database, *records, **options)]


def merge(database: Database, crm_id: str, into: str) -> None:
    do(
        database,
        "UPDATE company SET merged_into = (SELECT id FROM company WHERE crm_id = :into) WHERE crm_id = :crm_id",
        crm_id=crm_id,
        into=into,
    )
    do(database, "DELETE FROM company_key WHERE company_id = (SELECT id FROM company WHERE crm_id = :id)", id=crm_id)


def link(database: Database, company: int, number: int = 4711) -> None:
    """A debtor that is this company."""
    with database.write() as connection:
        DebtorRows(connection, database.sql, AGREEMENT).write(DebtorChanges(insert=[Debtor(number, "Nordvind")]), {})
        connection.execute(
            sa.text(
                "INSERT INTO debtor_link (agreement, debtor_id, company_id, how, reasons, seen, linked_by, linked_at,"
                " refused) SELECT :agreement, id, :company, 'person', '[]', '{}', 'test', first_seen_at, FALSE"
                " FROM debtor WHERE number = :number"
            ),
            {"agreement": AGREEMENT, "company": company, "number": number},
        )


def test_a_company_is_created_changed_and_left_alone(store: Database) -> None:
    """The first word creates, another one changes what it says, the same again changes nothing."""
    assert outcomes(store, crm(stamp=1)) == [O.CREATED]
    assert outcomes(store, crm(stamp=2, city="Vejle", phone=None)) == [O.UPDATED]
    assert outcomes(store, crm(stamp=3, city="Vejle")) == [O.UNCHANGED]

    [row] = companies(store)
    assert (row.crm_id, row.name, row.city, row.phone) == ("crm-17", "Nordvind Service A/S", "Vejle", "+4576000000")
    assert row.crm_stamp == 3
    assert row.correlation_id == "cause"
    assert history(store) == [("crm", "created"), ("crm", "updated")]


def test_an_older_word_changes_nothing(store: Database) -> None:
    """Whatever the order of arrival, the newest word stands; a late one ends as superseded, and is remembered."""
    take(store, crm(stamp=1_000_002, city="Vejle"))

    assert outcomes(store, crm(stamp=1_000_001)) == [O.SUPERSEDED]
    assert outcomes(store, Deletion("crm-17", 1_000_001)) == [O.SUPERSEDED]
    assert companies(store)[0].city == "Vejle"
    assert history(store)[-1] == ("crm", "superseded")


def test_a_deletion_is_ordered_too(store: Database) -> None:
    """A deleted company stays deleted for an older word, also when the deletion came first; a newer one revives it."""
    take(store, Deletion("crm-17", 20))
    assert outcomes(store, crm(stamp=10)) == [O.SUPERSEDED]
    assert companies(store)[0].deleted_at is not None

    assert outcomes(store, crm(stamp=30)) == [O.UPDATED]
    [row] = companies(store)
    assert (row.name, row.deleted_at) == ("Nordvind Service A/S", None)
    assert outcomes(store, Deletion("crm-17", 40), Deletion("crm-17", 50)) == [O.DELETED, O.UNCHANGED]
    assert scalar(store, "SELECT count(*) FROM company_key") == 0


def test_a_file_does_not_revive_a_deleted_company(store: Database) -> None:
    """A row that cannot say when it was true leaves a deleted company alone."""
    take(store, crm(stamp=1), Deletion("crm-17", 2))
    assert outcomes(store, crm()) == [O.GONE]


def test_a_merged_id_speaks_of_its_snapshot_only(store: Database) -> None:
    """What the CRM says of a merged company never reaches the survivor, and never makes a new one."""
    take(store, crm("crm-17"), crm("crm-18", name="Sydvind ApS", vat=None, phone=None, zip="2100", stamp=1))
    merge(store, "crm-18", "crm-17")

    assert outcomes(store, crm("crm-18", name="Sydvind", stamp=2)) == [O.MERGED]
    assert outcomes(store, crm("crm-18", name="Syd", stamp=1)) == [O.SUPERSEDED]
    assert [row.name for row in companies(store)] == ["Nordvind Service A/S", "Sydvind"]
    assert outcomes(store, Upsert({"name": "Sydvind", "zip": "2100"})) == [O.CREATED], "a merged one has no keys"


@pytest.mark.parametrize(
    "known",
    [
        {"customer_number": "4711", "vat": None},
        {"vat": "DK 31 31 31 39"},
        {"vat": None, "phone": "76 00 00 00", "name": "Nordvind"},
        {"vat": None, "phone": None},
        {"vat": None, "phone": None, "street": "INDUSTRIVEJ 7 ", "mail": None},
    ],
)
def test_an_unknown_id_adopts_the_company_without_one(store: Database, known: dict[str, str | None]) -> None:
    """A company from a file is the CRM's own as soon as the CRM speaks of it: one company, with that id."""
    take(store, crm(None, **known), who="file")

    assert outcomes(store, crm(stamp=1, customer_number="4711", mail="ny@nordvind.example")) == [O.ADOPTED]
    [row] = companies(store)
    assert (row.crm_id, row.mail) == ("crm-17", "ny@nordvind.example")
    assert [what for _, what in history(store)][:2] == ["created", "adopted"]


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"vat": "87654338"}, {}),
        ({"pno": "1003388394"}, {"pno": "1003388395"}),
        ({"ean": "5790000000012"}, {"ean": "5790000000029"}),
        ({"department": "Lager"}, {"department": "Værksted"}),
        ({"name": "Sydvind ApS", "street": "Havnegade 1"}, {}),
    ],
)
def test_somebody_else_is_not_adopted(
    store: Database, known: dict[str, str | None], said: dict[str, str | None]
) -> None:
    """Another CVR, P-number or EAN, department, or name and address: the CRM's company is a new one."""
    take(store, crm(None, **known), who="file")
    assert outcomes(store, crm(**said)) == [O.CREATED]


def test_a_rung_with_two_companies_is_none(store: Database) -> None:
    """Two companies under one CVR number: the next rung decides; without one a row of a file is in doubt."""
    take(store, crm("a", name="Nord", phone=None), crm("b", name="Syd", phone=None, street="Havnegade 1"))

    found, doubtful = take(
        store,
        Upsert({"name": "Nord", "vat": "31313139", "zip": "8700", "street": "Industrivej 7", "web": "nord.example"}),
        Upsert({"name": "Vest", "vat": "31313139"}),
    )
    assert (found.outcome, found.company) == (O.UPDATED, companies(store)[0].id)
    assert (doubtful.outcome, len(doubtful.doubtful)) == (O.DOUBTFUL, 2)


def test_rows_of_one_batch_find_each_other(store: Database) -> None:
    """The same company twice in one batch is one company, with an id or without."""
    twice = Upsert({"name": "Sydvind ApS", "zip": "2100", "web": "sydvind.example"})
    assert outcomes(store, crm(), crm(city="Vejle"), Upsert({"name": "Sydvind ApS", "zip": "2100"}), twice) == [
        O.CREATED,
        O.UPDATED,
        O.CREATED,
        O.UPDATED,
    ]
    assert outcomes(store, crm(), Upsert({"name": "Sydvind ApS", "zip": "2100"})) == [O.UPDATED, O.UNCHANGED]


def test_a_name_alone_is_the_same_name_alone(store: Database) -> None:
    """A row with nothing but a name finds itself again, and nobody with an address."""
    take(store, crm(None, vat=None, phone=None))
    name = Upsert({"name": "Nordvind Service A/S"})
    assert outcomes(store, name, name) == [O.CREATED, O.UNCHANGED]


def test_modes(store: Database) -> None:
    """Only new ones, or only known ones, when that is what was asked for."""
    take(store, crm("a"), crm(None, name="Sydvind", vat=None, phone=None))
    syd = crm("c", name="Sydvind", vat=None, phone=None)

    assert outcomes(store, crm("a"), crm("b", vat="87654338", phone=None), syd, mode=Mode.CREATE) == [
        O.EXISTS,
        O.CREATED,
        O.EXISTS,
    ]
    assert outcomes(store, crm("a"), crm("d", name="Vest", vat=None, phone=None, zip="1"), syd, mode=Mode.UPDATE) == [
        O.UNCHANGED,
        O.ABSENT,
        O.ADOPTED,
    ]
    assert outcomes(store, Upsert({"vat": "12345674"}, "e")) == [O.NAMELESS]


def test_a_refused_change_is_shown_until_both_agree(store: Database) -> None:
    """The CRM's CVR number of a linked company is a difference; it ends when the CRM says what the books say."""
    [taken] = take(store, crm(stamp=1))
    assert taken.company is not None
    link(store, taken.company)

    [refused] = take(store, crm(stamp=2, vat="87654338", relation="customer"))
    assert refused.outcome is O.UPDATED
    assert set(refused.refused) == {"vat"}
    shown = "SELECT field, theirs, why FROM company_difference"
    assert rows(store, shown) == [("vat", "87654338", "owned")]
    assert companies(store)[0].vat == "31313139"

    assert outcomes(store, crm(stamp=3, relation="customer")) == [O.UNCHANGED]
    assert rows(store, shown) == []


def test_an_agreement_may_leave_a_field_to_the_crm(store: Database) -> None:
    """Who owns a field is the agreement's setting."""
    [taken] = take(store, crm())
    assert taken.company is not None
    link(store, taken.company)
    do(store, """UPDATE agreement SET field_owners = '{"vat": "crm"}'""")

    assert outcomes(store, crm(vat="87654338")) == [O.UPDATED]


def test_changes_are_told_unless_the_crm_said_so(store: Database) -> None:
    """New and changed companies are events, unless the record carried the CRM's id: then it is the CRM's own word."""
    take(store, crm(), tell=True)
    take(store, crm(city="Odense"), tell=True)
    assert scalar(store, "SELECT count(*) FROM outbox") == 0

    take(store, crm(None, city="Vejle"), Upsert({"name": "Sydvind"}), who="file", tell=True)
    told = rows(store, "SELECT type, sequence FROM outbox ORDER BY id")
    assert told == [("company.updated", 1), ("company.created", 1)]


def test_firms_are_apart(store: Database) -> None:
    """Another firm's company of the same id is another company."""
    take(store, crm())
    other = scalar(store, "SELECT min(id) FROM firm") + 1
    do(store, "INSERT INTO firm (id, name) VALUES (:id, 'Another')", id=other)
    with store.write() as connection:
        [taken] = take_companies(CompanyRows(connection, store.sql, other), [crm()], who="crm")
    assert taken.outcome is O.CREATED


def test_two_at_once_make_one_company(store: Database) -> None:
    """The same new company from two connections in one moment becomes one, and nobody fails."""
    firm, gate = firm_of(store), threading.Barrier(2)

    def one(number: int) -> list[Outcome]:
        gate.wait(timeout=10)
        with store.write() as connection:
            store_ = CompanyRows(connection, store.sql, firm)
            taken = take_companies(store_, [crm(None, city=f"By {number}"), crm("crm-1", vat="87654338")], who="file")
        return [each.outcome for each in taken]

    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(one, range(2)))

    assert done == [[O.CREATED, O.CREATED], [O.UPDATED, O.UNCHANGED]]
    assert len(companies(store)) == 2


def test_keys_follow_the_company(store: Database) -> None:
    """A company is found by what it is now, not by what it was."""
    take(store, crm(vat="31313139"))
    take(store, crm(vat="87654338", phone="+4512345678", name="Nordvind", street="Havnegade 1"))

    assert outcomes(store, Upsert({"name": "X", "vat": "87654338"})) == [O.UPDATED]
    assert outcomes(store, Upsert({"name": NORDVIND["name"], "vat": "31313139"})) == [O.CREATED]
