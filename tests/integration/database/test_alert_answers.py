"""What people answer to duplicate alerts, and take back, on each database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.alerts import AlertReason, Answer
from domain.answer_alerts import Answered, Choice, answer, answer_all
from domain.questions import NotAnswered, Outcome
from domain.undo_answers import undo, undo_all
from infra.database.alert_stores import answering
from infra.database.engine import Database
from tests.integration.database.test_alerts import DEBTOR
from tests.integration.database.test_links import link
from tests.support.alerts import asked, company, debtor, debtors, endings, open_groups, raise_alerts
from tests.support.companies import companies, crm, firm_of, history, take
from tests.support.databases import do, rows, scalar

ANNA, BO = "anna@fjordlys.example", "bo@fjordlys.example"
LINKED = "SELECT debtor_id, company_id FROM debtor_link WHERE cut_at IS NULL ORDER BY 1"


@pytest.fixture
def firm(store: Database) -> Database:
    """Three companies of the CRM, and three debtors that nobody has linked."""
    take(store, *[crm(f"crm-{n}", name=f"Nordvind {n}", vat=None, phone=None, zip=f"{n}") for n in range(1, 4)])
    debtors(store, *[DEBTOR._replace(number=n) for n in (4711, 4712, 4713)])
    return store


def say(
    database: Database, given: Answer, alert: int = 1, *, who: str = ANNA, company: int | None = None, one: int = 0
) -> Answered:
    with answering(database, firm_of(database))() as stores:
        choice = Choice(given, company, debtor(one) if one else None)
        return answer(stores, alert, choice, who=who)


def say_all(database: Database, given: Answer, reason: AlertReason = AlertReason.SEVERAL) -> Answered:
    return answer_all(answering(database, firm_of(database)), reason, given, who=ANNA)


def take_back(database: Database, alert: int = 1, *, who: str = BO) -> list[Outcome]:
    with answering(database, firm_of(database))() as stores:
        return undo(stores, alert, who=who)


def take_all_back(database: Database, decision: int) -> list[Outcome]:
    return undo_all(answering(database, firm_of(database)), decision, who=BO)


def state(database: Database) -> object:
    """All that answers may change and undoing must bring back."""
    content = [
        (row.name, row.vat, row.customer_number, row.city, row.billing_city, row.crm_apart, row.changed_by)
        for row in companies(database)
        if row.deleted_at is None
    ]
    return content, rows(database, LINKED), open_groups(database), rows(database, "SELECT * FROM not_duplicate")


def test_linked_and_taken_back(firm: Database) -> None:
    """The likeliest company is linked, with its reasons; undone, everything is as it was, and the question is open."""
    raise_alerts(firm, asked(debtor(1), 2))
    before = state(firm)

    done = say(firm, Answer.LINK)
    assert rows(firm, LINKED) == [(1, 2)]
    assert companies(firm)[1].vat == "87654338"
    assert scalar(firm, "SELECT score FROM debtor_link") == 80.0
    assert (endings(firm, 1), open_groups(firm)) == (["linked"], {})
    assert rows(firm, "SELECT id, answer, who FROM alert_decision") == [(done.decision, "link", ANNA)]

    take_back(firm)
    assert state(firm) == before
    assert [what for who, what in history(firm) if who == BO] == ["unlinked", "updated"]
    assert rows(firm, "SELECT undone_by FROM alert_decision") == [(BO,)]
    assert not scalar(firm, "SELECT count(*) FROM debtor_link WHERE refused")


def test_a_company_of_its_own(firm: Database) -> None:
    """A debtor that is none of the candidates becomes a company; undone, that company is a tombstone."""
    raise_alerts(firm, asked(debtor(1), 1, 2))
    before = state(firm)

    [outcome] = say(firm, Answer.CREATE).outcomes
    assert (outcome.company, rows(firm, LINKED)) == (4, [(1, 4)])
    assert (companies(firm)[3].name, companies(firm)[3].customer_number) == ("Nordvind Service ApS", "4711")
    assert rows(firm, "SELECT type FROM outbox WHERE type <> 'duplicate.found'") == [("company.created",)]
    assert raise_alerts(firm, asked(debtor(1), 1, 2)) == [], "it is known that it is neither"

    take_back(firm)
    assert state(firm) == before
    assert '"deleted":true' in scalar(firm, "SELECT data FROM outbox ORDER BY id DESC LIMIT 1")


@pytest.mark.parametrize("given", [Answer.NOT_DUPLICATE, Answer.LEAVE])
def test_not_asked_again_until_something_changes(firm: Database, given: Answer) -> None:
    """What was said of a pair holds until one of the two changes in what decides; undone, it is asked again."""
    question = asked(debtor(1), 1), asked(debtor(2), 1)
    raise_alerts(firm, *question)
    before = state(firm)
    say(firm, given)

    assert raise_alerts(firm, *question) == []
    do(firm, "UPDATE debtor SET credit_limit = 5, name = 'NORDVIND SERVICE aps' WHERE id = 1")
    assert raise_alerts(firm, *question) == []
    do(firm, "UPDATE debtor SET phone = '76123456' WHERE id = 1")
    assert raise_alerts(firm, *question) == [2]
    assert open_groups(firm) == {2: ([1], [1])}
    take(firm, crm("crm-1", name="Nordvind 1", vat=None, phone=None, zip="8000"))
    assert raise_alerts(firm, *question) == [2]
    assert open_groups(firm) == {2: ([1, 2], [1])}

    say(firm, given, 2)
    do(firm, "UPDATE debtor SET phone = '76000000', name = 'Nordvind Service ApS' WHERE id = 1")
    take(firm, crm("crm-1", name="Nordvind 1", vat=None, phone=None, zip="1"))
    take_back(firm, 2)
    take_back(firm, 1)
    assert open_groups(firm)[2] == ([1, 2], [1])
    assert before


def test_companies_are_merged_and_taken_back(firm: Database) -> None:
    """A group of companies becomes one, whatever else is asked about them; undone, each is asked about as before."""
    raise_alerts(firm, asked(company(1), 2), asked(company(2), 3), reason=AlertReason.COMPANIES)
    raise_alerts(firm, asked(debtor(1), 2, 3))
    before = state(firm)

    outcomes = say(firm, Answer.MERGE).outcomes
    assert [(each.ending, each.company, each.problem) for each in outcomes] == [
        ("merged", 1, None),
        ("merged", 1, None),
    ]
    assert rows(firm, "SELECT id, merged_into FROM company ORDER BY id") == [(1, None), (2, 1), (3, 1)]
    assert open_groups(firm) == {2: ([1], [1])}

    assert [each.problem for each in take_back(firm)] == [None, None]
    assert state(firm) == before

    with pytest.raises(NotAnswered, match="debitor companies merge"):
        say(firm, Answer.MERGE, company=2)
    with pytest.raises(NotAnswered, match="is a debtor"):
        say(firm, Answer.MERGE, 2)
    with pytest.raises(NotAnswered, match="is a company"):
        say(firm, Answer.LINK)


def test_one_of_a_group(firm: Database) -> None:
    """One debtor of a group may be answered alone, by the company meant; the others stay open."""
    raise_alerts(firm, asked(debtor(1), 1, 2), asked(debtor(2), 2))
    with pytest.raises(NotAnswered, match="debtor 4711 Nordvind Service ApS may be one of 2 companies: say which"):
        say(firm, Answer.LINK, one=1)
    with pytest.raises(NotAnswered, match="none of the candidates"):
        say(firm, Answer.LINK, one=1, company=3)
    say(firm, Answer.LINK, one=1, company=2)

    assert (endings(firm, 1), rows(firm, LINKED)) == (["linked", None], [(1, 2)])


def test_two_people_at_once(firm: Database) -> None:
    """One wins, and the other is told who said what."""
    raise_alerts(firm, asked(debtor(1), 1))
    barrier = threading.Barrier(2)

    def people(who: str) -> str:
        barrier.wait(timeout=10)
        try:
            say(firm, Answer.LINK, who=who)
        except NotAnswered as error:
            return str(error)
        return "won"

    with ThreadPoolExecutor(2) as pool:
        said = dict(zip((ANNA, BO), pool.map(people, [ANNA, BO]), strict=True))
    [winner] = [who for who, each in said.items() if each == "won"]
    [told] = [each for each in said.values() if each != "won"]
    assert told.startswith(f"debtor 4711 Nordvind Service ApS: {winner} said linked (company #1) on 20")
    assert rows(firm, LINKED) == [(1, 1)]


def test_all_of_one_reason(firm: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """All alerts of a reason are answered, a few in a transaction; what cannot be stays open, with the reason why."""
    monkeypatch.setattr("domain.answer_alerts.AT_ONCE", 1)
    monkeypatch.setattr("domain.undo_answers.AT_ONCE", 1)
    raise_alerts(firm, asked(debtor(1), 1), asked(debtor(2), 2, 3))
    raise_alerts(firm, asked(debtor(3), 1), reason=AlertReason.CVR)
    before = state(firm)

    done = say_all(firm, Answer.LINK)
    assert [(each.alert, each.company, each.problem is None) for each in done.outcomes] == [
        (1, 1, True),
        (2, None, False),
    ]
    assert open_groups(firm) == {2: ([2], [2, 3]), 3: ([3], [1])}

    assert done.decision is not None
    assert [each.problem for each in take_all_back(firm, done.decision)] == [None]
    assert state(firm) == before
    with pytest.raises(NotAnswered, match="nothing to take back"):
        take_all_back(firm, done.decision)
    with pytest.raises(NotAnswered, match=f"alert 1 is open: {BO} took the answer back on"):
        take_back(firm)


def test_what_changed_since_stays(firm: Database) -> None:
    """A batch is undone as far as it can be; the rest is named, and stays."""
    for n in (1, 2, 3):
        raise_alerts(firm, asked(debtor(n), n))
    done = say_all(firm, Answer.LINK)
    do(firm, "UPDATE company SET vat = '10103940', billing_city = 'Ribe' WHERE id = 1")
    with answering(firm, firm_of(firm))() as stores:
        stores.links.cut([2], who=BO, refused=True)

    assert done.decision is not None
    outcomes = take_all_back(firm, done.decision)
    assert [(each.alert, each.problem) for each in outcomes] == [
        (3, None),
        (2, "debtor 4712 Nordvind Service ApS: debtor 4712 is not linked to company #2 Nordvind 2 any more"),
        (1, "debtor 4711 Nordvind Service ApS: company #1 Nordvind 1 was changed since: vat, billing_city"),
    ]
    assert rows(firm, LINKED) == [(1, 1)]
    assert list(open_groups(firm)) == [3]


def test_a_company_that_became_known_is_not_taken_back(firm: Database) -> None:
    """A company made by an answer stays when the CRM, or another debtor, has it by now."""
    raise_alerts(firm, asked(debtor(1), 1))
    say(firm, Answer.CREATE)
    link(firm, 4, 4712)
    with pytest.raises(NotAnswered, match="has other debtors since"):
        take_back(firm)
    do(firm, "UPDATE company SET crm_id = 'crm-99' WHERE id = 4")
    with pytest.raises(NotAnswered, match="known to the CRM since, as crm-99"):
        take_back(firm)
    do(firm, "UPDATE company SET name = 'Nordvind' WHERE id = 4")
    with pytest.raises(NotAnswered, match="was changed since: name"):
        take_back(firm)


def test_what_is_gone_cannot_be_answered(firm: Database) -> None:
    """A debtor that is deleted, linked meanwhile, or asked about nowhere: the message says which."""
    raise_alerts(firm, asked(debtor(1), 1))
    do(firm, "UPDATE debtor SET gone_at = changed_at WHERE id = 1")
    with pytest.raises(NotAnswered, match="is deleted in e-conomic"):
        say(firm, Answer.LINK)
    with pytest.raises(NotAnswered, match="there is no alert 9"):
        say(firm, Answer.LEAVE, 9)
    with pytest.raises(NotAnswered, match="there is no alert 9"):
        take_back(firm, 9)
    raise_alerts(firm, asked(debtor(2), 1))
    link(firm, 1, 4712)
    do(firm, "UPDATE debtor SET gone_at = NULL")
    link(firm, 1, 4711)
    with pytest.raises(NotAnswered, match="closed by itself"):
        take_back(firm)
