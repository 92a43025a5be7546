"""
Debtors: what e-conomic's API calls customers, and what a fresh reading means for the stored ones.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

MAX_NUMBER = 999_999_999
"""Largest debtor and invoice number e-conomic knows (nine digits; e-conomic.md §2.3)."""


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
        return fingerprint(self[1:])


def fingerprint(values: tuple[object, ...]) -> str:
    """16 hexadecimal digits that differ when any value differs."""
    return blake2b(repr(values).encode(), digest_size=8).hexdigest()


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
    update: list[tuple[int, Debtor]] = field(default_factory=list)  # (row id, new content)
    free: list[int] = field(default_factory=list)  # row ids whose number goes to somebody else: moved rows
    bury: list[int] = field(default_factory=list)  # row ids that become tombstones
    absorb: list[tuple[int, int]] = field(default_factory=list)  # (row id that ends, row id it becomes one with)
    conflicts: list[Edge] = field(default_factory=list)  # both rows exist and are different firms
    outcomes: dict[int, Outcome] = field(default_factory=dict)


def same_firm(a_name: str, a_cvr: str | None, b_name: str, b_cvr: str | None) -> bool:
    """Whether two records under one number may be one firm: name or CVR agrees."""
    return _folded(a_name) == _folded(b_name) or (bool(_folded(a_cvr)) and _folded(a_cvr) == _folded(b_cvr))


def _folded(text: str | None) -> str:
    return "".join((text or "").casefold().split())


def decide(
    read: Mapping[int, Debtor | None],
    stored: Mapping[int, StoredDebtor],
    *,
    edges: Iterable[Edge] = (),
    graves: Mapping[int, StoredDebtor] | None = None,
) -> DebtorChanges:
    """
    Say what must be written so that the mirror agrees with a page of readings.

    Existence in e-conomic decides; the webhook only says where to look. A re-numbering is believed only when the
    old number reads 404 and the new one 200; chains and swaps of one page are resolved together, each row
    moving to the number its last edge names.

    Args:
        read: every number of the page whose stamp rose; None = a read of its own answered 404.
        stored: the living row under each number, for the numbers that have one.
        edges: the claimed re-numberings, in order of arrival.
        graves: the newest tombstone under a number without a living row.
    """
    changes = DebtorChanges()
    graves = graves or {}
    moves = _moves(read, stored, edges)
    arriving = {new: stored[old] for old, new in moves.items()}
    for number in sorted(read):
        debtor, here = read[number], stored.get(number)
        mover = arriving.get(number)
        if mover is not None and debtor is not None:
            _arrive(changes, debtor, mover, here, leaves=number in moves)
        elif number in moves:
            changes.outcomes[number] = Outcome.MOVED
            if debtor is not None:  # the number was given to a newcomer at once
                changes.insert.append(debtor)
                changes.outcomes[number] = Outcome.CREATED
        elif debtor is None:
            if here is not None:
                changes.bury.append(here.id)
            changes.outcomes[number] = Outcome.GONE if here is not None else Outcome.ABSENT
        else:
            _stay(changes, debtor, here, graves.get(number))
    return changes


def _moves(
    read: Mapping[int, Debtor | None], stored: Mapping[int, StoredDebtor], edges: Iterable[Edge]
) -> dict[int, int]:
    """Which stored row goes where: old number → the living end of its edges."""
    step: dict[int, int] = {}
    for edge in edges:
        if edge.old != edge.new:
            step[edge.old] = edge.new
    moves: dict[int, int] = {}
    taken: set[int] = set()
    for old in step:
        if old not in stored:
            continue
        new, seen = step[old], {old}
        while read.get(new) is None and new in step and new not in seen:
            seen.add(new)
            new = step[new]
        target = read.get(new)
        if target is None or new in taken or new == old:
            continue
        row = stored[old]
        left = read.get(old) is None and old in read
        swapped = read.get(old) is not None and not _fits(row, read[old]) and _fits(row, target)
        if left or swapped:
            moves[old] = new
            taken.add(new)
    return moves


def _fits(row: StoredDebtor, debtor: Debtor | None) -> bool:
    return debtor is not None and same_firm(row.name, row.cvr, debtor.name, debtor.cvr)


def _arrive(
    changes: DebtorChanges, debtor: Debtor, mover: StoredDebtor, here: StoredDebtor | None, *, leaves: bool
) -> None:
    """A row moves to `debtor.number`; `here` is the row that stands there, `leaves` = it moves away itself."""
    if here is not None and not leaves:
        if _fits(mover, debtor) and same_firm(here.name, here.cvr, mover.name, mover.cvr):
            changes.absorb.append((here.id, mover.id))
        elif _fits(here, debtor):  # a stranger holds the number and still does
            changes.conflicts.append(Edge(mover.number, debtor.number))
            changes.bury.append(mover.id)
            _stay(changes, debtor, here, None)
            return
        else:
            changes.bury.append(here.id)
    changes.free.append(mover.id)
    changes.update.append((mover.id, debtor))
    changes.outcomes[debtor.number] = Outcome.MOVED


def _stay(changes: DebtorChanges, debtor: Debtor, here: StoredDebtor | None, grave: StoredDebtor | None) -> None:
    if here is None and grave is not None and _fits(grave, debtor):  # deleted and made again as the same firm
        changes.update.append((grave.id, debtor))
        changes.outcomes[debtor.number] = Outcome.UPDATED
    elif here is None:
        changes.insert.append(debtor)
        changes.outcomes[debtor.number] = Outcome.CREATED
    elif here.fingerprint == debtor.fingerprint():
        changes.outcomes[debtor.number] = Outcome.UNCHANGED
    elif _changed_hands(here, debtor):
        changes.bury.append(here.id)
        changes.insert.append(debtor)
        changes.outcomes[debtor.number] = Outcome.REPLACED
    else:
        changes.update.append((here.id, debtor))
        changes.outcomes[debtor.number] = Outcome.UPDATED


def _changed_hands(here: StoredDebtor, debtor: Debtor) -> bool:
    """Name and CVR both became something else: the number was given to another firm."""
    return (
        bool(_folded(here.cvr))
        and _folded(debtor.cvr) != _folded(here.cvr)
        and _folded(debtor.name) != _folded(here.name)
    )
