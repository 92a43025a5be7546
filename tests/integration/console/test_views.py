"""What the pages read, on both databases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy.engine import Connection

from infra.database import tables, views_debtors, views_invoices, views_status
from infra.database.tables import work
from infra.database.views_debtors import PAGE
from tests.integration.console.world import NOW, World
from tests.support.plans import plans

A = 1001


@pytest.fixture
def firm(world: World) -> int:
    firm = world.firm()
    world.agreement(A, firm)
    return firm


def found(world: World, query: str, agreement: int = A, *, everything: bool = False) -> list[int]:
    with world.database.read() as connection:
        page = views_debtors.debtors(connection, agreement, query, everything=everything)
    return [row.number for row in page.rows]


@pytest.mark.usefixtures("firm")
@pytest.mark.parametrize(
    "query",
    ["4711", "NORDVIND", "vind serv", "31313139", "DK 31 31 31 39", "8700", "horsens", "HORSENS nordvind", "FAKTURA@"],
)
def test_search_looks_everywhere(world: World, query: str) -> None:
    """Number, name, CVR, zip, city and mail are searched, whatever the case, each word anywhere."""
    world.debtor(A, 4711, cvr="31313139", zip="8700", city="Horsens", email="faktura@nordvind.example")
    world.debtor(A, 4712, "Andre", cvr="30303032", zip="7100", city="Vejle", email="post@andre.example")

    assert found(world, query) == [4711]


@pytest.mark.usefixtures("firm")
def test_danish_letters_are_found_in_either_case(world: World) -> None:
    """Æ, ø and å have capitals too, although SQLite does not know."""
    world.debtor(A, 1, "ÅGÅRDS SMØRREBRØD")
    world.debtor(A, 2, "Ågårds smørrebrød")
    world.debtor(A, 3, "Agards smorrebrod")

    assert found(world, "ågårds") == found(world, "ÅGÅRDS") == found(world, "sMØRREBRØD å") == [1, 2]


@pytest.mark.usefixtures("firm")
@pytest.mark.parametrize(("query", "number"), [("50%", 1), ("a_s", 2), ("\\", 3), ("/", 4), ("ø/", 4)])
def test_wildcards_are_letters(world: World, query: str, number: int) -> None:
    """What LIKE takes for a wildcard is searched for as it is."""
    for place, name in enumerate(["50% Rabat", "a_s", "C:\\", "Smø/r", "50 x asx"], 1):
        world.debtor(A, place, name)

    assert found(world, query) == [number]


@pytest.mark.usefixtures("firm")
def test_a_number_finds_its_debtor_first(world: World) -> None:
    """A debtor's number finds that debtor alone; asked for everything, also what merely contains it."""
    world.debtor(A, 8700)
    world.debtor(A, 9, zip="8700")

    assert found(world, "8700") == [8700]
    assert found(world, "8700", everything=True) == [9, 8700]


@pytest.mark.usefixtures("firm")
def test_a_reused_number_shows_the_living_first(world: World) -> None:
    """Under a number that was deleted and given away stand the living debtor and the deleted ones."""
    world.debtor(A, 7, "Gone", gone_at=NOW)
    world.debtor(A, 7, "Living")
    with world.database.read() as connection:
        page = views_debtors.debtors(connection, A, "7")

    assert [row.name for row in page.rows] == ["Living", "Gone"]
    assert page.exact


@pytest.mark.usefixtures("firm")
def test_rows_that_became_one_are_not_listed(world: World) -> None:
    """A debtor that was absorbed by another has no place of its own any more."""
    stays = world.debtor(A, 1)
    world.debtor(A, 2, absorbed_by=stays, gone_at=NOW)

    assert found(world, "") == [1]
    assert found(world, "2") == []


def test_nothing_of_other_agreements_is_found(world: World, firm: int) -> None:
    """Lists and searches stay inside the agreement."""
    world.agreement(2002, firm)
    world.debtor(2002, 5, "Nordvind")

    assert found(world, "") == found(world, "5") == found(world, "nordvind") == []


