"""
Inbox events. Those of e-conomic are hints: they say where to look, never what is true. Those of the CRM carry data
(`domain.crm_events`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import NamedTuple, cast

from domain.debtors import MAX_NUMBER, Edge


class Kind(StrEnum):
    """A kind of work; each (agreement, kind) is worked on by one holder at a time."""

    DEBTORS = "debtors"
    INVOICES = "invoices"
    PAYMENTS = "payments"  # a daybook was booked: look what is still unpaid
    POLL = "poll"  # look for changes that nobody announced
    COMPANIES = "companies"  # the CRM's companies: each event's `body` is what it said
    CONVERSIONS = "conversions"  # deals won; apart from companies, so that no import of theirs holds a deal up
    EDITS = "edits"  # debtors to be changed in e-conomic; a hint names an edit whose failure was replayed
    LINKS = "links"  # debtors that are new or have changed: which company each is, and what that takes over
    REFERENCE = "reference"  # a list of names is due, or lacks a number
    UNUSABLE = "unusable"  # authenticated, but names nothing: becomes a failure


class Source(StrEnum):
    """Where an inbox event came from."""

    HOOK = "hook"
    POLL = "poll"
    SYNC = "sync"  # a person pressed Sync now, or replayed a failure
    INVOICE = "invoice"  # a stored invoice asks for its debtor
    PAYMENT = "payment"  # a look at the unpaid invoices asks for one of them, or for the rest of the look
    CRM = "crm"
    NUMBER = "number"  # a mirrored record carries a number without a name
    MIRROR = "mirror"  # a stored debtor asks for its company
    CHAIN = "chain"  # a re-numbering leads on to a debtor that must be read with it


class NewHint(NamedTuple):
    """
    An event to be stored.

    `old` and `new` are usable numbers or None; `body` is what the CRM said, or what could not be read. An agreement's
    events of one `webhook_id` are stored once (None: whatever comes is stored).
    """

    agreement: int
    kind: Kind
    source: Source
    correlation_id: str
    old: int | None = None
    new: int | None = None
    body: str | None = None
    webhook_id: str | None = None


class Hint(NamedTuple):
    """An outstanding event as stored; `body` of a CRM's is what `domain.crm_events.read_stored` reads."""

    id: int
    old: int | None
    new: int | None
    correlation_id: str
    body: str | None = None
    webhook_id: str | None = None  # the CRM's events have one

    def numbers(self) -> set[int]:
        """The distinct numbers to read."""
        found = {self.old, self.new}
        found.discard(None)
        return cast("set[int]", found)  # a hundred thousand hints are asked in a storm, more than once


def match_hint(agreement: int, number: int | None, cause: str) -> NewHint:
    """Look at this debtor's company; None: at those of all debtors."""
    return NewHint(agreement, Kind.LINKS, Source.MIRROR, cause, number, number)


def usable(value: object) -> int | None:
    """
    A number to look at, or None for what a sender left empty.

    Empty text, 0, an unreplaced merge field such as `[NUMBER]` and anything out of range count as not supplied
    (e-conomic.md §1.1, §1.3).
    """
    text = str(value).strip()
    if not (text.isascii() and text.isdigit()):
        return None
    number = int(text) if len(text) <= 18 else 0
    return number if 1 <= number <= MAX_NUMBER else None


def edges(hints: Iterable[Hint]) -> list[Edge]:
    """The re-numberings that hints claim, in order of arrival."""
    return [
        Edge(hint.old, hint.new)
        for hint in sorted(hints)
        if hint.old is not None and hint.new is not None and hint.old != hint.new
    ]


def bundles(hints: Iterable[Hint]) -> list[set[int]]:
    """
    The numbers of hints as sets that must be decided together: numbers joined by a re-numbering share one set.

    Sorted by their smallest number.
    """
    leader: dict[int, int] = {}  # of numbers joined with others
    alone: set[int] = set()

    def find(number: int) -> int:
        leader.setdefault(number, number)
        while leader[number] != number:
            leader[number] = leader[leader[number]]
            number = leader[number]
        return number

    for hint in hints:
        numbers = hint.numbers()
        if len(numbers) < 2:
            alone |= numbers
            continue
        low, high = sorted(map(find, numbers))
        leader[high] = low
    groups = {number: {number} for number in alone.difference(leader)}
    for number in list(leader):
        groups.setdefault(find(number), set()).add(number)
    return [groups[root] for root in sorted(groups)]


class HintTracker:
    """Which hints are answered by which numbers."""

    def __init__(self, hints: Iterable[Hint]) -> None:
        self._waiting: dict[int, set[int]] = {}  # re-numberings: one number answers the others at once
        self._by_number: dict[int, list[Hint]] = {}
        self._idle: list[Hint] = []
        by_number = self._by_number
        for hint in hints:
            _, old, new, *_ = hint
            number = new if old is None else old
            if number is None:
                self._idle.append(hint)
                continue
            by_number.setdefault(number, []).append(hint)
            if new is not None and new != number:
                self._waiting[hint.id] = {number, new}
                by_number.setdefault(new, []).append(hint)

    def answered(self, numbers: Collection[int]) -> list[Hint]:
        """The hints all of whose numbers have their answer now."""
        done = self._idle
        self._idle = []
        for number in numbers:
            for hint in self._by_number.pop(number, ()):
                waiting = self._waiting.get(hint.id)
                if waiting is not None:
                    waiting.discard(number)
                if not waiting:
                    done.append(hint)
        return done

    def causes(self, numbers: Collection[int]) -> dict[int, str]:
        """The correlation id of the newest hint for each number."""
        return {n: self._by_number[n][-1].correlation_id for n in numbers if n in self._by_number}

    def edges(self, numbers: Collection[int]) -> list[Edge]:
        """The re-numberings from or to these numbers, in order of arrival."""
        if not self._waiting:
            return []
        return edges({hint.id: hint for n in numbers for hint in self._by_number.get(n, ())}.values())
