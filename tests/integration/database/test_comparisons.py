"""When an agreement's debtors are compared by themselves."""

from __future__ import annotations

import datetime as dt

import pytest

from domain.comparison import DAILY
from domain.resync_state import ResyncOptions
from infra.database.agreements import Agreements
from infra.database.asked_runs import begin_resync, resume_resync
from infra.database.comparisons import queue_due
from infra.database.engine import Database
from infra.database.runs import Runs
from infra.encryption import SecretBox
from tests.support.databases import AGREEMENT, KEY, add_agreement, do

NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
NIGHT = dt.datetime(2026, 5, 4, 2, tzinfo=dt.UTC)


def ago(store: Database, table: str, column: str, hours: float) -> None:
    """So long ago it was, for every row."""
    do(store, f"UPDATE {table} SET {column} = {store.sql.after('ago')}", ago=-3_600 * hours)


def end_all(store: Database) -> None:
    do(store, "UPDATE run SET state = 'done'")


def test_once_a_day(store: Database) -> None:
    """A day after it was connected an agreement is compared, then a day after that began; at night after half a day."""
    assert queue_due(store, now=NOON) == []
    ago(store, "agreement", "created_at", 25)
    assert queue_due(store, now=NOON) == [AGREEMENT]
    (run,) = Runs(store).latest([AGREEMENT])
    assert (run.type, run.state, ResyncOptions.from_json(run.options)) == ("resync", "queued", DAILY)
    assert queue_due(store, now=NOON) == []

    end_all(store)
    ago(store, "run", "created_at", 23)
    assert queue_due(store, now=NOON) == []
    assert queue_due(store, now=NIGHT) == [AGREEMENT]
    end_all(store)
    assert queue_due(store, now=NIGHT) == []


def test_an_unfinished_one_is_enough(store: Database) -> None:
    """However long ago it began: what waits for e-conomic does not pile up."""
    ago(store, "agreement", "created_at", 25)
    queue_due(store, now=NOON)
    ago(store, "run", "created_at", 100)

    assert queue_due(store, now=NOON) == []


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        (ResyncOptions(), True),
        (ResyncOptions(debtors=False), False),
        (ResyncOptions(dry_run=True), False),
        (ResyncOptions(invoices=False, allow_deletions=True), True),
    ],
)
def test_what_a_person_compared_counts(store: Database, options: ResyncOptions, counts: bool) -> None:
    """A resync of the debtors is today's comparison; one of invoices, or a dry run, is not."""
    ago(store, "agreement", "created_at", 25)
    begin_resync(store, AGREEMENT, options)
    end_all(store)

    assert (queue_due(store, now=NOON) == []) is counts


def test_who_is_left_alone(store: Database) -> None:
    """Paused or removed agreements, and those whose token a person gives each time."""
    for number in (2, 3, 4, 5):
        add_agreement(store, number, grant=None if number == 2 else "grant-of-the-tests")
    ago(store, "agreement", "created_at", 25)
    agreements = Agreements(store, SecretBox([KEY]))
    agreements.pause(3, paused=True)
    agreements.remove(4)

    assert queue_due(store, now=NOON) == [5, AGREEMENT]


def test_a_person_gets_the_resync_asked_for(store: Database) -> None:
    """An unfinished daily comparison never stands for the full resync, nor for allowed deletions."""
    ago(store, "agreement", "created_at", 25)
    queue_due(store, now=NOON)

    full = begin_resync(store, AGREEMENT, ResyncOptions())
    assert full.fresh
    assert begin_resync(store, AGREEMENT, ResyncOptions()) == (full.run_id, False)
    assert resume_resync(store, AGREEMENT) == full.run_id
