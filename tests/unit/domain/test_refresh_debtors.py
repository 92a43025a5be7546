"""Refreshing debtors: hints, stamps, suspects, the deletion guard, failures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from domain.accounting_api import Unreadable
from domain.debtor_reader import SAMPLE
from domain.debtors import Debtor, Edge
from domain.errors import Blocked, LeaseLost, PermanentError, RateLimited, Rejected, Unavailable
from domain.hints import Hint
from domain.invoices import Invoice
from domain.read_ahead import ReadAhead
from domain.refresh_debtors import Refreshed, refresh_debtors
from tests.unit.domain.fakes import Economic, Mirror, an_invoice, ever, firm


def refresh(mirror: Mirror, economic: Economic, hints: Sequence[Hint] | None = None) -> Refreshed:
    return refresh_debtors(mirror, economic, mirror.take() if hints is None else hints, more_time=ever)


def firms(*numbers: int) -> list[Debtor]:
    return [firm(number) for number in numbers]


def test_a_lone_hint_is_one_call() -> None:
    """One number: read singly, stored, the hint handled and the lease given back in the same commit."""
    mirror, economic = Mirror(), Economic(firm(1))
    mirror.hint(1, 1)

    done = refresh(mirror, economic)

    assert economic.calls == ["debtor 1"]
    assert mirror.living() == {1: firm(1)}
    assert mirror.outstanding() == []
    assert mirror.tables.work["lease"] is None
    assert (done.finished, done.hints, done.outcomes["created"]) == (True, 1, 1)


def test_many_hints_for_one_number_are_one_call() -> None:
    """A hundred events about one debtor cost what one costs."""
    mirror, economic = Mirror(), Economic(firm(1))
    for _ in range(100):
        mirror.hint(1, 1)

    refresh(mirror, economic)

    assert economic.calls == ["debtor 1"]
    assert mirror.outstanding() == []


def test_hints_are_read_in_filtered_pages() -> None:
    """400 numbers far apart are two calls, and two transactions that store them."""
    numbers = [number * 100_000 for number in range(1, 401)]
    mirror, economic = Mirror(), Economic(*firms(*numbers))
    for number in numbers:
        mirror.hint(number, number)

    refresh(mirror, economic)

    assert economic.calls == ["debtors", "identity", "debtors"]
    assert mirror.living() == economic.customers


def test_a_storm_walks_the_list_and_stores_all_of_it() -> None:
    """Half of 10,000 debtors are new: ten pages and a look who answers, and what nobody asked for is stored as well."""
    economic = Economic(*firms(*range(1, 10_001)))
    mirror = Mirror()
    for number in range(1, 10_001, 2):
        mirror.hint(number, number)

    refresh(mirror, economic)

    assert len(economic.calls) == 10 + 1
    assert mirror.living() == economic.customers
    assert mirror.outstanding() == []


def test_the_next_page_is_read_while_the_last_is_stored() -> None:
    """With a thread to read ahead, page two is asked for before page one is written; each is asked for once."""
    economic = Economic(*firms(*range(1, 3_001)))
    mirror, second = Mirror(), Event()
    for number in economic.customers:
        mirror.hint(number, number)
    economic.on_call = lambda call: second.set() if call == "debtors_after 1000" else None
    met: list[bool] = []
    mirror.on_transaction = lambda: met.append(bool(mirror.living()) or not economic.calls or second.wait(5))

    with ThreadPoolExecutor(1) as pool:
        mirror.ahead = ReadAhead(pool)
        refresh(mirror, economic)

    assert all(met)
    assert [call for call in economic.calls if call != "identity"] == [f"debtors_after {n}" for n in (0, 1_000, 2_000)]
    assert mirror.living() == economic.customers


def test_a_walk_ends_at_the_largest_number_wanted() -> None:
    """Pages above what was asked for are not read."""
    economic = Economic(*firms(*range(1, 5_001)))
    mirror = Mirror()
    for number in range(1_001, 2_001):
        mirror.hint(number, number)

    refresh(mirror, economic)

    assert economic.calls == ["debtors_after 1000", "identity"]


def test_a_walk_leaves_re_numberings_to_their_own_call() -> None:
    """Two debtors that changed places stand on different pages: they are read, and moved, together."""
    economic = Economic(*firms(*range(1, 2_501)))
    mirror = Mirror()
    mirror.add(*economic.customers.values())
    before = mirror.ids()
    economic.customers[1], economic.customers[2_500] = firm(1, 2_500), firm(2_500, 1)
    for number in range(2, 2_500):
        mirror.hint(number, number)
    mirror.hint(1, 2_500)
    mirror.hint(2_500, 1)

    refresh(mirror, economic)

    assert mirror.living() == economic.customers
    assert (mirror.ids()[1], mirror.ids()[2_500]) == (before[2_500], before[1])


def test_hints_without_a_number_are_handled() -> None:
    """Nothing to look at is no call, and no outstanding event."""
    mirror, economic = Mirror(), Economic()
    mirror.hint(None, None)

    done = refresh(mirror, economic)

    assert economic.calls == []
    assert (mirror.outstanding(), mirror.tables.work["lease"], done.finished) == ([], None, True)


def test_a_hint_that_arrives_meanwhile_stays_outstanding() -> None:
    """Only the events that were taken are marked, by their ids: a later one for the same number is read again."""
    mirror, economic = Mirror(), Economic(firm(1))
    mirror.hint(1, 1)
    hints = mirror.take()
    economic.on_call = lambda call: mirror.hint(1, 1) and None

    refresh(mirror, economic, hints)

    assert mirror.outstanding() == [(1, 1)]


def test_a_hint_is_handled_when_both_numbers_are_answered() -> None:
    """A re-numbering whose second number comes with the next page waits for that page."""
    numbers = range(1, 5)
    mirror, economic = Mirror(), Economic(*firms(*numbers), room=2)
    for number in numbers:
        mirror.hint(number, number)
    hints = [*mirror.take(), mirror.hint(1, 4)]
    slices = itertools.count()

    done = refresh_debtors(mirror, economic, hints, more_time=lambda: next(slices) > 0)

    assert not done.finished
    assert (1, 4) in mirror.outstanding()
    assert mirror.tables.work["lease"] == "mine"  # a slice that ends early leaves it to its caller

    refresh(mirror, economic)

    assert mirror.outstanding() == []
    assert mirror.living() == economic.customers


def test_a_page_that_cannot_be_stored_leaves_its_hints() -> None:
    """The second transaction fails: the first page stays stored, the rest outstanding."""
    numbers = [1, 300_000, 600_000, 900_000]
    mirror, economic = Mirror(), Economic(*firms(*numbers), room=2)
    for number in numbers:
        mirror.hint(number, number)

    def broken() -> None:
        if len(mirror.living()) == 2:
            raise Unavailable("the database does not answer")

    mirror.on_transaction = broken
    with pytest.raises(Unavailable):
        refresh(mirror, economic)

    assert sorted(mirror.living()) == [1, 300_000]
    assert mirror.outstanding() == [(600_000, 600_000), (900_000, 900_000)]


def test_trouble_midway_keeps_what_is_stored() -> None:
    """429 on the second call: no failure, no loss, and the next drain reads the rest only."""
    numbers = [1, 300_000, 600_000, 900_000]
    mirror, economic = Mirror(), Economic(*firms(*numbers), room=2)
    for number in numbers:
        mirror.hint(number, number)

    def limited(call: str) -> None:
        if len(economic.calls) == 2:
            raise RateLimited("e-conomic's rate limit is reached", retry_after_s=1)

    economic.on_call = limited
    with pytest.raises(RateLimited):
        refresh(mirror, economic)

    assert sorted(mirror.living()) == [1, 300_000]
    assert mirror.open_failures() == {}
    economic.on_call = lambda call: None
    refresh(mirror, economic)
    assert mirror.living() == economic.customers
    assert len(economic.calls) == 3


def test_a_lost_lease_writes_nothing() -> None:
    """Somebody else took the work while e-conomic was answering."""
    mirror, economic = Mirror(), Economic(firm(1))
    mirror.hint(1, 1)
    hints = mirror.take()
    economic.on_call = lambda call: mirror.tables.work.update(lease="theirs")

    with pytest.raises(LeaseLost):
        refresh(mirror, economic, hints)

    assert mirror.living() == {}
    assert mirror.outstanding() == [(1, 1)]


def test_an_older_reading_is_not_written() -> None:
    """Somebody stored a newer answer while ours was on its way: theirs stays, and our event is answered by it."""
    mirror, economic = Mirror(), Economic(firm(1, city="old"))
    mirror.hint(1, 1)
    hints = mirror.take()

    def overtaken(call: str) -> None:
        with mirror.transaction():
            mirror.debtors.raise_stamps({1: mirror.stamp()})
            mirror.add(firm(1, city="new"))

    economic.on_call = overtaken
    done = refresh(mirror, economic, hints)

    assert mirror.living()[1].city == "new"
    assert mirror.outstanding() == []
    assert done.outcomes["stale"] == 1


def test_a_404_buries() -> None:
    """Read singly and not there: a tombstone."""
    mirror, economic = Mirror(), Economic()
    (row_id,) = mirror.add(firm(1))
    mirror.hint(1, None)

    done = refresh(mirror, economic)

    assert (mirror.living(), mirror.graves()) == ({}, {row_id: 1})
    assert done.outcomes["gone"] == 1


def test_a_list_buries_nobody() -> None:
    """Missing from the list but there when asked for: kept; missing in both: gone."""
    mirror, economic = Mirror(), Economic(*firms(1, 2))
    mirror.add(*firms(1, 2, 3))
    economic.unlisted = {2}
    for number in (1, 2, 3):
        mirror.hint(number, number)

    refresh(mirror, economic)

    assert economic.calls == ["debtors", "debtor 2", "debtor 3", "identity"]
    assert sorted(mirror.living()) == [1, 2]


def test_a_list_that_shows_nothing_deletes_nothing() -> None:
    """An empty answer for 60 debtors: ten are asked for singly, all stay, and a person is asked."""
    mirror, economic = Mirror(), Economic(*firms(*range(1, 61)))
    mirror.add(*economic.customers.values())
    economic.unlisted = set(range(1, 61))
    for number in range(1, 61):
        mirror.hint(number, number)

    done = refresh(mirror, economic)

    assert len(economic.calls) == 1 + SAMPLE
    assert mirror.living() == economic.customers
    assert mirror.open_failures() == {("deletions", "debtors"): "deletion_guard"}
    assert done.outcomes["kept"] == 60 - SAMPLE
    assert mirror.outstanding() == []


@pytest.mark.parametrize(("living", "deleted", "gone"), [(60, 20, 20), (60, 21, 0), (2_000, 40, 40), (2_000, 41, 0)])
def test_deletions_are_believed_while_they_are_few(living: int, deleted: int, gone: int) -> None:
    """At most 20, or 2 % of those living, in one pass; beyond that none of the page goes."""
    mirror, economic = Mirror(), Economic(*firms(*range(deleted + 1, living + 1)))
    mirror.add(*firms(*range(1, living + 1)))
    for number in range(1, deleted + 1):
        mirror.hint(number, None)

    refresh(mirror, economic)

    assert len(mirror.graves()) == gone
    assert bool(mirror.open_failures()) is (gone == 0)


def test_the_guard_counts_over_pages() -> None:
    """Fifteen deletions on the first page leave room for five on the second."""
    numbers = [number * 100_000 for number in range(1, 61)]
    mirror, economic = Mirror(), Economic(room=30)
    mirror.add(*firms(*numbers))
    economic.customers = {n: firm(n) for n in numbers[15:30] + numbers[45:]}
    for number in numbers:
        mirror.hint(number, number)

    done = refresh(mirror, economic)

    assert (len(mirror.graves()), done.outcomes["kept"]) == (15, 15)


def test_re_numberings_are_no_deletions() -> None:
    """A hundred debtors renumbered at once: every old number is gone, and the guard has nothing to say."""
    mirror, economic = Mirror(), Economic(*(firm(1_000 + n, n) for n in range(1, 101)))
    mirror.add(*firms(*range(1, 101)))
    before = mirror.ids()
    for number in range(1, 101):
        mirror.hint(number, 1_000 + number)

    refresh(mirror, economic)

    assert mirror.living() == economic.customers
    assert mirror.ids() == {1_000 + number: row_id for number, row_id in before.items()}
    assert mirror.open_failures() == {}


def test_numbers_nobody_knows_cost_few_calls() -> None:
    """A thousand debtors created and deleted again before we looked are not asked for one by one."""
    mirror, economic = Mirror(), Economic()
    for number in range(1, 1_001):
        mirror.hint(number, number)

    done = refresh(mirror, economic)

    assert len(economic.calls) <= 1 + SAMPLE
    assert (done.outcomes["absent"], mirror.outstanding(), mirror.open_failures()) == (1_000, [], {})


def test_a_list_that_lags_loses_no_new_debtor() -> None:
    """Where the sample shows that the list is behind, every number is asked for."""
    mirror, economic = Mirror(), Economic(*firms(*range(1, 41)))
    economic.unlisted = set(range(1, 41))
    for number in range(1, 41):
        mirror.hint(number, number)

    refresh(mirror, economic)

    assert mirror.living() == economic.customers


def test_many_suspects_leave_the_reserve_alone() -> None:
    """A lone event's read may use the calls kept for people; suspects of a list may not."""
    mirror, economic = Mirror(), Economic(firm(1), firm(2), firm(3))
    mirror.hint(1, 1)
    refresh_debtors(mirror, economic, mirror.take(), more_time=ever)
    assert economic.bulk_reads == []

    economic.unlisted = {1, 2}
    for number in (1, 2, 3):
        mirror.hint(number, number)
    refresh_debtors(mirror, economic, mirror.take(), more_time=ever)
    assert economic.bulk_reads == [1, 2]


