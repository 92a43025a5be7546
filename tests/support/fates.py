"""What people do to debtors and their numbers in e-conomic, by chance, and the events that tell of it."""

from __future__ import annotations

import random
from typing import NamedTuple, Protocol

NUMBERS = range(1, 8)
TEMPORARY = 9

Event = tuple[int | None, int | None]
"""OLD and NEW of a "Customer updated" webhook; None where the token was empty (e-conomic.md §1.3)."""


class Firm(NamedTuple):
    """A debtor as far as these people are concerned."""

    name: str
    cvr: str
    city: str = "Horsens"
    barred: bool = False


class Books(Protocol):
    """Where the debtors are."""

    firms: dict[int, Firm]

    def put(self, number: int, firm: Firm) -> None:
        """Create it, or change what is there."""
        ...

    def remove(self, number: int) -> None: ...

    def move(self, old: int, new: int) -> None:
        """Re-number; `new` is free."""
        ...


class Register:
    """The people; every change leaves the event it fires, which is not sent yet."""

    def __init__(self, books: Books, chance: random.Random) -> None:
        self.books = books
        self.events: list[Event] = []
        self.doubtful: set[str] = set()  # CVR numbers of debtors whose name, or number, nobody could follow
        self._about: dict[Event, set[str]] = {}  # CVR numbers
        self._chance = chance
        self._firms = 0

    def change(self, operation: str) -> None:
        getattr(self, operation)()

    def lose(self) -> None:
        """An event is never sent: who it was about can only be recognised where it stands now."""
        if self.events:
            self.doubtful |= self._about[self.events.pop(self._chance.randrange(len(self.events)))]

    def _used(self) -> list[int]:
        return sorted(self.books.firms)

    def _pick(self) -> int:
        return self._chance.choice(self._used())

    def _free(self) -> int:
        return self._chance.choice([number for number in NUMBERS if number not in self.books.firms])

    def _newcomer(self) -> Firm:
        self._firms += 1
        return Firm(f"Firma {self._firms} ApS", f"{10_000_000 + self._firms}")

    def _fire(self, old: int | None, new: int | None, *firms: Firm) -> None:
        self.events.append((old, new))
        self._about.setdefault((old, new), set()).update(firm.cvr for firm in firms)

    def _put(self, number: int, firm: Firm) -> None:
        before = self.books.firms.get(number, firm)
        old = self._chance.choice([None, number]) if number not in self.books.firms else number
        self.books.put(number, firm)
        self._fire(old, number, before, firm)

    def _edit(self, **changes: object) -> None:
        if self._used():
            number = self._pick()
            self._put(number, self.books.firms[number]._replace(**changes))

    def create(self) -> None:
        if len(self._used()) < len(NUMBERS) - 1:
            self._put(self._free(), self._newcomer())

    def edit(self) -> None:
        self._edit(city=f"By {self._chance.random()}")

    def bar(self) -> None:
        self._edit(barred=self._chance.random() < 0.7)

    def rename(self) -> None:
        if self._used():
            number = self._pick()
            firm = self.books.firms[number]
            self.doubtful.add(firm.cvr)
            self._put(number, firm._replace(name=f"Navn {self._chance.random()}"))

    def become_another(self) -> None:
        """Name and CVR are both written over: the number is another firm's."""
        if self._used():
            self._put(self._pick(), self._newcomer())

    def delete(self) -> None:
        if self._used():
            number = self._pick()
            self._remove(number, self._chance.choice([None, number]))

    def _remove(self, number: int, new: int | None = None) -> None:
        firm = self.books.firms[number]
        self.books.remove(number)
        self._fire(number, new, firm)

    def delete_and_create_again(self) -> None:
        if self._used():
            number = self._pick()
            firm = self.books.firms[number]
            self._remove(number)
            self._put(number, firm)

    def delete_and_create_another(self) -> None:
        if self._used():
            number = self._pick()
            self._remove(number)
            self._put(number, self._newcomer())

    def _move(self, old: int, new: int) -> None:
        self.books.move(old, new)
        self._fire(old, new, self.books.firms[new])

    def renumber(self) -> None:
        if self._used():
            self._move(self._pick(), self._free())

    def swap(self) -> None:
        if len(self._used()) > 1:
            one, other = self._chance.sample(self._used(), 2)
            self._move(one, TEMPORARY)
            self._move(other, one)
            self._move(TEMPORARY, other)

    def reuse(self) -> None:
        """Renumbered, and the old number given to a newcomer at once."""
        if self._used() and len(self._used()) < len(NUMBERS) - 2:
            old = self._pick()
            self._move(old, self._free())
            self._put(old, self._newcomer())

    def replace(self) -> None:
        """Deleted, and another one renumbered into its place."""
        if len(self._used()) > 1:
            one, other = self._chance.sample(self._used(), 2)
            self._remove(other)
            self._move(one, other)


CHANGES = (
    "create",
    "edit",
    "bar",
    "rename",
    "become_another",
    "delete",
    "delete_and_create_again",
    "delete_and_create_another",
    "renumber",
    "swap",
    "reuse",
    "replace",
)


class Met:
    """Which rows the firms stood on, looked at again and again."""

    def __init__(self) -> None:
        self._row: dict[str, int] = {}  # CVR number → the row where it was first met
        self._firm: dict[int, str] = {}  # row id → CVR number

    def look(self, rows: dict[int, str], doubtful: set[str]) -> None:
        """`rows`: row id → CVR number of the living. Nobody ever stands on another firm's row."""
        for row_id, cvr in rows.items():
            self._row.setdefault(cvr, row_id)
            before = self._firm.setdefault(row_id, cvr)
            assert before == cvr or {before, cvr} & doubtful, f"row {row_id} was {before}'s and is {cvr}'s"

    def kept(self, rows: dict[int, str], doubtful: set[str]) -> None:
        """Every firm that could be followed is on the row where it was first met."""
        certain = {cvr: row_id for row_id, cvr in rows.items() if cvr not in doubtful}
        assert certain == {cvr: self._row[cvr] for cvr in certain}


class Life(Protocol):
    """What happens around a mirror while people go on."""

    def compare(self) -> object:
        """One page of a comparison with the whole list."""

    def hint(self, event: Event) -> object: ...

    def drain(self) -> object: ...

    def pause(self) -> object:
        """The old tombstones are long ago, and somebody looks what there is."""


def live(
    life: Life, register: Register, operations: list[str], chance: random.Random, *, patience: float, doubled: float
) -> None:
    """
    People do these things, by their names, "resync" and "lose" among them; in the end every event not lost has come.

    Args:
        patience: how likely events wait a little more, and drains.
        doubled: how likely an event that comes will come again.
    """
    for _ in range(4):
        register.create()
    for operation in (*operations, "end"):
        if operation == "resync":
            life.compare()
        elif operation == "lose":
            register.lose()
        elif operation != "end":
            register.change(operation)
        chance.shuffle(register.events)
        while register.events and (operation == "end" or chance.random() > patience):
            life.hint(register.events.pop() if chance.random() > doubled else chance.choice(register.events))
        if operation == "end" or chance.random() > patience:
            life.drain()
        life.pause()
