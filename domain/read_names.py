"""
Use case: read the lists that give numbers their names.

Each list of an agreement is read every night, and when a mirrored record carries a number that nobody has met before.
Only this kind of work writes names, under its lease: two readings never overlap, so names need no stamps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.accounting_api import AccountingApi
from domain.errors import PermanentError, Unavailable
from domain.hints import Hint
from domain.ports import FailureReport, WorkPort
from domain.reference import Listing, Why
from domain.refresh_debtors import Refreshed
from domain.trust import GUARD_COUNT, GUARD_SHARE, confirmed

SPACING_S = 60.0
"""A list is read again for a new number so long after its last reading at the earliest: old invoices name many."""

MOST_PAGES = 1_000
AT_ONCE = 5_000
"""Names written in one transaction (design.md §3)."""


@dataclass(slots=True)
class _Asked:
    """The events that want one list."""

    events: list[int] = field(default_factory=list)
    why: set[Why] = field(default_factory=set)

    @property
    def numbers_only(self) -> bool:
        return self.why == {Why.NUMBER}


def read_names(
    work: WorkPort, api: AccountingApi, hints: Sequence[Hint], *, more_time: Callable[[], bool]
) -> Refreshed:
    """
    Read each list that events ask for once, the one tried longest ago first.

    A list that e-conomic refuses (a role or a module is missing) says so and holds up no other. For a number that was
    met before the last whole reading nothing is read; a list tried less than a minute ago waits, unless it is night
    or a person asked. The result then says for how long.

    Raises:
        TransientError: the agreement's work has to wait; lists read so far stay read.
    """
    done = Refreshed(hints=len(hints))
    asked, answered = _by_list(hints)
    with work.transaction() as uow:
        ages, unnamed = uow.names.ages(), uow.names.unnamed()
        for which in [each for each, entry in asked.items() if entry.numbers_only and each not in unnamed]:
            answered += asked.pop(which).events
        uow.inbox.handled(answered)
    waits: list[float] = []
    for which in sorted(asked, key=lambda each: -ages.get(each, float("inf"))):
        wait_s = SPACING_S - ages.get(which, SPACING_S)
        if wait_s > 0 and asked[which].numbers_only:
            waits.append(wait_s)
        elif done.outcomes["lists"] and not more_time():
            done.finished = False
            return done
        else:
            _read(work, api, which, asked[which], done)
    if waits:
        done.finished, done.again_in_s = False, min(waits)
        return done
    with work.transaction(release=True):
        return done


def _by_list(hints: Iterable[Hint]) -> tuple[dict[Listing, _Asked], list[int]]:
    """What is asked of each list, and the events that ask for one nobody has."""
    asked: dict[Listing, _Asked] = {}
    useless: list[int] = []
    for hint in hints:
        name, _, why = (hint.body or "").partition(" ")
        if name not in list(Listing) or why not in list(Why):
            useless.append(hint.id)  # of another version
            continue
        entry = asked.setdefault(Listing(name), _Asked())
        entry.events.append(hint.id)
        entry.why.add(Why(why))
    return asked, useless


class _List(NamedTuple):
    """What e-conomic said of one list; `problem` = why it is not the whole of it."""

    names: dict[str, str]
    problem: str | None


def _read(work: WorkPort, api: AccountingApi, which: Listing, asked: _Asked, done: Refreshed) -> None:
    """One list: read, held against what is stored, stored."""
    done.outcomes["lists"] += 1
    with work.transaction() as uow:
        uow.names.begin(which)
    try:
        found = _pages(api, which)
    except PermanentError as error:  # this list is refused: a role or a module is missing
        done.outcomes["refused"] += 1
        with work.transaction() as uow:
            uow.names.end(which, whole=False, problem=str(error))
            uow.inbox.handled(asked.events)
        return
    except Unavailable as error:
        with work.transaction() as uow:
            uow.names.end(which, whole=False, problem=str(error))
        raise  # the next try begins with another list
    with work.transaction() as uow:
        stored = uow.names.living(which)
    missing = [] if found.problem else sorted(stored.keys() - found.names.keys())
    if missing or any(stored.get(key, name) != name for key, name in found.names.items()):
        confirmed(api, work.agreement)  # names that change or go could be another agreement's
    limit = max(GUARD_COUNT, int(len(stored) * GUARD_SHARE))
    believed = Why.ALLOW_DELETIONS in asked.why or (bool(found.names) and len(missing) <= limit)
    gone, kept = (missing, 0) if believed else ([], len(missing))
    _store(work, which, found, asked, done, gone, kept)


def _pages(api: AccountingApi, which: Listing) -> _List:
    """The whole list: it is that only when e-conomic's own count says so, the same on every page."""
    names: dict[str, str] = {}
    unreadable = 0
    totals: set[int | None] = set()
    for number in range(MOST_PAGES):
        page = api.names(which, number)
        known = len(names)
        names |= dict(page.items)
        unreadable += len(page.unreadable)
        totals.add(page.total)
        if not page.more or len(names) == known:
            break
    if totals == {len(names)} and not unreadable:
        return _List(names, None)
    return _List(names, f"e-conomic showed {len(names)} of {' or '.join(sorted(map(str, totals - {None}))) or '?'}")


def _store(
    work: WorkPort, which: Listing, found: _List, asked: _Asked, done: Refreshed, gone: Sequence[str], kept: int
) -> None:
    """In the last of its transactions the list is said to be read, and its events are handled."""
    ordered = sorted(found.names.items())
    for start in range(0, len(ordered), AT_ONCE):
        with work.transaction() as uow:
            done.outcomes["named"] += uow.names.write(which, dict(ordered[start : start + AT_ONCE]))
    with work.transaction() as uow:
        uow.names.bury(which, gone)
        done.outcomes["gone"] += len(gone)
        if kept:
            uow.failures.report([_too_many(which, kept)])
        elif found.problem is None:
            uow.failures.resolve("names", [which])
        uow.names.end(which, whole=found.problem is None, problem=found.problem)
        uow.inbox.handled(asked.events)


def _too_many(which: Listing, missing: int) -> FailureReport:
    return FailureReport(
        "names",
        which.value,
        "deletion_guard",
        f"{missing} names are missing from e-conomic's list of {which.replace('_', ' ')}; all of them were kept.",
        "Check that the right agreement answers; if they are deleted:"
        " debitor agreement reference NUMBER --allow-deletions",
    )
