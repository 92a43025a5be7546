"""
Reading debtors: what a plan says, and singly what a list did not show.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from domain.accounting_api import AccountingApi, Page, Unreadable
from domain.debtors import Debtor
from domain.errors import Blocked, PermanentError
from domain.hints import HintTracker
from domain.ports import WorkPort
from domain.reading_plan import Plan, Walk
from domain.trust import GUARD_COUNT, DeletionGuard

A = TypeVar("A")
T = TypeVar("T")


FEW = 2
"""So many numbers a lone event names."""

SAMPLE = 10
"""Of too many suspects, so many are read singly before a person is asked."""

SINGLES_AT_ONCE = 20
"""Suspects read singly before their answers are stored: an interruption costs these calls at most."""


class Numbered(Protocol):
    @property
    def number(self) -> int: ...


N = TypeVar("N", bound=Numbered)


@dataclass(slots=True)
class Readings:
    """Answers to be stored together: number → debtor, None = a read of its own said 404; and the stamp of each."""

    read: dict[int, Debtor | None] = field(default_factory=dict)
    stamps: dict[int, int] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # missing, but too many to believe
    absent: list[int] = field(default_factory=list)  # in no list, and not in the mirror: nothing to write
    total: int | None = None  # debtors e-conomic has

    def add(self, stamp: int, number: int, debtor: Debtor | None) -> None:
        self.read[number] = debtor
        self.stamps[number] = stamp

    def take_page(self, stamp: int, page: Page[Debtor], *, leave_out: Collection[int] = ()) -> None:
        for debtor in page.items:
            if debtor.number not in leave_out:
                self.add(stamp, debtor.number, debtor)
        self.unreadable += [bad for bad in page.unreadable if bad.number not in leave_out]
        self.total = page.total

    def hand_over(self, numbers: Iterable[int], other: Readings) -> None:
        """Let these answers be stored with the others."""
        for number in numbers:
            if number in self.read:
                other.add(self.stamps.pop(number), number, self.read.pop(number))

    def keep(self, numbers: Iterable[int]) -> None:
        """Too many to believe: these answers are not stored."""
        for number in numbers:
            del self.read[number], self.stamps[number]
            self.kept.append(number)

    def covered(self) -> set[int]:
        """Numbers that have their answer."""
        return {*self.read, *self.kept, *self.absent, *self.unreadable_numbers()}

    def unreadable_numbers(self) -> list[int]:
        return [bad.number for bad in self.unreadable if bad.number is not None]


class DebtorReader:
    """Reads what a plan says, and singly what a list did not show."""

    def __init__(self, work: WorkPort, api: AccountingApi, tracker: HintTracker, guard: DeletionGuard) -> None:
        self._work = work
        self._api = api
        self._tracker = tracker
        self._guard = guard
        self._bulk = True

    def read(self, plan: Plan) -> Iterator[Readings]:
        """One answer after the other; the next call is made only when the last answer is stored."""
        self._bulk = sum(len(step.numbers) for step in plan) > FEW
        joined = {number for step in plan if not isinstance(step, Walk) for number in step.numbers}
        for step in plan:
            if isinstance(step, Walk):
                yield from self._walk(step.numbers, joined)
                continue
            readings, todo = Readings(), step.numbers
            while len(step.numbers) > 1 and todo:  # one call, unless a single bundle is larger than that
                room = self._api.fits_one_call(todo)
                readings.take_page(self._work.stamp(), listed(self._api.debtors, todo[:room]))
                todo = todo[room:]
            yield from self._complete(readings, step.bundles)

    def _walk(self, numbers: list[int], joined: Collection[int]) -> Iterator[Readings]:
        """
        Pages by key from below the smallest wanted number until the largest is passed.

        Everything read is stored, but for numbers of re-numberings: those are read, and decided, together.
        """
        for stamp, page, wanted in walked(self._work, self._api.debtors_after, numbers):
            readings = Readings()
            readings.take_page(stamp, page, leave_out=joined)
            yield from self._complete(readings, [[number] for number in wanted])

    def _complete(self, readings: Readings, asked: Sequence[list[int]]) -> Iterator[Readings]:
        """The answers in parts that can be stored: suspects are read singly, and stored with their bundle."""
        covered = readings.covered()
        self._doubt([number for bundle in asked for number in bundle if number not in covered], readings)
        covered = readings.covered()
        parts: list[tuple[Readings, list[int]]] = [(readings, [])]
        for bundle in asked:
            missing = [number for number in bundle if number not in covered]
            if not missing:
                continue
            if parts[-1][1] and len(parts[-1][1]) + len(missing) > SINGLES_AT_ONCE:
                parts.append((Readings(), []))
            part, singles = parts[-1]
            singles += missing
            if part is not readings:
                readings.hand_over(bundle, part)
        for part, singles in parts:
            read_singly(self._work, self._api, singles, part, bulk=self._bulk)
            yield part

    def _doubt(self, suspects: list[int], readings: Readings) -> None:
        """
        Settle the suspects that need not, or must not, be read one by one.

        Where too many would become tombstones, ten are read singly and the others keep their place. Numbers that
        neither we nor the list know are taken for absent, when they are many and ten read singly are: nothing hangs
        on them.
        """
        if len(suspects) <= FEW:
            return
        with self._work.transaction() as uow:
            living = uow.debtors.living(suspects)
            renumbered = {number for edge in self._tracker.edges(suspects) for number in edge}
            going = [number for number in suspects if number in living and number not in renumbered]
            too_many = bool(going) and not self._guard.lets_go(uow, len(going))
        unknown = [number for number in suspects if number not in living and number not in renumbered]
        if too_many:
            self._sample(going, readings)
            readings.kept += [number for number in going if number not in readings.read]
        if len(unknown) > GUARD_COUNT and not self._sample(unknown, readings):
            readings.absent += unknown

    def _sample(self, numbers: Sequence[int], readings: Readings) -> int:
        """How many of the first ten are there after all; those are kept as read."""
        sample = Readings()
        read_singly(self._work, self._api, numbers[:SAMPLE], sample)
        found = [number for number, debtor in sample.read.items() if debtor is not None]
        sample.hand_over(found, readings)
        return len(found)


def walked(
    work: WorkPort, read_after: Callable[[int], Page[N]], numbers: Sequence[int]
) -> Iterator[tuple[int, Page[N], Sequence[int]]]:
    """
    Pages by key from below the smallest wanted number until the largest is passed: stamp, page, and whom it answers.

    The next page is read while the caller stores this one.
    """

    def read(after: int) -> tuple[int, Page[N]]:
        return work.stamp(), listed(read_after, after)

    after, position = numbers[0] - 1, 0
    while position < len(numbers):
        stamp, page = work.ahead.take(after, partial(read, after))
        after = last_number(page, after)
        end = bisect_right(numbers, after, position) if page.more else len(numbers)
        if end < len(numbers):
            work.ahead.start(after, partial(read, after))
        yield stamp, page, numbers[position:end]
        position = end


def last_number(page: Page[N], after: int) -> int:
    """The largest number of a page of a walk, readable or not: the next page begins above it."""
    numbers = [item.number for item in page.items]
    return max((*numbers, *(bad.number for bad in page.unreadable if bad.number is not None), after))


def listed(call: Callable[[A], Page[T]], argument: A) -> Page[T]:
    """A list call: a refusal is the agreement's trouble, no single record is at fault. Raises TransientError."""
    try:
        return call(argument)
    except PermanentError as error:
        raise Blocked(str(error)) from error


def read_singly(
    work: WorkPort, api: AccountingApi, numbers: Iterable[int], readings: Readings, *, bulk: bool = True
) -> None:
    """
    Suspects: only a read of its own that says 404 proves that a number is not in use.

    `bulk`: not a lone event's numbers; such reads leave alone the calls that are kept for people.
    """
    for number in numbers:
        stamp = work.stamp()
        try:
            readings.add(stamp, number, api.debtor(number, bulk=bulk))
        except PermanentError as error:
            readings.unreadable.append(Unreadable(number, str(error)))
