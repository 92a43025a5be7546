"""Which company a debtor is, on each database."""

from __future__ import annotations

import pytest

from domain import links
from domain.companies import LinkedHow, StoredCompany
from domain.debtors import Debtor, DebtorChanges
from infra.database.companies import CompanyRows
from infra.database.engine import Database
from infra.database.links import LinkRows
from infra.database.mirror_debtors import DebtorRows
from infra.database.outbox import SqlOutbox
from tests.support.companies import companies, crm, firm_of, history, take
from tests.support.databases import AGREEMENT, do, rows, scalar

DEBTOR = Debtor(
    4711,
    "Nordvind Service ApS",
    address="Havnegade 1",
    zip="7100",
    city="Vejle",
    cvr="87654338",
    ean="5790000000012",
    phone="76000000",
)


@pytest.fixture
def firm(store: Database) -> Database:
    """A company of the CRM, and a debtor that nobody has linked."""
    take(store, crm())
    with store.write() as connection:
        debtors = [DEBTOR, DEBTOR._replace(number=4712, ean=None, cvr="31313139")]
        DebtorRows(connection, store.sql, AGREEMENT).write(DebtorChanges(insert=debtors), {})
    return store


def link(database: Database, company: int, number: int = 4711) -> StoredCompany:
    with database.write() as connection:
        rows_ = LinkRows(connection, database.sql, firm_of(database))
        debtor = rows_.debtor(AGREEMENT, number)
        assert debtor is not None
        return links.link(
            CompanyRows(connection, database.sql, firm_of(database)),
            rows_,
            SqlOutbox(connection, database.sql, firm=firm_of(database)),
            debtor,
            company,
            how=LinkedHow.PERSON,
            who="mlj@fjordlys.example",
            reasons=["same phone"],
        )


def unlink(database: Database, company: int, number: int = 4711) -> StoredCompany:
    with database.write() as connection:
        rows_ = LinkRows(connection, database.sql, firm_of(database))
        debtor = rows_.debtor(AGREEMENT, number)
        assert debtor is not None
        outbox = SqlOutbox(connection, database.sql, firm=firm_of(database))
        store = CompanyRows(connection, database.sql, firm_of(database))
        return links.unlink(store, rows_, outbox, debtor, company, who="mlj@fjordlys.example")


def test_a_link_brings_what_the_books_own(firm: Database) -> None:
    """The debtor's number, CVR, EAN and billing address become the company's; name, address and phone stay."""
    link(firm, 1)

    [row] = companies(firm)
    assert (row.customer_number, row.vat, row.ean, row.billing_city) == ("4711", "87654338", "5790000000012", "Vejle")
    assert (row.name, row.city, row.phone) == ("Nordvind Service A/S", "Horsens", "+4576000000")
    assert rows(firm, "SELECT type FROM outbox") == [("company.updated",)]
    assert history(firm)[1:] == [("mlj@fjordlys.example", "linked"), ("mlj@fjordlys.example", "updated")]
    assert link(firm, 1).id == 1
    assert scalar(firm, "SELECT count(*) FROM debtor_link") == 1, "the same again changes nothing"


def test_after_the_link_the_crm_cannot_change_what_the_books_own(firm: Database) -> None:
    """The CRM's own CVR number, said again, is no news; another one is a difference."""
    link(firm, 1)
    take(firm, crm())
    assert rows(firm, "SELECT * FROM company_difference") == []
    take(firm, crm(vat="25511484", phone="+4512345678"))

    assert rows(firm, "SELECT field, theirs FROM company_difference") == [("vat", "25511484")]
    assert companies(firm)[0].phone == "+4512345678"


def test_a_second_debtor_only_fills(firm: Database) -> None:
    """Of two debtors the first one's number and CVR are the company's."""
    link(firm, 1)
    link(firm, 1, 4712)

    assert (companies(firm)[0].customer_number, companies(firm)[0].vat) == ("4711", "87654338")


def test_a_debtor_has_one_company(firm: Database) -> None:
    """Linking a debtor that has a company is refused, and so is a deleted or unknown company."""
    take(firm, crm("crm-18", name="Sydvind", vat="25511484", phone=None))
    link(firm, 1)
    with pytest.raises(links.NotLinked, match="unlink it first"):
        link(firm, 2)
    do(firm, "UPDATE company SET deleted_at = created_at WHERE id = 2")
    with pytest.raises(links.NotLinked, match="deleted"):
        link(firm, 2, 4712)
    with pytest.raises(links.NotLinked, match="no company"):
        link(firm, 9, 4712)


def test_a_merged_company_stands_for_its_survivor(firm: Database) -> None:
    """A link to a merged company is one to what it was merged into."""
    take(firm, crm("crm-18", name="Sydvind", vat="25511484", phone=None))
    do(firm, "UPDATE company SET merged_into = 1 WHERE id = 2")

    assert link(firm, 2).id == 1


def test_not_this_company_is_remembered(firm: Database) -> None:
    """A cut link stays as a refusal, the customer number goes, and a person may link the two again."""
    link(firm, 1)
    take(firm, crm(vat="25511484"))
    unlink(firm, 1)

    assert companies(firm)[0].customer_number is None
    with firm.read() as connection:
        rows_ = LinkRows(connection, firm.sql, firm_of(firm))
        debtor = scalar(firm, "SELECT id FROM debtor WHERE number = 4711")
        assert rows_.refused(debtor) == {1}
        assert rows_.company_of(debtor) is None
    with pytest.raises(links.NotLinked, match="not linked"):
        unlink(firm, 1)
    link(firm, 1)
    assert scalar(firm, "SELECT count(*) FROM debtor_link WHERE refused") == 0
