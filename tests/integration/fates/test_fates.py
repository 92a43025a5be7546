"""Every fate of a number, in every order its events may arrive in, and beside a comparison."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pytest

from tests.integration.fates.conftest import Mirrored, SandboxBooks
from tests.support.fates import Event, Firm

Connect = Callable[[], tuple[SandboxBooks, Mirrored]]

NORDVIND, SYDHAVN, VESTKYST = Firm("Nordvind Service A/S", "31313139"), Firm("Sydhavn ApS", "29292925"), Firm("V", "7")
NEWCOMER = Firm("Nytår I/S", "25252525")
NEW = 0


class Fate(NamedTuple):
    """
    What happens to 1 (Nordvind), 2 (Sydhavn) and 3 (Vestkyst), and what must be afterwards.

    Args:
        changes: done in this order, before any event arrives.
        events: those that arrive, in any order; empty = none does, and the comparison finds it.
        rows: number → the number its row had before; NEW = a row of its own.
    """

    name: str
    changes: Callable[[SandboxBooks], None]
    events: list[Event]
    rows: dict[int, int]


def _done(*steps: Callable[[SandboxBooks], object]) -> Callable[[SandboxBooks], None]:
    def do(books: SandboxBooks) -> None:
        for step in steps:
            step(books)

    return do


def put(number: int, firm: Firm) -> Callable[[SandboxBooks], None]:
    return lambda books: books.put(number, firm)


def move(old: int, new: int) -> Callable[[SandboxBooks], None]:
    return lambda books: books.move(old, new)


def remove(number: int) -> Callable[[SandboxBooks], None]:
    return lambda books: books.remove(number)


SAME = {1: 1, 2: 2, 3: 3}
WITHOUT_1 = {2: 2, 3: 3}
MOVED = {5: 1, **WITHOUT_1}
SWAPPED = _done(move(1, 9), move(2, 1), move(9, 2))

FATES = [
    Fate("update", put(1, NORDVIND._replace(city="Vejle")), [(1, 1)], SAME),
    Fate("update, no event", put(1, NORDVIND._replace(city="Vejle")), [], SAME),
    Fate("barred", put(1, NORDVIND._replace(barred=True)), [(1, 1)], SAME),
    Fate("created, OLD empty", put(5, NEWCOMER), [(None, 5)], {**SAME, 5: NEW}),
    Fate("created, OLD = NEW", put(5, NEWCOMER), [(5, 5)], {**SAME, 5: NEW}),
    Fate("created, no event", put(5, NEWCOMER), [], {**SAME, 5: NEW}),
    Fate("deleted, NEW empty", remove(1), [(1, None)], WITHOUT_1),
    Fate("deleted, OLD empty", remove(1), [(None, 1)], WITHOUT_1),
    Fate("deleted, OLD = NEW", remove(1), [(1, 1)], WITHOUT_1),
    Fate("deleted, no event", remove(1), [], WITHOUT_1),
    Fate("created and deleted again", _done(put(5, NEWCOMER), remove(5)), [(None, 5), (5, None)], SAME),
    Fate("re-numbered", move(1, 5), [(1, 5)], MOVED),
    Fate("re-numbered, like a deletion and a creation", move(1, 5), [(1, None), (None, 5)], {5: NEW, **WITHOUT_1}),
    Fate("re-numbered, no event", move(1, 5), [], {5: NEW, **WITHOUT_1}),
    Fate("re-numbered and edited", _done(move(1, 5), put(5, NORDVIND._replace(city="Aars"))), [(1, 5), (5, 5)], MOVED),
    Fate("chain", _done(move(1, 5), move(5, 6), move(6, 7)), [(1, 5), (5, 6), (6, 7)], {7: 1, **WITHOUT_1}),
    Fate("there and back", _done(move(1, 5), move(5, 1)), [(1, 5), (5, 1)], SAME),
    Fate("swap through a temporary number", SWAPPED, [(1, 9), (2, 1), (9, 2)], {1: 2, 2: 1, 3: 3}),
    Fate("a number in use", _done(remove(2), move(1, 2)), [(2, None), (1, 2)], {2: 1, 3: 3}),
    Fate("a number in use, its deletion missed", _done(remove(2), move(1, 2)), [(1, 2)], {2: 1, 3: 3}),
    Fate("a number in use, the re-numbering missed", _done(remove(2), move(1, 2)), [(2, None)], {2: NEW, 3: 3}),
    Fate("all move up", _done(move(3, 4), move(2, 3), move(1, 2)), [(3, 4), (2, 3), (1, 2)], {4: 3, 3: 2, 2: 1}),
    Fate("old number reused", _done(move(1, 5), put(1, NEWCOMER)), [(1, 5), (None, 1)], {**SAME, 5: 1, 1: NEW}),
    Fate("old number reused, its event late", _done(move(1, 5), put(1, NEWCOMER)), [(1, 1), (1, 5)], {
        **SAME, 5: 1, 1: NEW,
    }),
    Fate("old number reused, re-numbering missed", _done(move(1, 5), put(1, NEWCOMER)), [(1, 1)], {
        **SAME, 5: NEW, 1: NEW,
    }),
    Fate("deleted and made again", _done(remove(1), put(1, NORDVIND)), [(1, None), (None, 1)], SAME),
    Fate("deleted and made again elsewhere", _done(remove(1), put(5, NORDVIND)), [(1, None), (None, 5)], {
        5: NEW, **WITHOUT_1,
    }),
    Fate("deleted, another firm in its place", _done(remove(1), put(1, NEWCOMER)), [(1, None), (None, 1)], {
        **SAME, 1: NEW,
    }),
    Fate("deleted, another firm in its place, one event", _done(remove(1), put(1, NEWCOMER)), [(1, 1)], {
        **SAME, 1: NEW,
    }),
    Fate("another name", put(1, NORDVIND._replace(name="Nordvind Energi")), [(1, 1)], SAME),
    Fate("another CVR", put(1, NORDVIND._replace(cvr="19191919")), [(1, 1)], SAME),
    Fate("another name and CVR", put(1, NEWCOMER), [(1, 1)], {**SAME, 1: NEW}),
    Fate("another name and CVR, no event", put(1, NEWCOMER), [], {**SAME, 1: NEW}),
]  # fmt: skip


def _together(mirror: Mirrored, events: Iterable[Event]) -> None:
    for event in events:
        mirror.hint(event)
    mirror.drain()


def _one_by_one(mirror: Mirrored, events: Iterable[Event]) -> None:
    for event in events:
        mirror.hint(event)
        mirror.drain()


def _after_a_comparison(mirror: Mirrored, events: Iterable[Event]) -> None:
    mirror.compare_all()
    _one_by_one(mirror, events)


def _beside_a_comparison(mirror: Mirrored, events: Iterable[Event]) -> None:
    """Its page is read and stored, the suspects are not asked for yet: then the events come."""
    mirror.compare()
    _one_by_one(mirror, events)
    mirror.compare_all()


def _twice(mirror: Mirrored, events: Iterable[Event]) -> None:
    events = list(events)
    _one_by_one(mirror, [*events, *reversed(events)])


def _ways(events: list[Event]) -> Iterator[tuple[Callable[[Mirrored, Iterable[Event]], None], Iterable[Event]]]:
    if not events:
        yield _one_by_one, ()
        return
    for order in itertools.permutations(events):
        yield _one_by_one, order
        yield _beside_a_comparison, order
    yield _together, events
    yield _after_a_comparison, events
    yield _twice, events[::-1]


@pytest.mark.parametrize("fate", FATES, ids=[fate.name for fate in FATES])
def test_fate(connect: Connect, fate: Fate) -> None:
    """
    The same numbers live with the same fields, each on the row it must be on, in every order and beside a comparison.

    Where an event never came the comparison does what can be done without it.
    """
    for way, events in _ways(fate.events):
        books, mirror = connect()
        for number, firm in enumerate((NORDVIND, SYDHAVN, VESTKYST), 1):
            books.put(number, firm)
        mirror.compare_all()
        before = {number: row_id for row_id, (number, _) in mirror.rows().items()}
        fate.changes(books)

        way(mirror, events)
        mirror.compare_all()

        told = f"{way.__name__} {events}"
        assert mirror.differences() == [], told
        row_of = {number: row_id for row_id, (number, _) in mirror.rows().items()}
        origin = {row_id: number for number, row_id in before.items()}
        assert {number: origin.get(row_id, NEW) for number, row_id in row_of.items()} == fate.rows, told
        gone = {number for number in before if number not in fate.rows.values()}
        assert set(mirror.graves()) >= gone, told
        assert mirror.failures() == [], told
