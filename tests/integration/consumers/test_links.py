"""Debtors find their companies by themselves, once the first import was started."""

from __future__ import annotations

import pytest

from consumers.drain import drain
from consumers.runs import advance, start_resync
from domain.debtors import Debtor
from domain.hints import Kind
from domain.resync_state import ResyncOptions
from infra.bootstrap import Services
from infra.database import scope
from infra.database.asked_runs import cancel
from infra.database.engine import Database
from tests.support import imports
from tests.support.accounting import HeldAccounting, OneClient
from tests.support.companies import NORDVIND, companies, crm, take
from tests.support.databases import AGREEMENT, add_hints, do, rows, scalar
from tests.support.imports import Lists, imported, reverted, told

DEBTOR = Debtor(
    4711,
    "Nordvind Service A/S",
    debtor_group=1,
    address="Industrivej 7",
    zip="8700",
    city="Horsens",
    cvr="31313139",
    phone="76000000",
)


def stranger(number: int, **values: object) -> Debtor:
    return Debtor(
        number,
        f"Firma{chr(65 + number % 26)}{number} Smedje",
        debtor_group=1,
        address=f"Bakkevej {number}",
        zip=f"{1000 + number % 9000}",
    )._replace(**values)


@pytest.fixture
def books(services: Services) -> HeldAccounting:
    """E-conomic of an agreement whose first import was started."""
    accounting = HeldAccounting()
    services.client = OneClient(accounting)  # type: ignore[assignment]
    do(services.database, "UPDATE agreement SET companies_since = created_at")
    return accounting


def heard(services: Services, *debtors: Debtor, books: HeldAccounting) -> None:
    """Webhooks name these debtors, and everything that follows from them is done."""
    for one in debtors:
        books.books[one.number] = one
    add_hints(services.database, *(one.number for one in debtors))
    drain(services, AGREEMENT, Kind.DEBTORS)
    drain(services, AGREEMENT, Kind.LINKS)


def links(database: Database) -> list[tuple[int, str, str]]:
    return [
        tuple(row)
        for row in rows(
            database,
            "SELECT d.number, c.name, l.how FROM debtor_link l JOIN debtor d ON d.id = l.debtor_id"
            " JOIN company c ON c.id = l.company_id WHERE l.cut_at IS NULL ORDER BY d.number",
        )
    ]


ENDINGS = "SELECT d.number, r.ending FROM alert_record r JOIN debtor d ON d.id = r.debtor_id ORDER BY 1"


def links_hints(database: Database) -> int:
    return int(scalar(database, "SELECT count(*) FROM inbox WHERE kind = 'links'"))


def waiting(database: Database) -> int:
    return int(scalar(database, "SELECT count(*) FROM inbox WHERE kind IN ('debtors', 'links') AND handled_at IS NULL"))


def test_a_new_debtor_is_linked_or_becomes_a_company(services: Services, books: HeldAccounting) -> None:
    """A webhook's debtor is the CRM's company, or a new one; its events carry the webhook's correlation id."""
    take(services.database, crm())
    heard(services, DEBTOR, stranger(1), books=books)

    assert links(services.database) == [
        (1, "FirmaB1 Smedje", "created"),
        (4711, "Nordvind Service A/S", "ladder"),
    ]
    causes = rows(services.database, "SELECT correlation_id FROM company_change WHERE what = 'linked' ORDER BY id")
    assert causes == [("cause-1",), ("cause-4711",)]
    assert waiting(services.database) == 0


def test_nothing_appears_before_the_first_import(services: Services, books: HeldAccounting) -> None:
    """Without an approved import debtors are mirrored, and that is all; nobody even asks for their companies."""
    do(services.database, "UPDATE agreement SET companies_since = NULL")
    take(services.database, crm())
    heard(services, DEBTOR, stranger(1), books=books)
    advance(services, start_resync(services, AGREEMENT, ResyncOptions(invoices=False)))

    assert links(services.database) == []
    assert links_hints(services.database) == 0
    assert len(companies(services.database)) == 1


