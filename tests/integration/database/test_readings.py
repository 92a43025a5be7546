"""Newer wins: stamps only rise."""

from __future__ import annotations

from collections.abc import Mapping

from infra.database.engine import Database
from infra.database.readings import What, raise_stamps
from tests.support.databases import AGREEMENT, scalar


def raised(
    store: Database, stamps: Mapping[int, int], what: What = What.DEBTOR, agreement: int = AGREEMENT
) -> set[int]:
    with store.write() as connection:
        return raise_stamps(connection, store.sql, agreement, what, stamps)


def test_only_a_newer_stamp_rises(store: Database) -> None:
    """Of numbers read before, those with a higher stamp go on; an equal or lower one does not."""
    assert raised(store, {1: 5, 2: 5, 3: 5}) == {1, 2, 3}

    assert raised(store, {1: 4, 2: 5, 3: 6, 4: 1}) == {3, 4}
    assert scalar(store, "SELECT sum(stamp) FROM reading") == 5 + 5 + 6 + 1


def test_kinds_of_reading_are_apart(store: Database) -> None:
    """A debtor, an invoice and its lines of one number have a stamp each, and so has every agreement."""
    raised(store, {1: 9})

    assert raised(store, {1: 1}, What.INVOICE) == {1}
    assert raised(store, {1: 1}, What.LINES) == {1}
    assert raised(store, {1: 1}, agreement=7) == {1}


def test_many_numbers_at_once(store: Database) -> None:
    """A page of 5,000 is one statement, and half of it may be old."""
    raised(store, dict.fromkeys(range(0, 5_000, 2), 10))

    assert raised(store, dict.fromkeys(range(5_000), 5)) == set(range(1, 5_000, 2))


def test_nothing_read_nothing_raised(store: Database) -> None:
    """An empty answer is no statement at all."""
    assert raised(store, {}) == set()
