"""
Use case: read the debtors that hints point at, and make the mirror agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from domain.debtors import Debtor, Edge, Outcome, decide
from domain.errors import Blocked, PermanentError
from domain.hints import Hint, bundles, edges
from domain.ports import AccountingApi, FailureReport, Page, UnitOfWork, Unreadable, WorkPort
from domain.reading_plan import Plan, Walk, plan_reads

A = TypeVar("A")
T = TypeVar("T")

GUARD_COUNT = 20
GUARD_SHARE = 0.02


@dataclass(slots=True)
class Refreshed:
    """What one slice of work did; `finished` = nothing of the hints it was given is left."""

    outcomes: Counter[str] = field(default_factory=Counter)
    hints: int = 0
    finished: bool = True


@dataclass(slots=True)
class Readings:
    """Answers to be stored together: number → debtor, None = a read of its own said 404; and the stamp of each."""

    read: dict[int, Debtor | None] = field(default_factory=dict)
    stamps: dict[int, int] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # missing, but too many to believe
    total: int | None = None  # debtors e-conomic has

    def add(self, stamp: int, number: int, debtor: Debtor | None) -> None:
        self.read[number] = debtor
        self.stamps[number] = stamp

    def take_page(self, stamp: int, page: Page[Debtor]) -> None:
        for debtor in page.items:
            self.add(stamp, debtor.number, debtor)
        self.unreadable += page.unreadable
        self.total = page.total

    def covered(self) -> set[int]:
        """Numbers that have their answer."""
        return set(self.read) | {u.number for u in self.unreadable if u.number is not None} | set(self.kept)


class DeletionGuard:
    """
    Lets debtors go only while they are few: at most 20, or 2 % of those living, in one pass.

    A swapped token, a lost role or a lagging filter makes many look deleted at once; then they stay, and a person
    is asked (`debitor resync NUMBER --allow-deletions`).
    """

    def __init__(self, living: int, *, allowed: bool = False) -> None:
        self._limit = None if allowed else max(GUARD_COUNT, int(living * GUARD_SHARE))
        self.gone = 0

    def lets_go(self) -> bool:
        """Whether one more may go."""
        return self._limit is None or self.gone < self._limit


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
    with work.transaction() as uow:
        living, expected = _expected(uow, remaining)
        if not remaining:  # hints without a usable number: nothing to look at
            uow.inbox.handled([hint.id for hint in hints])
            uow.release()
    tracker = HintTracker(hints)
    plan = plan_reads(groups, expected_records=expected, fits=api.fits_one_call)
    for readings in _read(work, api, plan, DeletionGuard(living)):
        remaining -= readings.covered()
        store_debtors(work, readings, tracker, done, release=not remaining)
        if remaining and not more_time():
            done.finished = False
            break
    return done


def _expected(uow: UnitOfWork, numbers: Collection[int]) -> tuple[int, int | None]:
    """Living debtors in the mirror, and how many records a walk from the smallest to the largest number passes."""
    living = uow.debtors.count_living()
    total = uow.debtors_total()
    if not numbers:
        return living, None
    if total is None or living < 0.9 * total:  # the mirror is not complete: it cannot say
        return living, total
    return living, uow.debtors.count_living(min(numbers), max(numbers))


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
        """The re-numberings between these numbers, in order of arrival."""
        found = {hint.id: hint for n in numbers for hint in self._by_number.get(n, ())}
        return [edge for edge in edges(found.values()) if edge.old in numbers and edge.new in numbers]


def _read(work: WorkPort, api: AccountingApi, plan: Plan, guard: DeletionGuard) -> Iterator[Readings]:
    """One answer after the other; the next call is made only when the last answer is stored."""
    for step in plan:
        if isinstance(step, Walk):
            yield from _walk(work, api, step.numbers, guard)
            continue
        readings = Readings()
        if len(step.numbers) > 1:
            readings.take_page(work.stamp(), listed(api.debtors, step.numbers))
        read_singly(work, api, sorted(set(step.numbers) - readings.covered()), readings, guard)
        yield readings


def _walk(work: WorkPort, api: AccountingApi, numbers: list[int], guard: DeletionGuard) -> Iterator[Readings]:
    """Pages by key from below the smallest wanted number until the largest is passed; everything read is stored."""
    after, position = numbers[0] - 1, 0
    while position < len(numbers):
        stamp = work.stamp()
        page = listed(api.debtors_after, after)
        readings = Readings()
        readings.take_page(stamp, page)
        after = max((*readings.covered(), after))
        end = bisect_right(numbers, after, position) if page.more else len(numbers)
        read_singly(work, api, sorted(set(numbers[position:end]) - readings.covered()), readings, guard)
        position = end
        yield readings


def listed(call: Callable[[A], Page[T]], argument: A) -> Page[T]:
    """A list call: a refusal is the agreement's trouble, no single record is at fault. Raises TransientError."""
    try:
        return call(argument)
    except PermanentError as error:
        raise Blocked(str(error)) from error


def read_singly(
    work: WorkPort, api: AccountingApi, numbers: Sequence[int], readings: Readings, guard: DeletionGuard
) -> None:
    """Suspects: only a read of its own that says 404 proves that a number is not in use."""
    for number in numbers:
        if not guard.lets_go():
            readings.kept.append(number)
            continue
        stamp = work.stamp()
        try:
            debtor = api.debtor(number)
        except PermanentError as error:
            readings.unreadable.append(Unreadable(number, str(error)))
            continue
        guard.gone += debtor is None
        readings.add(stamp, number, debtor)


def store_debtors(
    work: WorkPort,
    readings: Readings,
    tracker: HintTracker | None,
    done: Refreshed,
    *,
    release: bool = False,
    also: Callable[[UnitOfWork], None] | None = None,
) -> None:
    """One transaction: stamps, rows, failures, hints; `also` joins in (progress of a run)."""
    covered = readings.covered()
    claimed = tracker.edges(covered) if tracker else []
    with work.transaction() as uow:
        rising = uow.debtors.raise_stamps(readings.stamps)
        fresh = {number: readings.read[number] for number in rising}
        living = uow.debtors.living(fresh)
        unknown = [number for number, debtor in fresh.items() if debtor is not None and number not in living]
        changes = decide(
            fresh,
            living,
            edges=[edge for edge in claimed if edge.old in fresh and edge.new in fresh],
            graves=uow.debtors.graves(unknown) if unknown else {},
        )
        uow.debtors.write(changes, tracker.causes(covered) if tracker else {})
        uow.debtors.remember_edges(claimed)
        uow.debtors.adopt_invoices([number for number, debtor in fresh.items() if debtor is not None])
        uow.failures.resolve("debtor", [n for n in fresh if not any(n in edge for edge in changes.conflicts)])
        uow.failures.report(_failures(readings, changes.conflicts))
        if tracker:
            uow.inbox.handled([hint.id for hint in tracker.answered(covered)])
        done.outcomes.update(str(outcome) for outcome in changes.outcomes.values())
        done.outcomes[Outcome.STALE] += len(readings.stamps) - len(rising)
        done.outcomes["unreadable"] += len(readings.unreadable)
        done.outcomes["kept"] += len(readings.kept)
        if also:
            also(uow)
        if release:
            uow.release()
        if readings.total is not None:  # last: its row is locked by nobody for long
            uow.debtors_total(readings.total)


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
            "debtor",
            str(edge.new),
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
