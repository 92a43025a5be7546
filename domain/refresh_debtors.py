"""
Use case: read the debtors that hints point at, and make the mirror agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from domain.accounting_api import AccountingApi
from domain.alerts import Ending
from domain.companies import Side
from domain.debtor_reader import DebtorReader, Readings
from domain.debtors import Debtor, DebtorChanges, Edge, Outcome, decide, is_stranger
from domain.hints import Hint, HintTracker, Kind, NewHint, Source, bundles, match_hint
from domain.ports import FailureReport, UnitOfWork, WorkPort
from domain.reading_plan import plan_reads
from domain.reference import ask_for_names, of_debtors
from domain.told import DEBTOR_TYPES, told_debtors
from domain.trust import GUARD_COUNT, DeletionGuard, TooManyGo, UnsureWhoAnswers

A = TypeVar("A")
T = TypeVar("T")


_CHANGES = (Outcome.CREATED, Outcome.UPDATED, Outcome.MOVED, Outcome.REPLACED)


@dataclass(slots=True)
class Refreshed:
    """What one slice of work did; `finished` = nothing of the hints it was given is left."""

    outcomes: Counter[str] = field(default_factory=Counter)
    hints: int = 0
    finished: bool = True
    changed: set[int] = field(default_factory=set)  # numbers whose content is another one now
    again_in_s: float = 0.0  # not finished, and so long not worth going on
    matched: bool = False  # somebody must look which companies these are


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
        with work.transaction(release=True) as uow:
            uow.inbox.handled([hint.id for hint in hints])
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


def store_debtors(
    work: WorkPort,
    readings: Readings,
    tracker: HintTracker | None,
    done: Refreshed,
    guard: DeletionGuard,
    *,
    release: bool = False,
    also: Callable[[UnitOfWork], None] | None = None,
    cause: str | None = None,
) -> None:
    """
    One transaction: stamps, rows, failures, hints; `also` joins in (progress of a run).

    What hints brought is told, and matched with companies; so is what has a `cause` of its own.

    Where debtors would go the guard is asked first, and what it does not let go is left as it is.

    Raises:
        WrongAgreement: another agreement answers; nothing is stored.
    """
    while True:
        try:
            _store(work, readings, tracker, done, guard, release=release, also=also, cause=cause)
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
    cause: str | None,
) -> None:
    covered = readings.covered()
    claimed = tracker.edges(covered) if tracker else []
    causes = tracker.causes(covered) if tracker else {}
    if cause is not None:
        causes = dict.fromkeys(covered, cause)
    news = tracker is not None or cause is not None
    with work.transaction(release=release) as uow:
        rising = uow.debtors.raise_stamps(readings.stamps)
        fresh = {number: readings.read[number] for number in rising}
        changes = decided(uow, readings, fresh, claimed, guard)
        wanted = uow.outbox.wanted() if news and (changes.update or changes.bury) else frozenset()
        before = {}
        if not wanted.isdisjoint(DEBTOR_TYPES):
            before = uow.debtors.parties([*(row_id for row_id, _ in changes.update), *changes.bury])
        matched = _to_match(uow, changes) if news and uow.follows_companies else set()
        uow.debtors.write(changes, causes)
        ended = [*changes.bury, *(ends for ends, _ in changes.absorb)]
        if ended and uow.follows_companies:
            uow.alerts.close_for(debtors=ended, how=Ending.GONE, who=Side.ECONOMIC)
        uow.debtors.remember_edges(claimed)
        uow.debtors.adopt_invoices([number for number, debtor in fresh.items() if debtor is not None])
        uow.inbox.add(
            [
                NewHint(work.agreement, Kind.DEBTORS, Source.CHAIN, causes.get(edge.old, ""), edge.old, edge.new)
                for edge in changes.look
            ]
            + [match_hint(work.agreement, number, causes.get(number, "")) for number in sorted(matched)]
        )
        uow.failures.resolve("debtor", fresh)
        if claimed:
            uow.failures.resolve("renumbering", [_arrow(edge) for edge in claimed])
        uow.failures.report(_failures(readings, changes.conflicts))
        if tracker:
            uow.inbox.handled([hint.id for hint in tracker.answered(covered)])
        done.outcomes.update(str(outcome) for outcome in changes.outcomes.values())
        done.matched |= bool(matched)
        done.changed |= {number for number, outcome in changes.outcomes.items() if outcome in _CHANGES}
        done.outcomes[Outcome.STALE] += len(readings.stamps) - len(rising)
        done.outcomes[Outcome.ABSENT] += len(readings.absent)
        done.outcomes["unreadable"] += len(readings.unreadable)
        done.outcomes["kept"] += len(readings.kept)
        if also:
            also(uow)
        ask_for_names(uow, work.agreement, of_debtors(fresh.values()), next(iter(causes.values()), ""))
        uow.outbox.add(told_debtors(work.agreement, changes, before, wanted))
        if readings.total is not None:  # last: its row is locked by nobody for long
            uow.debtors_total(readings.total)


def _to_match(uow: UnitOfWork, changes: DebtorChanges) -> set[int]:
    """The numbers of those that are new, or changed in what their companies take over."""
    return {debtor.number for debtor in changes.insert} | uow.debtors.matters(changes.update)


def decided(
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
        if others := around - undecidable:
            stored |= uow.debtors.living(others)
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
