"""Refreshing invoices and looking for payments."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal

import pytest

from domain.errors import Unavailable
from domain.hints import Hint, Kind
from domain.invoice_reader import singles_allowed
from domain.invoices import InvoiceWithLines, LinesState
from domain.refresh_debtors import Refreshed
from domain.refresh_invoices import refresh_invoices, turn_into_failures
from domain.refresh_payments import refresh_payments
from tests.unit.domain.fakes import Economic, Mirror, an_invoice, ever, firm

INVOICES, PAYMENTS = Kind.INVOICES, Kind.PAYMENTS
COMPLETE, VERIFIED, UNVERIFIED, PENDING = (
    LinesState.COMPLETE,
    LinesState.VERIFIED,
    LinesState.UNVERIFIED,
    LinesState.PENDING,
)


def booked(*invoices: InvoiceWithLines, room: int = 200, page: int = 1_000) -> Economic:
    economic = Economic(room=room, page=page)
    economic.book(*invoices)
    return economic


def refresh(mirror: Mirror, economic: Economic, hints: Sequence[Hint] | None = None) -> Refreshed:
    return refresh_invoices(mirror, economic, mirror.take(INVOICES) if hints is None else hints, more_time=ever)


def ask(mirror: Mirror, *numbers: int) -> None:
    for number in numbers:
        mirror.hint(None, number, INVOICES)


def drained(mirror: Mirror, economic: Economic) -> None:
    """Everything that is outstanding for invoices, in as many slices as it takes."""
    for _ in range(200):
        if not mirror.outstanding(INVOICES):
            return
        refresh(mirror, economic)
    raise AssertionError("the work does not end")


def test_a_lone_invoice_is_one_call() -> None:
    """Header and lines, text lines included, in one single reading."""
    mirror, economic = Mirror(), booked(an_invoice(20417, 4711, "100.00", "60.00"))
    ask(mirror, 20417)

    done = refresh(mirror, economic)

    row = mirror.tables.invoices[20417]
    assert economic.calls == ["invoice 20417"]
    assert (row.header, len(row.lines), row.lines_state) == (economic.booked[20417].header, 3, COMPLETE)
    assert (done.outcomes["created"], done.outcomes["lines"]) == (1, 3)
    assert (mirror.outstanding(INVOICES), mirror.tables.work["lease"]) == ([], None)


def test_many_invoices_are_two_calls() -> None:
    """Headers and lines in bulk, joined on the number; lines that add up are verified."""
    mirror, economic = Mirror(), booked(*(an_invoice(n, 4711, "10.00", "20.00") for n in (1, 50_000, 90_000)))
    ask(mirror, *economic.booked)

    refresh(mirror, economic)

    assert economic.calls == ["invoices", "lines"]
    assert mirror.headers() == {n: single.header for n, single in economic.booked.items()}
    assert set(mirror.lines_states().values()) == {VERIFIED}


def test_a_stored_invoice_asks_for_its_debtor() -> None:
    """
    Its balance changed: one event for each debtor, carrying on the cause.

    Also when the invoice is stored already: a resync may have read it after its debtor.
    """
    mirror, economic = Mirror(), booked(an_invoice(1, 7), an_invoice(2, 7), an_invoice(3, 8))
    ask(mirror, 1, 2, 3)

    refresh(mirror, economic)

    assert mirror.outstanding() == [(7, 7), (8, 8)]
    assert {row.source for row in mirror.tables.inbox.values() if row.kind is Kind.DEBTORS} == {"invoice"}
    assert mirror.take()[1].correlation_id == "cause-None-3"

    mirror.inbox.handled([hint.id for hint in mirror.take()])
    ask(mirror, 1, 2, 3)
    refresh(mirror, economic)
    assert mirror.outstanding() == [(7, 7), (8, 8)]


def test_an_invoice_before_its_debtor_has_no_owner_yet() -> None:
    """It is stored, and joined when the debtor it asked for comes."""
    mirror, economic = Mirror(), booked(an_invoice(1, 7))
    economic.customers = {7: firm(7)}
    ask(mirror, 1)

    refresh(mirror, economic)

    assert mirror.tables.invoices[1].debtor_id is None
    assert mirror.outstanding() == [(7, 7)]


def test_booked_lines_are_read_once() -> None:
    """They never change: a paid invoice costs its header only."""
    mirror, economic = Mirror(), booked(*(an_invoice(n) for n in (1, 2, 3)))
    ask(mirror, 1, 2, 3)
    refresh(mirror, economic)
    paid = economic.booked[2]
    economic.book(paid._replace(header=paid.header._replace(remainder=Decimal(0))))
    economic.calls.clear()
    ask(mirror, 1, 2, 3)

    done = refresh(mirror, economic)

    assert economic.calls == ["invoices"]
    assert mirror.headers()[2].remainder == 0
    assert (done.outcomes["updated"], done.outcomes["unchanged"]) == (1, 2)


def test_lines_that_do_not_add_up_are_read_singly() -> None:
    """The bulk list lacks an invoice's lines: the single reading brings them."""
    mirror, economic = Mirror(), booked(*(an_invoice(n) for n in (1, 2, 3)))
    economic.missing_lines = {2}
    ask(mirror, 1, 2, 3)

    refresh(mirror, economic)

    assert economic.calls == ["invoices", "lines", "invoice 2"]
    assert mirror.lines_states() == {1: VERIFIED, 2: COMPLETE, 3: VERIFIED}


