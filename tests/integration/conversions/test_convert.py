"""One conversion from its request to its end, and what may come between."""

from __future__ import annotations

import datetime as dt
import json
import threading
from typing import Any

import pytest

from domain.conversions import Said, State, WrongState
from domain.debtors import Debtor
from domain.errors import RateLimited, Unavailable
from domain.take_companies import Deletion
from tests.integration.conversions.conftest import Firm
from tests.support.companies import companies, history, take
from tests.support.databases import do, rows
from tests.support.economic import lost, once

OLD = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def told(firm: Firm, kind: str) -> dict[str, Any]:
    """The one event of this kind."""
    [row] = rows(firm.database, "SELECT data, subject FROM outbox WHERE type = :kind", kind=kind)
    assert row.subject == "company 1"
    found: dict[str, Any] = json.loads(row.data)
    return found


def failures(firm: Firm) -> list[tuple[str, str, str]]:
    found = rows(firm.database, "SELECT subject_kind, reason, state FROM failure ORDER BY id")
    return [(row.subject_kind, row.reason, row.state) for row in found]


def test_a_won_deal_becomes_a_debtor(firm: Firm) -> None:
    """In two calls: it is created, linked, a customer with its number, and everybody is told once."""
    firm.has()
    asked = firm.ask()

    firm.work()

    assert firm.states() == ["created"]
    assert firm.links() == [("crm-17", 1)]
    assert firm.ledger.calls == ["find", "create"]
    assert sorted(firm.events()) == ["company.updated", "debtor.created"]
    assert told(firm, "debtor.created") == {
        "company": {"id": "crm-17"},
        "debtor": {"number": 1, "name": "Nordvind Service A/S", "linked_existing": False},
        "conversion": str(asked.conversion.id),
    }
    [company] = companies(firm.database)
    assert (company.relation, company.customer_number) == ("customer", "1")
    assert [what for _, what in history(firm.database)] == ["created", "linked", "updated"]
    [link] = rows(firm.database, "SELECT how FROM debtor_link")
    assert link.how == "conversion"
    steps = rows(firm.database, "SELECT state, what FROM conversion_step ORDER BY id")
    assert [tuple(row) for row in steps] == [
        ("requested", "requested"),
        ("creating", "creating"),
        ("created", "created"),
    ]


def test_asked_for_twice(firm: Firm) -> None:
    """While it runs and when it has ended: one conversion, one debtor."""
    firm.has()

    first, second = firm.ask(), firm.ask(deal="D-1")
    firm.work()
    third = firm.ask()
    firm.work()

    assert {each.conversion.id for each in (first, second, third)} == {1}
    assert [each.begun for each in (first, second, third)] == [True, False, False]
    assert len(firm.ledger.books) == 1
    assert firm.events().count("debtor.created") == 1


def test_a_second_debtor_on_purpose(firm: Firm) -> None:
    """It is allowed when the deal says so, and the same deal again makes no third one."""
    firm.has()
    firm.ask(deal="D-1")
    firm.work()

    firm.ask(second=True, deal="D-2", said=Said(create=True))
    firm.work()
    again = firm.ask(second=True, deal="D-2")
    firm.work()

    assert again.conversion.id == 2
    assert firm.links() == [("crm-17", 1), ("crm-17", 2)]


def test_no_third_debtor_without_a_deal(firm: Firm) -> None:
    """Nothing would tell the request from itself told again."""
    firm.has()
    firm.ask(deal="D-1")
    firm.work()

    again = firm.ask(second=True, said=Said(create=True))
    firm.work()

    assert (again.conversion.id, again.begun) == (1, False)
    assert list(firm.ledger.books) == [1]


def test_what_is_said_of_a_company_finds_its_debtor(firm: Firm) -> None:
    """The CVR number given with the request counts, not what is stored: another's debtor is not taken for it."""
    firm.ledger.books[7] = Debtor(7, "Nordvind Service", cvr="31313139", zip="8700", currency="DKK")
    firm.ledger.books[8] = Debtor(8, "Fjordlys Energi", cvr="30303032", zip="7100", currency="DKK")
    firm.has()

    firm.ask(said=Said({"vat": "30303032", "name": "Fjordlys Energi ApS", "zip": "7100"}))
    firm.work()

    assert firm.links() == [("crm-17", 8)]
    assert firm.ledger.calls == ["find"]


