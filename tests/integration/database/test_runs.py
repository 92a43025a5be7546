"""Runs: one holder, progress with the data, waiting, dry runs."""

from __future__ import annotations

import pytest

from domain.debtors import Debtor, DebtorChanges
from domain.errors import LeaseLost, Unavailable
from domain.ports import FailureReport
from domain.resync_state import Phase, ResyncOptions, ResyncState
from infra.database.engine import Database
from infra.database.runs import Run, Runs, RunWork
from tests.support.databases import AGREEMENT, add_agreement, do, scalar


@pytest.fixture
def runs(store: Database) -> Runs:
    return Runs(store)


def create(runs: Runs, options: ResyncOptions | None = None, agreement: int = AGREEMENT) -> int:
    chosen = options or ResyncOptions()
    return runs.create(agreement, "resync", chosen.as_json(), ResyncState(Phase.DEBTORS).as_json())


def stored(runs: Runs, run_id: int) -> Run:
    run = runs.get(run_id)
    assert run is not None
    return run


def take(runs: Runs, run_id: int) -> str:
    token = runs.take(run_id)
    assert token is not None
    return token


def test_a_run_is_held_by_one(runs: Runs) -> None:
    """A queued run is due; taken it runs and is due for nobody else; released it goes on."""
    run_id = create(runs)
    assert runs.due() == [run_id]

    token = take(runs, run_id)
    assert runs.take(run_id) is None
    assert runs.due() == []
    assert (stored(runs, run_id).state, stored(runs, run_id).started_at is not None) == ("running", True)

    runs.release(run_id, "somebody else's token")
    assert runs.due() == []
    runs.release(run_id, token)
    assert runs.due() == [run_id]


def test_a_run_of_a_dead_holder_goes_on(store: Database, runs: Runs) -> None:
    """When the lease has passed the run is due again, and the dead one's token ends nothing."""
    run_id = create(runs)
    dead = take(runs, run_id)
    do(store, f"UPDATE run SET lease_until = {store.sql.after('ago')}", ago=-1)
    assert runs.due() == [run_id]

    take(runs, run_id)
    runs.finish(run_id, dead)

    assert stored(runs, run_id).state == "running"


def test_progress_is_committed_with_its_data(store: Database, runs: Runs) -> None:
    """What a page stored and where the run is are one commit: a killed run goes on from there."""
    run_id = create(runs)
    work = RunWork(store, stored(runs, run_id), take(runs, run_id))
    state = ResyncState(Phase.DEBTORS, after=17)
    state.count("debtors", read=1, new=1)

    with work.transaction() as uow:
        uow.debtors.write(DebtorChanges(insert=[Debtor(17, "Nordvind Service A/S")]), {})
        work.save(uow, state)

    assert ResyncState.from_json(stored(runs, run_id).progress) == state
    assert stored(runs, run_id).counts == {"debtors": {"read": 1, "new": 1}}

    with pytest.raises(RuntimeError, match="cut off"):
        _cut_off(work, state)
    assert ResyncState.from_json(stored(runs, run_id).progress).after == 17
    assert scalar(store, "SELECT count(*) FROM debtor") == 1


def _cut_off(work: RunWork, state: ResyncState) -> None:
    with work.transaction() as uow:
        uow.debtors.write(DebtorChanges(insert=[Debtor(18, "Sydhavnens Smedje ApS")]), {})
        state.after = 18
        work.save(uow, state)
        raise RuntimeError("cut off")


def test_a_dry_run_writes_its_progress_only(store: Database, runs: Runs) -> None:
    """Rows, stamps and failures of a dry run are rolled back; its counts stay."""
    run_id = create(runs, ResyncOptions(dry_run=True))
    work = RunWork(store, stored(runs, run_id), take(runs, run_id), dry=True)
    state = ResyncState(Phase.DEBTORS, after=17)
    state.count("debtors", new=1)

    with work.transaction() as uow:
        assert uow.debtors.raise_stamps({17: 1}) == {17}
        uow.debtors.write(DebtorChanges(insert=[Debtor(17, "Nordvind Service A/S")]), {})
        uow.failures.report([FailureReport("debtor", "17", "unreadable", "bad", "mend it")])
        work.save(uow, state)

    for table in ("debtor", "reading", "failure"):
        assert scalar(store, f"SELECT count(*) FROM {table}") == 0
    assert stored(runs, run_id).counts == {"debtors": {"new": 1}}


def test_a_cancelled_run_writes_nothing_more(store: Database, runs: Runs) -> None:
    """The next transaction of a run that was cancelled or taken over raises before it writes."""
    run_id = create(runs)
    work = RunWork(store, stored(runs, run_id), take(runs, run_id))
    do(store, "UPDATE run SET state = 'cancelled'")

    with pytest.raises(LeaseLost), work.transaction():
        raise AssertionError("the transaction must not open")
    assert runs.due() == []


def test_a_working_run_keeps_its_lease(store: Database, runs: Runs) -> None:
    """Each page makes the lease last anew, however long the whole run takes."""
    run_id = create(runs)
    work = RunWork(store, stored(runs, run_id), take(runs, run_id))
    do(store, f"UPDATE run SET lease_until = {store.sql.after('soon')}", soon=1)

    with work.transaction():
        pass

    assert scalar(store, f"SELECT -{store.sql.seconds_since('lease_until')} FROM run") > 60


def test_a_waiting_run_says_why(store: Database, runs: Runs) -> None:
    """Trouble of the surroundings makes a run wait, longer each time, until a page works."""
    run_id = create(runs)
    first = runs.wait(run_id, take(runs, run_id), Unavailable("e-conomic is down"))
    assert (stored(runs, run_id).state, stored(runs, run_id).message) == ("waiting", "unavailable: e-conomic is down")
    assert runs.due() == []

    do(store, "UPDATE run SET not_before = NULL")
    assert runs.wait(run_id, take(runs, run_id), Unavailable("still")) > first

    do(store, "UPDATE run SET not_before = NULL")
    token = take(runs, run_id)
    work = RunWork(store, stored(runs, run_id), token)
    with work.transaction() as uow:
        work.save(uow, ResyncState(Phase.DEBTORS))
    assert scalar(store, "SELECT attempts FROM run") == 0
    runs.finish(run_id, token)
    assert (stored(runs, run_id).state, stored(runs, run_id).message) == ("done", None)
    assert stored(runs, run_id).finished_at is not None


def test_runs_are_found_by_agreement(store: Database, runs: Runs) -> None:
    """The newest unfinished run of an agreement is the one to resume; lists show the newest first."""
    add_agreement(store, 7)
    ended, first, second = create(runs), create(runs), create(runs)
    other = create(runs, agreement=7)
    runs.finish(ended, take(runs, ended), state="failed", message="no")

    newest = runs.unfinished(AGREEMENT, "resync")
    assert newest is not None
    assert newest.id == second
    assert [run.id for run in runs.latest([AGREEMENT])] == [second, first, ended]
    assert [run.id for run in runs.latest([AGREEMENT, 7], limit=1)] == [other]
    assert runs.get(999) is None
