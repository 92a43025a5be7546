"""Waiting requests share commits."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.errors import NotStored
from infra.intake.group_commit import MOST_AT_ONCE, GroupCommit


class SlowStore:
    """Takes a moment for each commit, and notes what became durable."""

    def __init__(self, seconds: float = 0.005) -> None:
        self.seconds = seconds
        self.batches: list[list[int]] = []
        self.durable: set[int] = set()

    def write(self, batch: list[int]) -> Sequence[Exception | None]:
        time.sleep(self.seconds)  # a commit takes this long
        self.batches.append(batch)
        self.durable.update(batch)
        return [None] * len(batch)


def test_every_submit_returns_durable() -> None:
    """Many threads: each item is durable when its submit returns, each once, in far fewer commits than items."""
    store = SlowStore()
    commits = GroupCommit(store.write)

    def submit(number: int) -> bool:
        commits.submit(number)
        return number in store.durable

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(submit, range(1_000)))

    written = [number for batch in store.batches for number in batch]
    assert sorted(written) == list(range(1_000))
    assert len(store.batches) < 200


def test_a_lone_item_does_not_wait() -> None:
    """Without company an item is written at once."""
    store = SlowStore(0)
    GroupCommit(store.write).submit(1)

    assert store.batches == [[1]]


def test_verdicts_go_to_their_own_items() -> None:
    """What is wrong with one item of a batch is raised by its own submit only."""

    def write(batch: list[int]) -> Sequence[Exception | None]:
        time.sleep(0.01)
        return [NotStored("odd") if number % 2 else None for number in batch]

    commits = GroupCommit(write)

    def stored(number: int) -> bool:
        try:
            commits.submit(number)
        except NotStored:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(stored, range(100))) == [number % 2 == 0 for number in range(100)]


def test_a_failed_write_fails_its_batch_and_no_other() -> None:
    """When a write raises, everybody in it hears of it, and the next batch is written."""
    blows = threading.Event()
    blows.set()

    def write(batch: list[int]) -> Sequence[Exception | None]:
        time.sleep(0.005)
        if blows.is_set():
            raise RuntimeError("blown")
        return [None] * len(batch)

    commits = GroupCommit(write)
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(commits.submit, number) for number in range(20)]:
            with pytest.raises(RuntimeError, match="blown"):
                future.result(timeout=10)

    blows.clear()
    commits.submit(1)


def test_nobody_waits_for_ever() -> None:
    """Behind a store that hangs a submit gives up in time, and when the store goes on so does everybody."""
    hangs, entered = threading.Event(), threading.Event()
    durable: list[int] = []

    def write(batch: list[int]) -> Sequence[Exception | None]:
        entered.set()
        assert hangs.wait(10)
        durable.extend(batch)
        return [None] * len(batch)

    commits = GroupCommit(write, wait_s=0.2)
    with ThreadPoolExecutor(3) as pool:
        leader = pool.submit(commits.submit, 1)
        assert entered.wait(5)
        with pytest.raises(NotStored):
            commits.submit(2)
        hangs.set()
        leader.result(timeout=5)
    commits.submit(3)

    assert durable == [1, 3]


def test_a_batch_is_bounded() -> None:
    """However many wait, one commit takes at most so many, and the rest is led by the next."""
    held, entered = threading.Event(), threading.Event()
    sizes: list[int] = []

    def write(batch: list[int]) -> Sequence[Exception | None]:
        entered.set()
        assert held.wait(10)
        sizes.append(len(batch))
        return [None] * len(batch)

    commits = GroupCommit(write)
    threads = [threading.Thread(target=commits.submit, args=(number,)) for number in range(MOST_AT_ONCE + 51)]
    threads[0].start()
    assert entered.wait(5)
    for thread in threads[1:]:
        thread.start()
    while len(commits._queue) < MOST_AT_ONCE + 50:
        time.sleep(0.001)
    held.set()
    for thread in threads:
        thread.join(timeout=10)

    assert sizes == [1, MOST_AT_ONCE, 50]