def test_only_what_matters_asks_for_companies(services: Services, books: HeldAccounting) -> None:
    """A new balance is no reason to look at the company, a new phone number is, and it is taken over."""
    take(services.database, crm())
    heard(services, DEBTOR, books=books)
    assert links_hints(services.database) == 1

    heard(services, DEBTOR._replace(balance=None, credit_limit=None, layout=19), books=books)
    assert links_hints(services.database) == 1
    heard(services, DEBTOR._replace(layout=19, phone="76009999"), books=books)
    assert links_hints(services.database) == 2
    assert companies(services.database)[0].phone == "76009999"


def test_agreements_may_make_no_companies(services: Services, books: HeldAccounting) -> None:
    """Linking goes on, but nothing is created; a debtor outside the chosen groups is not even linked."""
    do(services.database, "UPDATE agreement SET create_companies = FALSE")
    take(services.database, crm(), crm("crm-2", name="Østvind", vat="87654338", phone=None, street="Havnegade 1"))
    other = DEBTOR._replace(number=4712, name="Østvind", cvr="87654338", phone=None, debtor_group=2)
    scope.choose_groups(services.database, AGREEMENT, [1])
    heard(services, DEBTOR, stranger(1), other, books=books)
    assert [number for number, *_ in links(services.database)] == [4711]

    scope.choose_groups(services.database, AGREEMENT, [1, 2])
    drain(services, AGREEMENT, Kind.LINKS)
    assert [number for number, *_ in links(services.database)] == [4711, 4712]


def test_too_many_at_once_wait_for_a_person(services: Services, books: HeldAccounting) -> None:
    """More than the agreement allows: nothing is created or linked, what is linked follows, and a failure says so."""
    take(services.database, crm())
    heard(services, DEBTOR, books=books)
    do(services.database, "UPDATE agreement SET most_at_once = 3")
    do(services.database, "UPDATE debtor_link SET linked_at = '2020-01-01T00:00:00.000Z'")
    strangers = [stranger(number) for number in range(1, 5)]
    heard(services, *strangers, DEBTOR._replace(phone="76009999"), books=books)

    assert [number for number, *_ in links(services.database)] == [4711]
    assert companies(services.database)[0].phone == "76009999"
    [failure] = rows(services.database, "SELECT reason, message, advice FROM failure WHERE state = 'open'")
    assert failure.reason == "too_many_at_once"
    assert f"debitor import {AGREEMENT} --waiting --test" in failure.advice
    assert waiting(services.database) == 0

    heard(services, stranger(3, phone="76001234"), stranger(9), books=books)
    assert [number for number, *_ in links(services.database)] == [9, 4711]


@pytest.fixture
def proposed(services: Services, books: HeldAccounting) -> int:
    """Debtors 1 to 4 wait for a person's word; the run they wait as."""
    do(services.database, "UPDATE agreement SET most_at_once = 3")
    heard(services, *(stranger(number) for number in range(1, 5)), books=books)
    [(run_id, state)] = rows(services.database, "SELECT id, state FROM run")
    assert (state, services.runs.due()) == ("proposed", [])
    return int(run_id)


def test_what_waits_is_tested_and_started(services: Services, books: HeldAccounting, proposed: int) -> None:
    """A test says what would become of them; started they are imported, the failure is settled, and it is reverted."""
    heard(services, *(stranger(number) for number in range(5, 9)), books=books)  # join those that wait already
    heard(services, stranger(20), books=books)
    tested = imported(services.database, None, test=True, waiting=proposed)
    assert told(services.database, tested) == dict.fromkeys(range(1, 9), ("new", None))

    imports.advance(services.database, imports.begin(services.database, waiting=proposed))

    assert told(services.database, proposed) == dict.fromkeys(range(1, 9), ("new", "created"))
    assert scalar(services.database, "SELECT state FROM failure") == "resolved"
    reverted(services.database, proposed)
    assert [number for number, *_ in links(services.database)] == [20]


