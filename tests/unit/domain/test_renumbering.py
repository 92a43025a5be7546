"""Whatever people do to numbers, and however the events arrive, the mirror ends as e-conomic is."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.debtors import Debtor
from domain.hints import Kind
from domain.refresh_debtors import refresh_debtors
from domain.resync import Phase, Resync, ResyncOptions, ResyncState
from tests.unit.domain.fakes import Economic, Mirror, a_debtor

NUMBERS = range(1, 8)
TEMPORARY = 9


class Register:
    """e-conomic and the people who work in it; every change leaves the event of e-conomic.md §1.3."""

    def __init__(self, chance: random.Random) -> None:
        self.economic = Economic()
        self.events: list[tuple[int | None, int | None]] = []
        self.renamed: set[str | None] = set()  # CVR numbers
        self._chance = chance
        self._firms = 0

    def change(self, operation: str) -> None:
        getattr(self, operation)()

    def _used(self) -> list[int]:
        return sorted(self.economic.customers)

    def _pick(self) -> int:
        return self._chance.choice(self._used())

    def _free(self) -> int:
        return self._chance.choice([number for number in NUMBERS if number not in self.economic.customers])

    def create(self) -> None:
        if len(self._used()) < len(NUMBERS) - 1:
            self._firms += 1
            self._put(a_debtor(self._free(), f"Firma {self._firms} ApS", f"{10_000_000 + self._firms}"))

    def _put(self, debtor: Debtor) -> None:
        self.economic.customers[debtor.number] = debtor
        self.events.append(self._chance.choice([(None, debtor.number), (debtor.number, debtor.number)]))

    def edit(self) -> None:
        if self._used():
            number = self._pick()
            self._put(self.economic.customers[number]._replace(city=f"By {self._chance.random()}"))

    def rename(self) -> None:
        if self._used():
            number = self._pick()
            self.renamed.add(self.economic.customers[number].cvr)
            self._put(self.economic.customers[number]._replace(name=f"Navn {self._chance.random()}"))

    def delete(self) -> None:
        if self._used():
            number = self._pick()
            del self.economic.customers[number]
            self.events.append(self._chance.choice([(number, None), (number, number)]))

    def delete_and_create_again(self) -> None:
        if self._used():
            number = self._pick()
            debtor = self.economic.customers.pop(number)
            self.events.append((number, None))
            self._put(debtor)

    def _move(self, old: int, new: int) -> None:
        assert new not in self.economic.customers
        self.economic.customers[new] = self.economic.customers.pop(old)._replace(number=new)
        self.events.append((old, new))

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
            self._firms += 1
            self._put(a_debtor(old, f"Firma {self._firms} ApS", f"{10_000_000 + self._firms}"))

    def replace(self) -> None:
        """Deleted, and another one renumbered into its place."""
        if len(self._used()) > 1:
            one, other = self._chance.sample(self._used(), 2)
            del self.economic.customers[other]
            self.events.append((other, None))
            self._move(one, other)


OPERATIONS = (
    "resync",
    "create",
    "edit",
    "rename",
    "delete",
    "delete_and_create_again",
    "renumber",
    "swap",
    "reuse",
    "replace",
)


def drain(mirror: Mirror, register: Register, slices: random.Random) -> None:
    """Work until nothing is outstanding, in slices that may end after any page."""
    for _ in range(100):
        hints = mirror.take()
        if not hints:
            return
        refresh_debtors(mirror, register.economic, hints, more_time=lambda: slices.random() < 0.7)
    raise AssertionError("the work does not end")


def resync(mirror: Mirror, register: Register) -> None:
    """A full comparison that knows nothing of the events still on their way."""
    mirror.tables.work["lease"] = mirror.token
    run = Resync(mirror, register.economic, ResyncOptions(invoices=False), ResyncState(Phase.DEBTORS))
    while run.step():
        pass


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(OPERATIONS), max_size=25),
    st.sampled_from([1, 2, 3, 200]),
    st.floats(0, 1),
    st.floats(0, 0.7),
    st.integers(0, 1_000_000),
)
def test_the_mirror_ends_as_e_conomic_is(
    operations: list[str], room: int, patience: float, doubled: float, seed: int
) -> None:
    """
    Events late, doubled, in any order and grouped anyhow: the same debtors under the same numbers, each on one row.

    A debtor stays on the row where it was first met, whatever numbers it had since; one that was renamed as well may
    look like another department of its firm when the event comes late.
    """
    chance = random.Random(seed)
    register = Register(chance)
    register.economic.room = room
    mirror, met = Mirror(), dict[str, int]()
    for _ in range(4):
        register.create()
    for operation in (*operations, "end"):
        if operation == "resync":
            resync(mirror, register)
        elif operation != "end":
            register.change(operation)
        chance.shuffle(register.events)
        while register.events and (operation == "end" or chance.random() > patience):
            event = register.events.pop() if chance.random() > doubled else chance.choice(register.events)
            mirror.hint(*event)
        if operation == "end" or chance.random() > patience:
            drain(mirror, register, chance)
        for row in mirror.tables.debtors.values():
            if row.living and row.content.cvr:
                met.setdefault(row.content.cvr, row.id)

    assert mirror.living() == register.economic.customers
    assert not mirror.outstanding(Kind.DEBTORS)
    certain = {
        debtor.cvr or "": number for number, debtor in mirror.living().items() if debtor.cvr not in register.renamed
    }
    assert {cvr: mirror.ids()[number] for cvr, number in certain.items()} == {cvr: met[cvr] for cvr in certain}
