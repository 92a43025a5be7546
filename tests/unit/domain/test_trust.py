"""What must be sure before debtors go: who answers, and that they are few."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.debtors import Debtor
from domain.errors import Blocked, WrongAgreement
from domain.hints import Kind
from domain.poll import PollState, look_for_changes
from domain.refresh_debtors import Refreshed, refresh_debtors
from domain.resync import Resync
from domain.resync_state import Phase, ResyncOptions, ResyncState
from tests.unit.domain.fakes import Economic, Mirror, a_debtor, ever, firm

GUARDED = {("deletions", "debtors"): "deletion_guard"}


def firms(*numbers: int) -> list[Debtor]:
    return [firm(number) for number in numbers]


def mirrored(*debtors: Debtor) -> tuple[Mirror, Economic]:
    """e-conomic with these debtors, and a mirror that says the same."""
    mirror = Mirror()
    mirror.add(*debtors)
    return mirror, Economic(*debtors)


def drain(mirror: Mirror, economic: Economic, *numbers: int, more_time: Callable[[], bool] = ever) -> Refreshed:
    for number in numbers:
        mirror.hint(number, number)
    return refresh_debtors(mirror, economic, mirror.take(), more_time=more_time)


def resync(mirror: Mirror, economic: Economic, *, allow_deletions: bool = False) -> ResyncState:
    mirror.tables.work["lease"] = mirror.token
    options = ResyncOptions(invoices=False, allow_deletions=allow_deletions)
    run = Resync(mirror, economic, options, ResyncState(Phase.DEBTORS))
    while run.step():
        pass
    return run.state


def delete(economic: Economic, *numbers: int) -> None:
    for number in numbers:
        del economic.customers[number]


# -- they are few --------------------------------------------------------------------------


def test_drains_of_an_hour_count_together() -> None:
    """Thirty debtors deleted one after the other, an event each: twenty go, then a person is asked."""
    mirror, economic = mirrored(*firms(*range(1, 61)))
    for number in range(1, 31):
        delete(economic, number)
        drain(mirror, economic, number)

    assert sorted(mirror.graves().values()) == list(range(1, 21))
    assert mirror.open_failures() == GUARDED
    assert mirror.outstanding() == []


def test_after_an_hour_deletions_are_believed_again() -> None:
    """What was kept goes with the next comparison, and the question closes by itself."""
    mirror, economic = mirrored(*firms(*range(1, 61)))
    delete(economic, *range(1, 31))
    for number in range(1, 31):
        drain(mirror, economic, number)
    mirror.an_hour_passes()

    resync(mirror, economic)

    assert mirror.living() == economic.customers
    assert mirror.open_failures() == {}


def test_slices_of_a_drain_count_together() -> None:
    """Pages with ten deletions each, each in a slice of its own: the first two are believed."""
    mirror, economic = mirrored(*firms(*range(1, 201)))
    delete(economic, *range(2, 201, 2))
    economic.page, economic.room = 10, 1
    for number in range(1, 201):
        mirror.hint(number, number)
    slices = 0
    while hints := mirror.take():
        refresh_debtors(mirror, economic, hints, more_time=lambda: False)
        slices += 1

    assert slices > 5
    assert 10 < len(mirror.graves()) <= 20
    assert mirror.open_failures() == GUARDED


def test_a_resync_counts_what_drains_removed() -> None:
    """Fifteen went by events; ten more that only the list misses are too many for one hour."""
    mirror, economic = mirrored(*firms(*range(1, 61)))
    delete(economic, *range(1, 16))
    drain(mirror, economic, *range(1, 16))
    delete(economic, *range(16, 26))

    state = resync(mirror, economic)

    assert len(mirror.graves()) == 15
    assert (state.counts["debtors"]["kept"], mirror.open_failures()) == (10, GUARDED)

    resync(mirror, economic, allow_deletions=True)
    assert mirror.living() == economic.customers
    assert mirror.open_failures() == {}


def test_deletions_by_an_event_while_a_resync_removes_some() -> None:
    """A drain between two steps of a resync: together they stop at twenty, and the question stays open."""
    mirror, economic = mirrored(*firms(*range(1, 61)))
    delete(economic, *range(1, 31))
    options = ResyncOptions(invoices=False)
    economic.unlisted = set(range(1, 16))
    run = Resync(mirror, economic, options, ResyncState(Phase.DEBTORS))
    economic.customers |= {number: firm(number) for number in range(16, 31)}  # deleted later than the list was read
    run.step()
    delete(economic, *range(16, 31))
    drain(mirror, economic, *range(16, 31))
    mirror.tables.work["lease"] = mirror.token
    while run.step():
        pass

    assert len(mirror.graves()) == 15
    assert mirror.open_failures() == GUARDED
    assert run.state.counts["debtors"]["kept"] == 15


def test_numbers_given_to_other_firms_count_too() -> None:
    """Sixty numbers that all belong to other firms now: nobody is replaced before a person said so."""
    mirror, economic = mirrored(*firms(*range(1, 61)))
    before = mirror.living()
    economic.customers = {number: firm(number, 500 + number) for number in range(1, 61)}

    state = resync(mirror, economic)
    assert (mirror.living(), mirror.graves(), mirror.open_failures()) == (before, {}, GUARDED)
    assert state.counts["debtors"]["kept"] == 60

    resync(mirror, economic, allow_deletions=True)
    assert mirror.living() == economic.customers
    assert len(mirror.graves()) == 60


def test_debtors_that_became_one_are_no_deletions() -> None:
    """Thirty late re-numberings, each after its debtor was met under the new number: nothing was deleted."""
    mirror, economic = mirrored(*firms(*range(1, 31)))
    economic.customers = {100 + number: firm(100 + number, number) for number in range(1, 31)}
    for number in range(1, 31):
        mirror.hint(None, 100 + number)
    drain(mirror, economic)
    for number in range(1, 31):
        mirror.hint(number, 100 + number)
        drain(mirror, economic)

    assert mirror.living() == economic.customers
    assert mirror.open_failures() == {}


# -- who answers ---------------------------------------------------------------------------


def test_an_edit_asks_nobody_who_answers() -> None:
    """/self is an expensive call: a lone event about a known debtor costs its one reading."""
    mirror, economic = mirrored(*firms(1, 2))
    economic.customers[1] = firm(1, city="Horsens")
    economic.customers[3] = firm(3)

    drain(mirror, economic, 1)
    drain(mirror, economic, 3)

    assert economic.calls == ["debtor 1", "debtor 3"]


OTHER_BOOKS = {
    "deleted": {},
    "another firm": {1: firm(1, 77)},
    "another name, no CVR": {1: a_debtor(1, "Sydhavnens Smedje ApS", None)},
}


@pytest.mark.parametrize("books", OTHER_BOOKS.values(), ids=list(OTHER_BOOKS))
def test_a_swapped_token_is_noticed_by_one_event(books: dict[int, Debtor]) -> None:
    """Another agreement answers: nothing is stored, the event waits, the work says why."""
    without_cvr = bool(books) and books[1].cvr is None
    mirror, economic = mirrored(a_debtor(1, "Nordvind Service A/S", None) if without_cvr else firm(1))
    before = mirror.living()
    economic.customers, economic.agreement = dict(books), 999

    with pytest.raises(WrongAgreement, match="opens agreement 999"):
        drain(mirror, economic, 1)

    assert (mirror.living(), mirror.graves(), mirror.open_failures()) == (before, {}, {})
    assert mirror.outstanding() == [(1, 1)]

    economic.agreement = mirror.agreement  # it was true after all
    drain(mirror, economic)
    assert mirror.living() == economic.customers


def test_a_swapped_token_is_noticed_by_many_new_debtors() -> None:
    """The other agreement uses other numbers: so many new ones at once are not believed."""
    mirror, economic = mirrored(*firms(*range(1, 6)))
    economic.customers, economic.agreement = {n: firm(n) for n in range(1_000, 1_050)}, 999

    with pytest.raises(WrongAgreement):
        resync(mirror, economic)
    assert mirror.living() == {n: firm(n) for n in range(1, 6)}


def test_a_swapped_token_is_noticed_by_the_poller() -> None:
    """The look for changes finds the other agreement's debtors."""
    mirror, economic = mirrored(firm(1))
    mirror.poll.save(PollState(), every_s=60)
    mirror.hint(None, None, Kind.POLL)
    changed = firm(1, 77)
    economic.debtors_after = lambda number, changed_since=None: Economic(changed).debtors_after(number)  # type: ignore[method-assign, misc, assignment]
    economic.agreement = 999

    with pytest.raises(WrongAgreement):
        look_for_changes(mirror, economic, mirror.take(Kind.POLL), more_time=ever)
    assert mirror.living() == {1: firm(1)}