def test_a_debtor_that_is_the_company_is_linked(firm: Firm) -> None:
    """Found live by its CVR number, though the mirror has not heard of it yet; nothing is created."""
    firm.ledger.books[4711] = Debtor(4711, "Nordvind Service", cvr="31313139", zip="8700", currency="DKK")
    firm.has()
    firm.ask()

    firm.work()

    assert firm.states() == ["linked"]
    assert firm.links() == [("crm-17", 4711)]
    assert firm.ledger.calls == ["find"]
    assert told(firm, "debtor.created")["debtor"] == {
        "number": 4711,
        "name": "Nordvind Service",
        "linked_existing": True,
    }


def test_a_debtor_of_the_mirror_is_read_before_it_is_linked(firm: Firm) -> None:
    """Found by its phone in the mirror only, it is asked for by number; gone from e-conomic, one is created."""
    debtor = Debtor(12, "Nordvind Service", phone="76000000", zip="8700", address="Industrivej 7")
    firm.office.mirrored = [debtor]
    firm.ledger.books[12] = debtor._replace(name="Nordvind Service AS")
    firm.has(name="Nordvind Service A/S", vat=None)
    firm.ask()
    firm.ledger.find_debtors = lambda **_: _nobody()  # type: ignore[method-assign]

    firm.work()

    assert firm.links() == [("crm-17", 12)]
    assert firm.ledger.calls == ["debtor"]


def _nobody() -> Any:
    from domain.accounting_api import Page

    return Page([], [], 0, False)


def doubtful(firm: Firm) -> None:
    """A debtor of another name at the same address, with the same phone, that the mirror knows."""
    debtor = Debtor(4711, "Hansens Eftf. ApS", zip="8700", city="Horsens", address="Industrivej 7", phone="76000000")
    firm.ledger.books[4711] = debtor
    firm.office.mirrored = [debtor]
    firm.has(vat=None)
    firm.ask()
    firm.work()


def test_a_doubtful_debtor_is_asked_about(firm: Firm) -> None:
    """With its reasons, and where to answer; the person's choice is linked."""
    doubtful(firm)
    assert firm.states() == ["needs_input"]
    asked = told(firm, "conversion.needs_input")
    assert (asked["candidates"][0]["number"], asked["missing"]) == (4711, [])
    assert asked["candidates"][0]["reasons"]
    assert asked["url"] == "https://debitor.example/conversion/1"

    firm.supply(1, said=Said(link=4711))
    firm.work()

    assert firm.states() == ["linked"]
    assert firm.links() == [("crm-17", 4711)]
    assert list(firm.ledger.books) == [4711]


def test_none_of_the_debtors_shown(firm: Firm) -> None:
    """Then one is created, and the doubtful one stays as it is."""
    doubtful(firm)

    firm.supply(1, said=Said(create=True))
    firm.work()

    assert firm.states() == ["created"]
    assert firm.links() == [("crm-17", 4712)]


def test_another_companys_debtor_of_the_same_cvr_number(firm: Firm) -> None:
    """It is shown as that company's: nobody links it by itself, nor makes one more without a word."""
    firm.has("crm-1", name="Nordvind Service A/S")
    firm.ask("crm-1")
    firm.work()
    with firm.database.write() as connection:  # the CRM's own duplicate, which nobody has noticed
        connection.exec_driver_sql(
            "INSERT INTO company (firm_id, crm_id, name, vat, zip, created_at, changed_at)"
            " SELECT firm_id, 'crm-2', name, vat, zip, created_at, changed_at FROM company"
        )
    firm.ask("crm-2")
    firm.work()

    assert firm.states() == ["created", "needs_input"]
    needs = firm.conversion(2).needs
    assert needs is not None
    assert [(each.number, each.linked_to) for each in needs.candidates] == [(1, "Nordvind Service A/S")]


def test_what_is_missing_is_asked_for(firm: Firm) -> None:
    """And the same conversion goes on with it."""
    firm.has(zip=None)
    firm.ask()
    firm.work()
    assert firm.states() == ["needs_input"]
    assert told(firm, "conversion.needs_input")["missing"] == [{"field": "zip", "reason": "is missing"}]

    firm.ask(said=Said({"zip": "8700"}))
    firm.work()

    assert firm.states() == ["created"]
    assert firm.ledger.books[1].zip == "8700"


