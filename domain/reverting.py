"""
Use case: revert an import. The companies and links it made go, newest first, as long as they are what it made of them.

What changed since is refused, by value and by name. The mirror stays as it is, and so does what linked companies took
over from their own debtors: that came from e-conomic, not from the import. A debtor whose link went is left alone until
a person acts: starts an import anew, or links it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.import_rows import ImportRow, Outcome, Reverted
from domain.imports import MOST_TURNS, PORTION
from domain.links import LinkedDebtor
from domain.ports import UnitOfWork
from domain.proposals import new_company
from domain.run_kinds import RunPort
from domain.taking_back import LinkMade, take_back

_FROM_THE_END = 10**12  # beyond every debtor number


class Phase(StrEnum):
    """What a revert is doing."""

    REVERT = "revert"
    DONE = "done"


@dataclass(slots=True)
class RevertState:
    """Where a revert is; kept in its row: in the import's turns, the last one first, and in each from the end."""

    turn: int = MOST_TURNS
    before: int = _FROM_THE_END  # the last debtor number that was looked at
    phase: Phase = Phase.REVERT
    total: int | None = None
    read: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in self.__slots__}, "phase": self.phase.value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RevertState:
        return cls(**{**stored, "phase": Phase(stored["phase"])})


class Revert:
    """
    One revert, a portion at a time.

    Args:
        run: the import.
        who: for the history.
    """

    def __init__(self, work: RunPort, run: int, who: str, state: RevertState) -> None:
        self._work = work
        self._run = run
        self._who = who
        self.state = state

    def step(self) -> bool:
        state = self.state
        if state.phase is Phase.DONE:
            return False
        with self._work.transaction() as uow:
            if state.total is None:
                state.total = uow.imports.count_made(self._run)
            rows = uow.imports.made(self._run, state.turn, state.before, PORTION)
            told = self._take_back(uow, rows)
            uow.imports.reverted(self._run, told)
            total = Counter(state.counts.get("reverted", {}))
            total.update(str(what) for what, _ in told.values())
            state.counts["reverted"] = dict(total)
            state.read += len(rows)
            if len(rows) == PORTION:
                state.before = rows[-1].content.number
            elif state.turn > 1:
                state.turn, state.before = state.turn - 1, _FROM_THE_END
            else:
                state.phase = Phase.DONE
            self._work.save(uow, state)
        return True

    def _take_back(self, uow: UnitOfWork, rows: Sequence[ImportRow]) -> dict[int, tuple[Reverted, str | None]]:
        """What became of each, by number, with the reason where it was kept."""
        links = {row.content.number: _link(self._work.agreement, self._run, row) for row in rows}
        made = [each for each in links.values() if each is not None]
        kept = take_back(uow.matching, uow.conversions, made, who=self._who, run_id=self._work.run_id)
        told: dict[int, tuple[Reverted, str | None]] = {}
        for number, each in links.items():
            why = "its company is not there any more" if each is None else kept.get(each.debtor)
            told[number] = (Reverted.REVERTED, None) if why is None else (Reverted.KEPT, why)
        return told

    def closing(self) -> str | None:
        kept = self.state.counts.get("reverted", {}).get(Reverted.KEPT, 0)
        if not kept:
            return None
        return (
            f"{kept} of {self.state.read} debtors keep their company, because something changed since: see the report"
        )


def _link(agreement: int, run: int, row: ImportRow) -> LinkMade | None:
    """What the import did about a debtor; None when the debtor or its company is nowhere any more."""
    done, debtor = row.done, row.content.id
    if done is None or done.company is None or debtor is None:
        return None
    created = None
    if done.outcome is Outcome.CREATED:
        of = LinkedDebtor(debtor, agreement, row.content.number, row.content.values, {})
        created = new_company(done.company, of).fields._asdict()
    return LinkMade(debtor, agreement, row.content.number, done.company, done.changed, created, run)
