"""
Imports of e-conomic's debtors: what was asked for, where a run is, and the rows it keeps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from domain.import_rows import Content, Done, ImportRow, Judgement, Reverted
from domain.precision import Sample
from domain.resync_state import ResyncState

PORTION = 500
"""Debtors judged, or carried out, at once."""

MOST_TURNS = 5
"""So often debtors are judged: doubts again, as long as what was settled may settle more."""


class Phase(StrEnum):
    """What an import is doing; in this order."""

    LIST = "debtors"  # reading e-conomic's list into the mirror, and into the run
    GONE = "gone"  # reading those singly that the list lacks
    LOAD = "load"  # taking debtors from the mirror into the run
    JUDGE = "judge"
    CARRY_OUT = "carry_out"
    DONE = "done"


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
