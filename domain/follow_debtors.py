"""
Use case: debtors that are new or have changed find their companies, and their companies follow them.

Only in agreements whose first import was started. What would link or create more companies at once than the agreement
allows is left to a person: it becomes an import that waits to be started.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple, Protocol

from domain.events import EventType, NewEvent
from domain.hints import Hint, match_hint
from domain.mails import import_waits
from domain.match_debtors import Did, MatchedDebtor, Newcomers, Proposal, Proposed, carry_out, propose
from domain.matching.index import CompanyIndex
from domain.ports import FailureReport, UnitOfWork, WorkPort
from domain.refresh_debtors import Refreshed

AT_ONCE = 200
"""Debtors of one portion: their companies stay locked until its transaction ends."""

AT_ONCE_S = 60
"""What drains of the last minute linked and created counts as well: an import of e-conomic's arrives in drops."""

ROUNDS = 3
"""A proposal that was overtaken is made anew so often; then it is left to the next drain."""

IMPORT_TAKES_S = 5.0
"""While an import links and creates, nobody else does: so often it is looked whether it is done."""

WHO = "e-conomic"
_MAKES = (Proposed.LINK, Proposed.CREATE)
_FOLLOWS = (Proposed.UPDATE, Proposed.NONE)


class Following(NamedTuple):
    """What an agreement says about its debtors' companies."""

    create: bool
    most_at_once: int


class Register(Protocol):
    """The debtors of an agreement as matching reads them; only those in scope that are not gone."""

    def following(self) -> Following | None:
        """None until the first import was started: nothing is linked, created or changed."""
        ...

    def debtors(self, numbers: Collection[int]) -> list[MatchedDebtor]:
        """Those under these numbers, sorted by number."""
        ...

    def unsettled(self, after: int) -> tuple[list[MatchedDebtor], int | None]:
        """
        A page of those that have no company, or say of it what it was not held against yet.

        Args:
            after: the number to begin behind.

        Returns:
            They, sorted by number, at most a thousand, and where the next page begins; None behind the last.
        """
        ...

    def crowded(self, debtors: Sequence[MatchedDebtor]) -> set[int]:
        """Hashes of those keys of these debtors that more than five debtors of the register share."""
        ...

    def made_lately(self, seconds: int) -> int:
        """How many companies drains linked or created in so many seconds."""
        ...

    def creating_names(self) -> Collection[str]:
        """Names under which debtors are being created for companies right now."""
        ...


def follow_debtors(work: WorkPort, hints: Sequence[Hint], *, more_time: Callable[[], bool]) -> Refreshed:
    """
    Match the debtors that hints name, or all of them for a hint without a number.

    First everything is only proposed: were it too much at once, nothing is linked, created or asked about. Then it is
    carried out, a portion in one transaction; the last one marks the hints handled.
    """
    done = Refreshed(hints=len(hints))
    with work.transaction() as uow:
        following = uow.register.following()
        room = max(0, following.most_at_once - uow.register.made_lately(AT_ONCE_S)) if following else 0
        importing = uow.imports.under_way()
    if following is None:
        with work.transaction(release=True) as uow:
            uow.inbox.handled([hint.id for hint in hints])
        return done
    if importing:
        return Refreshed(hints=len(hints), finished=False, again_in_s=IMPORT_TAKES_S)
    _Following(work, hints, following, done).go(room)
    return done