def test_a_person_cannot_allow_another_agreements_deletions() -> None:
    """--allow-deletions with a swapped token removes nobody."""
    mirror, economic = mirrored(*firms(*range(1, 61)))
    before = mirror.living()
    economic.customers, economic.agreement = {}, 999

    with pytest.raises(WrongAgreement):
        resync(mirror, economic, allow_deletions=True)
    assert mirror.living() == before


def test_a_lost_role_deletes_nothing() -> None:
    """Single reads are refused: the work waits, no debtor becomes a failure or a tombstone."""
    mirror, economic = mirrored(*firms(*range(1, 6)))
    before = mirror.living()
    economic.unlisted = {1, 2, 3}

    def refuse(call: str) -> None:
        if call.startswith("debtor "):
            raise Blocked("e-conomic refused the request (403)")

    economic.on_call = refuse
    with pytest.raises(Blocked):
        drain(mirror, economic, *range(1, 6))
    with pytest.raises(Blocked):
        resync(mirror, economic)

    assert (mirror.living(), mirror.open_failures()) == (before, {})


def test_a_list_cut_short_deletes_nothing() -> None:
    """The walk's answer ends early and says so to nobody: every debtor it left out is asked for, or kept."""
    mirror, economic = mirrored(*firms(*range(1, 101)))
    before = mirror.living()
    economic.unlisted = set(range(30, 101))

    drain(mirror, economic, *range(1, 101))
    resync(mirror, economic)

    assert mirror.living() == before
    assert mirror.open_failures() == GUARDED
