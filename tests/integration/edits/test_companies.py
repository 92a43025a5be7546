"""What an edit means for the company of the debtor: the CRM is not told what it said itself."""

from __future__ import annotations

import json

import pytest

from domain.hints import Kind
from tests.integration.edits.conftest import NORDVIND, Firm
from tests.support.companies import companies, crm, history, take
from tests.support.databases import add_hints, rows
from tests.support.economic import lost, once


@pytest.fixture
def linked(firm: Firm) -> Firm:
    """The CRM's company is linked to debtor 4711, and both say the same."""
    take(firm.database, crm(mail=None, phone="76000000"))
    firm.links()
    return firm


def differences(firm: Firm) -> list[str]:
    return [row.field for row in rows(firm.database, "SELECT field FROM company_difference ORDER BY field")]


def settle(firm: Firm) -> None:
    """Whatever is outstanding is done."""
    for kind in (Kind.EDITS, Kind.DEBTORS, Kind.LINKS):
        firm.time_passes()
        firm.drain(kind)


def test_the_crm_is_not_told_its_own_words(linked: Firm) -> None:
    """The company follows, also where e-conomic owns the field; no event, no difference, no second hearing of it."""
    linked.ask(phone="76000001", vat="25511484", address="Havnegade 12")

    settle(linked)

    [company] = companies(linked.database)
    assert (company.phone, company.vat, company.street) == ("76000001", "25511484", "Havnegade 12")
    assert company.billing_street == "Havnegade 12"
    assert linked.events() == []
    assert differences(linked) == []
    add_hints(linked.database, 4711)
    settle(linked)
    assert linked.events() == []
    assert history(linked.database)[-1] == ("api", "updated")


def test_the_crm_said_it_before(linked: Firm) -> None:
    """A refused change that the CRM now has written is a difference no more."""
    take(linked.database, crm(mail=None, phone="76000000", vat="25511484"))
    assert differences(linked) == ["vat"]

    linked.ask(vat="25511484")
    settle(linked)

    assert differences(linked) == []
    assert companies(linked.database)[0].vat == "25511484"
    assert linked.events() == []
    take(linked.database, crm(mail=None, phone="76000000", vat="25511484"))
    assert differences(linked) == []


def test_it_was_so_already(linked: Firm) -> None:
    """Somebody has typed into e-conomic what the CRM asks for: the CRM knows it, too."""
    linked.ask(phone="76000001")
    linked.ledger.books[4711] = NORDVIND._replace(phone="76000001")

    settle(linked)

    assert linked.states() == ["written"]
    assert companies(linked.database)[0].phone == "76000001"
    assert linked.events() == []


def test_what_others_changed_is_told(linked: Firm) -> None:
    """What somebody changed beside it in e-conomic goes to the CRM as ever."""
    linked.ask(phone="76000001")
    linked.ledger.books[4711] = NORDVIND._replace(website="nordvind.example")

    settle(linked)

    [event] = rows(linked.database, "SELECT type, data FROM outbox")
    assert (event.type, json.loads(event.data)["changed"]) == ("company.updated", ["web"])
    assert companies(linked.database)[0].phone == "76000001"


def test_the_hook_is_faster_than_the_answer(linked: Firm) -> None:
    """While it is being written the company waits: the CRM would hear its own words else."""
    once("replace done", lost(), ledger=linked.ledger)
    linked.ask(phone="76000001")
    linked.work()
    add_hints(linked.database, 4711)
    linked.drain(Kind.DEBTORS)
    linked.drain(Kind.LINKS)
    assert companies(linked.database)[0].phone == "76000000"

    settle(linked)

    assert companies(linked.database)[0].phone == "76000001"
    assert linked.events() == []
    assert differences(linked) == []


def test_what_did_not_come_about_changes_no_company(linked: Firm) -> None:
    """Refused or failed: the company follows what e-conomic has."""
    linked.ask(phone="76000001")
    linked.ledger.books[4711] = NORDVIND._replace(phone="76999999")

    settle(linked)

    assert companies(linked.database)[0].phone == "76999999"
    assert linked.events() == ["company.updated"]


def test_a_persons_edit_is_told_to_the_crm(linked: Firm) -> None:
    """It is news to the CRM."""
    linked.ask(phone="76000001", by_crm=False)

    settle(linked)

    assert companies(linked.database)[0].phone == "76000001"
    assert linked.events() == ["company.updated"]


def test_a_shared_company(linked: Firm) -> None:
    """The billing address of the company's other debtor is not the company's."""
    linked.knows(NORDVIND._replace(number=4712, address="Bygade 1", zip="7100", city="Vejle"))
    linked.links(number=4712)

    linked.ask(4712, address="Bygade 2")
    settle(linked)

    assert companies(linked.database)[0].billing_street == "Industrivej 7"
    assert linked.ledger.books[4712].address == "Bygade 2"
    assert linked.events() == []


def test_the_debtor_is_told_as_ever(linked: Firm) -> None:
    """`debtor.updated` once, about the company, with the cause of the edit."""
    linked.listens("debtor.updated")
    linked.ask(phone="76000001")

    settle(linked)
    add_hints(linked.database, 4711)
    settle(linked)

    [event] = rows(linked.database, "SELECT type, subject, data FROM outbox")
    assert (event.type, event.subject) == ("debtor.updated", "company 1")
    assert json.loads(event.data)["debtor"]["phone"] == "76000001"
    [row] = rows(linked.database, "SELECT correlation_id FROM debtor")
    assert row.correlation_id == "cause-of-it"
