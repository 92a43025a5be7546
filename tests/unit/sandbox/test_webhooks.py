"""Webhooks: what fires them, what they carry, and what happens when nobody takes them."""

import asyncio
from typing import Any

import pytest

from tests.unit.sandbox.support import AGREEMENT, MINIMAL, Caller, Receiver

FORM = "old=[OLDNUMBER]&new=[NEWNUMBER]"


@pytest.fixture
def hooked(call: Caller, receiver: Receiver) -> Caller:
    """Debtor 5, and a person's webhook for customers."""
    call.control("POST", "debtors", {"number": 5})
    url = call.runner.run(receiver.start())
    call.control("PUT", "webhooks/CUSTOMER_UPDATED", {"url": f"{url}/customer", "postData": FORM})
    call.plain_control("PUT", "delivery", {"delay_ms": 1})
    return call


def settled(call: Caller) -> dict[str, Any]:
    """The counts once nothing is pending."""
    counts: dict[str, Any] = call.plain_control("GET", "deliveries", wait_ms=5000)
    assert counts["pending"] == 0
    return counts


def test_template_is_all_that_is_sent(call: Caller, receiver: Receiver) -> None:
    """Merge fields are replaced in URL and body, unknown ones stay verbatim, and headers are the owner's."""
    url = call.runner.run(receiver.start())
    call.control("POST", "debtors", {"number": 5})
    call.control(
        "PUT",
        "webhooks/INVOICE_BOOKED",
        {
            "url": f"{url}/invoice?invoiceno=[INVOICENO]&n=[NUMBER]",
            "contentType": "application/json",
            "postData": '{"no":"[INVOICENO]","old":"[OLDNUMBER]","x":"[invoiceno]"}',
            "customHeaders": [{"key": "X-Hook-Key", "value": "9f0c"}],
        },
    )

    call.control("POST", "invoices", {"debtor": 5, "number": 20417})
    settled(call)

    (one,) = receiver.arrived
    assert one.line == "POST /invoice?invoiceno=20417&n=[NUMBER] HTTP/1.1"
    assert one.body == '{"no":"20417","old":"[OLDNUMBER]","x":"[invoiceno]"}'
    assert one.headers["content-type"] == "application/json"
    assert one.headers["x-hook-key"] == "9f0c"


def test_legacy_get(call: Caller, receiver: Receiver) -> None:
    """A webhook may be a GET: everything is in the query, there is no body."""
    url = call.runner.run(receiver.start())
    setup = {"url": f"{url}/daybook?book=[DAYBOOKNO]&to=[TOSERIALNO]", "method": "GET", "postData": "x"}
    call.control("PUT", "webhooks/DAYBOOK_BOOKED", setup)

    call.control("POST", "daybook", {"daybookno": 2, "fromserialno": 301, "toserialno": 318})
    settled(call)

    assert receiver.arrived[0].line == "GET /daybook?book=2&to=318 HTTP/1.1"
    assert receiver.arrived[0].body == ""


def test_every_kind_of_change_fires_by_itself(hooked: Caller, receiver: Receiver) -> None:
    """Creation, edit, re-numbering and deletion each make one request, our own API writes included."""
    hooked("POST", "/customers", MINIMAL)
    hooked("PUT", "/customers/6", MINIMAL)
    hooked.control("PATCH", "debtors/6", {"city": "Vejle"})
    hooked.control("POST", "debtors/6/renumber", {"to": 60})
    hooked("DELETE", "/customers/60")
    settled(hooked)

    assert sorted(receiver.bodies) == sorted(
        ["old=&new=6", "old=6&new=6", "old=6&new=6", "old=6&new=60", "old=60&new="]
    )


@pytest.mark.parametrize(
    ("conventions", "expected"),
    [
        ({"create": "same", "delete": "same"}, ["old=6&new=6", "old=6&new=60", "old=60&new=60"]),
        ({"create": "none", "delete": "none"}, ["old=6&new=60"]),
        ({"renumber": "split"}, ["old=&new=6", "old=6&new=", "old=&new=60", "old=60&new="]),
        ({"renumber": "none", "create": "none", "delete": "none"}, []),
    ],
)
def test_conventions(hooked: Caller, receiver: Receiver, conventions: dict[str, str], expected: list[str]) -> None:
    """Which field is empty, and whether a change fires at all, can be chosen per kind."""
    hooked.control("PUT", "conventions", conventions)
    hooked("PUT", "/customers/6", MINIMAL)
    hooked.control("POST", "debtors/6/renumber", {"to": 60})
    hooked("DELETE", "/customers/60")
    settled(hooked)

    assert sorted(receiver.bodies) == sorted(expected)


def test_payments_do_not_fire(hooked: Caller, receiver: Receiver) -> None:
    """No event tells of a payment."""
    hooked.control("POST", "invoices", {"debtor": 5, "number": 1})
    hooked.control("POST", "invoices/1/pay")

    assert settled(hooked)["sent"] == 0


def test_failed_delivery_is_tried_again(hooked: Caller, receiver: Receiver) -> None:
    """Anything but 2xx is a failure; the same event comes again."""
    receiver.statuses = [500, 302]

    hooked.control("PATCH", "debtors/5", {"city": "Vejle"})

    counts = settled(hooked)
    assert (counts["sent"], counts["failed"], counts["delivered"], counts["lost"]) == (3, 2, 1, 0)
    assert receiver.bodies == ["old=5&new=5"] * 3


