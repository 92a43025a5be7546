"""What the pages say."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from flask import Flask

from console.language import today
from domain.errors import NotStored
from domain.reference import Listing
from infra.database import tables, tables_mirror
from infra.database.engine import DatabaseAway
from infra.database.tables import work
from infra.database.tables_outbox import endpoint
from tests.integration.console.world import NOW, Browser, FakeServices, World

A = 1001


def text_of(html: str) -> str:
    """A page's words, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#39;", "'").split())


def page(browser: Browser, path: str, status: int = 200) -> str:
    response = browser.get(path)
    assert response.status_code == status
    return text_of(response.get_data(as_text=True))


@pytest.mark.usefixtures("firm")
def test_one_agreement_needs_no_choice(mette: Browser) -> None:
    """The start page is the list of debtors when there is one agreement."""
    assert mette.get("/").headers["Location"] == f"/agreements/{A}/debtors"


def test_several_agreements_are_chosen_from(mette: Browser, world: World, firm: int) -> None:
    """With several, the start page names each with its state."""
    world.agreement(2002, firm, name="Havgus Trading", base_currency="EUR", paused_at=NOW)
    world.failure(A, "7")
    words = page(mette, "/")

    assert "Fjordlys Energi ApS" in words
    assert "1 open failure" in words
    assert "Havgus Trading" in words
    assert "paused" in words


def test_no_agreement_says_what_to_do(browser: Browser, world: World) -> None:
    """A fresh installation names the command that connects e-conomic."""
    world.person("a@x.example", world.firm())
    browser.sign_in("a@x.example")

    assert "debitor agreement add" in page(browser, "/")
    assert "debitor agreement add" in page(browser, "/status")


def test_search_finds_and_links(mette: Browser, world: World) -> None:
    """A search shows the matches with a link to each, and keeps what was typed."""
    debtor = world.debtor(A, 4711, zip="8700", city="Horsens", balance=Decimal("1234.5"))
    html = mette.get(f"/agreements/{A}/debtors?query=nordvind").get_data(as_text=True)

    assert f'href="/agreements/{A}/debtors/{debtor}"' in html
    assert 'value="nordvind"' in html
    assert "1,234.50" in html
    assert "DKK" in html


def test_empty_search_says_so(mette: Browser) -> None:
    """Nothing found is said in words, with what was looked for escaped."""
    html = mette.get(f"/agreements/{A}/debtors?query=<b>no").get_data(as_text=True)

    assert "No debtor matches “&lt;b&gt;no”" in html


def test_deleted_debtor_keeps_its_page(mette: Browser, world: World) -> None:
    """A debtor that e-conomic deleted is shown as such, with its invoices."""
    debtor = world.debtor(A, 4711, gone_at=dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC))
    world.invoice(A, 20417, debtor)

    assert "deleted in e-conomic on 4 May 2026" in page(mette, f"/agreements/{A}/debtors")
    words = page(mette, f"/agreements/{A}/debtors/{debtor}")
    assert "deleted in e-conomic on 4 May 2026" in words
    assert "20417" in words


def test_figures_name_their_currency(mette: Browser, world: World) -> None:
    """Sales, balance, open amounts and ages stand with the currency they are in."""
    debtor = world.debtor(A, 4711, balance=Decimal("250"), credit_limit=Decimal("100"), barred=True)
    world.read(A, 4711)
    long_ago = today() - dt.timedelta(days=45)
    world.invoice(A, 1, debtor, "200", net_base=Decimal(1492), currency="EUR", remainder=Decimal(250), due=long_ago)
    world.invoice(A, 2, debtor, "-40")
    words = page(mette, f"/agreements/{A}/debtors/{debtor}").replace("\N{NO-BREAK SPACE}", " ")

    assert "Year to date 1,452.00 DKK" in words
    assert "Balance in e-conomic 250.00 DKK" in words
    assert "Credit limit 100.00 DKK" in words
    assert "150.00 DKK over the credit limit" in words
    assert "Days EUR" in words
    assert "31–60 250.00" in words
    assert "barred" in words
    assert "credit note" in words
    assert "overdue" in words
    assert "Last read today at" in words


