"""
What a resync was asked for, and where it is.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """What a resync is reading; in this order."""

    DEBTORS = "debtors"
    GONE = "gone"
    INVOICES = "invoices"
    LINES = "lines"
    REPAIR = "repair"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ResyncOptions:
    """What was asked for; `since` limits invoices to those dated from then on; `by_itself`: nobody asked."""

    debtors: bool = True
    invoices: bool = True
    since: dt.date | None = None
    dry_run: bool = False
    allow_deletions: bool = False
    by_itself: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "since": self.since.isoformat() if self.since else None}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ResyncOptions:
        since = stored.get("since")
        return cls(**{**stored, "since": dt.date.fromisoformat(since) if since else None})

    def first_phase(self) -> Phase:
        return Phase.DEBTORS if self.debtors else Phase.INVOICES


@dataclass(slots=True)
class ResyncState:
    """Where a resync is; kept in its row."""

    phase: Phase
    after: int = 0  # the last key whose record is stored
    suspects: list[int] = field(default_factory=list)  # living debtors the list did not show
    suspect_count: int = 0
    total: int | None = None  # records of this phase, for the forecast
    read: int = 0  # records of this phase so far
    singles: int | None = None  # invoices that may still be read singly
    first_invoice: int | None = None  # with `since`: the smallest number read
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "phase": self.phase.value}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ResyncState:
        return cls(**{**stored, "phase": Phase(stored["phase"])})

    def count(self, what: str, **numbers: int) -> None:
        total = Counter(self.counts.get(what, {}))
        total.update(numbers)
        self.counts[what] = dict(total)

    def enter(self, phase: Phase) -> None:
        self.phase, self.after, self.total, self.read = phase, 0, None, 0
