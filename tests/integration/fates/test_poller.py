"""The poller against the stand-in: alone, beside webhooks, and after a pause."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from domain.hints import Kind, Source
from domain.poll import EVERY_S, EVERY_WITH_HOOKS_S
from domain.resync_state import ResyncOptions
from tests.integration.fates.conftest import Mirrored, SandboxBooks
from tests.support.databases import do, scalar
from tests.support.fates import Firm

Connect = Callable[[], tuple[SandboxBooks, Mirrored]]


def look(mirror: Mirrored) -> None:
    """What the scheduler asks for, and all that follows from it."""
    mirror.hint((None, None), Kind.POLL, Source.POLL)
    mirror.drain(kind=Kind.POLL)
    mirror.drain_all()


def calls_of(books: SandboxBooks, work: Callable[[], None]) -> list[str]:
    """The paths that e-conomic was asked for meanwhile."""
    before = len(books.books.calls())
    work()
    return [call["path"] for call in books.books.calls()[before:]]


def test_everything_without_one_webhook(connect: Connect) -> None:
    """Debtors, changes, invoices with lines, payments and, once a day, deletions: no event ever comes."""
    books, mirror = connect()
    books.put(1, Firm("Nordvind Service A/S", "31313139"))
    mirror.compare_all(ResyncOptions())
    look(mirror)

    books.put(2, Firm("Sydhavn ApS", "29292925"))
    books.put(1, Firm("Nordvind Energi A/S", "31313139"))
    numbers = [books.books.book(1, hook=False), books.books.book(2, hook=False)]
    look(mirror)
    look(mirror)
    assert mirror.differences() == []

    books.books.pay(numbers[0])
    mirror.hint((None, None), Kind.PAYMENTS, Source.POLL)  # asked for every hour
    mirror.drain_all()
    assert mirror.differences() == []

    books.put(3, Firm("Vestkyst I/S", "7"))
    look(mirror)
    books.remove(3)
    mirror.compare_all()
    assert (mirror.differences(), mirror.failures()) == ([], [])


def test_webhooks_and_poller_read_nothing_twice(connect: Connect) -> None:
    """Whichever comes first, a change costs one reading of its debtor beside the poller's list."""
    books, mirror = connect()
    books.put(1, Firm("Nordvind Service A/S", "31313139"))
    mirror.compare_all()
    look(mirror)

    books.put(1, Firm("Nordvind Service A/S", "31313139", "Aars"))
    mirror.hint((1, 1))
    assert calls_of(books, lambda: look(mirror)) == ["/customers"]  # the list answered the event
    assert (mirror.outstanding(), mirror.differences()) == ([], [])

    books.put(1, Firm("Nordvind Service A/S", "31313139", "Vejle"))
    mirror.hint((1, 1))
    assert calls_of(books, mirror.drain) == ["/customers/1"]
    assert calls_of(books, lambda: look(mirror)) == ["/customers"]  # nothing is read singly again
    assert (mirror.outstanding(), mirror.differences()) == ([], [])


def test_an_invoice_announced_and_polled_is_read_once(connect: Connect) -> None:
    """Its lines are not asked for again by the look that follows its webhook."""
    books, mirror = connect()
    books.put(1, Firm("Nordvind Service A/S", "31313139"))
    books.books.book(1, hook=False)
    mirror.compare_all(ResyncOptions())
    look(mirror)

    mirror.hint((None, books.books.book(1, hook=False)), Kind.INVOICES)
    mirror.drain_all()
    paths = calls_of(books, lambda: look(mirror))

    assert paths == ["/customers", "/invoices/booked"]
    assert mirror.differences() == []


def test_after_a_pause_it_reads_from_the_last_good_read(connect: Connect) -> None:
    """What changed while nobody looked is found, and nothing older than the overlap is asked for."""
    books, mirror = connect()
    books.put(1, Firm("Nordvind Service A/S", "31313139"))
    look(mirror)
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    do(mirror.database, "UPDATE poll SET debtors_since = :since WHERE agreement = :a", since=since.isoformat(),
       a=mirror.agreement)  # fmt: skip
    books.put(2, Firm("Sydhavn ApS", "29292925"))

    look(mirror)

    asked = next(call for call in reversed(books.books.calls()) if call["path"] == "/customers")
    assert (since - dt.timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M") in asked["query"].replace("%3A", ":")
    assert mirror.differences() == []


def test_it_learns_whether_webhooks_arrive(connect: Connect) -> None:
    """Every minute while none came; every ten minutes once one announced a change."""
    books, mirror = connect()
    until_next = f"SELECT -{mirror.database.sql.seconds_since('next_at')} FROM poll WHERE agreement = :a"
    look(mirror)
    assert scalar(mirror.database, until_next, a=mirror.agreement) < EVERY_S + 1

    books.put(1, Firm("Nordvind Service A/S", "31313139"))
    mirror.hint((None, 1))
    look(mirror)

    assert EVERY_S < scalar(mirror.database, until_next, a=mirror.agreement) < EVERY_WITH_HOOKS_S + 1
