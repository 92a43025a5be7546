"""
Use case: debtors that are new or have changed find their companies, and their companies follow them.

Only in agreements whose first import was started. What would link or create more companies at once than the agreement
allows is left to a person: it becomes an import that waits to be started.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from domain.events import EventType, NewEvent
from domain.hints import Hint, HintTracker, Kind, NewHint, Source, match_hint
from domain.mails import import_waits
from domain.match_debtors import Did, MatchedDebtor, Newcomers, Proposal, Proposed, carry_out, propose
from domain.matching.index import CompanyIndex
from domain.ports import FailureReport, UnitOfWork, WorkPort
from domain.proposals import Standing
from domain.refresh_debtors import Refreshed

AT_ONCE = 200
"""Debtors of one portion: their companies stay locked until its transaction ends."""

COUNTED = 1_000
"""Debtors that are counted together before any of them is linked; further ones count as the next drop does."""

AT_ONCE_S = 60
"""What drains of the last minute linked and created counts as well: an import of e-conomic's arrives in drops."""

IMPORT_TAKES_S = 5.0
"""While an import links and creates, nobody else does: so often it is looked whether it is done."""

WHO = "e-conomic"
_MAKES = (Proposed.LINK, Proposed.CREATE)
_FOLLOWS = (Proposed.UPDATE, Proposed.NONE)