def test_suspects_are_stored_twenty_at_a_time() -> None:
    """Trouble after many single reads costs the last twenty at most: the next drain goes on, it does not start anew."""
    mirror, economic = Mirror(), Economic(*(firm(1_000 + n, n) for n in range(1, 91)))
    mirror.add(*firms(*range(1, 91)))
    for number in range(1, 91):
        mirror.hint(number, 1_000 + number)

    def down(call: str) -> None:
        if sum(call.startswith("debtor ") for call in economic.calls) == 51:
            raise Unavailable("e-conomic gave no answer")

    economic.on_call = down
    with pytest.raises(Unavailable):
        refresh(mirror, economic)

    assert len(mirror.outstanding()) == 50
    assert len([number for number in mirror.living() if number > 1_000]) == 40
    economic.on_call = lambda call: None
    refresh(mirror, economic)
    assert mirror.living() == economic.customers


def test_one_unreadable_debtor_is_one_failure() -> None:
    """Its neighbours are stored; it closes by itself once it can be read."""
    mirror, economic = Mirror(), Economic(*firms(1, 2, 3))
    economic.unreadable = {2}
    for number in (1, 2, 3):
        mirror.hint(number, number)

    refresh(mirror, economic)

    assert sorted(mirror.living()) == [1, 3]
    assert mirror.open_failures() == {("debtor", "2"): "unreadable"}
    assert mirror.outstanding() == []

    economic.unreadable = set()
    mirror.hint(2, 2)
    refresh(mirror, economic)

    assert mirror.living() == economic.customers
    assert mirror.open_failures() == {}


