"""
Imports of e-conomic's debtors: what was asked for, where a run is, and what it says and did about each debtor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from domain.companies import Refusal
from domain.matching.reasons import Reason
from domain.matching.records import Record
from domain.matching.verdicts import Action, Candidate, Rung
from domain.matching.verdicts import Verdict as Judged
from domain.precision import Sample, Tick
from domain.proposals import FIRST_NEW, Left, MatchedDebtor, Proposal, Proposed
from domain.resync_state import ResyncState

PORTION = 500
"""Debtors judged, or carried out, at once."""

MOST_TURNS = 5
"""So often debtors are judged: doubts again, as long as what was settled may settle more."""

CONTENT = (
    *("number", "name", "address", "zip", "city", "country", "cvr", "vat_number", "p_number", "ean"),
    *("email", "phone", "mobile", "website"),
)
"""The columns of a debtor that matching looks at, or that a company takes over."""


class Phase(StrEnum):
    """What an import is doing; in this order."""

    LIST = "debtors"  # reading e-conomic's list into the mirror, and into the run
    GONE = "gone"  # reading those singly that the list lacks
    LOAD = "load"  # taking debtors from the mirror into the run
    JUDGE = "judge"
    CARRY_OUT = "carry_out"
    DONE = "done"


class Verdict(StrEnum):
    """What is to become of a debtor."""

    NEW = "new"  # a company is made from it
    LINKED = "linked"  # it is a company that is known
    UPDATE = "update"  # it has a company, which changes
    UNCHANGED = "unchanged"
    DOUBTFUL = "doubtful"  # a person must say
    LEFT = "left"  # it gets no company
    ERROR = "error"  # it cannot be read


VERDICTS = {
    Proposed.CREATE: Verdict.NEW,
    Proposed.LINK: Verdict.LINKED,
    Proposed.UPDATE: Verdict.UPDATE,
    Proposed.NONE: Verdict.UNCHANGED,
    Proposed.ALERT: Verdict.DOUBTFUL,
    Proposed.LEAVE: Verdict.LEFT,
}
_PROPOSED = {verdict: proposed for proposed, verdict in VERDICTS.items()}
_ACTIONS = {Verdict.NEW: Action.CREATE, Verdict.LINKED: Action.LINK, Verdict.DOUBTFUL: Action.ALERT}


class Outcome(StrEnum):
    """What was done about a debtor."""

    CREATED = "created"
    LINKED = "linked"
    UPDATED = "updated"
    ASKED = "asked"  # a person is asked
    NOTHING = "nothing"


class Reverted(StrEnum):
    """What became of a debtor's link when its import was reverted."""

    REVERTED = "reverted"
    KEPT = "kept"  # something changed since


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """
    What was asked for.

    Attributes:
        test: say what would become of each debtor, and write nothing else.
        waiting: the run whose debtors are meant, those that wait for a person's word; without it all that e-conomic
            has, or, of a match, all of the mirror that have no company.
        who: asked for it.
    """

    test: bool = False
    waiting: int | None = None
    who: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ImportOptions:
        return cls(**stored)


@dataclass(slots=True)
class ImportState:
    """
    Where an import is; kept in its row.

    Attributes:
        after: the last debtor number that this phase is done with, in this turn.
        settled: doubts that this turn has settled.
        reading: where the resync of its debtors is.
    """

    phase: Phase
    after: int = 0
    total: int | None = None
    read: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    turn: int = 1
    turns: int = 1
    settled: int = 0
    reading: ResyncState | None = None

    def as_json(self) -> dict[str, Any]:
        reading = self.reading.as_json() if self.reading is not None else None
        return {**{name: getattr(self, name) for name in self.__slots__}, "phase": self.phase.value, "reading": reading}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ImportState:
        reading = ResyncState.from_json(stored["reading"]) if stored["reading"] else None
        return cls(**{**stored, "phase": Phase(stored["phase"]), "reading": reading})

    def count(self, what: str, **numbers: int) -> None:
        total = Counter(self.counts.get(what, {}))
        total.update(numbers)
        self.counts[what] = dict(total)

    def enter(self, phase: Phase, total: int | None = None, *, turn: int = 1) -> None:
        self.phase, self.after, self.total, self.read = phase, 0, total, 0
        self.turn, self.settled = turn, 0


class Content(NamedTuple):
    """A debtor taken into a run; `id` is None while the mirror does not have it, `values` are those of CONTENT."""

    number: int
    id: int | None
    values: Mapping[str, object]


class Judgement(NamedTuple):
    """
    What a run says about a debtor.

    Attributes:
        company: the one it is linked to, or is to be linked to.
        joins: the number of the debtor whose new company it is linked to.
        candidates: the company it is linked to, or those of a doubt, best first; a company that is only about to be
            made is the negative number of its debtor.
        form: what it rests on: the normal form of `company`, or of a debtor that becomes a new one.
        changed: field → before, after.
        refused: field → what e-conomic says, why it is only shown.
        note: why it is left, or cannot be read.
        turn: doubts are looked at again when all debtors are judged; what was judged first is carried out first.
    """

    verdict: Verdict
    company: int | None = None
    joins: int | None = None
    rung: Rung | None = None
    candidates: tuple[Candidate, ...] = ()
    form: Record | None = None
    changed: Mapping[str, tuple[str | None, str | None]] = {}
    refused: Mapping[str, tuple[str, Refusal]] = {}
    note: str | None = None
    turn: int = 1

    @property
    def score(self) -> float | None:
        """Of the company, or of the likeliest one."""
        return self.candidates[0].score if self.candidates else None