def test_single_readings_are_bounded() -> None:
    """Twenty of thirty doubtful invoices are read singly, the rest is marked and counted, and none is a failure."""
    mirror, economic = Mirror(), booked(*(an_invoice(n) for n in range(1, 31)))
    economic.missing_lines = set(economic.booked)
    ask(mirror, *economic.booked)

    done = refresh(mirror, economic)

    states = list(mirror.lines_states().values())
    assert (states.count(COMPLETE), states.count(UNVERIFIED)) == (20, 10)
    assert done.outcomes["lines_unverified"] == 10
    assert (mirror.open_failures(), mirror.outstanding(INVOICES)) == ({}, [])


@pytest.mark.parametrize(("invoices", "singles"), [(0, 20), (100, 20), (2_000, 20), (2_100, 21), (100_000, 1_000)])
def test_how_many_single_readings_a_run_may_spend(invoices: int, singles: int) -> None:
    """One in a hundred, at least twenty."""
    assert singles_allowed(invoices) == singles


@pytest.mark.parametrize("nets", [("0.00",), ("60.00", "-60.00"), ("100.00",)])
def test_an_unreadable_line_is_never_verified(nets: tuple[str, ...]) -> None:
    """An invoice of net 0 adds up without the line the list could not show: it is read singly all the same."""
    invoices = [an_invoice(1), an_invoice(2, 4711, *nets), an_invoice(3)]
    mirror, economic = Mirror(), booked(*invoices)
    economic.unreadable_lines = {2}
    ask(mirror, 1, 2, 3)

    refresh(mirror, economic)

    assert economic.calls == ["invoices", "lines", "invoice 2"]
    assert mirror.lines_states() == {1: VERIFIED, 2: COMPLETE, 3: VERIFIED}
    assert len(mirror.tables.invoices[2].lines) == len(nets) + 1


def test_many_single_readings_leave_the_reserve_alone() -> None:
    """A lone invoice may use the calls kept for people; those read singly out of many may not."""
    mirror, economic = Mirror(), booked(*(an_invoice(n) for n in range(1, 6)))
    ask(mirror, 1)
    refresh(mirror, economic)
    assert economic.bulk_reads == []

    economic.missing_lines = {2, 3, 4, 5}
    ask(mirror, 2, 3, 4, 5)
    refresh(mirror, economic)
    assert economic.bulk_reads == [2, 3, 4, 5]


