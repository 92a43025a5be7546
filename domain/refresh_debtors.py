"""
Use case: read the debtors that hints point at, and make the mirror agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from domain.debtors import Debtor, DebtorChanges, Edge, Outcome, decide, is_stranger
from domain.errors import Blocked, PermanentError
from domain.hints import Hint, Kind, NewHint, Source, bundles, edges
from domain.ports import AccountingApi, FailureReport, Page, UnitOfWork, Unreadable, WorkPort
from domain.reading_plan import Plan, Walk, plan_reads
from domain.reference import ask_for_names, of_debtors
from domain.told import DEBTOR_TYPES, told_debtors
from domain.trust import GUARD_COUNT, DeletionGuard, TooManyGo, UnsureWhoAnswers

A = TypeVar("A")
T = TypeVar("T")


class Numbered(Protocol):
    @property
    def number(self) -> int: ...


N = TypeVar("N", bound=Numbered)

FEW = 2
"""So many numbers a lone event names."""

SAMPLE = 10
"""Of too many suspects, so many are read singly before a person is asked."""

_CHANGES = (Outcome.CREATED, Outcome.UPDATED, Outcome.MOVED, Outcome.REPLACED)

SINGLES_AT_ONCE = 20
"""Suspects read singly before their answers are stored: an interruption costs these calls at most."""


@dataclass(slots=True)
class Refreshed:
    """What one slice of work did; `finished` = nothing of the hints it was given is left."""

    outcomes: Counter[str] = field(default_factory=Counter)
    hints: int = 0
    finished: bool = True
    changed: set[int] = field(default_factory=set)  # numbers whose content is another one now
    again_in_s: float = 0.0  # not finished, and so long not worth going on


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


def refresh_debtors(
    work: WorkPort, api: AccountingApi, hints: Sequence[Hint], *, more_time: Callable[[], bool]
) -> Refreshed:
    """
    Read every number the hints name in the fewest calls; one transaction per page.

    Hints are marked handled, by their ids, in the transaction that stores their answer; a hint whose
    transaction never comes stays outstanding. The last transaction releases the lease.

    Raises:
        TransientError: the agreement's work has to wait; what is stored so far stays stored.
    """
    done = Refreshed(hints=len(hints))
    groups = bundles(hints)
    remaining = {number for group in groups for number in group}
    expected = None
    if len(remaining) > GUARD_COUNT:  # fewer need no plan: counting would cost more
        with work.transaction() as uow:
            expected = _expected(uow, remaining)
    if not remaining:  # hints without a usable number: nothing to look at
        with work.transaction() as uow:
            uow.inbox.handled([hint.id for hint in hints])
            uow.release()
    tracker = HintTracker(hints)
    plan = plan_reads(groups, expected_records=expected, fits=api.fits_one_call)
    guard = DeletionGuard(work, api)
    for readings in DebtorReader(work, api, tracker, guard).read(plan):
        remaining -= readings.covered()
        store_debtors(work, readings, tracker, done, guard, release=not remaining)
        if remaining and not more_time():
            done.finished = False
            break
    return done


def _expected(uow: UnitOfWork, numbers: Collection[int]) -> int | None:
    """How many records a walk from the smallest to the largest number passes."""
    total = uow.debtors_total()
    if total is None or uow.debtors.count_living() < 0.9 * total:  # the mirror is not complete: it cannot say
        return total
    return uow.debtors.count_living(min(numbers), max(numbers))


class HintTracker:
    """Which hints are answered by which numbers."""

    def __init__(self, hints: Iterable[Hint]) -> None:
        self._waiting: dict[int, set[int]] = {}
        self._hints: dict[int, Hint] = {}
        self._by_number: dict[int, list[Hint]] = {}
        self._idle: list[int] = []
        for hint in hints:
            self._hints[hint.id] = hint
            names = hint.numbers()
            self._waiting[hint.id] = names
            if not names:
                self._idle.append(hint.id)
            for number in names:
                self._by_number.setdefault(number, []).append(hint)

    def answered(self, numbers: Collection[int]) -> list[Hint]:
        """The hints all of whose numbers have their answer now."""
        ids = self._idle
        self._idle = []
        for number in numbers:
            for hint in self._by_number.pop(number, ()):
                waiting = self._waiting[hint.id]
                waiting.discard(number)
                if not waiting:
                    ids.append(hint.id)
        return [self._hints[hint_id] for hint_id in ids]

    def causes(self, numbers: Collection[int]) -> dict[int, str]:
        """The correlation id of the newest hint for each number."""
        return {n: self._by_number[n][-1].correlation_id for n in numbers if n in self._by_number}

    def edges(self, numbers: Collection[int]) -> list[Edge]:
        """The re-numberings from or to these numbers, in order of arrival."""
        return edges({hint.id: hint for n in numbers for hint in self._by_number.get(n, ())}.values())


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
        after, position = numbers[0] - 1, 0
        while position < len(numbers):
            stamp = self._work.stamp()
            page = listed(self._api.debtors_after, after)
            readings = Readings()
            readings.take_page(stamp, page, leave_out=joined)
            after = last_number(page, after)
            end = bisect_right(numbers, after, position) if page.more else len(numbers)
            yield from self._complete(readings, [[number] for number in numbers[position:end]])
            position = end

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


def store_debtors(
    work: WorkPort,
    readings: Readings,
    tracker: HintTracker | None,
    done: Refreshed,
    guard: DeletionGuard,
    *,
    release: bool = False,
    also: Callable[[UnitOfWork], None] | None = None,
) -> None:
    """
    One transaction: stamps, rows, failures, hints; `also` joins in (progress of a run).

    Where debtors would go the guard is asked first, and what it does not let go is left as it is.

    Raises:
        WrongAgreement: another agreement answers; nothing is stored.
    """
    while True:
        try:
            _store(work, readings, tracker, done, guard, release=release, also=also)
        except UnsureWhoAnswers:
            guard.confirm()
        except TooManyGo as error:
            readings.keep(error.numbers)
        else:
            return


def _store(
    work: WorkPort,
    readings: Readings,
    tracker: HintTracker | None,
    done: Refreshed,
    guard: DeletionGuard,
    *,
    release: bool,
    also: Callable[[UnitOfWork], None] | None,
) -> None:
    covered = readings.covered()
    claimed = tracker.edges(covered) if tracker else []
    causes = tracker.causes(covered) if tracker else {}
    with work.transaction() as uow:
        rising = uow.debtors.raise_stamps(readings.stamps)
        fresh = {number: readings.read[number] for number in rising}
        changes = _decided(uow, readings, fresh, claimed, guard)
        wanted = uow.outbox.wanted() if tracker and (changes.update or changes.bury) else frozenset()
        before = {}
        if not wanted.isdisjoint(DEBTOR_TYPES):
            before = uow.debtors.parties([*(row_id for row_id, _ in changes.update), *changes.bury])
        uow.debtors.write(changes, causes)
        uow.debtors.remember_edges(claimed)
        uow.debtors.adopt_invoices([number for number, debtor in fresh.items() if debtor is not None])
        uow.inbox.add(
            [
                NewHint(work.agreement, Kind.DEBTORS, Source.CHAIN, causes.get(edge.old, ""), edge.old, edge.new)
                for edge in changes.look
            ]
        )
        uow.failures.resolve("debtor", fresh)
        if claimed:
            uow.failures.resolve("renumbering", [_arrow(edge) for edge in claimed])
        uow.failures.report(_failures(readings, changes.conflicts))
        if tracker:
            uow.inbox.handled([hint.id for hint in tracker.answered(covered)])
        done.outcomes.update(str(outcome) for outcome in changes.outcomes.values())
        done.changed |= {number for number, outcome in changes.outcomes.items() if outcome in _CHANGES}
        done.outcomes[Outcome.STALE] += len(readings.stamps) - len(rising)
        done.outcomes[Outcome.ABSENT] += len(readings.absent)
        done.outcomes["unreadable"] += len(readings.unreadable)
        done.outcomes["kept"] += len(readings.kept)
        if also:
            also(uow)
        if release:
            uow.release()
        ask_for_names(uow, work.agreement, of_debtors(fresh.values()), next(iter(causes.values()), ""))
        uow.outbox.add(told_debtors(work.agreement, changes, before, wanted))
        if readings.total is not None:  # last: its row is locked by nobody for long
            uow.debtors_total(readings.total)


def _decided(
    uow: UnitOfWork,
    readings: Readings,
    fresh: dict[int, Debtor | None],
    claimed: Sequence[Edge],
    guard: DeletionGuard,
) -> DebtorChanges:
    """Fetch what the decision needs: rows, and where numbers may be new, re-numberings and tombstones."""
    stored = uow.debtors.living(fresh)
    strangers = {n for n, debtor in fresh.items() if debtor is not None and is_stranger(stored.get(n), debtor)}
    # Another agreement's debtors have other names under the same numbers, or are many new ones.
    foreign = not strangers.isdisjoint(stored) or len(strangers) > GUARD_COUNT
    around = strangers.union(*claimed)
    if around:
        remembered = uow.debtors.edges_around(around)
        around = around.union(*remembered)
        undecidable = {*fresh, *readings.unreadable_numbers(), *readings.kept}
        stored |= uow.debtors.living(around - undecidable)
        changes = decide(fresh, stored, claimed=claimed, remembered=remembered, graves=uow.debtors.graves(around))
    else:
        changes = decide(fresh, stored)
    buried = set(changes.bury)
    guard.check(uow, [number for number, row in stored.items() if row.id in buried] if buried else (), foreign=foreign)
    return changes


def _failures(readings: Readings, conflicts: Iterable[Edge]) -> list[FailureReport]:
    reports = [
        FailureReport(
            "debtor",
            str(bad.number) if bad.number is not None else "unknown number",
            "unreadable",
            f"e-conomic's answer for this debtor cannot be stored: {bad.problem}",
            "Open the debtor in e-conomic, correct the field named, save it; then replay.",
        )
        for bad in readings.unreadable
    ]
    reports += [
        FailureReport(
            "renumbering",
            _arrow(edge),
            "renumber_conflict",
            f"e-conomic says debtor {edge.old} became {edge.new}, but {edge.new} is another firm by name and CVR.",
            "Compare the two debtors in e-conomic. Nothing was joined; dismiss when it is right as it stands.",
        )
        for edge in conflicts
    ]
    if readings.kept:
        sample = ", ".join(map(str, readings.kept[:5]))
        reports.append(
            FailureReport(
                "deletions",
                "debtors",
                "deletion_guard",
                f"{len(readings.kept)} more debtors look deleted in e-conomic ({sample} …); nothing more was removed.",
                "Check that the right agreement answers; if they are deleted: debitor resync NUMBER --allow-deletions",
            )
        )
    return reports


def _arrow(edge: Edge) -> str:
    return f"{edge.old} → {edge.new}"
