"""Debtors found by what a company is known by, on each database."""

from __future__ import annotations

import pytest

from domain.debtor_traces import Traces, plain_name, traces
from domain.debtors import Debtor, DebtorChanges
from infra.database.debtor_search import DebtorSearchRows
from infra.database.engine import Database
from infra.database.mirror_debtors import DebtorRows
from tests.support.companies import companies, crm, take
from tests.support.databases import AGREEMENT, do
from tests.support.plans import plans

COMPANY: dict[str, str | None] = {
    "name": "Nordvind Service A/S",
    "vat": "31313139",
    "street": "Industrivej 7",
    "zip": "8700",
    "city": "Horsens",
    "country": "DK",
    "phone": "+4576000000",
    "mail": "Faktura@nordvind.example",
}
TWIN = Debtor(
    4711,
    "Nordvind Service ApS",
    address="Industrivej 7",
    zip="8700",
    city="Horsens",
    cvr="DK 31 31 31 39",
    phone="76 00-00.00",
    email="faktura@nordvind.example",
)
STRANGER = Debtor(4712, "Sydvind Handel", address="Havnegade 1", zip="7100", city="Vejle", phone="75000000")


@pytest.fixture
def mirror(store: Database) -> Database:
    """A mirror of two debtors."""
    put(store, TWIN, STRANGER)
    return store


def put(database: Database, *debtors: Debtor) -> None:
    with database.write() as connection:
        DebtorRows(connection, database.sql, AGREEMENT).write(DebtorChanges(insert=list(debtors)), {})


def found(database: Database, by: Traces) -> list[Debtor]:
    with database.read() as connection:
        return DebtorSearchRows(connection, database.sql, AGREEMENT).traced(by)


@pytest.mark.parametrize(
    ("by", "numbers"),
    [
        (Traces(cvrs=traces(COMPANY).cvrs), [4711]),
        (Traces(phones=traces(COMPANY).phones), [4711]),
        (Traces(mail="faktura@nordvind.example"), [4711]),
        (Traces(name="nordvind service"), [4711]),
        (Traces(word="NORDVIND", zip="8700"), [4711]),
        (Traces(word="Nordvind", zip="8701"), []),
        (Traces(word="Sydvind", zip="7100"), [4712]),
        (Traces(number=4712), [4712]),
        (Traces(), []),
    ],
)
def test_each_trace_leads_to_its_debtor(mirror: Database, by: Traces, numbers: list[int]) -> None:
    """By number, phone, mail or name, however they are written."""
    assert [debtor.number for debtor in found(mirror, by)] == numbers


def test_what_was_mirrored_is_found(mirror: Database) -> None:
    """A debtor comes back as e-conomic said it, once, however many traces lead to it."""
    assert found(mirror, traces(COMPANY)) == [TWIN]


def test_a_debtor_that_is_gone_is_not_found(mirror: Database) -> None:
    """Tombstones are nobody's debtor."""
    do(mirror, f"UPDATE debtor SET gone_at = {mirror.sql.now}")
    assert found(mirror, traces(COMPANY)) == []


def test_a_company_that_nothing_is_known_of(mirror: Database) -> None:
    """Nothing leads anywhere."""
    assert traces({"name": ""}) == Traces()


def test_not_this_company_is_remembered(mirror: Database) -> None:
    """The debtors that somebody said a company is not, by number."""
    take(mirror, crm())
    company = companies(mirror)[0].id
    do(
        mirror,
        "INSERT INTO debtor_link (agreement, debtor_id, company_id, how, reasons, seen, linked_by, linked_at, cut_at,"
        f" refused) SELECT agreement, id, :company, 'person', '[]', '{{}}', 'x', {mirror.sql.now}, {mirror.sql.now},"
        " true FROM debtor WHERE number = 4711",
        company=company,
    )
    with mirror.read() as connection:
        search = DebtorSearchRows(connection, mirror.sql, AGREEMENT)
        assert search.refused(company) == {4711}
        assert search.refused(company + 1) == set()


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Nordvind Service A/S", "Nordvind Service"),
        ("Hansens Is", "Hansens Is"),
        ("ApS", "ApS"),
        ("Fjell Drift, AS", "Fjell Drift"),
        ("", ""),
    ],
)
def test_names_are_looked_for_without_their_legal_form(name: str, plain: str) -> None:
    """As they are written, so that e-conomic's filter finds them."""
    assert plain_name(name) == plain


def test_a_large_mirror_is_not_read_through(mirror: Database) -> None:
    """Among many debtors each trace is a look-up in an index, and those that lead nowhere read nothing."""
    fill(mirror, 20_000)

    plan = plans(mirror, lambda connection: DebtorSearchRows(connection, mirror.sql, AGREEMENT).traced(traces(COMPANY)))

    assert [debtor.number for debtor in found(mirror, traces(COMPANY))] == [4711]
    assert "Seq Scan on debtor" not in plan
    assert "SCAN debtor" not in plan


def fill(database: Database, count: int) -> None:
    """Debtors that share first words, zips and little else."""
    numbers = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < :count) SELECT n FROM r"
    do(
        database,
        "INSERT INTO debtor (agreement, number, name, zip, cvr, phone, email, barred, e_invoicing_disabled,"
        " fingerprint, first_seen_at, changed_at) SELECT :agreement, 10000 + s.n, CASE s.n % 20 WHEN 0 THEN"
        " 'Nordvind ' ELSE 'Firma ' END || s.n, CAST(1000 + s.n % 9000 AS text), CAST(10000000 + s.n AS text),"
        " CAST(20000000 + s.n AS text), 'post@firma' || s.n || '.example', false, false, 'x',"
        f" {database.sql.now}, {database.sql.now} FROM ({numbers}) AS s",
        agreement=AGREEMENT,
        count=count,
    )
    if database.sql.postgresql:
        do(database, "ANALYZE debtor")