def test_danish_reader_reads_danish(app: Flask, firm: int, world: World) -> None:
    """Words, numbers and dates are Danish for a Danish browser."""
    debtor = world.debtor(A, 4711, balance=Decimal("1234.5"))
    world.invoice(A, 1, debtor, date=dt.date(2026, 5, 4))
    browser = Browser(app, language="da-DK")
    browser.sign_in("mette@fjordlys.example")
    html = browser.get(f"/agreements/{A}/debtors/{debtor}").get_data(as_text=True)

    assert '<html lang="da">' in html
    assert "1.234,50\N{NO-BREAK SPACE}DKK" in html
    assert "4. maj 2026" in html
    assert "Saldo i e-conomic" in html


def test_language_can_be_chosen(mette: Browser) -> None:
    """A choice is remembered in a cookie and leads back to the page it was made on."""
    response = mette.post("/language", language="da", next="/status")

    assert response.headers["Location"] == "/status"
    assert "HttpOnly" in response.headers["Set-Cookie"]
    assert '<html lang="da">' in mette.get("/status").get_data(as_text=True)


def test_invoice_shows_its_lines(mette: Browser, world: World) -> None:
    """An invoice lists product, text, quantity, price, discount and amount, and leads back to its debtor."""
    debtor = world.debtor(A, 4711)
    world.invoice(A, 20417, debtor, "180", lines_state="verified")
    world.line(
        A, 20417, 1, product="V-1", description="Eftersyn", quantity=Decimal(2), unit_price=Decimal(100),
        discount_pct=Decimal(10), net=Decimal(180),
    )  # fmt: skip
    world.line(A, 20417, 2, description="Tak for handlen")
    words = page(mette, f"/agreements/{A}/invoices/20417")

    assert "V-1 Eftersyn" in words
    assert "2 100.00 10 % 180.00" in words
    assert "Tak for handlen" in words
    assert "Nordvind Service A/S" in words


def test_numbers_are_called_by_name(mette: Browser, world: World) -> None:
    """Group, terms, zone, layout, employee, product and unit are shown by name; a number without one as it is."""
    for which, key, name in (
        ("debtor_groups", 3, "Offentlige"),
        ("payment_terms", 2, "Netto 14 dage"),
        ("vat_zones", 1, "Domestic"),
        ("layouts", 19, "Dansk std."),
        ("employees", 4, "Ane Lykke"),
        ("units", 2, "timer"),
        ("products", "SRV-2", "Montørtimer"),
    ):
        world.name(A, which, key, name)
    numbers = {"payment_terms": 2, "layout": 19, "sales_person": 4}
    debtor = world.debtor(A, 4711, debtor_group=3, vat_zone=9, **numbers)
    world.invoice(A, 1, debtor, recipient_vat_zone=1, **numbers)
    world.line(A, 1, 1, product="SRV-2", description="Opsætning", quantity=Decimal(3), unit=2, net=Decimal(100))

    assert "Offentlige" in page(mette, f"/agreements/{A}/debtors")
    words = page(mette, f"/agreements/{A}/debtors/{debtor}")
    assert "Debtor group Offentlige" in words
    assert "Payment terms Netto 14 dage VAT zone 9 Layout Dansk std. Sales person Ane Lykke" in words
    words = page(mette, f"/agreements/{A}/invoices/1")
    assert "SRV-2 Montørtimer Opsætning" in words
    assert "3 timer" in words
    assert "Payment terms Netto 14 dage VAT zone Domestic Layout Dansk std. Sales person Ane Lykke" in words