def test_a_failure_closes_when_its_debtor_is_deleted() -> None:
    """What is gone needs no looking at."""
    mirror, economic = Mirror(), Economic(firm(2))
    economic.unreadable = {2}
    mirror.hint(2, 2)
    refresh(mirror, economic)

    economic.unreadable, economic.customers = set(), {}
    mirror.hint(2, None)
    refresh(mirror, economic)

    assert mirror.open_failures() == {}


def test_an_unreadable_debtor_keeps_its_row() -> None:
    """A debtor that cannot be read any more is neither changed nor buried."""
    mirror, economic = Mirror(), Economic(firm(1, city="new"))
    mirror.add(firm(1))
    economic.unreadable = {1}
    mirror.hint(1, 1)

    refresh(mirror, economic)

    assert mirror.living() == {1: firm(1)}


def test_a_refused_list_is_the_agreements_trouble() -> None:
    """403 for a list: the work waits, no debtor becomes a failure."""
    mirror, economic = Mirror(), Economic(*firms(1, 2))
    mirror.hint(1, 1)
    mirror.hint(2, 2)

    def refused(call: str) -> None:
        raise Rejected("e-conomic refused the request (403)", status=403)

    economic.on_call = refused
    with pytest.raises(Blocked):
        refresh(mirror, economic)

    assert (mirror.open_failures(), len(mirror.outstanding())) == ({}, 2)