@pytest.mark.usefixtures("firm")
@pytest.mark.parametrize("by_name", [False, True])
def test_pages_show_everybody_once(world: World, by_name: bool) -> None:
    """Walking by cursor meets every debtor once and in order, equal names and reused numbers included."""
    for number in range(1, PAGE + 21):
        world.debtor(A, number, ["Bo", "anna", "Carl"][number % 3], gone_at=NOW if number % 10 == 0 else None)
    world.debtor(A, 10, "anna")
    seen: list[tuple[str, int, int]] = []
    cursor, pages = None, 0
    with world.database.read() as connection:
        while cursor is not None or not pages:
            page = views_debtors.debtors(connection, A, by_name=by_name, after=cursor)
            seen += [(row.name.lower(), row.number, row.id) for row in page.rows]
            cursor, pages = page.cursor, pages + 1

    assert pages == 2
    assert len({row[2] for row in seen}) == len(seen) == PAGE + 21
    if by_name:
        assert [row[0] for row in seen] == sorted(row[0] for row in seen)
    else:
        assert [row[1] for row in seen] == sorted(row[1] for row in seen)


@pytest.mark.usefixtures("firm")
@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda c: views_debtors.debtors(c, A, "4711"), id="number"),
        pytest.param(lambda c: views_debtors.debtors(c, A), id="first page"),
        pytest.param(lambda c: views_debtors.debtors(c, A, after=1), id="later page"),
        pytest.param(lambda c: views_debtors.debtor(c, A, 1), id="debtor"),
        pytest.param(lambda c: views_invoices.sales_by_day(c, 1, dt.date.min, dt.date.max), id="sales"),
        pytest.param(lambda c: views_invoices.open_amounts(c, 1), id="open amounts"),
        pytest.param(lambda c: views_invoices.invoices(c, A, 1, after=1), id="invoices"),
        pytest.param(lambda c: views_invoices.lines(c, A, 1), id="lines"),
    ],
)
def test_daily_pages_scan_no_table(world: World, read: Callable[[Connection], object]) -> None:
    """What is asked for all day goes by index, also on a register of 100,000 debtors."""
    world.debtor(A, 4711)
    world.invoice(A, 1, 1)
    plan = plans(world.database, read, nearly_empty=True)

    assert "USING" in plan or "Index" in plan
    assert "SCAN " not in plan
    assert "Seq Scan" not in plan


@pytest.mark.usefixtures("firm")
def test_unknown_cursor_is_an_empty_page(world: World) -> None:
    """A cursor somebody made up, or of another agreement, shows nothing."""
    world.debtor(A, 1)
    with world.database.read() as connection:
        assert views_debtors.debtors(connection, A, after=999_999) == ([], None, False)


def test_agreements_are_the_firms_own(world: World, firm: int) -> None:
    """Another firm's agreement does not exist, nor does a removed one."""
    other = world.firm("Havgus")
    world.agreement(2002, other)
    world.agreement(3003, firm, removed_at=NOW)
    with world.database.read() as connection:
        assert [one.number for one in views_debtors.agreements(connection, firm)] == [A]
        assert views_debtors.agreement(connection, firm, 2002) is None
        assert views_debtors.agreement(connection, firm, 3003) is None
        assert views_debtors.agreement(connection, firm, A) == (A, f"Aftale {A}", "DKK", None, None)


def test_debtor_knows_when_it_was_read(world: World, firm: int) -> None:
    """The page shows the time of the last reading of the number; another agreement's debtor is not found."""
    debtor = world.debtor(A, 4711, balance=Decimal("12.50"))
    world.read(A, 4711)
    world.agreement(2002, firm)
    with world.database.read() as connection:
        found = views_debtors.debtor(connection, A, debtor)
        assert views_debtors.debtor(connection, 2002, debtor) is None

    assert found is not None
    assert found.balance == Decimal("12.5")
    assert found.read_at is not None
    assert abs(found.read_at - NOW) < dt.timedelta(milliseconds=2)


