"""
Questions about duplicates and the answers to them: what is kept of each, and what answering and undoing need.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from domain.alerts import AlertReason, Answer, Ending, RecordRef
from domain.errors import PermanentError
from domain.events import Outbox
from domain.match_debtors import MatchLinks
from domain.matching.verdicts import Candidate
from domain.merge_companies import Conversions
from domain.merge_companies import Stores as MergeStores
from domain.take_companies import CompanyStore
from domain.unmerge_companies import UnmergeStore

AT_ONCE = 50
"""Alerts answered in one transaction."""


class NotAnswered(PermanentError):
    """An answer cannot be given, or not be undone; the message says why."""

    reason = "not_answered"


class AskedRecord(NamedTuple):
    """
    A record of an alert as stored.

    Attributes:
        id: of this question, not of the debtor or company.
        name: how people know it.
        candidates: best first.
        ending, by, at: how the question ended, through whom and when; None while it is open.
        decision: the last answer about it, undone or not.
        done: what that answer changed, by `Done`.
    """

    id: int
    alert: int
    record: RecordRef
    name: str
    candidates: tuple[Candidate, ...]
    ending: Ending | None = None
    by: str | None = None
    at: dt.datetime | None = None
    decision: int | None = None
    done: Mapping[str, object] | None = None


class Outcome(NamedTuple):
    """
    What became of one record.

    Attributes:
        company: the one it is or became.
        problem: why nothing was done.
        kept: what a merge that was taken back left with the survivor, since it came later.
    """

    alert: int
    record: RecordRef
    name: str
    ending: Ending | None = None
    company: int | None = None
    problem: str | None = None
    kept: tuple[str, ...] = ()


class Undoing(NamedTuple):
    """Who took an answer back, when."""

    who: str
    at: dt.datetime


class AnswerStore(Protocol):
    """Questions and answers of one firm inside one transaction."""

    def records(self, alerts: Collection[int]) -> list[AskedRecord]:
        """Every record of these alerts, by alert and as they were asked about."""
        ...

    def decided(self, decision: int) -> list[AskedRecord]:
        """The records that ended by an answer, by the same order."""
        ...

    def lock(self, alerts: Collection[int]) -> list[int]:
        """These alerts, locked in the order of their ids until the end of the transaction."""
        ...

    def open_alerts(self, reason: AlertReason | None, after: int, limit: int) -> list[int]:
        """Open alerts above `after`, sorted, at most `limit`."""
        ...

    def begin(self, answer: Answer, reason: AlertReason | None, who: str) -> int:
        """A new decision: answers that are given, and may be undone, together. `reason`: all alerts of it."""
        ...

    def answered(
        self, record: AskedRecord, how: Ending, *, who: str, decision: int, done: Mapping[str, object]
    ) -> None:
        """Remember what was done about an open record."""
        ...

    def undone(self, records: Sequence[AskedRecord], *, decision: int, who: str) -> None:
        """Ask about these again, unless that is done elsewhere by now."""
        ...

    def undoing(self, decisions: Collection[int]) -> Undoing | None:
        """Who took the last of these back."""
        ...

    def remember(self, pairs: Collection[tuple[RecordRef, int]], *, left: bool, who: str) -> None:
        """A person spoke of these pairs. `left`: nobody said that they differ, only not to ask again."""
        ...

    def forget(self, pairs: Collection[tuple[RecordRef, int]]) -> None: ...


class Stores(NamedTuple):
    """What answering needs, in one transaction."""

    answers: AnswerStore
    companies: CompanyStore
    links: MatchLinks
    outbox: Outbox
    conversions: Conversions
    merging: MergeStores
    merges: UnmergeStore


Transaction = Callable[[], AbstractContextManager[Stores]]


def said_at(moment: dt.datetime) -> str:
    """A time in a sentence."""
    return f"{moment:%Y-%m-%d at %H:%M:%S} UTC"
