"""
Debtors: what e-conomic's API calls customers, and what a fresh reading means for the stored ones.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from domain.fingerprints import fingerprint, spelling

MAX_NUMBER = 999_999_999
"""Largest debtor and invoice number e-conomic knows (nine digits; e-conomic.md §2.3)."""

MOST_STEPS = 30
"""Re-numberings of one debtor that are followed; more within 30 days is a loop, not a history."""


class Debtor(NamedTuple):
    """
    One debtor as read from e-conomic: absent text is None, amounts are in the agreement's base currency.

    Source: e-conomic.md §2.3 (REST customers).
    """

    number: int
    name: str
    currency: str | None = None
    debtor_group: int | None = None
    payment_terms: int | None = None
    vat_zone: int | None = None
    layout: int | None = None
    sales_person: int | None = None
    address: str | None = None
    zip: str | None = None
    city: str | None = None
    country: str | None = None
    cvr: str | None = None
    vat_number: str | None = None
    p_number: str | None = None
    ean: str | None = None
    public_entry_number: str | None = None
    email: str | None = None
    phone: str | None = None
    mobile: str | None = None
    website: str | None = None
    barred: bool = False
    e_invoicing_disabled: bool = False
    credit_limit: Decimal | None = None
    balance: Decimal | None = None
    due_amount: Decimal | None = None
    last_updated: dt.datetime | None = None

    def fingerprint(self) -> str:
        """The same text for the same content, whatever number the debtor has now."""
        return fingerprint(_CONTENT % self[1:])


_CONTENT = spelling(Debtor, 1)


class StoredDebtor(NamedTuple):
    """What a decision needs to know of a debtor row; `gone` = e-conomic deleted it."""

    id: int
    number: int
    name: str
    cvr: str | None
    fingerprint: str
    gone: bool


class Outcome(StrEnum):
    """What a reading did to one number."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    MOVED = "moved"  # re-numbered: the same row under a new number
    REPLACED = "replaced"  # the number belongs to another firm now: a new row, the old one tombstoned
    GONE = "gone"
    ABSENT = "absent"  # neither we nor e-conomic know it
    STALE = "stale"  # a newer reading was stored first


class Edge(NamedTuple):
    """A re-numbering as a webhook claims it."""

    old: int
    new: int


@dataclass(slots=True)
class DebtorChanges:
    """What one page of readings does to the mirror; each list is sorted by number."""

    insert: list[Debtor] = field(default_factory=list)
    update: list[tuple[int, Debtor]] = field(default_factory=list)  # (row id, new content); a tombstone lives again
    free: list[int] = field(default_factory=list)  # row ids whose number goes to somebody else: moved rows
    bury: list[int] = field(default_factory=list)  # row ids that become tombstones
    absorb: list[tuple[int, int]] = field(default_factory=list)  # (row id that ends, row id it becomes one with)
    conflicts: list[Edge] = field(default_factory=list)  # both rows exist and are different firms
    look: list[Edge] = field(default_factory=list)  # this row may stand there now: both must be read together
    outcomes: dict[int, Outcome] = field(default_factory=dict)


def cvr_key(text: str | None) -> str:
    """
    What tells two CVR numbers apart; "" for an absent one.

    Spaces, dots, dashes, `DK` and leading zeros do not count; words, `0` and the like mean absent (e-conomic.md §5.8).
    """
    key = re.sub(r"[\W_]", "", (text or "").upper())
    if key.startswith("DK") and key[2:].isdigit():
        key = key[2:]
    if key.isdigit():
        key = key.lstrip("0")
    return key if any(c.isdigit() for c in key) else ""


def _folded(text: str) -> str:
    return "".join(text.casefold().split())


def same_name(a: str, b: str) -> bool:
    """Whether two names are one, upper or lower case and spaces apart; an empty one is nobody's."""
    return bool(_folded(a)) and _folded(a) == _folded(b)


def same_cvr(a: str | None, b: str | None) -> bool:
    """Whether both have a CVR number, and the same one."""
    return bool(cvr_key(a)) and cvr_key(a) == cvr_key(b)


def likeness(row: StoredDebtor, debtor: Debtor) -> int:
    """How much a row looks like a reading: 0 another firm, 1 name or CVR agrees, 2 both do, 3 all content is equal."""
    both = same_name(row.name, debtor.name) + same_cvr(row.cvr, debtor.cvr)
    return 3 if both and row.fingerprint == debtor.fingerprint() else both