class Done(NamedTuple):
    """What a run did about a debtor; `company` and `changed` as it came out."""

    outcome: Outcome
    company: int | None = None
    changed: Mapping[str, tuple[str | None, str | None]] = {}
    note: str | None = None


class ImportRow(NamedTuple):
    """A debtor of a run."""

    content: Content
    judgement: Judgement | None = None
    done: Done | None = None
    tick: Tick | None = None
    reverted: Reverted | None = None
    revert_note: str | None = None


class Waiting(NamedTuple):
    """A run that waits for a person's word, how many debtors wait as it, and whether it has only begun to."""

    run: int
    debtors: int
    is_new: bool


class Settings(NamedTuple):
    """What an agreement says: whether companies are made from debtors, and who owns a field where not by default."""

    may_create: bool
    owners: Mapping[str, str]


class ImportStore(Protocol):
    """The rows of one agreement's imports, inside one transaction."""

    def settings(self) -> Settings: ...

    def listed(self, numbers: Collection[int]) -> list[Content]:
        """The debtors in scope under these numbers, as the mirror has them."""
        ...

    def mirrored(self, after: int, limit: int) -> list[Content]:
        """The mirror's debtors in scope above `after`, by number."""
        ...

    def unlinked(self, after: int, limit: int) -> list[Content]:
        """The mirror's debtors in scope above `after` that have no company, by number."""
        ...

    def of_run(self, run: int, after: int, limit: int) -> list[Content]:
        """The debtors above `after` of another run that live and are in scope, as the mirror has them now."""
        ...

    def add(self, run: int, rows: Sequence[Content]) -> None:
        """Take debtors into a run."""
        ...

    def refuse(self, run: int, problems: Mapping[int, str]) -> None:
        """Note debtors that cannot be read, by number."""
        ...

    def rows(self, run: int, after: int, limit: int) -> list[ImportRow]:
        """A run's debtors above `after`, by number."""
        ...

    def count(self, run: int) -> int: ...

    def companies_of(self, run: int, numbers: Collection[int]) -> dict[int, int]:
        """The companies that debtors with these numbers have got, by number."""
        ...

    def judged(self, run: int, judgements: Mapping[int, Judgement]) -> None: ...

    def carried(self, run: int, done: Mapping[int, Done]) -> None: ...

    def links(self, run: int) -> list[tuple[int, float]]:
        """Number and score of every debtor that is to be linked."""
        ...

    def sample(self, run: int, chosen: Mapping[int, Sample]) -> None:
        """Have a person asked about these links."""
        ...

    def count_made(self, run: int) -> int:
        """How many of a run's debtors have a link that it made, or a company."""
        ...

    def made(self, run: int, turn: int, before: int, limit: int) -> list[ImportRow]:
        """Those of a turn with a number below `before`, highest first; without those that were reverted."""
        ...

    def reverted(self, run: int, told: Mapping[int, tuple[Reverted, str | None]]) -> None:
        """Note what became of each link, by number, and why it was kept."""
        ...

    def wait_for(self, debtors: Collection[int]) -> Waiting:
        """Have these debtors, by id, wait for a person's word: as a run that the agreement has, or a new one."""
        ...

    def under_way(self) -> bool:
        """Whether an import or match of the agreement judges or carries out just now, or is about to go on with it."""
        ...

    def waiting(self, debtors: Collection[int]) -> set[int]:
        """Of these debtors, those that wait for a person's word, or for which it was no."""
        ...

    def settle(self) -> None:
        """An import of everything was started: nothing waits for a word any more."""
        ...

    def approve(self) -> bool:
        """From now on companies are created, changed and linked; returns whether that has not been so before."""
        ...


def proposal_of(debtor: MatchedDebtor, judgement: Judgement, new_of: Mapping[int, int]) -> Proposal:
    """
    The proposal that a judgement was.

    Args:
        new_of: the debtors whose companies are about to be made together with this one, number → id. Companies of
            other debtors have been made: the judgement names them already.
    """
    news = {-each.company: new_of[-each.company] for each in judgement.candidates if each.company < 0}
    candidates = tuple(
        each._replace(company=FIRST_NEW - each.company) if each.company < 0 else each for each in judgement.candidates
    )
    action = _ACTIONS.get(judgement.verdict)
    is_new = judgement.verdict is Verdict.NEW
    return Proposal(
        debtor,
        _PROPOSED[judgement.verdict],
        verdict=None if action is None else Judged(action, judgement.company, judgement.rung, candidates, 0),
        company=judgement.company,
        new_of=None if judgement.joins is None or judgement.company is not None else new_of[judgement.joins],
        news={FIRST_NEW + number: debtor_id for number, debtor_id in news.items()},
        changed=judgement.changed,
        refused=judgement.refused,
        left=Left(judgement.note) if judgement.verdict is Verdict.LEFT and judgement.note else None,
        form=judgement.form if is_new else None,
        judged=None if is_new else judgement.form,
    )


def candidates_as_json(candidates: Sequence[Candidate]) -> list[list[Any]]:
    return [
        [each.company, each.score, _reasons_as_json(each.reasons), _reasons_as_json(each.against)]
        for each in candidates
    ]


def candidates_from_json(stored: Sequence[Sequence[Any]]) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(company, score, _reasons_from_json(reasons), _reasons_from_json(against))
        for company, score, reasons, against in stored
    )


def _reasons_as_json(reasons: Sequence[Reason]) -> list[list[Any]]:
    return [[each.message, each.bits, dict(each.parameters)] for each in reasons]


def _reasons_from_json(stored: Sequence[Sequence[Any]]) -> tuple[Reason, ...]:
    return tuple(Reason(message, bits, tuple(parameters.items())) for message, bits, parameters in stored)
