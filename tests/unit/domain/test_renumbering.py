"""Whatever people do to numbers, and however the events arrive, the mirror ends as e-conomic is."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.hints import Kind
from domain.refresh_debtors import refresh_debtors
from domain.resync import Resync
from domain.resync_state import Phase, ResyncOptions, ResyncState
from tests.support.fates import CHANGES, Event, Firm, Met, Register, live
from tests.unit.domain.fakes import Economic, Mirror, a_debtor


class PaperBooks:
    """e-conomic in memory."""

    def __init__(self, room: int) -> None:
        self.firms: dict[int, Firm] = {}
        self.economic = Economic(room=room)

    def put(self, number: int, firm: Firm) -> None:
        self.firms[number] = firm
        self.economic.customers[number] = a_debtor(number, firm.name, firm.cvr, city=firm.city, barred=firm.barred)

    def remove(self, number: int) -> None:
        del self.firms[number], self.economic.customers[number]

    def move(self, old: int, new: int) -> None:
        firm = self.firms[old]
        self.remove(old)
        self.put(new, firm)


def drain(mirror: Mirror, economic: Economic, slices: random.Random) -> None:
    """Work until nothing is outstanding, in slices that may end after any page."""
    for _ in range(100):
        hints = mirror.take()
        if not hints:
            return
        refresh_debtors(mirror, economic, hints, more_time=lambda: slices.random() < 0.7)
    raise AssertionError("the work does not end")


class Comparing:
    """A full comparison that knows nothing of the events still on their way; it may stop between any two pages."""

    def __init__(self, mirror: Mirror, economic: Economic) -> None:
        self._mirror = mirror
        self._economic = economic
        self._run: Resync | None = None

    def step(self) -> bool:
        """One page of the comparison that has not ended, or of a new one; whether there is more."""
        self._mirror.tables.work["lease"] = self._mirror.token
        if self._run is None:
            self._run = Resync(self._mirror, self._economic, ResyncOptions(invoices=False), ResyncState(Phase.DEBTORS))
        if not self._run.step():
            self._run = None
        return self._run is not None

    def finish(self) -> None:
        while self.step():
            pass


def rows(mirror: Mirror) -> dict[int, str]:
    return {row.id: row.content.cvr or "" for row in mirror.tables.debtors.values() if row.living}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(("resync", "lose", *CHANGES)), max_size=25),
    st.sampled_from([1, 2, 3, 200]),
    st.floats(0, 1),
    st.floats(0, 0.7),
    st.integers(0, 1_000_000),
)
def test_the_mirror_ends_as_e_conomic_is(
    operations: list[str], room: int, patience: float, doubled: float, seed: int
) -> None:
    """
    Events late, doubled, lost, in any order and grouped anyhow: the same debtors under the same numbers.

    A debtor stays on the row where it was first met, whatever numbers it had since, and on no other firm's; one that
    was renamed as well may look like another department of its firm when the event comes late. What no event told
    the last comparison finds.
    """
    chance = random.Random(seed)
    books = PaperBooks(room)
    register, mirror, met = Register(books, chance), Mirror(), Met()
    comparing = Comparing(mirror, books.economic)

    class Beside:
        compare = comparing.step

        def hint(self, event: Event) -> None:
            mirror.hint(*event)

        def drain(self) -> None:
            drain(mirror, books.economic, chance)

        def pause(self) -> None:
            mirror.an_hour_passes()
            met.look(rows(mirror), register.doubtful)

    live(Beside(), register, operations, chance, patience=patience, doubled=doubled)
    if "lose" in operations:
        comparing.finish()
        comparing.finish()

    assert mirror.living() == books.economic.customers
    assert not mirror.outstanding(Kind.DEBTORS)
    met.kept(rows(mirror), register.doubtful)