def test_a_refusal_is_told_and_goes_on_when_it_is_mended(firm: Firm) -> None:
    """With the field and the reason; asked for again, the same conversion succeeds and the failure closes."""
    firm.ledger.refuse = "zip is too long"
    firm.has()
    firm.ask()
    firm.work()
    assert firm.states() == ["failed"]
    assert failures(firm) == [("conversion", "rejected", "open")]
    assert told(firm, "debtor.creation_failed") == {
        "company": {"id": "crm-17"},
        "conversion": "1",
        "field": "zip",
        "reason": "zip is too long",
        "errors": [{"field": "zip", "reason": "zip is too long"}],
    }

    firm.ledger.refuse = None
    assert firm.ask().begun
    firm.work()

    assert firm.states() == ["created"]
    assert failures(firm) == [("conversion", "rejected", "resolved")]
    assert len(firm.ledger.books) == 1


def test_a_lost_answer_is_asked_for_again(firm: Firm) -> None:
    """The same body under the same key: e-conomic gives its first answer, and the debtor as it is now is stored."""
    firm.has()
    firm.ask()
    once("create done", lost(), ledger=firm.ledger)
    firm.work()
    assert (firm.states(), firm.conversion().doubt) == (["creating"], True)
    firm.ledger.books[1] = firm.ledger.books[1]._replace(city="Aarhus")

    firm.time_passes()
    firm.work()

    assert firm.links() == [("crm-17", 1)]
    assert firm.ledger.calls == ["find", "create", "create", "debtor"]
    assert [row.city for row in rows(firm.database, "SELECT city FROM debtor")] == ["Aarhus"]


def test_an_answer_lost_for_an_hour(firm: Firm) -> None:
    """The key is forgotten: the debtor is found by what it says, and nothing is sent again."""
    firm.has()
    firm.ask()
    once("create done", lost(), ledger=firm.ledger)
    firm.work()

    firm.an_hour_passes()
    firm.work()

    assert firm.states() == ["created"]
    assert firm.links() == [("crm-17", 1)]
    assert firm.ledger.calls == ["find", "create", "find"]


def test_nothing_was_created_an_hour_ago(firm: Firm) -> None:
    """Only then there is a new key."""
    firm.has()
    firm.ask()
    once("create", lost(), ledger=firm.ledger)
    firm.work()

    firm.an_hour_passes()
    firm.work()

    assert firm.states() == ["created"]
    assert firm.ledger.calls == ["find", "create", "find", "create"]
    assert firm.conversion().key == "key-2"
    assert len(firm.ledger.books) == 1


def test_several_may_be_the_one_of_an_hour_ago(firm: Firm) -> None:
    """A person says which; meanwhile nothing is created."""
    firm.has()
    firm.ask()
    once("create done", lost(), ledger=firm.ledger)
    firm.work()
    firm.ledger.books[2] = firm.ledger.books[1]._replace(number=2)

    firm.an_hour_passes()
    firm.work()

    assert firm.states() == ["needs_input"]
    assert [each["number"] for each in told(firm, "conversion.needs_input")["candidates"]] == [1, 2]
    assert firm.links() == []


@pytest.mark.parametrize(
    "changed",
    [{"zip": "9999"}, {"last_updated": OLD}, {"cvr": "11111111"}],
    ids=["another zip", "unchanged since before", "another CVR"],
)
def test_a_stranger_is_not_taken_for_the_one_created(firm: Firm, changed: dict[str, Any]) -> None:
    """Every field must say what was sent, and nothing may be older than the call."""
    firm.has()
    firm.ask()
    once("create", lost(), ledger=firm.ledger)
    firm.work()
    sent = Debtor(8, "Nordvind Service A/S", currency="DKK", zip="8700", vat_zone=1, cvr="31313139")
    firm.ledger.books[8] = sent._replace(**{"last_updated": dt.datetime.now(dt.UTC), **changed})

    firm.an_hour_passes()
    firm.work()

    assert firm.links() == [("crm-17", 9)]


