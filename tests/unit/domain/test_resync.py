"""A full resync: cut anywhere and gone on with, careful with deletions, honest about what it could not read."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from domain.accounting_api import LinePage, Unreadable
from domain.debtor_reader import SAMPLE
from domain.errors import Blocked, LeaseLost, PermanentError, Rejected, ServiceGone, Unavailable
from domain.hints import Kind
from domain.invoices import LinesState
from domain.refresh_debtors import refresh_debtors
from domain.resync import Resync
from domain.resync_state import Phase, ResyncOptions, ResyncState
from tests.unit.domain.fakes import Economic, Mirror, an_invoice, firm

EVERYTHING = ResyncOptions()
DEBTORS = ResyncOptions(invoices=False)
INVOICES = ResyncOptions(debtors=False)


def resume(mirror: Mirror, economic: Economic, options: ResyncOptions = EVERYTHING) -> ResyncState:
    """Go on from what is saved, as a process does that knows nothing else; returns the state at the end."""
    saved = mirror.tables.run
    state = ResyncState.from_json(saved) if saved else ResyncState(options.first_phase())
    run = Resync(mirror, economic, ResyncOptions.from_json(options.as_json()), state)
    for _ in range(1_000):
        if not run.step():
            return ResyncState.from_json(mirror.tables.run)
    raise AssertionError("the run does not end")


def a_world() -> tuple[Mirror, Economic]:
    """
    Three pages of debtors and of invoices, and something of everything that a mirror can have missed.

    Changed, new, deleted and given-away debtors; an unreadable one; invoices with many lines, without bulk lines, with
    lines that do not add up, of an unknown debtor.
    """
    economic = Economic(*(firm(n) for n in range(1, 8)), page=3)
    mirror = Mirror()
    mirror.add(*(firm(n) for n in (2, 3, 4, 8, 9)))
    economic.customers[3] = firm(3, 30)
    economic.customers[4] = firm(4, city="Vejle")
    economic.unreadable = {6}
    economic.book(an_invoice(10, 1, "1.00", "2.00", "3.00", "4.00", "5.00"), an_invoice(11, 2), an_invoice(12, 77))
    economic.book(*(an_invoice(n, 3) for n in (13, 14, 15)), an_invoice(16, 4, "-80.00"))
    economic.missing_lines = {13}
    wrong = an_invoice(14, 3)
    economic.book(wrong._replace(header=wrong.header._replace(net=Decimal("999.00"))))
    economic.page = 3
    return mirror, economic


def test_everything_is_as_in_e_conomic() -> None:
    """Debtors, tombstones, invoices, lines, failures, and a hint for the debtor nobody knows."""
    mirror, economic = a_world()

    state = resume(mirror, economic)

    readable = {n: debtor for n, debtor in economic.customers.items() if n != 6}
    assert mirror.living() == readable
    assert sorted(mirror.graves().values()) == [3, 8, 9]
    assert mirror.headers() == {n: single.header for n, single in economic.booked.items()}
    assert mirror.lines_states() == {
        10: LinesState.VERIFIED,
        11: LinesState.VERIFIED,
        12: LinesState.VERIFIED,
        13: LinesState.COMPLETE,
        14: LinesState.DIFFERENT,
        15: LinesState.VERIFIED,
        16: LinesState.VERIFIED,
    }
    assert mirror.open_failures() == {("debtor", "6"): "unreadable"}
    assert mirror.outstanding(Kind.DEBTORS) == [(77, 77)]
    assert state.phase is Phase.DONE
    assert state.counts == {
        "debtors": {"read": 7, "new": 4, "changed": 1, "unchanged": 1, "gone": 2, "unreadable": 1},
        "invoices": {"read": 7, "new": 7, "changed": 0, "unchanged": 0, "unreadable": 0, "lines_unverified": 1},
        "lines": {"read": 10, "new": 14, "changed": 0, "unchanged": 0},
    }


def test_a_second_run_finds_nothing_to_do() -> None:
    """What the first stored is unchanged, and nothing is read singly again."""
    mirror, economic = a_world()
    resume(mirror, economic)
    before = mirror.content()
    mirror.tables.run = {}

    state = resume(mirror, economic)

    assert mirror.content() == before
    for what in ("debtors", "invoices", "lines"):
        assert (state.counts[what]["new"], state.counts[what]["changed"]) == (0, 0), what
    assert not any(call.startswith("invoice ") for call in economic.calls[CALLS:])


def cut_at(n: int, *, every: Callable[[Callable[[], None]], None]) -> None:
    calls = itertools.count(1)

    def cut() -> None:
        if next(calls) == n:
            raise Unavailable("cut")

    every(cut)


def uncut() -> tuple[object, dict[str, dict[str, int]], int, int]:
    mirror, economic = a_world()
    state = resume(mirror, economic)
    return mirror.content(), state.counts, len(economic.calls), mirror.transactions


CONTENT, COUNTS, CALLS, TRANSACTIONS = uncut()


def cut_off(mirror: Mirror, economic: Economic) -> ResyncState:
    """Run into the cut, then go on."""
    with pytest.raises(Unavailable, match="cut"):
        resume(mirror, economic)
    economic.on_call, mirror.on_transaction = lambda call: None, lambda: None
    return resume(mirror, economic)


@pytest.mark.parametrize("n", range(1, CALLS + 1))
def test_cut_at_any_call_it_ends_the_same(n: int) -> None:
    """e-conomic fails at the n-th call; gone on with from what was saved, rows and counts are those of an uncut run."""
    mirror, economic = a_world()
    cut_at(n, every=lambda cut: setattr(economic, "on_call", lambda call: cut()))

    state = cut_off(mirror, economic)

    assert (mirror.content(), state.counts) == (CONTENT, COUNTS)


@pytest.mark.parametrize("n", range(1, TRANSACTIONS + 1))
def test_cut_at_any_transaction_it_ends_the_same(n: int) -> None:
    """The process dies before the n-th commit."""
    mirror, economic = a_world()
    cut_at(n, every=lambda cut: setattr(mirror, "on_transaction", cut))

    state = cut_off(mirror, economic)

    assert (mirror.content(), state.counts) == (CONTENT, COUNTS)


def test_cut_at_every_third_step_it_ends_the_same() -> None:
    """Processes that do not live long; one invoice's lines must fit into a life."""
    mirror, economic = a_world()
    mirror.tables.run = ResyncState(Phase.DEBTORS).as_json()

    while mirror.tables.run["phase"] != Phase.DONE:
        run = Resync(mirror, economic, EVERYTHING, ResyncState.from_json(mirror.tables.run))
        for _ in range(3):
            run.step()
        assert len(economic.calls) < 3 * CALLS, "it goes in circles"

    assert mirror.content() == CONTENT