def test_what_waits_is_dropped(services: Services, books: HeldAccounting, proposed: int) -> None:
    """Dropped they get no company, whatever they do, until an import of all is started."""
    cancel(services.database, proposed)
    heard(services, stranger(2, phone="76001234"), books=books)
    assert links(services.database) == []
    assert scalar(services.database, "SELECT state FROM failure") == "resolved"

    run_id = imported(services.database, Lists(*(each for each in books.books.values() if isinstance(each, Debtor))))
    assert set(told(services.database, run_id).values()) == {("new", "created")}


def test_an_import_is_not_disturbed(services: Services, books: HeldAccounting) -> None:
    """While an import links and creates, a drain waits; what came in meanwhile is looked at afterwards."""
    do(services.database, "UPDATE agreement SET companies_since = NULL")
    api = Lists(*(stranger(number) for number in range(1, 5)))
    run_id = imports.begin(services.database)
    while imports.advance(services.database, run_id, api, steps=1) != "judge":
        pass
    heard(services, stranger(9), books=books)
    imports.advance(services.database, run_id, steps=1)
    drain(services, AGREEMENT, Kind.LINKS)
    assert links(services.database) == []

    imports.advance(services.database, run_id)
    do(services.database, "UPDATE work SET not_before = NULL")
    drain(services, AGREEMENT, Kind.LINKS)

    assert [number for number, *_ in links(services.database)] == [1, 2, 3, 4, 9]


def test_drops_are_counted_together(services: Services, books: HeldAccounting) -> None:
    """What drains of the last minute made counts as well: a list imported in e-conomic comes in drops."""
    do(services.database, "UPDATE agreement SET most_at_once = 3")
    heard(services, stranger(1), stranger(2), books=books)
    heard(services, stranger(3), stranger(4), books=books)
    assert len(links(services.database)) == 2


@pytest.fixture
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice of links is over after a portion of two debtors."""
    monkeypatch.setattr("consumers.drain.SLICE_S", 0.0)
    monkeypatch.setattr("domain.follow_debtors.AT_ONCE", 2)


def drained(services: Services, numbers: range, *, named: bool) -> list[int]:
    """Debtors come in, by their webhooks or by a resync; returns how many had a company after each slice."""
    if named:
        add_hints(services.database, *numbers)
        drain(services, AGREEMENT, Kind.DEBTORS)
    else:
        advance(services, start_resync(services, AGREEMENT, ResyncOptions(invoices=False)))
    made = []
    while waiting(services.database):
        drain(services, AGREEMENT, Kind.LINKS)
        made.append(len(links(services.database)))
        do(services.database, "UPDATE debtor_link SET linked_at = '2020-01-01T00:00:00.000Z'")
    return made


@pytest.mark.usefixtures("short_slices")
@pytest.mark.parametrize("named", [True, False], ids=["named", "all"])
def test_a_slice_ends_in_time(services: Services, books: HeldAccounting, named: bool) -> None:
    """Others get their turn after a portion; the next slice goes on with the next portion, until all are done."""
    books.books |= {number: stranger(number) for number in range(1, 6)}
    assert drained(services, range(1, 6), named=named) == [2, 4, 5]
    assert services.work.take(AGREEMENT, Kind.LINKS) is None


@pytest.mark.usefixtures("short_slices")
@pytest.mark.parametrize("named", [True, False], ids=["named", "all"])
def test_what_is_too_much_waits_in_every_slice(services: Services, books: HeldAccounting, named: bool) -> None:
    """It was counted together, so it waits together, though the last slice alone would not be too much."""
    do(services.database, "UPDATE agreement SET most_at_once = 3")
    books.books |= {number: stranger(number) for number in range(1, 6)}
    assert drained(services, range(1, 6), named=named) == [0, 0, 0]
    [run_id] = [row.id for row in rows(services.database, "SELECT id FROM run WHERE state = 'proposed'")]
    assert scalar(services.database, "SELECT count(*) FROM import_row WHERE run_id = :run", run=run_id) == 5
    assert scalar(services.database, "SELECT count(*) FROM outbox WHERE type = 'import.waiting'") == 1


@pytest.mark.usefixtures("short_slices")
def test_pages_of_a_look_at_all_are_counted_together(
    services: Services, books: HeldAccounting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes, a look at all debtors makes no more than the agreement allows at once."""
    monkeypatch.setattr("infra.database.register.PAGE", 2)
    do(services.database, "UPDATE agreement SET most_at_once = 3")
    books.books |= {number: stranger(number) for number in range(1, 7)}
    assert drained(services, range(1, 7), named=False)[-1] == 2