def test_our_own_number_is_taken(firm: Firm) -> None:
    """By a stranger: another number is asked for. By the debtor of the lost call: it is ours."""
    firm.ledger.books[500] = Debtor(500, "Vestkyst Kommune")
    firm.has()
    firm.ask(said=Said({"number": "500"}))
    firm.work()
    [missing] = told(firm, "conversion.needs_input")["missing"]
    assert missing["field"] == "number"
    assert "Vestkyst Kommune" in missing["reason"]

    once("create done", lost(), ledger=firm.ledger)
    firm.supply(1, said=Said({"number": "501"}))
    firm.work()
    firm.ledger.forget_keys()
    firm.time_passes()
    firm.work()

    assert firm.links() == [("crm-17", 501)]
    assert sorted(firm.ledger.books) == [500, 501]


def test_the_company_comes_later(firm: Firm) -> None:
    """The deal waits for it, with a reason; asked for twice, it is one conversion."""
    firm.ask()
    firm.work()
    assert firm.conversion().reason == "unknown_company"
    firm.ask()

    firm.has()
    firm.time_passes()
    firm.work()

    assert firm.states() == ["created"]
    assert firm.links() == [("crm-17", 1)]


def test_the_company_never_comes(firm: Firm) -> None:
    """After an hour a person is told."""
    firm.ask()
    firm.work()
    do(
        firm.database,
        f"UPDATE conversion SET requested_at = {firm.database.sql.after('ago')}, next_at = requested_at",
        ago=-3_700,
    )
    firm.work()

    assert firm.states() == ["failed"]
    assert failures(firm) == [("conversion", "unknown_company", "open")]
    assert firm.ledger.calls == []


def test_the_bookkeeper_must_approve(firm: Firm) -> None:
    """Nothing is created before; declined, nothing ever is."""
    firm.office.allowed = "approval"
    firm.has()
    firm.ask()
    firm.work()
    assert firm.states() == ["waiting_approval"]
    assert told(firm, "conversion.waiting")["reason"] == "approval"
    assert "create" not in firm.ledger.calls

    firm.supply(1, said=Said(approved=True))
    firm.work()
    assert firm.states() == ["created"]

    firm.has("crm-18", name="Fjell Drift ApS", vat="30303032", phone=None, mail=None)
    firm.ask("crm-18")
    firm.work()
    assert firm.supply(2, decline=True).state is State.FAILED
    firm.work()
    assert firm.states() == ["created", "failed"]


def test_the_agreement_takes_no_new_debtors(firm: Firm) -> None:
    """The request fails with that reason."""
    firm.office.allowed = "not-allowed"
    firm.has()
    firm.ask()
    firm.work()

    assert failures(firm) == [("conversion", "not_allowed", "open")]


def test_a_deleted_company_becomes_no_debtor(firm: Firm) -> None:
    """Deleted in the CRM while the request waited."""
    firm.has()
    firm.ask()
    take(firm.database, Deletion("crm-17"))

    firm.work()

    assert failures(firm) == [("conversion", "company_deleted", "open")]
    assert firm.ledger.books == {}


def test_debtors_of_one_name_are_created_one_by_one(firm: Firm) -> None:
    """Companies that share a name and have no CVR number: each gets its own debtor, whatever was lost."""
    for n in range(5):
        firm.has(f"crm-{n}", name="Malerfirmaet Jensen", vat=None, phone=None, mail=None, street=f"Vej {n}")
        firm.ask(f"crm-{n}")
    once("create done", lost(), ledger=firm.ledger)

    firm.work()
    assert sorted(firm.states()).count("creating") == 1
    firm.time_passes()
    firm.work()

    assert firm.states() == ["created"] * 5
    assert len({number for _, number in firm.links()}) == len(firm.ledger.books) == 5


def test_throttled_it_waits(firm: Firm) -> None:
    """429 is the agreement's trouble: the conversion stays where it is, and goes on by itself."""
    firm.has()
    firm.ask()
    once("create", RateLimited("429", retry_after_s=7), ledger=firm.ledger)

    with pytest.raises(RateLimited):
        firm.work()
    assert (firm.states(), firm.conversion().doubt) == (["creating"], False)
    firm.time_passes()
    firm.work()

    assert firm.links() == [("crm-17", 1)]