def test_state_and_options_survive_json() -> None:
    """What is stored in the run's row is what comes back."""
    options = ResyncOptions(False, True, dt.date(2026, 1, 1), True, True)
    state = ResyncState(Phase.LINES, 7, [1, 2], 2, 100, 50, 20, 3, {"lines": {"read": 1}})

    assert ResyncOptions.from_json(options.as_json()) == options
    assert ResyncState.from_json(state.as_json()) == state


def test_fewest_calls() -> None:
    """One page each of 1,000: debtors, invoices, lines, and nothing twice; so many new ones ask who answers."""
    economic = Economic(*(firm(n) for n in range(1, 901)))
    economic.book(*(an_invoice(n, n) for n in range(1, 901)))

    resume(Mirror(), economic)

    assert economic.calls == ["debtors_after 0", "identity", "invoices_after 0", "lines_page None 0"]


def test_the_cursor_keeps_its_filter() -> None:
    """A cursor belongs to the list it was given for: the pages after the first ask for the same one."""
    economic = Economic(page=2)
    economic.book(*(an_invoice(n) for n in range(1, 6)))

    resume(Mirror(), economic, INVOICES)

    pages = [call for call in economic.calls if call.startswith("lines_page")]
    assert pages == ["lines_page None 0", "lines_page 2 0", "lines_page 4 0"]


