"""Whatever people do to numbers in the stand-in, and however its events arrive, the mirror ends as it is."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.fates.conftest import Mirrored, SandboxBooks
from tests.support.fates import CHANGES, Met, Register, live

Connect = Callable[[], tuple[SandboxBooks, Mirrored]]


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.sampled_from(("resync", "lose", *CHANGES)), min_size=5, max_size=20),
    st.floats(0, 1),
    st.floats(0, 0.7),
    st.integers(0, 1_000_000),
)
def test_the_mirror_ends_as_the_stand_in_is(
    connect: Connect, operations: list[str], patience: float, doubled: float, seed: int
) -> None:
    """
    Events late, doubled, lost, in any order, beside a comparison that stops between its pages.

    In the end the same numbers live with the same fields, what is gone is a tombstone, every debtor that could be
    followed is on its row, and nobody is on another one's.
    """
    chance = random.Random(seed)
    books, mirror = connect()
    register, met = Register(books, chance), Met()

    def living() -> dict[int, str]:
        return {row_id: cvr for row_id, (_, cvr) in mirror.rows().items()}

    class Beside:
        compare, hint = mirror.compare, mirror.hint

        def drain(self) -> None:
            mirror.drain(lambda: chance.random() < 0.7)

        def pause(self) -> None:
            mirror.an_hour_passes()
            met.look(living(), register.doubtful)

    live(Beside(), register, operations, chance, patience=patience, doubled=doubled)
    if "lose" in operations:  # what no event told, the daily comparison finds
        mirror.compare_all()
        mirror.compare_all()

    assert mirror.differences() == []
    assert dict(mirror.rows().values()) == {n: f.cvr for n, f in books.firms.items()}
    assert not mirror.outstanding()
    met.kept(living(), register.doubtful)