def test_an_invoice_that_does_not_add_up_even_singly() -> None:
    """Its lines are stored and marked, and not asked for again: booked lines never change."""
    single = an_invoice(1)
    mirror, economic = Mirror(), booked(single._replace(header=single.header._replace(net=Decimal("999.00"))))
    ask(mirror, 1)

    refresh(mirror, economic)

    assert mirror.lines_states() == {1: LinesState.DIFFERENT}
    assert len(mirror.tables.invoices[1].lines) == 2
    economic.book(an_invoice(2), an_invoice(3))
    economic.calls.clear()
    ask(mirror, 1, 2, 3)
    refresh(mirror, economic)
    assert economic.calls == ["invoices", "lines"]
    assert mirror.lines_states()[1] is LinesState.DIFFERENT


def test_refused_lines_hold_up_no_header() -> None:
    """q2capi answers 403: headers go on, few are read singly, the rest waits for lines, and a person is told."""
    mirror, economic = Mirror(), booked(*(an_invoice(n * 10_000) for n in range(1, 41)), room=10)
    economic.refuses_lines = True
    ask(mirror, *economic.booked)

    refresh(mirror, economic)

    assert mirror.headers() == {n: single.header for n, single in economic.booked.items()}
    states = list(mirror.lines_states().values())
    assert (states.count(COMPLETE), states.count(PENDING)) == (20, 20)
    assert economic.calls.count("lines") == 1
    assert mirror.open_failures() == {("lines", "invoices"): "rejected"}
    assert mirror.outstanding(INVOICES) == []


def test_lines_that_waited_come_with_the_next_reading() -> None:
    """The service answers again: invoices without lines get them."""
    mirror, economic = Mirror(), booked(*(an_invoice(n) for n in range(1, 31)))
    economic.refuses_lines = True
    ask(mirror, *economic.booked)
    refresh(mirror, economic)
    economic.refuses_lines = False
    ask(mirror, *economic.booked)

    refresh(mirror, economic)

    assert PENDING not in mirror.lines_states().values()


def test_an_unknown_invoice_is_a_failure() -> None:
    """The event named what e-conomic does not have; it closes when the invoice comes."""
    mirror, economic = Mirror(), booked(an_invoice(1), an_invoice(2))
    ask(mirror, 1, 2, 3)

    refresh(mirror, economic)

    assert mirror.open_failures() == {("invoice", "3"): "not_found"}
    assert mirror.outstanding(INVOICES) == []

    economic.book(an_invoice(3))
    ask(mirror, 3)
    refresh(mirror, economic)
    assert mirror.open_failures() == {}


def test_a_list_that_lags_loses_no_invoice() -> None:
    """Forty new invoices that the list does not show: each is asked for by its own number before anything is said."""
    mirror, economic = Mirror(), booked(*(an_invoice(n) for n in range(1, 41)))
    economic.unlisted = set(economic.booked)
    ask(mirror, *economic.booked)

    first = refresh(mirror, economic)

    assert not first.finished
    assert len(mirror.outstanding(INVOICES)) == 20
    drained(mirror, economic)
    assert mirror.headers().keys() == economic.booked.keys()
    assert mirror.open_failures() == {}


def test_one_unreadable_invoice_is_one_failure() -> None:
    """Its neighbours are stored with their lines; it closes by itself."""
    mirror, economic = Mirror(), booked(*(an_invoice(n) for n in (1, 2, 3)))
    economic.unreadable = {2}
    ask(mirror, 1, 2, 3)

    refresh(mirror, economic)

    assert sorted(mirror.headers()) == [1, 3]
    assert mirror.open_failures() == {("invoice", "2"): "unreadable"}

    economic.unreadable = set()
    ask(mirror, 2)
    refresh(mirror, economic)
    assert (sorted(mirror.headers()), mirror.open_failures()) == ([1, 2, 3], {})


def test_a_storm_walks_the_list() -> None:
    """Thousands of neighbouring numbers are pages, not filters; unreadable ones do not stop the walk."""
    mirror, economic = Mirror(), booked(*(an_invoice(n) for n in range(1, 2_001)))
    economic.unreadable = set(range(500, 1_600))
    ask(mirror, *economic.booked)

    refresh(mirror, economic)

    assert [call for call in economic.calls if call.startswith("inv")] == ["invoices_after 0", "invoices_after 1000"]
    assert len(mirror.headers()) == 900
    assert len(mirror.open_failures()) == 1_100