def test_a_dry_run_writes_nothing() -> None:
    """Everything is counted, and only the run's own progress is kept."""
    mirror, economic = a_world()
    mirror.dry = True
    before = mirror.content()
    options = ResyncOptions(dry_run=True)

    state = resume(mirror, economic, options)

    assert mirror.content() == before
    assert (mirror.tables.readings, mirror.tables.inbox, mirror.tables.work["total"]) == ({}, {}, None)
    assert state.counts["debtors"] == COUNTS["debtors"]
    assert state.counts["invoices"]["new"] == 7
    assert state.counts["lines"]["new"] == 10


def test_a_suspect_is_gone_only_by_its_own_404() -> None:
    """The list does not show 2 and 3: asked for singly, 2 is there."""
    mirror, economic = Mirror(), Economic(firm(1), firm(2))
    mirror.add(firm(1), firm(2), firm(3))
    economic.unlisted = {2}

    resume(mirror, economic, DEBTORS)

    assert economic.calls == ["debtors_after 0", "debtor 2", "debtor 3", "identity"]
    assert sorted(mirror.living()) == [1, 2]


def registers(living: int, deleted: int) -> tuple[Mirror, Economic]:
    mirror, economic = Mirror(), Economic(*(firm(n) for n in range(deleted + 1, living + 1)))
    mirror.add(*(firm(n) for n in range(1, living + 1)))
    return mirror, economic


@pytest.mark.parametrize(("living", "deleted", "gone"), [(60, 20, 20), (60, 21, 0), (2_000, 40, 40), (2_000, 41, 0)])
def test_deletions_are_believed_while_they_are_few(living: int, deleted: int, gone: int) -> None:
    """More than 20 and 2 %: ten are read singly, nothing is removed, a person is asked, and the run goes on."""
    mirror, economic = registers(living, deleted)

    state = resume(mirror, economic)

    assert len(mirror.graves()) == gone
    assert state.counts["debtors"]["gone"] == gone
    assert state.counts["debtors"].get("kept", 0) == deleted - gone
    assert state.phase is Phase.DONE
    singles = sum(call.startswith("debtor ") for call in economic.calls)
    assert singles == (gone or SAMPLE)
    assert mirror.open_failures() == ({} if gone else {("deletions", "debtors"): "deletion_guard"})


def test_the_guard_does_not_change_its_mind_midway() -> None:
    """Two in a hundred of 2,000, exactly: allowed at the start, and still when only 1,980 live."""
    mirror, economic = registers(2_000, 40)
    calls = itertools.count()

    def down(call: str) -> None:
        if call.startswith("debtor ") and next(calls) == 25:
            raise Unavailable("cut")

    economic.on_call = down
    with pytest.raises(Unavailable):
        resume(mirror, economic, DEBTORS)
    economic.on_call = lambda call: None
    resume(mirror, economic, DEBTORS)

    assert len(mirror.graves()) == 40


def test_a_person_allows_the_deletions() -> None:
    """With --allow-deletions every suspect is read singly, and the failure is closed."""
    mirror, economic = registers(300, 120)
    economic.page = 50
    resume(mirror, economic, DEBTORS)
    assert mirror.open_failures()
    mirror.tables.run = {}

    state = resume(mirror, economic, ResyncOptions(invoices=False, allow_deletions=True))

    assert mirror.living() == economic.customers
    assert (state.counts["debtors"]["gone"], mirror.open_failures()) == (120, {})