@pytest.mark.usefixtures("firm")
def test_sales_are_summed_exactly(world: World) -> None:
    """Ten times 0.1 is 1, in base currency; what has no base amount comes with its rate."""
    debtor, day = world.debtor(A, 1), dt.date(2026, 5, 4)
    for number in range(10):
        world.invoice(A, number + 1, debtor, "7", net_base=Decimal("0.1"), date=day)
    for number, rate in ((20, "746.05"), (21, "746.05"), (22, None)):
        world.invoice(A, number, debtor, "1.10", date=day, exchange_rate=Decimal(rate) if rate else None)
    world.invoice(A, 30, debtor, "5", date=day - dt.timedelta(days=1))
    with world.database.read() as connection:
        days = views_invoices.sales_by_day(connection, debtor, day, day)

    assert sum(row.net for row in days if row.rate is None) == Decimal("2.1")
    assert [(row.date, row.net) for row in days if row.rate is not None] == [(day, Decimal("2.2"))]
    assert {row.rate for row in days} == {None, Decimal("746.05")}


@pytest.mark.usefixtures("firm")
def test_open_amounts_by_due_day_and_currency(world: World) -> None:
    """Paid invoices are left out; without a due day the invoice's own counts; credit notes are negative."""
    debtor, day = world.debtor(A, 1), dt.date(2026, 5, 4)
    due = {"due": day, "date": dt.date(2026, 4, 20)}
    world.invoice(A, 1, debtor, remainder=Decimal(100), **due)
    world.invoice(A, 2, debtor, remainder=Decimal("-25.5"), **due)
    world.invoice(A, 3, debtor, remainder=Decimal(0), **due)
    world.invoice(A, 4, debtor, remainder=Decimal(9), remainder_base=Decimal(67), currency="EUR", date=day)
    with world.database.read() as connection:
        amounts = sorted(views_invoices.open_amounts(connection, debtor), key=lambda amount: amount.currency)

    assert amounts == [
        (day, "DKK", None, Decimal("74.5"), None),
        (day, "EUR", None, Decimal(9), Decimal(67)),
    ]


