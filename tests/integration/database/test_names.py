"""Names and lists: what the rows say, and which lists are due at night."""

from __future__ import annotations

import datetime as dt

import pytest

from domain.reference import Listing, Why, wanted
from infra.database import views_names
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.database.names import NameRows, ask_nightly
from tests.support.databases import AGREEMENT, add_agreement, do, rows, scalar

UNITS, PRODUCTS = Listing.UNITS, Listing.PRODUCTS
OTHER = 2_000_001


def meet(store: Database, agreement: int = AGREEMENT, **carried: set[str]) -> set[Listing]:
    with store.write() as connection:
        return NameRows(connection, store.sql, agreement).meet(
            {Listing(which): keys for which, keys in carried.items()}
        )


def write(store: Database, which: Listing, agreement: int = AGREEMENT, **names: str) -> int:
    with store.write() as connection:
        return NameRows(connection, store.sql, agreement).write(which, names)


def bury(store: Database, which: Listing, *keys: str) -> None:
    with store.write() as connection:
        NameRows(connection, store.sql, AGREEMENT).bury(which, keys)


def tried(store: Database, which: Listing, *, whole: bool = True, problem: str | None = None) -> None:
    with store.write() as connection:
        rows = NameRows(connection, store.sql, AGREEMENT)
        rows.begin(which)
        rows.end(which, whole=whole, problem=problem)


def unnamed(store: Database) -> set[Listing]:
    with store.read() as connection:
        return NameRows(connection, store.sql, AGREEMENT).unnamed()


def living(store: Database, which: Listing, agreement: int = AGREEMENT) -> set[str]:
    with store.write() as connection:
        return set(NameRows(connection, store.sql, agreement).living(which))


def test_a_number_is_met_once(store: Database) -> None:
    """Only the first record that carries a number finds it unknown; a named or buried one is known."""
    add_agreement(store, OTHER)
    assert meet(store, units={"1", "2"}, products={"SRV-1"}) == {UNITS, PRODUCTS}
    assert meet(store, units={"2", "1"}, products={"SRV-1"}) == set()
    assert meet(store, units={"2", "3"}, products={"SRV-1"}) == {UNITS}
    assert meet(store) == set()
    assert meet(store, OTHER, units={"1"}) == {UNITS}

    write(store, PRODUCTS, **{"2001": "Pumpe P12"})
    bury(store, PRODUCTS, "2001")
    assert meet(store, products={"2001"}) == set()


def test_names_are_written_where_they_differ(store: Database) -> None:
    """New, changed and returned names count; unchanged rows are left alone; agreements share nothing."""
    add_agreement(store, OTHER)
    meet(store, units={"1"})
    assert write(store, UNITS, **{"1": "stk.", "2": "timer"}) == 2
    assert write(store, UNITS, **{"1": "stk.", "2": "time"}) == 1
    bury(store, UNITS, "2")
    assert living(store, UNITS) == {"1"}
    assert write(store, UNITS, **{"2": "time"}) == 1
    assert living(store, UNITS) == {"1", "2"}
    assert living(store, UNITS, OTHER) == living(store, PRODUCTS) == set()


def test_a_number_nobody_named_is_not_living(store: Database) -> None:
    """What only records carry is no part of e-conomic's list; a name that is empty there is."""
    meet(store, units={"7"})
    write(store, UNITS, **{"8": ""})

    assert living(store, UNITS) == {"8"}


def test_numbers_without_a_name_are_known(store: Database) -> None:
    """A list lacks a number met since its last whole reading began; older ones e-conomic has no name for."""
    assert unnamed(store) == set()
    meet(store, units={"1"}, products={"SRV-1"})
    tried(store, UNITS, whole=False, problem="cut")
    assert unnamed(store) == {UNITS, PRODUCTS}

    do(store, f"UPDATE reference_name SET changed_at = {store.sql.after('ago')}", ago=-5)
    tried(store, UNITS)
    assert unnamed(store) == {PRODUCTS}
    write(store, PRODUCTS, **{"SRV-1": "Service"})
    assert unnamed(store) == set()

    do(store, f"UPDATE reference_list SET read_at = {store.sql.after('ago')}", ago=-2)
    meet(store, units={"2"})
    assert unnamed(store) == {UNITS}