def test_a_question_closes_when_the_debtors_are_back() -> None:
    """A lagging list asked a person; the next full list shows everybody."""
    mirror, economic = registers(60, 0)
    economic.unlisted = set(range(1, 31))
    resume(mirror, economic, DEBTORS)
    assert mirror.open_failures()
    economic.unlisted, mirror.tables.run = set(), {}

    resume(mirror, economic, DEBTORS)

    assert (mirror.open_failures(), len(mirror.living())) == ({}, 60)


@pytest.mark.parametrize("shown", [0, 5])
def test_a_list_that_shrinks_deletes_nothing(shown: int) -> None:
    """An empty or short page with 200 and no next one: every debtor stays."""
    mirror, economic = registers(60, 0)
    economic.unlisted = set(range(shown + 1, 61))

    resume(mirror, economic, DEBTORS)

    assert mirror.living() == economic.customers


def test_invoices_are_never_deleted() -> None:
    """Booked invoices cannot be: a list that does not show them proves nothing."""
    mirror, economic = Mirror(), Economic()
    economic.book(*(an_invoice(n) for n in range(1, 41)))
    resume(mirror, economic, INVOICES)
    economic.unlisted = set(economic.booked)
    mirror.tables.run = {}

    resume(mirror, economic, INVOICES)

    assert len(mirror.headers()) == 40


def test_since_limits_invoices_and_their_lines() -> None:
    """Headers from that date on; lines from the smallest of their numbers on."""
    economic = Economic(page=3)
    economic.book(*(an_invoice(n, date=dt.date(2026, 1, n)) for n in range(1, 10)))
    mirror = Mirror()

    resume(mirror, economic, ResyncOptions(debtors=False, since=dt.date(2026, 1, 8)))

    assert sorted(mirror.headers()) == [8, 9]
    assert set(mirror.lines_states().values()) == {LinesState.VERIFIED}
    assert economic.calls == ["invoices_after 0", "lines_page None 7"]


def test_since_without_any_invoice_reads_no_lines() -> None:
    """Nothing was booked since: the lines of all earlier years are not wanted."""
    economic = Economic()
    economic.book(*(an_invoice(n) for n in range(1, 10)))

    resume(Mirror(), economic, ResyncOptions(debtors=False, since=dt.date(2027, 1, 1)))

    assert economic.calls == ["invoices_after 0"]


def test_since_repairs_no_older_lines() -> None:
    """Invoices below the first one read keep waiting for their lines."""
    mirror, economic = Mirror(), Economic()
    economic.book(*(an_invoice(n, date=dt.date(2026, 1, n)) for n in range(1, 10)))
    economic.refuses_lines = True
    resume(mirror, economic, INVOICES)
    economic.refuses_lines = False
    mirror.tables.run = {}

    resume(mirror, economic, ResyncOptions(debtors=False, since=dt.date(2026, 1, 8)))

    states = mirror.lines_states()
    assert {n for n, state in states.items() if state is LinesState.PENDING} == set(range(1, 8))


@pytest.mark.parametrize("error", [Rejected("refused (403)", status=403), ServiceGone("nothing there (404)")])
def test_refused_lines_end_the_run_with_headers_only(error: PermanentError) -> None:
    """q2capi refuses: headers stand, lines wait, a person is told; the next run that may read them closes it."""
    mirror, economic = Mirror(), Economic()
    economic.book(*(an_invoice(n) for n in range(1, 41)))

    def refused(call: str) -> None:
        if call.startswith("lines"):
            raise error

    economic.on_call = refused
    state = resume(mirror, economic, INVOICES)

    assert (len(mirror.headers()), set(mirror.lines_states().values())) == (40, {LinesState.PENDING})
    assert (state.phase, state.counts["lines"]) == (Phase.DONE, {"refused": 1})
    assert mirror.open_failures() == {("lines", "invoices"): error.reason}

    economic.on_call, mirror.tables.run = lambda call: None, {}
    resume(mirror, economic, INVOICES)

    assert set(mirror.lines_states().values()) == {LinesState.VERIFIED}
    assert mirror.open_failures() == {}


