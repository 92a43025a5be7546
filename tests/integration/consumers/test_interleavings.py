"""Moments that are rare in life and forced here; each test fails without the rule it names (design.md §2)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from dramatiq import Message

from consumers.drain import drain
from consumers.processes import start_consumers
from consumers.runs import advance, start_resync
from domain.debtors import Debtor
from domain.errors import PermanentError
from domain.hints import Kind, NewHint, Source
from domain.resync_state import ResyncOptions
from infra.bootstrap import Services
from infra.broker import topology
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.database.readings import What, raise_stamps
from tests.integration.consumers.conftest import Connect
from tests.support.accounting import HeldAccounting, OneClient
from tests.support.databases import AGREEMENT, add_hints, do, rows, scalar
from tests.support.waiting import eventually

NORDVIND = Debtor(100, "Nordvind Service A/S")


def use(services: Services, accounting: HeldAccounting) -> None:
    services.client = OneClient(accounting)  # type: ignore[assignment]


def outstanding(database: Database) -> int:
    return int(scalar(database, "SELECT count(*) FROM inbox WHERE handled_at IS NULL"))


def names(database: Database) -> dict[int, str]:
    return {row.number: row.name for row in rows(database, "SELECT number, name FROM debtor WHERE gone_at IS NULL")}


@contextmanager
def in_background(action: Callable[[], object]) -> Iterator[Future[object]]:
    """The action runs beside the block and has ended, well, after it."""
    with ThreadPoolExecutor(1) as pool:
        future: Future[object] = pool.submit(action)
        yield future
        future.result(timeout=30)


def wake_up(services: Services) -> Message[object]:
    """One wake-up, published past the pacing of wake-ups."""
    route = topology.ROUTES[Kind.DEBTORS]
    return services.broker.enqueue(
        Message(queue_name=route.queue, actor_name=route.actor, args=(AGREEMENT, []), kwargs={}, options={})
    )


@pytest.fixture
def consumed() -> Iterator[Callable[[Services], None]]:
    """Starts consumers, without a scheduler: nothing sweeps."""
    running = []

    def start(services: Services) -> None:
        running.append(start_consumers(services, threads=4))

    yield start
    for worker in running:
        worker.stop(timeout=10_000)


def test_no_wake_up_is_lost(services: Services, consumed: Callable[[Services], None]) -> None:
    """An event committed while the lease is held, whose own wake-up finds it taken, is handled without the sweep."""
    accounting = HeldAccounting(NORDVIND, Debtor(200, "Sydhavnens Smedje ApS"))
    use(services, accounting)
    looked: list[bool] = []
    take = services.work.take
    services.work.take = lambda *work: looked.append(True) or take(*work)  # type: ignore[method-assign,func-returns-value]
    consumed(services)

    with accounting.hold(100) as moment:
        add_hints(services.database, 100)
        wake_up(services)
        moment.wait()
        add_hints(services.database, 200)
        wake_up(services)
        eventually(lambda: len(looked) == 2)
        moment.goes_on.set()

        eventually(lambda: outstanding(services.database) == 0)
    assert names(services.database) == {100: NORDVIND.name, 200: "Sydhavnens Smedje ApS"}


def test_who_lost_the_lease_writes_nothing(process: Connect) -> None:
    """A holder that slept past its lease and wakes up after another took over leaves no trace and frees nothing."""
    slow, quick = process(), process()
    database = slow.database
    accounting = HeldAccounting(NORDVIND)
    accounting.books[100] = PermanentError("unreadable when the slow one looked")
    use(slow, accounting)
    use(quick, accounting)
    add_hints(database, 100)

    with (
        accounting.hold(100) as first,
        accounting.hold(100) as second,
        in_background(lambda: drain(slow, AGREEMENT, Kind.DEBTORS)) as slow_one,
    ):
        first.wait()
        do(database, f"UPDATE work SET lease_until = {database.sql.after('ago')} WHERE kind = 'debtors'", ago=-1)
        accounting.books[100] = NORDVIND
        with in_background(lambda: drain(quick, AGREEMENT, Kind.DEBTORS)):
            second.wait()
            token = scalar(database, "SELECT lease_token FROM work WHERE kind = 'debtors'")
            first.goes_on.set()
            slow_one.result(timeout=20)
            assert outstanding(database) == 1
            assert scalar(database, "SELECT lease_token FROM work WHERE kind = 'debtors'") == token
            assert scalar(database, "SELECT count(*) FROM failure") == 0
            second.goes_on.set()

    assert names(database) == {100: NORDVIND.name}
    assert outstanding(database) == 0


def test_an_older_reading_that_comes_later_is_dropped(process: Connect) -> None:
    """A slow answer is dated by when it was asked for: what was asked and stored in between stays."""
    worker, other = process(), process()
    database = worker.database
    accounting = HeldAccounting(NORDVIND)
    use(worker, accounting)
    use(other, accounting)
    add_hints(database, 100)

    with accounting.hold(100) as moment, in_background(lambda: drain(worker, AGREEMENT, Kind.DEBTORS)):
        moment.wait()
        accounting.books[100] = NORDVIND._replace(name="Nordvind Energi A/S")
        advance(other, start_resync(other, AGREEMENT, ResyncOptions(invoices=False)))
        assert names(database) == {100: "Nordvind Energi A/S"}
        moment.goes_on.set()

    assert outstanding(database) == 0
    assert names(database) == {100: "Nordvind Energi A/S"}
    assert scalar(database, "SELECT count(*) FROM debtor") == 1


def test_two_writers_of_one_number_are_one_after_the_other(services: Services) -> None:
    """While a newer reading is being written the older one waits for it, and then raises nothing."""
    database, writing, finish = services.database, threading.Event(), threading.Event()

    def newer() -> set[int]:
        with database.write() as connection:
            rose = raise_stamps(connection, database.sql, AGREEMENT, What.DEBTOR, {1: 7, 2: 7})
            writing.set()
            assert finish.wait(20)
            return rose

    def older() -> set[int]:
        assert writing.wait(20)
        with database.write() as connection:
            return raise_stamps(connection, database.sql, AGREEMENT, What.DEBTOR, {1: 6, 2: 8, 3: 6})

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(newer), pool.submit(older)
        assert writing.wait(20)
        assert not second.done()
        finish.set()
        assert first.result(timeout=20) == {1, 2}
        assert second.result(timeout=20) == {2, 3}
    assert [row.stamp for row in rows(database, "SELECT stamp FROM reading ORDER BY number")] == [7, 8, 6]


@contextmanager
def uncommitted(database: Database, number: int) -> Iterator[sa.Connection]:
    """An event that has its id, and is not visible until its transaction is committed."""
    with database.engine.connect() as connection:
        SqlInbox(connection, database.sql).add([NewHint(AGREEMENT, Kind.DEBTORS, Source.HOOK, "late", number, number)])
        yield connection


@pytest.mark.parametrize("form", [pytest.param("grown", marks=pytest.mark.real)], indirect=True)
@pytest.mark.parametrize("when", ["while the higher one is read", "after the higher one was handled"])
def test_a_late_event_with_a_lower_id_is_handled(services: Services, when: str) -> None:
    """Ids are not the order of commits: a lower id that shows up late is neither skipped nor marked unread."""
    database, accounting = services.database, HeldAccounting(NORDVIND, Debtor(200, "Sydhavnens Smedje ApS"))
    use(services, accounting)
    with uncommitted(database, 100) as late, accounting.hold(200) as moment:
        add_hints(database, 200)
        assert scalar(database, "SELECT min(id) FROM inbox") == 2
        if when == "after the higher one was handled":
            moment.goes_on.set()
            drain(services, AGREEMENT, Kind.DEBTORS)
            late.commit()
        else:
            with in_background(lambda: drain(services, AGREEMENT, Kind.DEBTORS)):
                moment.wait()
                late.commit()
                moment.goes_on.set()

        assert outstanding(database) == 1
        assert services.work.is_due(AGREEMENT, Kind.DEBTORS)
        drain(services, AGREEMENT, Kind.DEBTORS)
    assert outstanding(database) == 0
    assert names(database) == {100: NORDVIND.name, 200: "Sydhavnens Smedje ApS"}