def test_a_conflict_waits_for_a_person() -> None:
    """A re-numbering onto another firm: both stay apart, and the failure outlives later readings of the debtor."""
    mirror, economic = Mirror(), Economic(firm(2))
    mirror.add(*firms(1, 2))
    mirror.hint(1, 2)
    refresh(mirror, economic)
    mirror.hint(2, 2)
    refresh(mirror, economic)

    assert mirror.open_failures() == {("renumbering", "1 → 2"): "renumber_conflict"}
    assert mirror.living() == {2: firm(2)}


def test_a_conflict_closes_when_the_event_comes_true() -> None:
    """The same re-numbering, after the stranger was deleted."""
    mirror, economic = Mirror(), Economic(firm(2))
    mirror.add(*firms(1, 2))
    mirror.hint(1, 2)
    refresh(mirror, economic)

    economic.customers = {2: firm(2, 1)}
    mirror.hint(1, 2)
    refresh(mirror, economic)

    assert mirror.open_failures() == {}
    assert mirror.ids() == {2: 1}


def test_a_moved_debtor_takes_its_invoices_along() -> None:
    """Invoices of both rows of a debtor met under its new number first end with the one that lives on."""
    mirror, economic = Mirror(), Economic(firm(2, 1))
    old, new = mirror.add(firm(1), firm(2, 1))
    with mirror.transaction():
        headers: list[Invoice] = [an_invoice(10, 1).header, an_invoice(11, 2).header]
        mirror.invoices.write(headers, {10: 1, 11: 1}, {})
    mirror.hint(1, 2)

    refresh(mirror, economic)

    assert mirror.ids() == {2: old}
    assert {row.debtor_id for row in mirror.tables.invoices.values()} == {old}
    assert mirror.tables.debtors[new].absorbed_by == old