@pytest.mark.usefixtures("firm")
def test_invoices_newest_first_page_by_page(world: World) -> None:
    """Invoices of one day are sorted by number; the pages hold each once."""
    debtor, other = world.debtor(A, 1), world.debtor(A, 2)
    for number in range(1, PAGE + 6):
        world.invoice(A, number, debtor, date=dt.date(2026, 1, 1) + dt.timedelta(days=number // 4))
    world.invoice(A, 900, other)
    with world.database.read() as connection:
        first = views_invoices.invoices(connection, A, debtor)
        second = views_invoices.invoices(connection, A, debtor, after=first.cursor)

    assert [row.number for row in first.rows + second.rows] == list(range(PAGE + 5, 0, -1))
    assert second.cursor is None


@pytest.mark.usefixtures("firm")
def test_invoice_with_lines_in_the_order_on_paper(world: World) -> None:
    """Position first, then the source's number; text lines have text only."""
    debtor = world.debtor(A, 1)
    world.invoice(A, 20417, debtor, lines_state="complete", heading="Maj")
    world.line(A, 20417, 1, position=2, description="Second", net=Decimal("99.95"), quantity=Decimal("0.5"))
    world.line(A, 20417, 3, position=1, description="First b")
    world.line(A, 20417, 2, position=1, description="First a")
    with world.database.read() as connection:
        invoice = views_invoices.invoice(connection, A, 20417)
        lines = views_invoices.lines(connection, A, 20417)
        assert views_invoices.invoice(connection, A, 1) is None

    assert invoice is not None
    assert (invoice.debtor_name, invoice.heading, invoice.lines_state) == ("Nordvind Service A/S", "Maj", "complete")
    assert [line.description for line in lines] == ["First a", "First b", "Second"]
    assert (lines[2].net, lines[2].quantity, lines[0].net) == (Decimal("99.95"), Decimal("0.5"), None)


def test_invoice_before_its_debtor_is_shown(world: World, firm: int) -> None:
    """An invoice whose debtor is not stored yet has a number and no name."""
    world.invoice(A, 1, None, debtor_number=77)
    with world.database.read() as connection:
        invoice = views_invoices.invoice(connection, A, 1)

    assert invoice is not None
    assert (invoice.debtor_number, invoice.debtor_id, invoice.debtor_name) == (77, None, None)


def test_work_says_what_waits(world: World, firm: int) -> None:
    """Each kind of work has its outstanding events, the oldest one's time, and who holds it."""
    old = NOW - dt.timedelta(hours=3)
    world.event(A, "debtors", "hook", received_at=old)
    world.event(A, "debtors", "hook")
    world.event(A, "debtors", "poll", handled_at=NOW)
    world.event(2002, "debtors", "hook")
    with world.database.read() as connection:
        states = {row.kind: row for row in views_status.work_states(connection, [A])}

    assert sorted(states) == ["debtors", "invoices", "payments", "reference", "unusable"]
    debtors = states["debtors"]
    assert debtors.outstanding == 2
    assert debtors.oldest_at is not None
    assert abs(debtors.oldest_at - old) < dt.timedelta(milliseconds=2)
    assert (states["invoices"].outstanding, states["invoices"].oldest_at) == (0, None)
    assert not debtors.working


def test_held_work_is_working_until_the_lease_ends(world: World, firm: int) -> None:
    """A lease that ran out is nobody's."""
    world.agreement(2002, firm)
    for agreement, minutes in ((A, 5), (2002, -5)):
        with world.database.write() as connection:
            until = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
            mine = (work.c.agreement == agreement) & (work.c.kind == "debtors")
            connection.execute(work.update().where(mine).values(lease_token="t", lease_until=until))
    with world.database.read() as connection:
        states = views_status.work_states(connection, [A, 2002])

    assert [(row.agreement, row.kind) for row in states if row.working] == [(A, "debtors")]


def test_last_event_of_each_source(world: World, firm: int) -> None:
    """The newest event per source counts, handled or not; other agreements are left out."""
    old = NOW - dt.timedelta(hours=3)
    world.event(A, "debtors", "hook", handled_at=NOW)
    world.event(A, "invoices", "hook", received_at=old)
    world.event(A, "invoices", "poll", received_at=old)
    world.event(2002, "invoices", "sync")
    with world.database.read() as connection:
        last = {row.source: row.received_at for row in views_status.last_events(connection, [A])}

    assert sorted(last) == ["hook", "poll"]
    assert abs(last["hook"] - NOW) < dt.timedelta(milliseconds=2)


def test_failures_runs_and_calls(world: World, firm: int) -> None:
    """Open failures are counted, unfinished runs stand before ended ones, calls count since a time."""
    for subject, state in (("1", "open"), ("2", "resolved"), ("3", "open")):
        world.failure(A, subject, state=state)
    for state in ("done", "running", "failed"):
        world.insert(
            tables.run,
            agreement=A,
            type="resync",
            state=state,
            options={},
            progress={},
            counts={"read": 3},
            attempts=0,
            created_at=NOW,
        )
    for hours, spent in ((30, 1000), (2, 20), (0, 3)):
        world.insert(tables.calls, agreement=A, hour=NOW - dt.timedelta(hours=hours), spent=spent)
    with world.database.read() as connection:
        assert views_status.count_open_failures(connection, [A, 2002]) == {A: 2}
        runs = views_status.runs(connection, [A])
        calls = views_status.call_forecasts(connection, [A, 2002])
    assert (calls[A].spent, calls[A].left, calls[2002].spent) == (23, 49_977, 0)

    assert [run.state for run in runs] == ["running", "failed", "done"]
    assert runs[0].counts == {"read": 3}


def test_trouble_is_the_oldest_reason(world: World, firm: int) -> None:
    """A page says why its data may be old, as long as something waits; a list of names that waits makes none old."""
    with world.database.read() as connection:
        assert views_status.trouble(connection, A) is None
    with world.database.write() as connection:
        for kind, reason, hours in (
            ("invoices", "rate_limited", 1),
            ("debtors", "credentials_refused", 5),
            ("reference", "unavailable", 9),
        ):
            mine = (work.c.agreement == A) & (work.c.kind == kind)
            since = NOW - dt.timedelta(hours=hours)
            connection.execute(work.update().where(mine).values(reason=reason, waiting_since=since))
    with world.database.read() as connection:
        trouble = views_status.trouble(connection, A)

    assert trouble is not None
    assert trouble.reason == "credentials_refused"


def test_no_agreements_are_no_rows(world: World) -> None:
    """A firm without an agreement has an empty status, on both databases."""
    with world.database.read() as connection:
        assert views_status.work_states(connection, []) == []
        assert views_status.last_events(connection, []) == []
        assert views_status.runs(connection, []) == []