def test_a_resync_asks_once_for_all(services: Services, books: HeldAccounting) -> None:
    """A resync leaves one hint for whatever nobody announced: new debtors and changed ones, not one for each."""
    take(services.database, crm())
    heard(services, DEBTOR, books=books)
    for one in (DEBTOR._replace(phone="76009999"), stranger(1), stranger(2)):
        books.books[one.number] = one

    advance(services, start_resync(services, AGREEMENT, ResyncOptions(invoices=False)))
    assert rows(services.database, "SELECT new_number FROM inbox WHERE kind = 'links' AND handled_at IS NULL") == [
        (None,)
    ]
    drain(services, AGREEMENT, Kind.LINKS)
    assert [number for number, *_ in links(services.database)] == [1, 2, 4711]
    assert companies(services.database)[0].phone == "76009999"


def test_a_renumbered_debtor_takes_its_number_along(services: Services, books: HeldAccounting) -> None:
    """The link stays, and the company has the new customer number; a deleted debtor stays linked."""
    take(services.database, crm())
    heard(services, DEBTOR, books=books)
    del books.books[4711]
    books.books[4720] = DEBTOR._replace(number=4720)
    add_hints(services.database, 4711, 4720)
    do(services.database, "UPDATE inbox SET new_number = 4720 WHERE handled_at IS NULL AND new_number = 4711")
    drain(services, AGREEMENT, Kind.DEBTORS)
    drain(services, AGREEMENT, Kind.LINKS)
    assert companies(services.database)[0].customer_number == "4720"

    del books.books[4720]
    add_hints(services.database, 4720)
    drain(services, AGREEMENT, Kind.DEBTORS)
    drain(services, AGREEMENT, Kind.LINKS)
    assert links(services.database) == [(4720, NORDVIND["name"], "ladder")]


def test_a_number_of_many_is_no_evidence(services: Services, books: HeldAccounting) -> None:
    """A phone that more than five debtors of the register have points at no company."""
    take(services.database, crm(vat=None, street="Havnegade 9", zip="9000"))
    do(services.database, "UPDATE agreement SET create_companies = FALSE")
    for number in range(1, 7):
        heard(services, stranger(number, phone="76 00 00 00"), books=books)
    heard(services, DEBTOR._replace(cvr=None, address=None, zip=None, city=None, name="Nordvind"), books=books)
    assert links(services.database) == []


def test_a_cut_link_is_left_alone(services: Services, books: HeldAccounting) -> None:
    """A company is made from a debtor once: after a person cut the link, changes of the debtor make no other."""
    heard(services, stranger(1), books=books)
    do(services.database, "UPDATE debtor_link SET cut_at = linked_at, cut_by = 'mlj', refused = TRUE")
    heard(services, stranger(1, phone="76009999"), books=books)
    assert links(services.database) == []
    assert len(companies(services.database)) == 1


def test_what_is_not_in_doubt_any_more_is_not_asked(services: Services, books: HeldAccounting) -> None:
    """An alert closes when its debtor fits nobody any more, and when its debtor is deleted in e-conomic."""
    take(services.database, crm())
    do(services.database, "UPDATE agreement SET create_companies = FALSE")
    doubtful = DEBTOR._replace(name="Sydhavn Maskiner", address="Havnegade 3", zip="9000", city="Aalborg", phone=None)
    heard(services, doubtful, doubtful._replace(number=4712), books=books)
    assert rows(services.database, ENDINGS) == [(4711, None), (4712, None)]

    heard(services, doubtful._replace(cvr="10103940"), books=books)
    del books.books[4712]
    add_hints(services.database, 4712)
    drain(services, AGREEMENT, Kind.DEBTORS)

    assert rows(services.database, ENDINGS) == [(4711, "cleared"), (4712, "gone")]
    assert scalar(services.database, "SELECT count(*) FROM alert WHERE closed_at IS NULL") == 0
