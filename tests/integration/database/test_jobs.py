"""Periodic jobs, and the cleaning they do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.database import holders
from infra.database.engine import Database
from infra.database.holders import new_token
from infra.database.jobs import Jobs
from tests.support.databases import add_hints, do, scalar


def test_one_scheduler_does_a_job(store: Database) -> None:
    """Of many schedulers claiming a due job at once one does it, and nobody until it is due again."""
    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(lambda _: Jobs(store).claim("clean", 600), range(6)))

    assert claims.count(True) == 1
    assert not Jobs(store).claim("clean", 600)
    assert Jobs(store).claim("another", 600)

    do(store, f"UPDATE job SET claimed_at = {store.sql.after('ago')} WHERE name = 'clean'", ago=-601)
    assert Jobs(store).claim("clean", 600)


def test_old_handled_events_are_forgotten(store: Database) -> None:
    """Only handled events past their retention go: an old unhandled one is still work."""
    add_hints(store, 1, 2, 3)
    do(store, f"UPDATE inbox SET received_at = {store.sql.after('ago')} WHERE new_number < 3", ago=-8 * 86_400)
    do(store, f"UPDATE inbox SET handled_at = {store.sql.now} WHERE new_number <> 2")

    assert Jobs(store).clean_inbox(7) == 1
    assert scalar(store, "SELECT sum(new_number) FROM inbox") == 2 + 3


def test_a_job_one_process_keeps(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept by asking again; others get it when it is let go, its time is over, or its holder dead."""
    jobs = Jobs(database)
    mine, other = new_token(), new_token()

    assert jobs.hold("relay", mine, 60)
    assert not jobs.hold("relay", other, 60)
    assert jobs.hold("relay", mine, 60)
    jobs.let_go(mine)
    assert jobs.hold("relay", other, -1)
    assert jobs.hold("relay", mine, 60), "its time was over"

    monkeypatch.setattr(holders, "is_dead", lambda token: token == mine)
    assert holders.free_the_dead(database) == 1
    assert jobs.hold("relay", other, 60)
    assert not jobs.hold("relay", mine, 60)
