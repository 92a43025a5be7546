"""Wake-ups: the first at once, then few, the last guaranteed."""

from __future__ import annotations

import threading
import time

from domain.hints import Kind
from infra.intake.wake_ups import INTERVAL_S, MOST_IDS, WakeUps
from tests.integration.intake.conftest import Published
from tests.support.databases import AGREEMENT
from tests.support.waiting import eventually


def test_the_first_comes_at_once_and_the_last_for_sure(wake_ups: WakeUps, published: Published) -> None:
    """A burst is a wake-up at once and one more at its end that names what the first did not."""
    wake_ups.note(AGREEMENT, Kind.DEBTORS, [1])
    eventually(lambda: published, within_s=INTERVAL_S)
    for number in range(2, 50):
        wake_ups.note(AGREEMENT, Kind.DEBTORS, [number])

    eventually(lambda: sum(len(ids) for _, _, ids in published) == 49)
    assert len(published) <= 3
    assert published[0] == (AGREEMENT, Kind.DEBTORS, [1])


def test_a_storm_is_ten_a_second(wake_ups: WakeUps, published: Published) -> None:
    """However many events come, an agreement's kind is woken at most once in a tenth of a second."""
    started = time.monotonic()
    while time.monotonic() - started < 0.55:
        wake_ups.note(AGREEMENT, Kind.DEBTORS, [1])
        wake_ups.note(7, Kind.DEBTORS)
    eventually(lambda: not wake_ups._pending)

    for agreement in (AGREEMENT, 7):
        assert 3 <= sum(one == agreement for one, _, _ in published) <= 8


def test_a_wake_up_names_500_events_at_most(wake_ups: WakeUps, published: Published) -> None:
    """The list is for the trace: it is cut, the wake-up goes out all the same."""
    wake_ups.note(AGREEMENT, Kind.DEBTORS)
    wake_ups.note(AGREEMENT, Kind.DEBTORS, range(1, 1_001))
    eventually(lambda: sum(len(ids) for _, _, ids in published) >= MOST_IDS)

    assert max(len(ids) for _, _, ids in published) == MOST_IDS


def test_work_put_off_is_woken_to_the_moment_unless_events_come(wake_ups: WakeUps, published: Published) -> None:
    """Neither earlier nor with the next sweep; an event that comes meanwhile does not wait for that moment."""
    noted = time.monotonic()
    wake_ups.note(AGREEMENT, Kind.DEBTORS, in_s=0.2)
    wake_ups.note(7, Kind.DEBTORS, in_s=60)
    wake_ups.note(7, Kind.DEBTORS, [3])
    eventually(lambda: len(published) == 2, within_s=0.9)

    assert time.monotonic() - noted >= 0.2
    assert published == [(7, Kind.DEBTORS, [3]), (AGREEMENT, Kind.DEBTORS, [])]


def test_a_broker_that_is_away_stops_nothing() -> None:
    """Publishing that fails is dropped (the sweep publishes again); the next one is tried as usual."""
    tried: list[int] = []
    fails = threading.Event()
    fails.set()

    def publish(agreement: int, _kind: Kind, _ids: list[int]) -> None:
        if fails.is_set():
            fails.clear()
            raise ConnectionError("no broker")
        tried.append(agreement)

    wake_ups = WakeUps(publish)
    wake_ups.note(1, Kind.DEBTORS)
    eventually(lambda: not fails.is_set())
    wake_ups.note(2, Kind.DEBTORS)
    eventually(lambda: tried == [2])
    wake_ups.close()


def test_closing_publishes_what_is_pending(published: Published) -> None:
    """A process that stops tells of the events it has just stored."""
    wake_ups = WakeUps(published)
    wake_ups.note(AGREEMENT, Kind.DEBTORS, [1])
    eventually(lambda: published)
    wake_ups.note(AGREEMENT, Kind.DEBTORS, [2])
    wake_ups.close()

    assert [ids for _, _, ids in published] == [[1], [2]]