def test_debtors_out_of_scope_are_marked(mette: Browser, world: World) -> None:
    """Where groups are chosen the list says which, marks the others' debtors and can show either."""
    inside = world.debtor(A, 1, "Inde ApS", debtor_group=1)
    outside = world.debtor(A, 2, "Ude ApS", debtor_group=2)
    assert "scope" not in page(mette, f"/agreements/{A}/debtors")
    world.name(A, "debtor_groups", 1, "Indland")
    world.insert(tables_mirror.scope_group, agreement=A, debtor_group=1)

    words = page(mette, f"/agreements/{A}/debtors")
    assert "Synchronised: Indland. All debtors · In scope · Out of scope" in words
    assert "Ude ApS out of scope" in words
    assert "Inde ApS out of scope" not in words
    assert "Ude ApS" not in page(mette, f"/agreements/{A}/debtors?scope=in")
    assert "Inde ApS" not in page(mette, f"/agreements/{A}/debtors?scope=out")
    assert 'name="scope" value="out"' in mette.get(f"/agreements/{A}/debtors?scope=out").get_data(as_text=True)
    assert "out of scope" in page(mette, f"/agreements/{A}/debtors/{outside}")
    assert "out of scope" not in page(mette, f"/agreements/{A}/debtors/{inside}")


def test_lists_of_names_on_the_status_page(mette: Browser, world: World) -> None:
    """The status page says when the names were read, and which list e-conomic refuses."""
    assert "Names read not all yet" in page(mette, "/status")
    for which in Listing:
        problem = "Access denied: the app lacks a role" if which is Listing.EMPLOYEES else None
        world.insert(
            tables_mirror.reference_list, agreement=A, list=which.value, tried_at=NOW, read_at=NOW, problem=problem
        )
    words = page(mette, "/status")

    assert "Names read not all yet" not in words
    assert "Employees: the names could not all be read." in words
    assert "the app lacks a role" in words


@pytest.mark.parametrize(
    ("state", "words"), [("pending", "not read yet"), ("unverified", "do not add up"), ("complete", "has no lines")]
)
def test_doubtful_lines_are_marked(mette: Browser, world: World, state: str, words: str) -> None:
    """The page says when lines are missing, not to be trusted, or none."""
    world.invoice(A, 1, world.debtor(A, 4711), lines_state=state)

    assert words in page(mette, f"/agreements/{A}/invoices/1")


def test_absorbed_debtor_leads_to_the_survivor(mette: Browser, world: World) -> None:
    """A bookmark of a row that became one with another still works."""
    survivor = world.debtor(A, 1)
    ended = world.debtor(A, 2, absorbed_by=survivor, gone_at=NOW)

    location = mette.get(f"/agreements/{A}/debtors/{ended}").headers["Location"]
    assert location == f"/agreements/{A}/debtors/{survivor}"


def test_sync_now_asks(mette: Browser, world: World, services: FakeServices) -> None:
    """The button asks for the debtor's number and says so on the page it returns to."""
    debtor = world.debtor(A, 4711)
    response = mette.post(f"/agreements/{A}/debtors/{debtor}/sync")

    assert response.status_code == 303
    assert services.asked == [(A, 4711)]
    assert "Asked for" in page(mette, response.headers["Location"])


def test_trouble_is_shown_where_people_work(mette: Browser, world: World) -> None:
    """While e-conomic refuses the token, the debtor page says that its data is not new."""
    debtor = world.debtor(A, 4711)
    with world.database.write() as connection:
        mine = (work.c.agreement == A) & (work.c.kind == "debtors")
        connection.execute(
            work.update().where(mine).values(reason="credentials_refused", message="401", waiting_since=NOW)
        )

    assert "e-conomic refuses the token" in page(mette, f"/agreements/{A}/debtors/{debtor}")
    assert "Debtors: e-conomic refuses the token" in page(mette, "/status")


def test_status_at_a_glance(mette: Browser, world: World) -> None:
    """Unhandled events, last events, calls and failures are on one page."""
    world.event(A, "debtors", "hook", received_at=NOW - dt.timedelta(hours=2))
    world.failure(A, "7")
    words = page(mette, "/status")

    assert "about to start oldest 2 hours 1 2 hours" in words
    assert "Last event: Webhook" in words
    assert "Open failures 1" in words
    assert "of 50,000" in words
    assert "Calls left 50,000 at this pace they last" in words

    world.insert(tables.calls, agreement=A, hour=dt.datetime.now(dt.UTC) - dt.timedelta(minutes=50), spent=30_000)
    words = page(mette, "/status")
    assert "Calls left 20,000 at this pace until" in words
    assert "events are read every 9 seconds" in words