def test_lists_say_when_they_were_read(store: Database) -> None:
    """A failed try keeps the time of the last whole reading, and says why; a good one clears that."""
    tried(store, UNITS)
    (whole,) = rows(store, "SELECT * FROM reference_list")
    tried(store, UNITS, whole=False, problem="403")
    (failed,) = rows(store, "SELECT * FROM reference_list")
    assert (failed.read_at, failed.problem) == (whole.read_at, "403")

    tried(store, UNITS)
    assert scalar(store, "SELECT problem FROM reference_list") is None
    with store.read() as connection:
        ages = NameRows(connection, store.sql, AGREEMENT).ages()
    assert ages.keys() == {UNITS}
    assert 0 <= ages[UNITS] < 10


@pytest.fixture
def tonight() -> dt.datetime:
    """Two in the morning UTC, the next time that comes."""
    now = dt.datetime.now(dt.UTC)
    return (now + dt.timedelta(hours=22)).replace(hour=2, minute=0, second=0, microsecond=0)


def test_every_list_is_due_once_a_night(store: Database, tonight: dt.datetime) -> None:
    """Never read lists are due at once, read ones after the next night begins, and nothing is asked for twice."""
    assert ask_nightly(store) == [AGREEMENT]
    assert scalar(store, "SELECT count(DISTINCT body) FROM inbox WHERE kind = 'reference'") == len(Listing)
    assert ask_nightly(store) == []

    do(store, f"UPDATE inbox SET handled_at = {store.sql.now}")
    for which in Listing:
        tried(store, which, whole=False, problem="403")
    assert ask_nightly(store) == []
    assert ask_nightly(store, now=tonight - dt.timedelta(minutes=1)) == []
    assert ask_nightly(store, now=tonight + dt.timedelta(minutes=1)) == [AGREEMENT]


def test_nobody_is_asked_for_a_paused_agreement(store: Database) -> None:
    """Paused agreements rest; an event for one list does not keep the others from being asked for."""
    with store.write() as connection:
        SqlInbox(connection, store.sql).add([wanted(AGREEMENT, UNITS, Why.NUMBER)])
    do(store, f"UPDATE agreement SET paused_at = {store.sql.now}")
    assert ask_nightly(store) == []

    do(store, "UPDATE agreement SET paused_at = NULL")
    ask_nightly(store)
    assert scalar(store, "SELECT count(*) FROM inbox WHERE body LIKE '% night'") == len(Listing)


def test_views_count_and_find_names(store: Database) -> None:
    """Lists are counted with and without names; a name is found by number or code, a tombstone's too."""
    meet(store, units={"9"}, products={"SRV-1"})
    write(store, UNITS, **{"1": "stk.", "2": "timer", "10": "kg"})
    bury(store, UNITS, "2")
    tried(store, UNITS)

    with store.read() as connection:
        states = views_names.list_states(connection, [AGREEMENT])
        names = views_names.names(connection, AGREEMENT, {UNITS: {"1", "2", "9"}, PRODUCTS: {"SRV-1"}})
        assert list(views_names.chosen_from(connection, AGREEMENT, UNITS).items()) == [("1", "stk."), ("10", "kg")]
    units = next(state for state in states if state.which is UNITS)
    assert [state.which for state in states] == list(Listing)
    assert (units.names, units.unnamed, units.problem) == (2, 1, None)
    assert views_names.all_read_at(states) is None
    assert views_names.all_read_at([units]) == units.read_at
    assert (names.of("units", 1), names.of("units", 2), names.of("units", 9)) == ("stk.", "timer", None)
    assert names.of("products", "SRV-1") is None