def test_trouble_midway_keeps_what_is_stored() -> None:
    """The lines of the second page cannot be read now: the first page is stored, the rest outstanding."""
    mirror, economic = Mirror(), booked(*(an_invoice(n * 100_000) for n in range(1, 7)), room=3)
    ask(mirror, *economic.booked)

    def down(call: str) -> None:
        if economic.calls.count("lines") == 2:
            raise Unavailable("e-conomic gave no answer")

    economic.on_call = down
    with pytest.raises(Unavailable):
        refresh(mirror, economic)

    assert sorted(mirror.headers()) == [100_000, 200_000, 300_000]
    assert len(mirror.outstanding(INVOICES)) == 3
    economic.on_call = lambda call: None
    drained(mirror, economic)
    assert len(mirror.headers()) == 6


def test_a_slice_ends_after_a_page() -> None:
    """Out of time: what is stored is handled, the lease is left to the caller."""
    mirror, economic = Mirror(), booked(*(an_invoice(n * 100_000) for n in range(1, 7)), room=3)
    ask(mirror, *economic.booked)

    done = refresh_invoices(mirror, economic, mirror.take(INVOICES), more_time=lambda: False)

    assert not done.finished
    assert len(mirror.outstanding(INVOICES)) == 3
    assert mirror.tables.work["lease"] == "mine"


def test_a_hint_that_arrives_meanwhile_stays_outstanding() -> None:
    """Only the events that were taken are marked."""
    mirror, economic = Mirror(), booked(an_invoice(1))
    ask(mirror, 1)
    hints = mirror.take(INVOICES)
    economic.on_call = lambda call: ask(mirror, 1)

    refresh(mirror, economic, hints)

    assert mirror.outstanding(INVOICES) == [(None, 1)]


def test_an_older_header_is_not_written() -> None:
    """A newer answer was stored while ours was on its way."""
    mirror, economic = Mirror(), booked(an_invoice(1, remainder=Decimal("125.00")))
    ask(mirror, 1)
    hints = mirror.take(INVOICES)
    newer = an_invoice(1, remainder=Decimal(0)).header

    def overtaken(call: str) -> None:
        with mirror.transaction():
            mirror.invoices.write([newer], {1: mirror.stamp()}, {})

    economic.on_call = overtaken
    done = refresh(mirror, economic, hints)

    assert mirror.headers()[1].remainder == 0
    assert done.outcomes["stale"] == 1


def test_invoice_hints_without_a_number_are_handled() -> None:
    """Nothing to look at."""
    mirror, economic = Mirror(), booked()
    mirror.hint(None, None, INVOICES)

    refresh(mirror, economic)

    assert (economic.calls, mirror.outstanding(INVOICES), mirror.tables.work["lease"]) == ([], [], None)


# Payments


def pay(economic: Economic, number: int, remainder: str = "0.00") -> None:
    single = economic.booked[number]
    economic.book(single._replace(header=single.header._replace(remainder=Decimal(remainder))))


def look(mirror: Mirror, economic: Economic, slices: int = 100) -> list[Refreshed]:
    """Look for payments until nothing is outstanding."""
    done: list[Refreshed] = []
    while mirror.outstanding(PAYMENTS):
        assert len(done) < slices, "the work does not end"
        done.append(refresh_payments(mirror, economic, mirror.take(PAYMENTS), more_time=lambda: False))
    return done


def stored(*invoices: InvoiceWithLines, page: int = 1_000) -> tuple[Mirror, Economic]:
    mirror, economic = Mirror(), booked(*invoices, page=page)
    ask(mirror, *economic.booked)
    drained(mirror, economic)
    economic.calls.clear()
    return mirror, economic