def test_lines_refused_in_the_repair_stay_a_failure() -> None:
    """The bulk list answers, the filtered one does not: what could be read singly is kept."""
    mirror, economic = Mirror(), Economic()
    economic.book(*(an_invoice(n) for n in range(1, 41)))
    economic.missing_lines = set(economic.booked)

    def refused(call: str) -> None:
        if call == "lines":
            raise Rejected("refused (403)", status=403)

    economic.on_call = refused
    state = resume(mirror, economic, INVOICES)

    assert list(mirror.lines_states().values()).count(LinesState.COMPLETE) == 20
    assert state.counts["lines"]["refused"] == 1
    assert mirror.open_failures() == {("lines", "invoices"): "rejected"}


def test_single_readings_are_bounded() -> None:
    """Thirty invoices do not add up: twenty are read singly, ten marked and counted."""
    mirror, economic = Mirror(), Economic()
    economic.book(*(an_invoice(n) for n in range(1, 31)))
    economic.missing_lines = set(economic.booked)

    state = resume(mirror, economic, INVOICES)

    states = list(mirror.lines_states().values())
    assert (states.count(LinesState.COMPLETE), states.count(LinesState.UNVERIFIED)) == (20, 10)
    assert state.counts["invoices"]["lines_unverified"] == 10
    assert sum(call.startswith("invoice ") for call in economic.calls) == 20


def test_an_invoice_that_cannot_be_read_singly_is_a_failure() -> None:
    """Its header stands, its lines do not add up, and it cannot be asked for."""
    mirror, economic = Mirror(), Economic()
    economic.book(an_invoice(1), an_invoice(2))
    economic.missing_lines = {2}

    def broken(call: str) -> None:
        if call == "invoice 2":
            raise PermanentError("the lines of invoice 2 cannot be read")

    economic.on_call = broken
    resume(mirror, economic, INVOICES)

    assert mirror.lines_states() == {1: LinesState.VERIFIED, 2: LinesState.UNVERIFIED}
    assert mirror.open_failures() == {("invoice", "2"): "unreadable"}


def test_an_invoice_longer_than_a_page() -> None:
    """Its lines come on three pages, with the neighbours' before and after."""
    mirror, economic = Mirror(), Economic(page=4)
    economic.book(an_invoice(1, 1, "1.00"), an_invoice(2, 1, *(f"{n}.00" for n in range(1, 10))), an_invoice(3))

    resume(mirror, economic, INVOICES)

    assert set(mirror.lines_states().values()) == {LinesState.VERIFIED}
    assert [len(row.lines) for row in mirror.tables.invoices.values()] == [1, 9, 1]


def test_an_unreadable_line_is_not_forgotten_on_the_next_page() -> None:
    """The lines of invoice 1 add up without the unreadable one, which stood on the page before."""
    mirror, economic = Mirror(), Economic()
    economic.book(an_invoice(1, 1, "60.00", "40.00"))
    one, other = (line._replace(number=n) for n, line in zip((1, 3), economic.booked[1].lines, strict=False))
    pages: dict[str | None, LinePage] = {
        None: LinePage([one], [Unreadable(1, "number: missing")], "next"),
        "next": LinePage([other], [], None),
    }
    economic.lines_page = lambda cursor, *, after=0: pages[cursor]  # type: ignore[method-assign]
    economic.missing_lines = {1}

    resume(mirror, economic, INVOICES)

    assert mirror.lines_states() == {1: LinesState.COMPLETE}


def test_lines_of_an_invoice_booked_meanwhile_are_left_to_its_hook() -> None:
    """A header that is not here has no lines here."""
    mirror, economic = Mirror(), Economic()
    economic.book(an_invoice(1))

    def booked(call: str) -> None:
        if call.startswith("lines_page"):
            economic.book(an_invoice(2))

    economic.on_call = booked
    resume(mirror, economic, INVOICES)

    assert mirror.lines_states() == {1: LinesState.VERIFIED}