def test_delivery_gives_up(hooked: Caller, receiver: Receiver) -> None:
    """After the last attempt the event is lost."""
    hooked.plain_control("PUT", "delivery", {"attempts": 2})
    receiver.statuses = [503, 503]

    hooked.control("PATCH", "debtors/5", {"city": "Vejle"})

    counts = settled(hooked)
    assert (counts["sent"], counts["lost"]) == (2, 1)
    assert counts["last"][0]["outcome"] == "lost"


def test_slow_receiver_is_a_failure(hooked: Caller) -> None:
    """A receiver that does not answer in time has failed, however friendly it would have been."""

    async def start_silent() -> asyncio.Server:
        async def wait_for_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(-1)
            writer.close()

        return await asyncio.start_server(wait_for_end, "127.0.0.1", 0)

    server = hooked.runner.run(start_silent())
    port = server.sockets[0].getsockname()[1]
    hooked.plain_control("PUT", "delivery", {"attempts": 1, "timeout_ms": 20})
    hooked.control("PUT", "webhooks/CUSTOMER_UPDATED", {"url": f"http://127.0.0.1:{port}/"})

    hooked.control("PATCH", "debtors/5", {"city": "Vejle"})

    counts = settled(hooked)
    server.close()
    assert (counts["failed"], counts["lost"]) == (1, 1)


def test_webhook_is_disabled_after_failures(hooked: Caller, receiver: Receiver) -> None:
    """Enough failures in a row switch a webhook off; nothing is sent then, and it says since when."""
    hooked.plain_control("PUT", "delivery", {"attempts": 1, "disable_after": 2, "concurrency": 1})
    receiver.statuses = [500, 500]
    for city in ("Vejle", "Horsens", "Lemvig"):
        hooked.control("PATCH", "debtors/5", {"city": city})
    settled(hooked)
    hooked.control("PATCH", "debtors/5", {"city": "Odense"})

    (hook,) = hooked.control("GET", "webhooks")

    assert (hook["is_disabled"], hook["last_disabled"]) == (True, hooked.clock.seconds)
    assert len(receiver.arrived) == 2


def test_delivery_modes(hooked: Caller, receiver: Receiver) -> None:
    """Events can be dropped or doubled on their way."""
    hooked.plain_control("PUT", "delivery", {"mode": {"drop": 1}})
    hooked.control("PATCH", "debtors/5", {"city": "Vejle"})
    assert settled(hooked)["lost"] == 1

    hooked.plain_control("PUT", "delivery", {"mode": {"drop": 0, "duplicate": 1}})
    hooked.control("PATCH", "debtors/5", {"city": "Horsens"})
    settled(hooked)
    assert receiver.bodies == ["old=5&new=5"] * 2


def test_reordered_storm_loses_nothing(hooked: Caller, receiver: Receiver) -> None:
    """A storm fires one event per number without changing anything; reordered, all of them still come."""
    hooked.control("POST", "bulk", {"debtors": 300})
    hooked.plain_control("PUT", "delivery", {"mode": {"reorder": True}})
    before = hooked.control("GET", "state")

    fired = hooked.control("POST", "storm", {"numbers": "all"})["fired"]

    assert settled(hooked)["delivered"] == fired == 301
    assert sorted(receiver.bodies) == sorted(f"old={n}&new={n}" for n in range(5, 306))
    assert receiver.bodies != [f"old={n}&new={n}" for n in range(5, 306)]
    assert hooked.control("GET", "state") == before


def test_storm_over_few_numbers(hooked: Caller, receiver: Receiver) -> None:
    """Many events can be about few debtors."""
    hooked.control("POST", "storm", {"numbers": [1, 2, 3], "count": 10, "distinct": 2})
    settled(hooked)

    assert sorted(receiver.bodies) == ["old=1&new=1"] * 5 + ["old=2&new=2"] * 5


def test_bulk_is_silent_unless_asked(hooked: Caller, receiver: Receiver) -> None:
    """Seeding fires nothing, or one event per record."""
    hooked.control("POST", "bulk", {"debtors": 3, "invoices": 2})
    assert settled(hooked)["sent"] == 0

    hooked.control("POST", "bulk", {"debtors": 2, "hooks": True})
    settled(hooked)
    assert sorted(receiver.bodies) == ["old=&new=10", "old=&new=9"]


def test_reset_forgets_what_was_pending(call: Caller, receiver: Receiver) -> None:
    """After a reset nothing of the time before arrives, not even behind what comes later."""
    url = call.runner.run(receiver.start())

    def change_delayed(number: int) -> None:
        call.control("POST", "debtors", {"number": number})
        call.control("PUT", "webhooks/CUSTOMER_UPDATED", {"url": url, "postData": FORM})
        call.plain_control("PUT", "delivery", {"mode": {"delay_ms": 5}})
        call.control("PATCH", f"debtors/{number}", {"city": "Vejle"})

    change_delayed(5)
    call.plain_control("POST", "reset")
    assert call.plain_control("GET", f"agreements/{AGREEMENT}")["debtors"] == 0
    change_delayed(6)
    settled(call)

    assert receiver.bodies == ["old=6&new=6"]
