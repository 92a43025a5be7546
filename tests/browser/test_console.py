"""The console as people meet it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.console.world import PASSWORD, FakeServices, World

pytestmark = pytest.mark.browser

A = 1001


def sign_in(page: Page) -> None:
    page.goto("/")
    page.get_by_label("E-mail address").fill("mette@fjordlys.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Debtors")


def find(page: Page, query: str) -> None:
    page.get_by_role("searchbox").fill(query)
    page.get_by_role("button", name="Search").click()


def test_from_sign_in_to_invoice_lines(desk: Page) -> None:
    """Sign in, search, open the debtor, open an invoice, read its lines, sign out."""
    sign_in(desk)
    find(desk, "vandværks horsens")
    desk.get_by_role("link", name=re.compile("Sammenslutningen")).click()
    expect(desk.get_by_role("heading", name="Sales")).to_be_visible()
    expect(desk.get_by_role("img", name=re.compile("last 12 months"))).to_be_visible()
    desk.get_by_role("link", name="20401").click()
    expect(desk.get_by_role("cell", name="Serviceeftersyn af pumpestation").first).to_be_visible()
    expect(desk.get_by_role("row")).to_have_count(4)
    desk.get_by_text("mette@fjordlys.example").click()
    desk.get_by_role("button", name="Sign out").click()
    expect(desk.get_by_role("button", name="Sign in")).to_be_visible()


def tab_to(page: Page, name: str, limit: int = 40) -> None:
    """Press Tab until the focus is on something of this name."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        label = "e => e.labels?.[0]?.innerText || e.innerText || e.getAttribute('aria-label') || ''"
        if page.evaluate(f"({label})(document.activeElement)").strip().startswith(name):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"the focus on {name} cannot be seen"
            return
    pytest.fail(f"no Tab reached {name}")


def test_keyboard_alone_is_enough(desk: Page) -> None:
    """Everything daily work needs is reached with Tab, Enter and typing, and the focus is always visible."""
    desk.goto("/")
    expect(desk.get_by_label("E-mail address")).to_be_focused()
    desk.keyboard.type("mette@fjordlys.example")
    desk.keyboard.press("Tab")
    desk.keyboard.type(PASSWORD)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Debtors")
    desk.keyboard.press("Tab")
    expect(desk.get_by_role("link", name="Skip to content")).to_be_focused()
    desk.keyboard.press("Enter")
    tab_to(desk, "Number, name, CVR")
    desk.keyboard.type("4711")
    desk.keyboard.press("Enter")
    desk.wait_for_url("**query=4711*")
    tab_to(desk, "Sammenslutningen")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="Invoices")).to_be_visible()
    tab_to(desk, "Months as a table")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("table", name="Net sales for each of the last 12 months")).to_be_visible()
    tab_to(desk, "20401")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Invoice 20401")


def test_phone_never_scrolls_sideways(phone: Page, world: World) -> None:
    """No page is wider than 375 pixels, whatever the names and amounts, and nothing in it is cut off."""
    sign_in(phone)
    paths = ["/", f"/agreements/{A}/debtors?query=4711", f"/agreements/{A}/debtors?query=zzz", "/status", "/failures"]
    paths += [f"/agreements/{A}/debtors/60", f"/agreements/{A}/invoices/20401"]
    for path in paths:
        phone.goto(path)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 375, path
        names = phone.evaluate(
            "[...document.querySelectorAll('h1, h2, tbody th')].map(e => e.getBoundingClientRect().right)"
        )
        assert max(names) <= 375, path


def test_phone_targets_are_thumb_sized(phone: Page) -> None:
    """Buttons, fields, the menu and the links of lists are 44 pixels high at least."""
    sign_in(phone)
    small = """[...document.querySelectorAll("button, input:not([type=hidden]), nav a, tbody th a, summary")]
        .filter(e => e.offsetParent && e.getBoundingClientRect().height < 43.5)
        .map(e => e.innerText + " " + e.getBoundingClientRect().height)"""
    for path in ("/", f"/agreements/{A}/debtors/60", "/status", "/failures"):
        phone.goto(path)
        assert phone.evaluate(small) == [], path


def test_works_without_javascript(chromium: Browser, address: str) -> None:
    """Signing in, searching and opening a debtor need no script."""
    context = chromium.new_context(base_url=address, java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    sign_in(page)
    find(page, "Havblik 7")
    page.get_by_role("link", name="Havblik 7 ApS").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Havblik 7 ApS")
    context.close()


def test_sync_now_is_asked_once(desk: Page, services: FakeServices) -> None:
    """The button asks e-conomic for this debtor and says so."""
    sign_in(desk)
    desk.goto(f"/agreements/{A}/debtors/60")
    before = len(services.asked)
    desk.get_by_role("button", name="Sync now").click()
    expect(desk.get_by_role("status")).to_contain_text("Asked for")
    assert services.asked[before:] == [(A, 4711)]


def test_new_invoices_appear_by_themselves(desk: Page, world: World) -> None:
    """An open debtor page shows an invoice that arrives, and keeps what was opened and where the focus is."""
    sign_in(desk)
    desk.clock.install()
    desk.goto(f"/agreements/{A}/debtors/7")
    desk.get_by_text("Months as a table").click()
    expect(desk.get_by_text("No booked invoice was read")).to_be_visible()
    desk.locator("#sync").focus()
    world.invoice(A, 30001, 7)
    desk.clock.fast_forward(6000)
    expect(desk.get_by_role("link", name="30001")).to_be_visible()
    expect(desk.locator("#sync")).to_be_focused()
    expect(desk.get_by_role("table", name="Net sales for each of the last 12 months")).to_be_visible()


def test_typing_is_not_disturbed(desk: Page, world: World) -> None:
    """While somebody types, the page stays as it is; it catches up afterwards."""
    sign_in(desk)
    desk.clock.install()
    desk.goto(f"/agreements/{A}/debtors")
    requests: list[str] = []
    desk.on("request", lambda request: requests.append(request.url) if request.resource_type == "fetch" else None)
    desk.get_by_role("searchbox").press_sequentially("Hav")
    desk.clock.run_for(20_000)
    expect(desk.get_by_role("searchbox")).to_have_value("Hav")
    assert requests == []
    desk.get_by_role("searchbox").blur()
    with desk.expect_request("**/debtors"):
        desk.clock.run_for(6_000)


def test_dark_mode_is_dark(chromium: Browser, address: str) -> None:
    """The page follows the system's colours."""
    context = chromium.new_context(base_url=address, color_scheme="dark")
    page = context.new_page()
    page.goto("/login")
    red, green, blue = map(
        int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
    )
    context.close()
    assert max(red, green, blue) < 60