def test_payments_are_noticed() -> None:
    """Paid, partly paid and new invoices are asked for; what is as it was costs no more than the list."""
    mirror, economic = stored(*(an_invoice(n) for n in range(1, 8)))
    pay(economic, 2)
    pay(economic, 3, "60.00")
    economic.book(an_invoice(9))
    mirror.hint(None, None, PAYMENTS)

    look(mirror, economic)

    assert economic.calls == ["unpaid_after 0"]
    assert mirror.outstanding(INVOICES) == [(2, 2), (3, 3), (9, 9)]
    assert mirror.tables.work["lease"] is None
    drained(mirror, economic)
    assert mirror.headers() == {n: single.header for n, single in economic.booked.items()}
    economic.calls.clear()
    mirror.hint(None, None, PAYMENTS)
    look(mirror, economic)
    assert mirror.outstanding(INVOICES) == []


@pytest.mark.parametrize("paid", [1, 5, 6, 10, 15, 20])
def test_payments_are_noticed_on_every_page(paid: int) -> None:
    """The list of unpaid invoices takes several slices: each goes on where the last one ended, and it ends."""
    mirror, economic = stored(*(an_invoice(n) for n in range(1, 21)), page=5)
    pay(economic, paid)
    mirror.hint(None, None, PAYMENTS)

    done = look(mirror, economic)

    assert len(done) == 4
    assert [slice_.finished for slice_ in done] == [False, False, False, True]
    assert mirror.outstanding(INVOICES) == [(paid, paid)]


def test_a_new_event_waits_for_the_look_that_is_under_way() -> None:
    """Events faster than a look do not make it start anew for ever; afterwards it is done once more."""
    mirror, economic = stored(*(an_invoice(n) for n in range(1, 21)), page=5)
    mirror.hint(None, None, PAYMENTS)
    for _ in range(8):
        mirror.hint(None, None, PAYMENTS)
        refresh_payments(mirror, economic, mirror.take(PAYMENTS), more_time=lambda: False)

    assert economic.calls == 2 * [f"unpaid_after {after}" for after in (0, 5, 10, 15)]
    assert mirror.outstanding(PAYMENTS) != []


def test_an_unpaid_list_that_shows_nothing_changes_nothing() -> None:
    """Everything looks paid: every open invoice is read for itself, and stays as it is."""
    mirror, economic = stored(*(an_invoice(n) for n in range(1, 8)))
    before = mirror.headers()
    economic.unlisted = set(range(1, 8))
    mirror.hint(None, None, PAYMENTS)

    look(mirror, economic)
    economic.unlisted = set()
    drained(mirror, economic)

    assert mirror.headers() == before
    assert mirror.open_failures() == {}


def test_trouble_while_looking_leaves_the_event() -> None:
    """What was found so far is asked for; the look starts anew."""
    mirror, economic = stored(*(an_invoice(n) for n in range(1, 11)), page=5)
    pay(economic, 1)
    mirror.hint(None, None, PAYMENTS)
    calls = itertools.count()

    def down(call: str) -> None:
        if next(calls) == 1:
            raise Unavailable("e-conomic gave no answer")

    economic.on_call = down
    with pytest.raises(Unavailable):
        refresh_payments(mirror, economic, mirror.take(PAYMENTS), more_time=ever)

    assert mirror.outstanding(PAYMENTS) == [(None, None)]
    assert mirror.outstanding(INVOICES) == [(1, 1)]


def test_unusable_events_become_failures() -> None:
    """One each, with what was said, and none stays outstanding."""
    mirror = Mirror()
    for body in ("debtors ?a=b", "invoices ?"):
        mirror.hint(None, None, Kind.UNUSABLE, body)

    with mirror.transaction() as uow:
        turn_into_failures(uow, mirror.take(Kind.UNUSABLE))

    assert list(mirror.open_failures().values()) == ["unusable", "unusable"]
    assert [row.report.detail for row in mirror.tables.failures.values()] == ["debtors ?a=b", "invoices ?"]
    assert mirror.outstanding(Kind.UNUSABLE) == []
