"""Work rows: leases, waiting, what is due."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.errors import CredentialsRefused, LeaseLost, RateLimited, Unavailable
from domain.hints import Kind
from domain.work import BUSY_HINTS, Arrivals, Lease
from infra.database.agreements import Agreements
from infra.database.engine import Database
from infra.database.unit_of_work import LeasedWork
from infra.database.work import Taken, WorkRows
from infra.encryption import SecretBox
from tests.support.databases import AGREEMENT, KEY, add_agreement, add_hints, do, rows, scalar


@pytest.fixture
def work(store: Database) -> WorkRows:
    return WorkRows(store)


def taken(work: WorkRows, kind: Kind = Kind.DEBTORS) -> Lease:
    got = work.take(AGREEMENT, kind)
    assert got is not None
    return got.lease


def arrivals(work: WorkRows) -> Arrivals:
    """How the events came in, as a drain sees it."""
    got = work.take(AGREEMENT, Kind.DEBTORS)
    assert got is not None
    work.release(got.lease)
    return got.arrivals


def waiting(store: Database) -> tuple[str | None, str | None, int]:
    (row,) = rows(store, "SELECT reason, message, attempts FROM work WHERE kind = 'debtors'")
    return row.reason, row.message, row.attempts


def test_nothing_to_do_gives_no_lease(work: WorkRows) -> None:
    """Without an outstanding event there is nothing to take and nothing due."""
    assert work.take(AGREEMENT, Kind.DEBTORS) is None
    assert work.due() == []


def test_work_is_held_by_one(store: Database, work: WorkRows) -> None:
    """Of many takers at the same moment one gets the lease, and nothing is due while it is held."""
    add_hints(store, 1)
    barrier = threading.Barrier(8)

    def take(_: int) -> Taken | None:
        barrier.wait(timeout=10)
        return work.take(AGREEMENT, Kind.DEBTORS)

    with ThreadPoolExecutor(8) as pool:
        leases = [lease for lease in pool.map(take, range(8)) if lease]

    assert len(leases) == 1
    assert not work.is_due(AGREEMENT, Kind.DEBTORS)


def test_kinds_and_agreements_are_held_apart(store: Database, work: WorkRows) -> None:
    """A lease on an agreement's debtors holds up neither its invoices nor another agreement."""
    add_agreement(store, 7)
    add_hints(store, 1)
    add_hints(store, 1, kind=Kind.INVOICES)
    add_hints(store, 1, agreement=7)
    taken(work)

    assert {(due.agreement, due.kind) for due in work.due()} == {(AGREEMENT, Kind.INVOICES), (7, Kind.DEBTORS)}


def test_a_released_lease_can_be_taken(store: Database, work: WorkRows) -> None:
    """What is released with events left is due at once."""
    add_hints(store, 1)
    work.release(taken(work))

    assert work.is_due(AGREEMENT, Kind.DEBTORS)
    taken(work)


def test_a_lease_that_ran_out_can_be_taken(store: Database, work: WorkRows) -> None:
    """A dead holder's work goes on when its lease has passed; its token is worth nothing then."""
    add_hints(store, 1)
    first = taken(work)
    do(store, f"UPDATE work SET lease_until = {store.sql.after('ago')}", ago=-1)

    second = taken(work)
    work.release(first)

    assert not work.is_due(AGREEMENT, Kind.DEBTORS)
    assert scalar(store, "SELECT lease_token FROM work WHERE kind = 'debtors'") == second.token


def test_waiting_says_why_and_ends_by_a_drain(store: Database, work: WorkRows) -> None:
    """The surroundings' reason stands in the row with its attempts, and goes with the first drain that works."""
    add_hints(store, 1)
    seconds = work.wait(taken(work), Unavailable("e-conomic is down"))

    assert 1 < seconds < 3
    assert waiting(store) == ("unavailable", "e-conomic is down", 1)
    assert not work.is_due(AGREEMENT, Kind.DEBTORS)

    do(store, "UPDATE work SET not_before = NULL")
    again = work.wait(taken(work), Unavailable("still down"))
    assert again > seconds
    assert waiting(store) == ("unavailable", "still down", 2)
    since = scalar(store, "SELECT waiting_since FROM work WHERE kind = 'debtors'")
    assert since is not None

    do(store, "UPDATE work SET not_before = NULL")
    with LeasedWork(store, taken(work)).transaction(release=True):
        pass
    assert waiting(store) == (None, None, 0)
    assert scalar(store, "SELECT waiting_since FROM work WHERE kind = 'debtors'") is None


def test_waiting_is_as_long_as_the_error_says(store: Database, work: WorkRows) -> None:
    """Retry-After is obeyed to the second; refused credentials wait for a person, a minute at first."""
    add_hints(store, 1)
    assert work.wait(taken(work), RateLimited("slow down", retry_after_s=42)) == 42
    left = scalar(store, f"SELECT -{store.sql.seconds_since('not_before')} FROM work WHERE kind = 'debtors'")
    assert 35 < left <= 42.01

    work.try_now(AGREEMENT)
    assert work.wait(taken(work), CredentialsRefused("401")) == 60