def test_a_call_that_hangs_prolongs_no_pause(firm: Firm) -> None:
    """While one is waited for the others go on once the pause is over that e-conomic asked for."""
    for n in range(2):
        firm.has(f"crm-{n}", name=f"Firma {n} ApS", vat=None, phone=None, mail=None, street=f"Vej {n}")
        firm.ask(f"crm-{n}")
    moments: list[str] = []
    others_are_made = threading.Event()

    def first_hangs_second_is_refused(moment: str) -> None:
        if moment == "create":
            moments.append(moment)
            if len(moments) == 1:
                assert others_are_made.wait(10)
            elif len(moments) == 2:
                raise RateLimited("429", retry_after_s=0.01)
            elif len(moments) == 3:
                others_are_made.set()

    firm.ledger.faults.append(first_hangs_second_is_refused)
    firm.work()

    assert firm.states() == ["created"] * 2


def test_a_look_that_fails_is_made_again(firm: Firm) -> None:
    """A single one without an answer is put off by itself, so that it holds up nobody."""
    firm.has()
    firm.ask()
    once("find", Unavailable("503"), ledger=firm.ledger)

    firm.work()
    assert (firm.states(), firm.conversion().reason) == (["requested"], "unavailable")
    firm.time_passes()
    firm.work()

    assert firm.states() == ["created"]


def test_e_conomic_down_holds_everything(firm: Firm) -> None:
    """After a few calls without an answer the others are not even tried."""
    for n in range(12):
        firm.has(f"crm-{n}", name=f"Firma {n} ApS", vat=None, phone=None, mail=None, street=f"Vej {n}")
        firm.ask(f"crm-{n}")

    def down(moment: str) -> None:
        raise Unavailable("down")

    firm.ledger.faults.append(down)
    with pytest.raises(Unavailable):
        firm.work()
    assert len(firm.ledger.calls) < 2 * 12

    firm.ledger.faults.clear()
    firm.time_passes()
    firm.work()
    assert firm.states() == ["created"] * 12


def test_the_debtor_was_linked_to_another_company_meanwhile(firm: Firm) -> None:
    """It is shown, nothing is forced, and when that is mended a replay links the very debtor that was created."""
    firm.has()
    firm.ask()
    firm.has("crm-9", name="Noget Helt Andet ApS", vat="30303032", phone=None, mail=None)
    once("create done", lost(), ledger=firm.ledger)
    firm.work()
    with firm.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO debtor (agreement, number, name, barred, e_invoicing_disabled, fingerprint, first_seen_at,"
            f" changed_at) SELECT number, 1, 'Nordvind Service A/S', false, false, '', {firm.database.sql.now},"
            f" {firm.database.sql.now} FROM agreement"
        )
        connection.exec_driver_sql(
            "INSERT INTO debtor_link (agreement, debtor_id, company_id, how, reasons, seen, linked_by, linked_at,"
            f" refused) SELECT agreement, id, 2, 'person', '[]', '{{}}', 'x', {firm.database.sql.now}, false"
            " FROM debtor"
        )
    firm.time_passes()
    firm.work()
    assert failures(firm) == [("conversion", "not_linked", "open")]

    do(firm.database, f"UPDATE debtor_link SET cut_at = {firm.database.sql.now}")
    firm.ask()
    firm.work()

    assert firm.links() == [("crm-17", 1)]
    assert list(firm.ledger.books) == [1]


def test_nobody_says_anything_to_an_ended_conversion(firm: Firm) -> None:
    """A form that was open too long changes nothing."""
    firm.has()
    firm.ask()
    firm.work()

    with pytest.raises(WrongState):
        firm.supply(1, said=Said(link=5))
    with pytest.raises(WrongState):
        firm.supply(99)


def test_a_namesake_is_asked_about(firm: Firm) -> None:
    """A debtor that has the company's name and nothing else: it may be the company."""
    firm.ledger.books[3] = Debtor(3, "NORDVIND service A/S")
    firm.has()
    firm.ask()
    firm.work()

    needs = firm.conversion().needs
    assert needs is not None
    assert [each.number for each in needs.candidates] == [3]


def test_a_namesake_somewhere_else_is_nobody(firm: Firm) -> None:
    """Another zip: another firm of that name."""
    firm.ledger.books[4] = Debtor(4, "Nordvind Service A/S", zip="9999")
    firm.has()
    firm.ask()
    firm.work()

    assert firm.links() == [("crm-17", 5)]