def is_stranger(row: StoredDebtor | None, debtor: Debtor) -> bool:
    """Whether a reading may be another debtor than the row under its number: its tombstones must be looked at."""
    return row is None or (row.name != debtor.name and not likeness(row, debtor))


def changed_hands(row: StoredDebtor, debtor: Debtor) -> bool:
    """Name and CVR both became something else: the number was given to another firm."""
    return bool(cvr_key(row.cvr)) and not likeness(row, debtor)


def decide(
    read: Mapping[int, Debtor | None],
    stored: Mapping[int, StoredDebtor],
    *,
    claimed: Iterable[Edge] = (),
    remembered: Iterable[Edge] = (),
    graves: Iterable[StoredDebtor] = (),
) -> DebtorChanges:
    """
    Say what must be written so that the mirror agrees with a page of readings.

    Existence in e-conomic decides; webhooks only say where to look. First every row finds its home: the number it
    looks most like, among its own and those its re-numberings lead to; chains, swaps and detours over a temporary
    number need no order of arrival. What finds no home is a tombstone, or becomes one with the row that stands where
    it went.

    Args:
        read: every number of the page whose stamp rose; None = a read of its own answered 404.
        stored: the living rows under these numbers and under those that re-numberings lead to.
        claimed: the re-numberings of the events being handled.
        remembered: those of the last 30 days around these numbers; they help to find a new debtor's tombstone only.
        graves: tombstones under any of these numbers, newest first.
    """
    return _Decision(read, stored, _Ways(claimed, remembered), list(graves)).made()


class _Step(NamedTuple):
    """A number that a row may have gone to, `distance` re-numberings away."""

    number: int
    distance: int
    claimed: bool


class _Ways:
    """Where re-numberings lead."""

    def __init__(self, claimed: Iterable[Edge], remembered: Iterable[Edge]) -> None:
        self._onward: dict[int, dict[int, bool]] = {}
        for edges, is_claimed in ((remembered, False), (claimed, True)):
            for old, new in edges:
                if old != new:
                    self._onward.setdefault(old, {})[new] = is_claimed

    def __bool__(self) -> bool:
        return bool(self._onward)

    def onward(self, number: int) -> list[_Step]:
        """The numbers reached from this one, perhaps itself, nearest first; `claimed` = by an event being handled."""
        found: dict[int, _Step] = {}
        frontier = {(number, False)}
        seen = set(frontier)
        for distance in range(1, MOST_STEPS + 1):
            frontier = {
                (new, on_claim or claimed)
                for old, on_claim in frontier
                for new, claimed in self._onward.get(old, {}).items()
            } - seen
            if not frontier:
                break
            seen |= frontier
            for new, on_claim in frontier:
                if new not in found or (on_claim and not found[new].claimed):
                    found[new] = _Step(new, distance, on_claim)
        return sorted(found.values(), key=lambda step: (step.distance, step.number))