def test_an_invoice_stored_first_finds_its_debtor() -> None:
    """The invoice's webhook came before the debtor's."""
    mirror, economic = Mirror(), Economic(firm(1))
    with mirror.transaction():
        mirror.invoices.write([an_invoice(10, 1).header], {10: 1}, {})
    mirror.hint(1, 1)

    refresh(mirror, economic)

    assert mirror.tables.invoices[10].debtor_id == mirror.ids()[1]


def test_a_chain_over_several_drains_keeps_the_row() -> None:
    """1 became 2 and 2 became 3, each event handled when e-conomic was at the end already, the second one first."""
    mirror, economic = Mirror(), Economic(firm(3, 1))
    (row_id,) = mirror.add(firm(1))
    for event in ((2, 3), (1, 2)):
        mirror.hint(*event)
        refresh(mirror, economic)
    while mirror.outstanding():
        refresh(mirror, economic)

    assert mirror.ids() == {3: row_id}


def test_a_looked_at_number_that_cannot_be_read_is_not_looked_at_for_ever() -> None:
    """A re-numbering leads on to an unreadable debtor: one more event, one failure, and an end."""
    mirror, economic = Mirror(), Economic(firm(3, 1))
    mirror.add(firm(1), firm(3, 1))
    mirror.debtors.remember_edges([Edge(2, 3)])
    economic.unreadable = {3}
    mirror.hint(1, 2)

    for _ in range(5):
        if mirror.outstanding():
            refresh(mirror, economic)

    assert mirror.outstanding() == []
    assert mirror.open_failures() == {("debtor", "3"): "unreadable"}


def test_a_bundle_larger_than_a_call_is_decided_at_once() -> None:
    """Twenty debtors each moved one number up, asked for four at a time: nobody is lost at the seams."""
    mirror, economic = Mirror(), Economic(*(firm(n + 1, n) for n in range(1, 21)), room=4)
    mirror.add(*firms(*range(1, 21)))
    before = mirror.ids()
    for number in range(1, 21):
        mirror.hint(number, number + 1)

    refresh(mirror, economic)

    assert mirror.living() == economic.customers
    assert mirror.ids() == {number + 1: row_id for number, row_id in before.items()}


def test_the_total_is_remembered() -> None:
    """What a list says about its size plans the next reading."""
    mirror, economic = Mirror(), Economic(*firms(1, 2, 3))
    mirror.hint(1, 1)
    mirror.hint(2, 2)

    refresh(mirror, economic)

    assert mirror.tables.work["total"] == 3


def test_the_newest_event_is_named_as_the_cause() -> None:
    """A row's correlation id is that of the latest event for its number."""
    mirror, economic = Mirror(), Economic(firm(2))
    mirror.hint(None, 2)
    mirror.hint(2, 2)
    causes: dict[int, str] = {}
    write = type(mirror.debtors).write

    def noted(self, changes, more):  # type: ignore[no-untyped-def]
        causes.update(more)
        write(self, changes, more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(mirror.debtors), "write", noted)
        refresh(mirror, economic)

    assert causes == {2: "cause-2-2"}


def test_an_unreadable_list_entry_without_a_number_is_one_failure() -> None:
    """The record names nothing: it is reported once, and nobody is taken for it."""
    mirror, economic = Mirror(), Economic(*firms(1, 2))
    page = economic.debtors([1, 2])._replace(unreadable=[Unreadable(None, "customerNumber: missing")])
    economic.debtors = lambda numbers: page  # type: ignore[method-assign]
    mirror.hint(1, 1)
    mirror.hint(2, 2)

    refresh(mirror, economic)

    assert sorted(mirror.living()) == [1, 2]
    assert mirror.open_failures() == {("debtor", "unknown number"): "unreadable"}


def test_a_permanent_error_is_never_a_404() -> None:
    """What cannot be read is there: a refused single read buries nobody."""
    mirror, economic = Mirror(), Economic(firm(1))
    mirror.add(firm(1))
    mirror.hint(1, 1)

    def refused(call: str) -> None:
        raise PermanentError("name: not a text")

    economic.on_call = refused
    refresh(mirror, economic)

    assert mirror.living() == {1: firm(1)}
    assert mirror.open_failures() == {("debtor", "1"): "unreadable"}