def test_failures_say_what_to_do(mette: Browser, world: World) -> None:
    """Each failure has its message, advice and times, and none is open when none is."""
    assert "Nothing failed" in page(mette, "/failures")
    world.failure(A, "4711", message="The name is empty", advice="Give it a name", detail="E04300", times=3)
    words = page(mette, "/failures")

    assert "Debtor 4711 e-conomic refused it" in words
    assert "The name is empty What to do: Give it a name" in words
    assert "3 times" in words


def failure_id(world: World, subject: str) -> int:
    with world.database.read() as connection:
        wanted = sa.select(tables.failure.c.id).where(tables.failure.c.subject == subject)
        return int(connection.execute(wanted).scalar_one())


def state_of_failure(world: World, number: int) -> tuple[str, str | None]:
    with world.database.read() as connection:
        row = connection.execute(sa.select(tables.failure).where(tables.failure.c.id == number)).one()
    return row.state, row.note


@pytest.fixture
def ole(app: Flask, world: World, firm: int) -> Browser:
    """Ole of ops, signed in."""
    world.person("ole@fjordlys.example", firm, "ops")
    browser = Browser(app)
    browser.sign_in("ole@fjordlys.example")
    return browser


def test_a_failure_is_read_again(ole: Browser, world: World) -> None:
    """Ops has the record of a failure read again: the failure ends, a hint waits."""
    world.failure(A, "4711")
    number = failure_id(world, "4711")
    response = ole.post(f"/failures/{number}/replay")

    assert "It is read again now" in page(ole, response.headers["Location"])
    assert state_of_failure(world, number) == ("replayed", None)
    assert "about to start" in page(ole, "/status")


def test_what_reading_again_cannot_help(ole: Browser, world: World) -> None:
    """An unusable webhook would say the same again: there is no button, and asking anyhow does nothing."""
    world.failure(A, "17", subject_kind="hook", reason="unusable")
    number = failure_id(world, "17")

    assert "/replay" not in ole.get("/failures").get_data(as_text=True)
    assert "Nothing was done" in page(ole, ole.post(f"/failures/{number}/replay").headers["Location"])
    assert state_of_failure(world, number)[0] == "open"


def test_a_failure_is_dismissed_with_a_note(ole: Browser, world: World) -> None:
    """Putting a failure aside keeps the reason for the next reader."""
    world.failure(A, "4711")
    number = failure_id(world, "4711")
    ole.post(f"/failures/{number}/dismiss", note=" a test debtor ")

    assert state_of_failure(world, number) == ("dismissed", "a test debtor")
    assert "Nothing failed" in page(ole, "/failures")


@pytest.mark.parametrize("action", ["replay", "dismiss"])
def test_sales_ends_no_failures(mette: Browser, world: World, action: str) -> None:
    """People of sales see failures, without buttons; what they post is refused."""
    world.failure(A, "4711")
    number = failure_id(world, "4711")

    assert f"/{action}" not in mette.get("/failures").get_data(as_text=True)
    response = mette.post(f"/failures/{number}/{action}")
    assert response.status_code == 403
    assert "You may not do this" in response.get_data(as_text=True)
    assert state_of_failure(world, number)[0] == "open"


@pytest.mark.parametrize("action", ["replay", "dismiss"])
def test_another_firms_failure_does_not_exist(ole: Browser, world: World, action: str) -> None:
    """Ops of one firm ends nothing of another."""
    other = world.agreement(2002, world.firm("Havgus"))
    world.failure(other, "4711")
    number = failure_id(world, "4711")

    assert ole.post(f"/failures/{number}/{action}").status_code == 404
    assert state_of_failure(world, number)[0] == "open"