_WAITS = "waits"
"""Noted at hints that are outstanding when it turns out to be too much: what they name waits as well."""


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

    def crowded(self, debtors: Sequence[MatchedDebtor]) -> Collection[int]:
        """Those keys of these debtors that many debtors of the register share (`domain.crowds`)."""
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

    A bunch is counted first: were it too much at once, none of it, nor of what is outstanding with it, is linked,
    created or asked about. Then it is carried out, a portion in one transaction with the end of its hints. When time
    is up, the rest stays outstanding; of a look at all debtors a hint with the last number says where it goes on.
    """
    done = Refreshed(hints=len(hints))
    with work.transaction() as uow:
        following = uow.register.following()
        room = max(0, following.most_at_once - uow.register.made_lately(AT_ONCE_S)) if following else 0
        importing = uow.imports.under_way()
    if following is None or not hints:
        with work.transaction(release=True) as uow:
            uow.inbox.handled([hint.id for hint in hints])
        return done
    if importing:
        return Refreshed(hints=len(hints), finished=False, again_in_s=IMPORT_TAKES_S)
    named = [hint for hint in hints if hint.old is not None]
    general = [hint for hint in hints if hint.old is None]
    drain = _Following(work, following, room, done, more_time)
    done.finished = drain.look_at(named, release=not general)
    if done.finished and general:
        done.finished = drain.look_at_all(general)
    return done


class _Following:
    """One drain."""

    def __init__(
        self, work: WorkPort, following: Following, room: int, done: Refreshed, more_time: Callable[[], bool]
    ) -> None:
        self._work = work
        self._following = following
        self._room = room  # so many more may be linked or created
        self._done = done
        self._more_time = more_time
        self._causes: dict[int, str] = {}
        self._crowds: dict[tuple[int, ...], Collection[int]] = {}

    def look_at(self, hints: Sequence[Hint], *, release: bool) -> bool:
        """The debtors that hints name; returns whether that is all done."""
        tracker = HintTracker(hints)
        self._causes = {number: hint.correlation_id for hint in hints for number in hint.numbers()}
        numbers = sorted(self._causes)
        waits = {number for hint in hints if hint.body == _WAITS for number in hint.numbers()}
        while numbers:
            bunch, numbers = numbers[:COUNTED], numbers[COUNTED:]
            if self._too_many([number for number in bunch if number not in waits]):
                waits.update(bunch, numbers)
                with self._work.transaction() as uow:
                    uow.inbox.note([hint.id for hint in hints], _WAITS)
            while bunch:
                some, bunch = bunch[:AT_ONCE], bunch[AT_ONCE:]
                last = not bunch and not numbers
                with self._work.transaction(release=last and release) as uow:
                    self._settle(uow, some, waits)
                    uow.inbox.handled([hint.id for hint in tracker.answered(some)])
                if not (last and release) and not self._more_time():
                    return False
        return True

    def look_at_all(self, hints: Sequence[Hint]) -> bool:
        """All debtors that have no company, or say something new of it; returns whether that is all done."""
        cause = hints[-1].correlation_id
        rest = _Rest.of(hints)
        self._room = min(self._room, self._following.most_at_once - rest.made)
        after: int | None = rest.after
        while after is not None:
            with self._work.transaction() as uow:
                page, after = uow.register.unsettled(after)
            numbers = [debtor.number for debtor in page]
            if not rest.waits and self._too_many(numbers):
                rest = rest._replace(waits=True)
            while True:
                some, numbers = numbers[:AT_ONCE], numbers[AT_ONCE:]
                last = not numbers and after is None
                rests = last or not self._more_time()
                with self._work.transaction(release=last) as uow:
                    made = self._settle(uow, some, set(some) if rest.waits else set())
                    rest = rest._replace(after=some[-1] if numbers else after or 0, made=rest.made + made)
                    if rests:
                        uow.inbox.handled([hint.id for hint in hints])
                    if rests and not last:
                        uow.inbox.add([rest.hint(self._work.agreement, cause)])
                if rests:
                    return last
                if not numbers:
                    break
        return True

    def _too_many(self, numbers: Sequence[int]) -> bool:
        """Whether more of them would be linked or created than there is room for; counting ends when they are."""
        if len(numbers) <= self._room:
            return False
        newcomers, count = Newcomers(), 0
        for start in range(0, len(numbers), AT_ONCE):
            with self._work.transaction() as uow:
                debtors = uow.register.debtors(numbers[start : start + AT_ONCE])
                newcomers.over(uow.matching.index)
                proposals = self._proposed(uow, debtors, newcomers)
            count += sum(each.action in _MAKES for each in proposals)
            if count > self._room:
                return True
        return False

    def _settle(self, uow: UnitOfWork, numbers: Sequence[int], waits: Collection[int]) -> int:
        """
        Carry out what is proposed for a portion; what was overtaken is looked at again in a later drain.

        Args:
            waits: numbers of those that are to wait, where they would be linked, created or asked about.

        Returns:
            How many were linked or created.
        """
        debtors = uow.register.debtors(numbers) if numbers else []
        free = [debtor for debtor in debtors if debtor.number not in waits]
        proposals = self._proposed(uow, free, uow.matching.index)
        waiting: set[int] = set()
        if held := [debtor for debtor in debtors if debtor.number in waits]:
            theirs = self._proposed(uow, held, uow.matching.index)
            waiting = {each.debtor.id for each in theirs if each.action in (*_MAKES, Proposed.ALERT)}
            proposals += [each for each in theirs if each.action in _FOLLOWS]
        carried = carry_out(
            uow.matching,
            proposals,
            who=WHO,
            crowded=self._crowded(uow, debtors),
            causes={each.id: self._causes[each.number] for each in debtors if each.number in self._causes},
        )
        if waiting:
            _wait(uow, self._work.agreement, self._following.most_at_once, waiting)
        stale = sorted(each.proposal.debtor.number for each in carried if each.did is Did.STALE)
        agreement = self._work.agreement
        uow.inbox.add([match_hint(agreement, number, self._causes.get(number, "")) for number in stale])
        did = Counter(each.did for each in carried if each.did is not Did.STALE)
        self._done.outcomes.update({each.value: count for each, count in did.items()})
        made = did[Did.LINKED] + did[Did.CREATED]
        self._room -= made
        return made

    def _proposed(self, uow: UnitOfWork, debtors: Sequence[MatchedDebtor], index: CompanyIndex) -> list[Proposal]:
        """Those that wait for a person's word are left out, unless they have a company after all."""
        waiting = uow.imports.waiting([debtor.id for debtor in debtors])
        if waiting:
            standings = uow.matching.links.standings(waiting)
            waiting = {each for each in waiting if standings.get(each, Standing()).company is None}
        return propose(
            [debtor for debtor in debtors if debtor.id not in waiting],
            index,
            uow.matching.links,
            may_create=self._following.create,
            crowded=self._crowded(uow, debtors),
            creating=uow.register.creating_names(),
        )

    def _crowded(self, uow: UnitOfWork, debtors: Sequence[MatchedDebtor]) -> Collection[int]:
        """Counted once for a portion."""
        ids = tuple(debtor.id for debtor in debtors)
        if ids not in self._crowds:
            self._crowds[ids] = uow.register.crowded(debtors)
        return self._crowds[ids]


class _Rest(NamedTuple):
    """
    What is left of a look at all debtors.

    Attributes:
        after: the last number looked at.
        made: links and companies that the look has made so far.
        waits: it was too much at once.
    """

    after: int = 0
    made: int = 0
    waits: bool = False

    @classmethod
    def of(cls, hints: Sequence[Hint]) -> _Rest:
        """One look for all of them."""
        rests = [cls(hint.new, **json.loads(hint.body or "{}")) if hint.new is not None else cls() for hint in hints]
        return cls(
            min(rest.after for rest in rests), max(rest.made for rest in rests), any(rest.waits for rest in rests)
        )

    def hint(self, agreement: int, cause: str) -> NewHint:
        body = json.dumps({"made": self.made, "waits": self.waits})
        return NewHint(agreement, Kind.LINKS, Source.MIRROR, cause, None, self.after, body)


def _wait(uow: UnitOfWork, agreement: int, most: int, debtors: Collection[int]) -> None:
    """Debtors wait for a person, who is told of it once, however many join them."""
    waits = uow.imports.wait_for(debtors)
    uow.failures.report([_too_many(agreement, most, waits.run)])
    if waits.is_new:
        uow.mails.write(import_waits(agreement, waits.run, most))
        data = {"run": waits.run, "most_at_once": most}
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