def test_work_whose_events_somebody_else_handled_waits_no_more(store: Database, work: WorkRows) -> None:
    """When the poller or a resync has answered all its events the reason goes, once its time has come."""
    add_hints(store, 1)
    work.wait(taken(work), Unavailable("e-conomic is down"))
    do(store, "UPDATE work SET not_before = NULL")
    work.settle()
    assert waiting(store)[0] == "unavailable", "its event still waits"

    do(store, f"UPDATE inbox SET handled_at = {store.sql.now}")
    do(store, f"UPDATE work SET not_before = {store.sql.after('soon')}", soon=30)
    work.settle()
    assert waiting(store)[0] == "unavailable", "e-conomic may be down for a while yet"

    do(store, "UPDATE work SET not_before = NULL")
    work.settle()
    assert waiting(store) == (None, None, 0)


def test_pacing_is_not_trouble(store: Database, work: WorkRows) -> None:
    """Postponed work waits without a reason or an attempt."""
    add_hints(store, 1)
    work.postpone(taken(work), 30)

    assert waiting(store) == (None, None, 0)
    assert work.take(AGREEMENT, Kind.DEBTORS) is None


def test_paused_and_removed_agreements_wait(store: Database, work: WorkRows) -> None:
    """A paused agreement's events wait until it goes on; a removed one's wait for good."""
    agreements = Agreements(store, SecretBox([KEY]))
    add_hints(store, 1)

    agreements.pause(AGREEMENT, paused=True)
    assert work.take(AGREEMENT, Kind.DEBTORS) is None
    agreements.pause(AGREEMENT, paused=False)
    assert work.is_due(AGREEMENT, Kind.DEBTORS)
    agreements.remove(AGREEMENT)
    assert work.due() == []


def test_new_credentials_start_what_waits(store: Database, work: WorkRows) -> None:
    """A person who mends the credentials does not wait for the next hour."""
    add_hints(store, 1)
    work.wait(taken(work), CredentialsRefused("401"))

    Agreements(store, SecretBox([KEY])).set_credentials(AGREEMENT, grant_token="another", ask_every_time=False)

    assert work.is_due(AGREEMENT, Kind.DEBTORS)


def test_the_wrong_token_writes_nothing(store: Database, work: WorkRows) -> None:
    """A transaction whose lease was taken over raises before it writes."""
    add_hints(store, 1)
    lease = taken(work)
    do(store, "UPDATE work SET lease_token = 'somebody else' WHERE kind = 'debtors'")

    with pytest.raises(LeaseLost), LeasedWork(store, lease).transaction():
        raise AssertionError("the transaction must not open")


def test_results_and_release_are_one_commit(store: Database, work: WorkRows) -> None:
    """When the transaction fails after its release, the lease is still held and the event outstanding."""
    add_hints(store, 1)
    lease = taken(work)

    with pytest.raises(RuntimeError, match="cut off"):
        _cut_off(LeasedWork(store, lease))

    assert scalar(store, "SELECT lease_token FROM work WHERE kind = 'debtors'") == lease.token
    assert scalar(store, "SELECT count(*) FROM inbox WHERE handled_at IS NULL") == 1


def _cut_off(work: LeasedWork) -> None:
    with work.transaction(release=True) as uow:
        uow.inbox.handled([hint.id for hint in uow.inbox.outstanding(AGREEMENT, Kind.DEBTORS, 10)])
        raise RuntimeError("cut off")


def test_stamps_rise_by_one_for_each(store: Database, work: WorkRows) -> None:
    """Stamps of one agreement are distinct whoever draws them, and count on from drain to drain."""
    leased = LeasedWork(store, Lease(AGREEMENT, Kind.DEBTORS, "any"))
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: leased.stamp(), range(20)))

    assert sorted(drawn) == list(range(1, 21))
    assert leased.stamp() == 21


def test_arrivals_tell_a_storm_from_people(store: Database, work: WorkRows) -> None:
    """The pace sees how many events the last second brought, and how long the last drain is ago."""
    add_hints(store, *range(1, 100))
    busy = arrivals(work)

    assert busy.last_second == 99
    assert 0 <= busy.since_hint_s <= busy.oldest_s < 1
    assert busy.since_drain_s == float("inf")
    assert busy.spent_share == 0

    add_hints(store, *range(100, 151))
    assert arrivals(work).last_second == BUSY_HINTS

    do(store, f"UPDATE inbox SET received_at = {store.sql.after('ago')}", ago=-10)
    assert arrivals(work).last_second == 0
    add_hints(store, 1)
    later = arrivals(work)
    assert (later.last_second, round(later.oldest_s)) == (1, 10)
    assert later.since_hint_s < 1


def test_leases_of_the_dead_are_cleared_at_start(store: Database, work: WorkRows) -> None:
    """The embedded form is alone: at its start whoever held something is dead."""
    add_hints(store, 1)
    taken(work)

    work.clear_leases()

    assert work.is_due(AGREEMENT, Kind.DEBTORS)