def test_a_debtor_that_moves_during_the_walk_converges() -> None:
    """Renumbered from a page to come to a page that is done: its event brings it."""
    mirror, economic = Mirror(), Economic(*(firm(n) for n in range(2, 8)), page=3)
    mirror.add(*economic.customers.values())
    before = mirror.ids()

    def moved(call: str) -> None:
        if call == "debtors_after 4" and 7 in economic.customers:
            economic.customers[1] = economic.customers.pop(7)._replace(number=1)
            mirror.hint(7, 1)

    economic.on_call = moved
    resume(mirror, economic, DEBTORS)
    refresh_debtors(mirror, economic, mirror.take(), more_time=lambda: True)

    assert mirror.living() == economic.customers
    assert mirror.ids()[1] == before[7]


def test_a_newer_reading_is_not_overwritten() -> None:
    """A hook's reading was stored while the page was on its way."""
    mirror, economic = Mirror(), Economic(firm(1, city="old"), firm(2))

    def overtaken(call: str) -> None:
        with mirror.transaction():
            mirror.debtors.raise_stamps({1: mirror.stamp()})
            mirror.add(firm(1, city="new"))

    economic.on_call = overtaken
    resume(mirror, economic, DEBTORS)

    assert mirror.living()[1].city == "new"


def test_unreadable_debtors_are_no_suspects() -> None:
    """The list shows that they exist: neither read singly nor buried, and the failure closes with a later run."""
    mirror, economic = Mirror(), Economic(firm(1), firm(2))
    mirror.add(firm(2))
    economic.unreadable = {2}

    resume(mirror, economic, DEBTORS)

    assert economic.calls == ["debtors_after 0"]
    assert sorted(mirror.living()) == [1, 2]
    assert mirror.open_failures() == {("debtor", "2"): "unreadable"}

    economic.unreadable, mirror.tables.run = set(), {}
    resume(mirror, economic, DEBTORS)
    assert mirror.open_failures() == {}


def test_a_record_without_a_number_closes_when_all_can_be_read() -> None:
    """It was reported under no number: a run that reads everything shows that it is mended."""
    mirror, economic = Mirror(), Economic(firm(1))
    listed: Any = economic.debtors_after
    economic.debtors_after = lambda number: listed(number)._replace(  # type: ignore[method-assign]
        unreadable=[Unreadable(None, "customerNumber: missing")]
    )
    resume(mirror, economic, DEBTORS)
    assert mirror.open_failures() == {("debtor", "unknown number"): "unreadable"}

    economic.debtors_after, mirror.tables.run = listed, {}  # type: ignore[method-assign]
    resume(mirror, economic, DEBTORS)

    assert mirror.open_failures() == {}


def test_a_refused_list_waits() -> None:
    """403 for the list of debtors is the agreement's trouble."""
    mirror, economic = Mirror(), Economic(firm(1))

    def refused(call: str) -> None:
        raise Rejected("refused (403)", status=403)

    economic.on_call = refused
    with pytest.raises(Blocked):
        resume(mirror, economic)


def test_a_cancelled_run_writes_nothing_more() -> None:
    """Its lease is gone: the page it was reading is not stored."""
    mirror, economic = Mirror(), Economic(firm(1))
    economic.on_call = lambda call: mirror.tables.work.update(lease="theirs")

    with pytest.raises(LeaseLost):
        resume(mirror, economic)

    assert mirror.living() == {}


def test_only_what_was_asked_for_is_read() -> None:
    """--debtors reads no invoice, --invoices no debtor."""
    economic = Economic(firm(1))
    economic.book(an_invoice(1, 1))

    resume(Mirror(), economic, DEBTORS)
    assert economic.calls == ["debtors_after 0"]

    economic.calls.clear()
    resume(Mirror(), economic, INVOICES)
    assert economic.calls == ["invoices_after 0", "lines_page None 0"]
