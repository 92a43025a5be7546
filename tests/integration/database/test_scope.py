"""Which debtors are in scope: the chosen groups, re-evaluated at their commit."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from domain.debtors import Debtor, DebtorChanges
from domain.reference import Listing
from infra.database import api_views, scope, views_debtors
from infra.database.engine import Database
from infra.database.mirror_debtors import DebtorRows
from infra.database.names import NameRows
from infra.database.scope import GroupState
from tests.support.databases import AGREEMENT, add_agreement, do, rows

OTHER = 2_000_001


@pytest.fixture
def mirrored(store: Database) -> Database:
    """Debtors 1 and 2 in groups of these numbers, 3 in none; another agreement has debtor 1, too."""
    add_agreement(store, OTHER)
    with store.write() as connection:
        for agreement in (AGREEMENT, OTHER):
            firms = [Debtor(1, "A", debtor_group=1), Debtor(2, "B", debtor_group=2), Debtor(3, "C")]
            DebtorRows(connection, store.sql, agreement).write(DebtorChanges(insert=firms), {})
    return store


def inside(store: Database, agreement: int = AGREEMENT) -> list[int]:
    """The numbers in scope, as lists, single debtors and plain SQL say alike."""
    with store.read() as connection:
        listed = {row.number: row.in_scope for row in views_debtors.debtors(connection, agreement).rows}
        filtered = [row.number for row in views_debtors.debtors(connection, agreement, in_scope=True).rows]
        outside = [row.number for row in views_debtors.debtors(connection, agreement, in_scope=False).rows]
        api = [row.number for row in api_views.debtors(connection, agreement, in_scope=True, limit=10)]
        rest = [row.number for row in api_views.debtors(connection, agreement, in_scope=False, limit=10)]
        single = [n for n in listed if (one := api_views.debtor(connection, agreement, n)) and one.in_scope]
    query = f"SELECT d.number FROM debtor d WHERE d.agreement = :a AND {scope.in_scope_sql('d')} ORDER BY 1"
    plain = rows(store, query, a=agreement)
    found = [number for number, is_in in listed.items() if is_in]
    assert found == filtered == api == single == [row.number for row in plain]
    assert outside == rest == [number for number in listed if number not in found]
    return found


def test_without_a_choice_everybody_is_in_scope(mirrored: Database) -> None:
    """No chosen group means all debtors, one without a group included."""
    assert inside(mirrored) == [1, 2, 3]


def test_a_choice_counts_for_its_agreement_at_once(mirrored: Database) -> None:
    """A new choice takes some out and others back, without a reading, and nobody else's."""
    stored = rows(mirrored, "SELECT * FROM debtor ORDER BY id")

    scope.choose_groups(mirrored, AGREEMENT, [2, 2])
    assert inside(mirrored) == [2]
    assert inside(mirrored, OTHER) == [1, 2, 3]
    scope.choose_groups(mirrored, AGREEMENT, [1, 7])
    assert inside(mirrored) == [1]
    with mirrored.read() as connection:
        assert scope.chosen_groups(connection, AGREEMENT) == [1, 7]
    scope.choose_groups(mirrored, AGREEMENT, [])
    assert inside(mirrored) == [1, 2, 3]

    assert rows(mirrored, "SELECT * FROM debtor ORDER BY id") == stored


def test_a_debtor_that_changes_its_group_goes_out_and_comes_back(mirrored: Database) -> None:
    """With the reading that says so, and whatever else is true of it: it is mirrored all the time."""
    scope.choose_groups(mirrored, AGREEMENT, [1])
    for group, numbers in ((2, []), (1, [1]), (None, [])):
        with mirrored.write() as connection:
            DebtorRows(connection, mirrored.sql, AGREEMENT).write(
                DebtorChanges(update=[(1, Debtor(1, "A", debtor_group=group))]), {}
            )
        assert inside(mirrored) == numbers


def test_a_choice_is_one_transaction(mirrored: Database) -> None:
    """A choice that fails half-way leaves the old one as it was."""
    scope.choose_groups(mirrored, AGREEMENT, [1])

    with pytest.raises((OverflowError, sa.exc.DataError)):
        scope.choose_groups(mirrored, AGREEMENT, [2, 2**70])

    assert inside(mirrored) == [1]


def test_groups_are_counted(mirrored: Database) -> None:
    """Every group e-conomic has, a debtor is in, or that is chosen, with its name and living debtors."""
    with mirrored.write() as connection:
        NameRows(connection, mirrored.sql, AGREEMENT).write(Listing.DEBTOR_GROUPS, {"1": "Indland", "10": "Private"})
    do(mirrored, f"UPDATE debtor SET gone_at = {mirrored.sql.now} WHERE number = 2")
    scope.choose_groups(mirrored, AGREEMENT, [10, 4])

    with mirrored.read() as connection:
        assert scope.group_states(connection, AGREEMENT) == [
            GroupState(1, "Indland", 1, False),
            GroupState(4, None, 0, True),
            GroupState(10, "Private", 0, True),
        ]