@pytest.mark.parametrize(
    "path",
    [
        "/agreements/{other}/debtors",
        "/agreements/{other}/debtors/{debtor}",
        "/agreements/{mine}/debtors/{debtor}",
        "/agreements/{other}/invoices/1",
        "/agreements/{mine}/invoices/1",
        "/agreements/99999999999999999999/debtors",
        "/agreements/{mine}/debtors/99999999999999999999",
        "/agreements/{mine}/debtors/999999",
        "/nowhere",
    ],
)
def test_nothing_crosses_firms(mette: Browser, world: World, path: str) -> None:
    """Another firm's records, and what does not exist, are one and the same page."""
    other = world.agreement(2002, world.firm("Havgus"))
    debtor = world.debtor(other, 4711, "Hemmelig A/S")
    world.invoice(other, 1, debtor)
    world.failure(other, "9", message="Hemmelig")
    words = page(mette, path.format(other=other, mine=A, debtor=debtor), 404)

    assert "There is no such page" in words
    assert "Hemmelig" not in words
    assert "Hemmelig" not in page(mette, "/status") + page(mette, "/failures")


def test_another_firms_debtor_cannot_be_asked_for(mette: Browser, world: World, services: FakeServices) -> None:
    """Sync now reads nothing for a firm that does not own the agreement."""
    other = world.agreement(2002, world.firm("Havgus"))
    debtor = world.debtor(other, 4711)

    assert mette.post(f"/agreements/{other}/debtors/{debtor}/sync").status_code == 404
    assert mette.post(f"/agreements/{A}/debtors/{debtor}/sync").status_code == 404
    assert services.asked == []


def test_cursors_people_make_up_are_harmless(mette: Browser, world: World) -> None:
    """A mistyped cursor is the first page, an unknown one an empty page, never an error."""
    world.debtor(A, 1)
    for cursor in ("x", "-1", "9" * 30, "999999"):
        assert mette.get(f"/agreements/{A}/debtors?cursor={cursor}").status_code == 200


def test_nul_in_a_search_is_no_error(mette: Browser) -> None:
    """PostgreSQL takes no NUL; the page answers all the same."""
    assert mette.get(f"/agreements/{A}/debtors?query=a%00b").status_code == 200


def test_database_away_is_a_page_that_comes_back(mette: Browser, app: Flask) -> None:
    """503, when to try again, and a page that does so by itself; the sign-in page too."""
    with patch("infra.database.engine.Database.read", side_effect=DatabaseAway("gone")):
        response = mette.get("/status")
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "5"
        assert "The database does not answer" in response.get_data(as_text=True)
        assert 'http-equiv="refresh"' in response.get_data(as_text=True)
        assert Browser(app).get("/login").status_code == 200


def test_unstored_request_is_not_promised(mette: Browser, world: World, services: FakeServices) -> None:
    """When neither store takes the request the page says so instead of pretending."""
    debtor = world.debtor(A, 4711)
    with patch.object(FakeServices, "ask", side_effect=NotStored("away", retry_after_s=7)):
        response = mette.post(f"/agreements/{A}/debtors/{debtor}/sync")

    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    assert 'http-equiv="refresh"' not in response.get_data(as_text=True)


def test_our_bug_has_a_number(mette: Browser, caplog: pytest.LogCaptureFixture) -> None:
    """The page names the number under which the log has the traceback, and nothing of it."""
    with patch("infra.database.views_status.work_states", side_effect=RuntimeError("secret detail")):
        response = mette.get("/status")

    html = response.get_data(as_text=True)
    number = re.search(r"<code>([0-9a-f]{32})</code>", html)
    assert response.status_code == 500
    assert number is not None
    assert "secret detail" not in html
    record = next(record for record in caplog.records if record.getMessage() == "console.failed")
    assert record.__dict__["correlation_id"] == number[1]
    assert record.exc_info is not None


def test_endpoints_on_the_status_page(mette: Browser, world: World, firm: int) -> None:
    """The status page says how the firm's endpoints do, without what their addresses keep secret; only its own."""
    assert "Events for the CRM" not in page(mette, "/status")
    for owner, url in ((firm, "https://crm.example/hooks?key=hidden"), (world.firm(), "https://elsewhere.example/")):
        world.insert(
            endpoint, firm_id=owner, url=url, internal=False, created_at=NOW, failures=20, paused_at=NOW,
            paused_until=NOW, last_error="it answered 500",
        )  # fmt: skip

    words = page(mette, "/status")
    assert "https://crm.example/hooks keeps failing." in words
    assert "it answered 500" in words
    assert "hidden" not in words
    assert "elsewhere" not in words
