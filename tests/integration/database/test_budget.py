"""The call budget: one for all processes, never over, paused by 429."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.call_forecast import DAY_RESERVE
from domain.errors import RateLimited
from domain.work import DAY_CALLS
from infra.budget import BLOCK, SharedBudget
from infra.database.engine import Database
from infra.economic.rates import RateSeen
from tests.support.databases import AGREEMENT, add_agreement, do, scalar


@pytest.fixture
def budget(store: Database) -> SharedBudget:
    return SharedBudget(store)


def admitted(budget: SharedBudget, times: int, *, bulk: bool = False) -> int:
    """How many of so many calls were let through."""
    count = 0
    for _ in range(times):
        try:
            budget.admit(AGREEMENT, bulk)
        except RateLimited:
            continue
        count += 1
    return count


def spend(store: Database, calls: int, *, hours_ago: float = 0) -> None:
    """So many calls were made then, as the table keeps it: by the full hour."""
    hour = (
        f"date_trunc('hour', {store.sql.after('ago')})"
        if store.sql.postgresql
        else "strftime('%Y-%m-%dT%H:00:00.000Z', 'now', CAST(:ago AS TEXT) || ' seconds')"
    )
    do(
        store,
        f"INSERT INTO calls (agreement, hour, spent) VALUES (:agreement, {hour}, :spent)"
        " ON CONFLICT (agreement, hour) DO UPDATE SET spent = excluded.spent",
        agreement=AGREEMENT,
        spent=calls,
        ago=-3600 * hours_ago,
    )


def rate(used: int, limit: int = 100, window_s: int = 6_000) -> RateSeen:
    """A call comes back each minute."""
    return RateSeen(limit, window_s, used, 1)


def test_calls_are_counted_before_they_are_made(budget: SharedBudget) -> None:
    """Single calls count one each; bulk calls are reserved ten at a time and given back when a run ends."""
    budget.admit(AGREEMENT, False)
    assert budget.spent(AGREEMENT) == 1

    for _ in range(3):
        budget.admit(AGREEMENT, True)
    assert budget.spent(AGREEMENT) == 1 + BLOCK

    budget.give_back(AGREEMENT)
    budget.give_back(AGREEMENT)
    assert budget.spent(AGREEMENT) == 1 + 3


def test_the_day_is_never_overspent_by_many(store: Database) -> None:
    """Many threads of several processes together are let through exactly as often as the day allows."""
    spend(store, DAY_CALLS - 40)
    processes = [SharedBudget(store) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        through = sum(pool.map(lambda index: admitted(processes[index % 4], 10), range(8)))

    assert through == 40
    assert processes[0].spent(AGREEMENT) == DAY_CALLS


def test_bulk_work_leaves_the_days_reserve(store: Database, budget: SharedBudget) -> None:
    """The last 2,000 calls of a day are for people: bulk work is held back, a single read goes on."""
    spend(store, DAY_CALLS - DAY_RESERVE - BLOCK)
    assert admitted(budget, 2 * BLOCK, bulk=True) == BLOCK

    assert admitted(budget, 3) == 3


def test_the_day_is_the_last_24_hours(store: Database, budget: SharedBudget) -> None:
    """Calls count for 24 hours, wherever the hour begins; older ones are free again."""
    spend(store, DAY_CALLS, hours_ago=24)  # some of that hour are not 24 hours old yet
    assert admitted(budget, 1) == 0

    do(store, "DELETE FROM calls")
    spend(store, DAY_CALLS, hours_ago=26)
    assert admitted(budget, 1) == 1


def test_a_429_pauses_everybody(store: Database, budget: SharedBudget) -> None:
    """No process calls before the time e-conomic named has passed, and the refusal says how long that is."""
    other = SharedBudget(store)
    for one in (budget, other):
        one.admit(AGREEMENT, False)

    budget.seen(AGREEMENT, 429, None, 30.0)

    with pytest.raises(RateLimited) as held_back:
        other.admit(AGREEMENT, False)
    assert 25 < (held_back.value.retry_after_s or 0) <= 30
    assert admitted(budget, 3, bulk=True) == 0

    do(store, f"UPDATE budget SET paused_until = {store.sql.after('ago')}", ago=-1)
    assert admitted(other, 1) == 1


def test_a_429_ends_what_was_reserved(budget: SharedBudget) -> None:
    """Calls reserved in a block are not made once e-conomic has refused one."""
    budget.admit(AGREEMENT, True)
    budget.seen(AGREEMENT, 429, None, None)

    assert admitted(budget, BLOCK, bulk=True) == 0


def test_another_agreement_goes_on(store: Database, budget: SharedBudget) -> None:
    """Each agreement has a budget of its own."""
    add_agreement(store, 7)
    budget.seen(AGREEMENT, 429, None, 60.0)

    budget.admit(7, False)
    assert budget.spent(7) == 1


def test_the_bucket_learnt_from_headers_is_kept(store: Database) -> None:
    """What a header says is left is shared out exactly, the last tenth to people only; one in a hundred stays."""
    processes = [SharedBudget(store) for _ in range(4)]
    processes[0].seen(AGREEMENT, 200, rate(used=70), None)

    with ThreadPoolExecutor(4) as pool:
        bulk = sum(pool.map(lambda one: admitted(one, 2 * BLOCK, bulk=True), processes))
    assert bulk == 20  # 30 are left, ten of them kept

    assert admitted(processes[0], 20) == 10 - 1


def test_a_header_only_lowers_what_is_left(budget: SharedBudget) -> None:
    """An answer that overtook another gives no calls back."""
    budget.seen(AGREEMENT, 200, rate(used=95), None)
    budget.seen(AGREEMENT, 200, rate(used=60), None)

    assert admitted(budget, 10) == 5 - 1


def test_calls_come_back_with_time(store: Database, budget: SharedBudget) -> None:
    """Each at its moment, not all at the end of a window; whoever is held back hears how long it takes."""
    budget.seen(AGREEMENT, 200, rate(used=98), None)
    assert admitted(budget, 5) == 1
    with pytest.raises(RateLimited) as held_back:
        budget.admit(AGREEMENT, False)
    assert 55 < (held_back.value.retry_after_s or 0) <= 60
    with pytest.raises(RateLimited) as held_back:
        budget.admit(AGREEMENT, True)  # ten at once, and ten that are kept
    assert 1_130 < (held_back.value.retry_after_s or 0) <= 1_140

    minutes_pass(store, 7)
    assert admitted(budget, 10) == 7

    minutes_pass(store, 150)
    assert admitted(budget, 200) == 200, "nobody counts what a full bucket gives until a header says otherwise"


def test_dear_calls_take_more(budget: SharedBudget) -> None:
    """What calls cost is learnt from their answers; fewer fit what is left."""
    for _ in range(200):
        budget.seen(AGREEMENT, 200, RateSeen(None, None, None, 3), None)
    budget.seen(AGREEMENT, 200, RateSeen(100, 6_000, 68, 3), None)

    assert admitted(budget, 20) == 10


def minutes_pass(store: Database, minutes: int) -> None:
    seconds = f"{-60 * minutes}"
    do(store, f"UPDATE budget SET full_at = {store.sql.later('full_at', seconds)}")


def test_what_is_under_way_is_not_spent_twice(budget: SharedBudget) -> None:
    """Calls without an answer may not be counted yet by the one that came."""
    for _ in range(4):
        budget.admit(AGREEMENT, False)
    budget.seen(AGREEMENT, 200, rate(used=90), None)

    assert admitted(budget, 20) == 10 - 3 - 1


def test_a_429_means_that_nothing_is_left(store: Database, budget: SharedBudget) -> None:
    """When the pause is over there is what flowed in meanwhile, whatever its header says."""
    budget.seen(AGREEMENT, 429, rate(used=50), 1.0)
    do(store, f"UPDATE budget SET paused_until = {store.sql.after('ago')}", ago=-1)
    assert admitted(budget, 5) == 0

    minutes_pass(store, 2)
    assert admitted(budget, 5) == 2 - 1


def test_a_full_bucket_needs_no_bookkeeping(store: Database, budget: SharedBudget) -> None:
    """While more than half of the bucket is left nothing is written for an answer."""
    budget.seen(AGREEMENT, 200, rate(used=20), None)

    assert scalar(store, "SELECT full_at FROM budget") is None


def test_a_refused_call_costs_nothing(store: Database, budget: SharedBudget) -> None:
    """A call held back by the day's limit takes nothing from the bucket."""
    budget.seen(AGREEMENT, 200, rate(used=60), None)
    spend(store, DAY_CALLS)
    assert admitted(budget, 5) == 0

    do(store, "DELETE FROM calls")
    assert admitted(budget, 50) == 40 - 1


def test_a_retry_after_seen_by_one_is_obeyed_by_all(store: Database, budget: SharedBudget) -> None:
    """Another process, with calls reserved already, makes none of them while the pause lasts, and goes on after it."""
    other = SharedBudget(store)
    assert admitted(other, 1, bulk=True) == 1
    budget.seen(AGREEMENT, 429, None, 40.0)

    with pytest.raises(RateLimited) as refused:
        other.admit(AGREEMENT, False)
    assert 30 < (refused.value.retry_after_s or 0) <= 40
    assert admitted(other, BLOCK, bulk=True) == 0

    do(store, f"UPDATE budget SET paused_until = {store.sql.after('ago')}", ago=-1)
    assert admitted(other, 1) == 1