class _Decision:
    """One page being decided."""

    def __init__(
        self,
        read: Mapping[int, Debtor | None],
        stored: Mapping[int, StoredDebtor],
        ways: _Ways,
        graves: list[StoredDebtor],
    ) -> None:
        self._read = read
        self._stored = stored
        self._ways = ways
        self._graves = graves
        self._home: dict[int, int] = {}  # row id → number
        self._tenant: dict[int, StoredDebtor] = {}  # number → row
        self._absorbed: set[int] = set()
        self._equal: dict[int, bool] = {}  # number → whether the row under it has the content read
        self.changes = DebtorChanges()

    def made(self) -> DebtorChanges:
        doubtful: list[StoredDebtor] = []
        for number, debtor in self._read.items():
            row = self._stored.get(number)
            if row is None:
                continue
            if debtor is not None:
                self._equal[number] = row.fingerprint == debtor.fingerprint()
            # The usual cases, and the fast ones: nothing changed, or nothing could be anywhere else.
            if (self._equal.get(number) and not self._ways.onward(number)) or (
                debtor is not None and not self._ways and row.name and row.name == debtor.name
            ):
                self._settle(row, number)
            else:
                doubtful.append(row)
        self._find_homes(doubtful)
        for row in sorted(doubtful, key=lambda row: row.number):
            if self._is_homeless(row):
                self._leave(row)
        for grave in self._graves:
            if self._is_homeless(grave):
                self._follow(grave)
        for number in sorted(self._read):
            self._write(number)
        return self.changes

    def _is_homeless(self, row: StoredDebtor) -> bool:
        return row.id not in self._home and row.id not in self._absorbed

    def _settle(self, row: StoredDebtor, number: int) -> None:
        self._home[row.id] = number
        self._tenant[number] = row

    def _find_homes(self, doubtful: Iterable[StoredDebtor]) -> None:
        rows = {row.id: row for row in (*doubtful, *self._graves)}
        options = [option for row in rows.values() for option in self._options(row)]
        guesses: list[tuple[int, int]] = []
        for unlike, _gone, _rank, distance, row_id, number in sorted(options):
            if row_id in self._home or number in self._tenant:
                continue
            if unlike and distance:
                guesses.append((row_id, number))
            else:
                self._settle(rows[row_id], number)
        # A row that left and looks like nothing there may have been renamed as well: believed when nothing else fits.
        open_ones = [(r, n) for r, n in guesses if r not in self._home and n not in self._tenant]
        for row_id, number in open_ones:
            if sum(r == row_id or n == number for r, n in open_ones) == 1:
                self._settle(rows[row_id], number)

    def _options(self, row: StoredDebtor) -> Iterator[tuple[bool, bool, int, int, int, int]]:
        """The numbers a row could have now, sorting best first; living rows go before tombstones."""
        here = self._read.get(row.number)
        if here is not None:
            like = likeness(row, here)
            if like or not (row.gone or changed_hands(row, here)):
                yield not like, row.gone, -like, 0, row.id, row.number
        left = row.number in self._read and here is None
        for step in self._ways.onward(row.number):
            there = self._read.get(step.number)
            if there is None or step.number == row.number:
                continue
            like = likeness(row, there)
            if row.gone:
                possible = like >= (1 if step.claimed else 2)
            else:
                possible = step.claimed and (like > 0 or (left and not changed_hands(row, there)))
            if possible:
                yield not like, row.gone, -like, step.distance, row.id, step.number

    def _leave(self, row: StoredDebtor) -> None:
        """A living row whose number is free, or somebody else's, and that found no other."""
        if self._follow(row):
            return
        self.changes.bury.append(row.id)
        if any(edge.old == row.number for edge in self.changes.look) or self._read[row.number] is not None:
            return
        for step in self._ways.onward(row.number):
            if step.claimed and self._read.get(step.number) is not None:
                self.changes.conflicts.append(Edge(row.number, step.number))
                return

    def _follow(self, row: StoredDebtor) -> bool:
        """
        Whether a row becomes one with the row that stands where it went.

        It happens when an event came late: the debtor was met under its new number first. The older row lives on, the
        other one's history follows. A tombstone must agree in name and CVR, because its number may have had several
        owners.
        """
        for step in self._ways.onward(row.number):
            if not step.claimed:
                continue
            there, other = self._read.get(step.number), self._tenant.get(step.number)
            if there is None:
                unread = self._stored.get(step.number) if step.number not in self._read else None
                if unread is not None and _one_firm(row, unread):
                    self.changes.look.append(Edge(row.number, step.number))
                    return False
            elif other is not None and _as_like(row, there):
                if other.id < row.id:
                    self._absorb(row, other)
                else:
                    self._absorb(other, row)
                    self._settle(row, step.number)
                return True
        return False

    def _absorb(self, ends: StoredDebtor, goes_on: StoredDebtor) -> None:
        self.changes.absorb.append((ends.id, goes_on.id))
        self._absorbed.add(ends.id)
        self._home.pop(ends.id, None)

    def _write(self, number: int) -> None:
        changes, debtor, here = self.changes, self._read[number], self._stored.get(number)
        here_no_more = here is not None and self._is_homeless(here)
        if debtor is None:
            outcome = Outcome.ABSENT if here is None else Outcome.GONE if here_no_more else Outcome.MOVED
        elif (row := self._tenant.get(number)) is None:
            changes.insert.append(debtor)
            outcome = Outcome.REPLACED if here_no_more else Outcome.CREATED
        elif row is here and self._equal[number]:
            outcome = Outcome.UNCHANGED
        else:
            if row.number != number and not row.gone:
                changes.free.append(row.id)
            changes.update.append((row.id, debtor))
            outcome = Outcome.UPDATED if row.number == number else Outcome.MOVED
        changes.outcomes[number] = outcome


def _one_firm(a: StoredDebtor, b: StoredDebtor) -> bool:
    name, cvr = same_name(a.name, b.name), same_cvr(a.cvr, b.cvr)
    return (name and (cvr or not cvr_key(a.cvr))) if a.gone else (name or cvr)


def _as_like(row: StoredDebtor, debtor: Debtor) -> bool:
    return _one_firm(row, StoredDebtor(0, debtor.number, debtor.name, debtor.cvr, "", gone=False))