class _Following:
    """One drain."""

    def __init__(self, work: WorkPort, hints: Sequence[Hint], following: Following, done: Refreshed) -> None:
        self._work = work
        self._hints = hints
        self._following = following
        self._done = done
        self._numbers = sorted({number for hint in hints for number in hint.numbers()})
        self._causes = {number: hint.correlation_id for hint in hints for number in hint.numbers()}
        self._crowds: dict[tuple[int, ...], Collection[int]] = {}
        self._everything = any(not hint.numbers() for hint in hints)

    def go(self, room: int) -> None:
        too_many = self._count(most=room) > room
        stale: set[int] = set()
        waiting: set[int] = set()
        for debtors in self._portions():
            stale |= self._carry(debtors, waiting if too_many else None)
        with self._work.transaction(release=True) as uow:
            if waiting:
                _wait(uow, self._work.agreement, self._following.most_at_once, waiting)
            uow.inbox.add(
                [match_hint(self._work.agreement, number, self._causes.get(number, "")) for number in sorted(stale)]
            )
            uow.inbox.handled([hint.id for hint in self._hints])

    def _count(self, most: int) -> int:
        """How many would be linked or created; counting ends when they are too many."""
        newcomers, count = Newcomers(), 0
        for debtors in self._portions():
            with self._work.transaction() as uow:
                newcomers.over(uow.matching.index)
                proposals = self._proposed(uow, debtors, newcomers, self._crowded(uow, debtors))
            count += sum(each.action in _MAKES for each in proposals)
            if count > most:
                break
        return count

    def _portions(self) -> Iterator[list[MatchedDebtor]]:
        """The debtors in question, sorted by number."""
        after: int | None = 0
        numbers = self._numbers
        while numbers or (self._everything and after is not None):
            with self._work.transaction() as uow:
                if self._everything:
                    assert after is not None
                    some, after = uow.register.unsettled(after)
                    numbers = []
                else:
                    some, numbers = uow.register.debtors(numbers[:AT_ONCE]), numbers[AT_ONCE:]
            for start in range(0, len(some), AT_ONCE):
                yield some[start : start + AT_ONCE]

    def _proposed(
        self, uow: UnitOfWork, debtors: Sequence[MatchedDebtor], index: CompanyIndex, crowded: Collection[int]
    ) -> list[Proposal]:
        """Of those that wait for a person's word, only what their companies take over."""
        proposals = propose(
            debtors,
            index,
            uow.matching.links,
            may_create=self._following.create,
            crowded=crowded,
            creating=uow.register.creating_names(),
        )
        waiting = uow.imports.waiting([each.debtor.id for each in proposals if each.action not in _FOLLOWS])
        return [each for each in proposals if each.debtor.id not in waiting]

    def _carry(self, debtors: Sequence[MatchedDebtor], waiting: set[int] | None) -> set[int]:
        """
        Carry out what is proposed for a portion; returns the numbers of those that were overtaken to the last.

        Args:
            waiting: where it is too much at once, takes those that would be linked, created or asked about.
        """
        numbers = [debtor.number for debtor in debtors]
        for _ in range(ROUNDS):
            if not numbers:
                break
            with self._work.transaction() as uow:
                some = uow.register.debtors(numbers)
                crowded = self._crowded(uow, some)
                proposals = self._proposed(uow, some, uow.matching.index, crowded)
                if waiting is not None:
                    waiting |= {each.debtor.id for each in proposals if each.action in (*_MAKES, Proposed.ALERT)}
                    proposals = [each for each in proposals if each.action in _FOLLOWS]
                carried = carry_out(uow.matching, proposals, who=WHO, crowded=crowded, causes=self._by_debtor(some))
            self._done.outcomes.update(each.did.value for each in carried if each.did is not Did.STALE)
            numbers = [each.proposal.debtor.number for each in carried if each.did is Did.STALE]
        return set(numbers)

    def _crowded(self, uow: UnitOfWork, debtors: Sequence[MatchedDebtor]) -> Collection[int]:
        """Counted once for a drain of one portion, which is the usual one."""
        ids = tuple(debtor.id for debtor in debtors)
        if ids not in self._crowds:
            self._crowds = {ids: uow.register.crowded(debtors)}
        return self._crowds[ids]

    def _by_debtor(self, debtors: Sequence[MatchedDebtor]) -> dict[int, str]:
        return {each.id: self._causes[each.number] for each in debtors if each.number in self._causes}


def _wait(uow: UnitOfWork, agreement: int, most: int, debtors: Collection[int]) -> None:
    """Debtors wait for a person, who is told of it once, however many join them."""
    waits = uow.imports.wait_for(debtors)
    uow.failures.report([_too_many(agreement, most, waits.run)])
    if waits.is_new:
        uow.mails.write(import_waits(agreement, waits.run, waits.debtors, most))
        data = {"run": waits.run, "debtors": waits.debtors, "most_at_once": most}
        uow.outbox.add([NewEvent(EventType.IMPORT_WAITING, f"run {waits.run}", data)])


def _too_many(agreement: int, most: int, run: int) -> FailureReport:
    return FailureReport(
        "import",
        str(agreement),
        "too_many_at_once",
        f"More than {most} debtors of agreement {agreement} would have been linked to companies, or made into new ones,"
        " at once. None was: they wait for you.",
        f"See what would happen with `debitor import {agreement} --waiting --test`, then start it with"
        f" `debitor import {agreement} --waiting` (it can be reverted), or drop it with"
        f" `debitor import {agreement} --cancel {run}`.",
    )
