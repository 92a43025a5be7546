"""What a page of readings means for the stored debtors."""

from __future__ import annotations

import pytest

from domain.debtors import (
    Debtor,
    DebtorChanges,
    Edge,
    Outcome,
    StoredDebtor,
    cvr_key,
    decide,
    same_cvr,
    same_name,
)
from tests.unit.domain.fakes import a_debtor, firm

NORDVIND = a_debtor(100)
SYDHAVN = a_debtor(200, "Sydhavnens Smedje ApS", "42424240")


def row(row_id: int, debtor: Debtor, *, gone: bool = False) -> StoredDebtor:
    return StoredDebtor(row_id, debtor.number, debtor.name, debtor.cvr, debtor.fingerprint(), gone)


def at(debtor: Debtor, number: int) -> Debtor:
    return debtor._replace(number=number)


def decided(
    read: dict[int, Debtor | None],
    rows: list[StoredDebtor],
    claimed: list[tuple[int, int]] | None = None,
    remembered: list[tuple[int, int]] | None = None,
) -> DebtorChanges:
    return decide(
        read,
        {r.number: r for r in rows if not r.gone},
        claimed=[Edge(*edge) for edge in claimed or ()],
        remembered=[Edge(*edge) for edge in remembered or ()],
        graves=[r for r in rows if r.gone],
    )


def test_a_new_number_is_a_new_row() -> None:
    """Read for the first time: created."""
    changes = decided({100: NORDVIND}, [])

    assert changes == DebtorChanges(insert=[NORDVIND], outcomes={100: Outcome.CREATED})


def test_the_same_content_changes_nothing() -> None:
    """Read again as stored: unchanged."""
    assert decided({100: NORDVIND}, [row(1, NORDVIND)]) == DebtorChanges(outcomes={100: Outcome.UNCHANGED})


def test_other_content_updates_the_row() -> None:
    """One value differs: updated."""
    moved_house = NORDVIND._replace(city="Horsens")

    changes = decided({100: moved_house}, [row(1, NORDVIND)])

    assert changes == DebtorChanges(update=[(1, moved_house)], outcomes={100: Outcome.UPDATED})


def test_a_404_buries_the_row() -> None:
    """Its own 404: the row is a tombstone."""
    assert decided({100: None}, [row(1, NORDVIND)]) == DebtorChanges(bury=[1], outcomes={100: Outcome.GONE})


def test_a_404_of_an_unknown_number_is_nothing() -> None:
    """Created and deleted before anybody looked."""
    assert decided({100: None}, []) == DebtorChanges(outcomes={100: Outcome.ABSENT})


def test_each_list_is_sorted_by_number() -> None:
    """Writers lock rows in one order."""
    read: dict[int, Debtor | None] = {5: firm(5), 3: None, 4: firm(4, city="Vejle"), 1: firm(1), 2: None}

    changes = decided(read, [row(9, firm(3)), row(8, firm(2)), row(7, firm(4))])

    assert changes.insert == [firm(1), firm(5)]
    assert changes.bury == [8, 9]
    assert list(changes.outcomes) == [1, 2, 3, 4, 5]


def test_a_renumbered_debtor_keeps_its_row() -> None:
    """Old 404, new 200: the same row under the new number."""
    changes = decided({100: None, 300: at(NORDVIND, 300)}, [row(1, NORDVIND)], [(100, 300)])

    assert changes == DebtorChanges(
        update=[(1, at(NORDVIND, 300))], free=[1], outcomes={100: Outcome.MOVED, 300: Outcome.MOVED}
    )


def test_without_an_event_nothing_moves() -> None:
    """The same readings without a claimed re-numbering are a deletion and a creation."""
    changes = decided({100: None, 300: at(NORDVIND, 300)}, [row(1, NORDVIND)])

    assert (changes.bury, changes.insert) == ([1], [at(NORDVIND, 300)])


def test_a_claimed_renumbering_that_did_not_happen_moves_nothing() -> None:
    """The old number still holds the same firm: whatever stands under the new one is somebody else."""
    changes = decided({100: NORDVIND, 200: SYDHAVN}, [row(1, NORDVIND), row(2, SYDHAVN)], [(100, 200)])

    assert changes == DebtorChanges(outcomes={100: Outcome.UNCHANGED, 200: Outcome.UNCHANGED})


def test_a_debtor_renumbered_and_renamed_at_once_is_believed() -> None:
    """Nothing but the event says it is the same; with no CVR to contradict, that is enough."""
    person = a_debtor(100, "Anders And", None)
    renamed = a_debtor(300, "Andersine And", None)

    changes = decided({100: None, 300: renamed}, [row(1, person)], [(100, 300)])

    assert changes.update == [(1, renamed)]


def test_a_renumbering_to_another_firm_is_a_conflict() -> None:
    """Name and CVR are both others: the old row ends, the new one begins, and a person is told."""
    changes = decided({100: None, 200: SYDHAVN}, [row(1, NORDVIND)], [(100, 200)])

    assert (changes.bury, changes.insert, changes.conflicts) == ([1], [SYDHAVN], [Edge(100, 200)])


def test_of_two_unknown_ends_none_is_guessed() -> None:
    """A row that looks like neither end may have gone to one of them: it is a tombstone, not a guess."""
    person = a_debtor(100, "Anders And", None)
    read = {100: None, 200: a_debtor(200, "Fætter Guf", None), 300: a_debtor(300, "Rip Rap", None)}

    changes = decided(read, [row(1, person)], [(100, 200), (200, 300)])

    assert changes.bury == [1]
    assert changes.insert == [read[200], read[300]]


@pytest.mark.parametrize("order", [[(100, 200), (200, 300)], [(200, 300), (100, 200)]])
def test_a_chain_is_followed_in_any_order(order: list[tuple[int, int]]) -> None:
    """Twice renumbered before anybody looked, the two events in whatever order: the living end."""
    changes = decided({100: None, 200: None, 300: at(NORDVIND, 300)}, [row(1, NORDVIND)], order)

    assert changes.update == [(1, at(NORDVIND, 300))]
    assert set(changes.outcomes.values()) == {Outcome.MOVED, Outcome.ABSENT}


def test_a_chain_pushes_rows_along() -> None:
    """200 made room for 100: both rows go one step."""
    read = {100: None, 200: at(NORDVIND, 200), 300: at(SYDHAVN, 300)}

    changes = decided(read, [row(1, NORDVIND), row(2, SYDHAVN)], [(100, 200), (200, 300)])

    assert changes.update == [(1, at(NORDVIND, 200)), (2, at(SYDHAVN, 300))]
    assert changes.free == [1, 2]


def test_a_chain_passes_a_newcomer() -> None:
    """Twice renumbered, and the number in between given to a new firm: each looks like itself."""
    read = {100: None, 200: SYDHAVN, 300: at(NORDVIND, 300)}

    changes = decided(read, [row(1, NORDVIND)], [(100, 200), (200, 300)])

    assert (changes.update, changes.insert) == ([(1, at(NORDVIND, 300))], [SYDHAVN])


def test_a_swap_changes_places() -> None:
    """Two debtors with each other's number."""
    read = {100: at(SYDHAVN, 100), 200: at(NORDVIND, 200)}

    changes = decided(read, [row(1, NORDVIND), row(2, SYDHAVN)], [(100, 200), (200, 100)])

    assert sorted(changes.free) == [1, 2]
    assert sorted(changes.update) == [(1, at(NORDVIND, 200)), (2, at(SYDHAVN, 100))]
    assert changes.bury == changes.absorb == changes.insert == []


@pytest.mark.parametrize("turn", range(3))
def test_a_swap_over_a_temporary_number(turn: int) -> None:
    """As it is done by hand, in any order of arrival: both rows change places, the temporary number stays unknown."""
    edges = [(100, 999), (200, 100), (999, 200)]
    read = {100: at(SYDHAVN, 100), 200: at(NORDVIND, 200), 999: None}

    changes = decided(read, [row(1, NORDVIND), row(2, SYDHAVN)], edges[turn:] + edges[:turn])

    assert sorted(changes.update) == [(1, at(NORDVIND, 200)), (2, at(SYDHAVN, 100))]
    assert changes.outcomes[999] is Outcome.ABSENT


def test_departments_of_one_firm_change_places() -> None:
    """Two debtors that share a CVR number are told apart by name."""
    school, library = a_debtor(1, "Lemvig Skole", "29189935"), a_debtor(2, "Lemvig Bibliotek", "29189935")
    read = {1: at(library, 1), 2: at(school, 2)}

    changes = decided(read, [row(1, school), row(2, library)], [(1, 2), (2, 1)])

    assert sorted(changes.update) == [(1, at(school, 2)), (2, at(library, 1))]


def test_a_number_in_use_by_a_deleted_firm_is_taken_over() -> None:
    """The deletion of 200 was missed: its row ends, the renumbered one lives there."""
    changes = decided({100: None, 200: at(NORDVIND, 200)}, [row(1, NORDVIND), row(2, SYDHAVN)], [(100, 200)])

    assert (changes.bury, changes.free, changes.update) == ([2], [1], [(1, at(NORDVIND, 200))])


def test_a_number_in_use_by_the_same_firm_becomes_one_row() -> None:
    """It was met under the new number before the event came: the older row lives on, the other's history follows."""
    changes = decided({100: None, 200: at(NORDVIND, 200)}, [row(1, NORDVIND), row(7, at(NORDVIND, 200))], [(100, 200)])

    assert (changes.absorb, changes.free, changes.update) == ([(7, 1)], [1], [(1, at(NORDVIND, 200))])
    assert changes.bury == changes.conflicts == []
    assert changes.outcomes == {100: Outcome.MOVED, 200: Outcome.MOVED}


def test_a_number_in_use_by_another_firm_is_a_conflict() -> None:
    """The stranger keeps its row and number, the old row is a tombstone, and a person is told."""
    changes = decided({100: None, 200: SYDHAVN}, [row(1, NORDVIND), row(2, SYDHAVN)], [(100, 200)])

    assert (changes.bury, changes.conflicts) == ([1], [Edge(100, 200)])
    assert changes.absorb == changes.update == changes.free == []
    assert changes.outcomes == {100: Outcome.GONE, 200: Outcome.UNCHANGED}


def test_a_newcomer_under_the_old_number() -> None:
    """Renumbered, and the old number given away at once: the row moves, the newcomer is new."""
    read = {100: at(SYDHAVN, 100), 300: at(NORDVIND, 300)}

    changes = decided(read, [row(1, NORDVIND)], [(100, 300)])

    assert (changes.update, changes.insert) == ([(1, at(NORDVIND, 300))], [at(SYDHAVN, 100)])
    assert changes.outcomes == {100: Outcome.CREATED, 300: Outcome.MOVED}


def test_there_and_back_again() -> None:
    """Renumbered and renumbered back: nothing happened."""
    changes = decided({100: NORDVIND, 200: None}, [row(1, NORDVIND)], [(100, 200), (200, 100)])

    assert changes == DebtorChanges(outcomes={100: Outcome.UNCHANGED, 200: Outcome.ABSENT})


def test_name_and_cvr_both_changed_is_another_debtor() -> None:
    """The number was given away: a new row, and the old one's history stays with the old one."""
    changes = decided({100: at(SYDHAVN, 100)}, [row(1, NORDVIND)])

    assert (changes.bury, changes.insert) == ([1], [at(SYDHAVN, 100)])
    assert changes.outcomes == {100: Outcome.REPLACED}


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (("Nordvind A/S", "31313139"), ("Nordvind Service A/S", "31313139"), True),
        (("Nordvind A/S", "31313139"), ("Nordvind Service A/S", "DK 31.31.31.39"), True),
        (("Nordvind A/S", "31313139"), ("NORDVIND  a/s", "42424240"), True),
        (("Nordvind A/S", "31313139"), ("Sydhavn ApS", "42424240"), False),
        (("Nordvind A/S", "31313139"), ("Sydhavn ApS", None), False),
        (("Nordvind A/S", None), ("Nordvind Service A/S", "31313139"), True),
        (("Nordvind A/S", "0"), ("Nordvind Service A/S", "31313139"), True),
        (("Nordvind A/S", "31313139"), ("Sydhavn ApS", "0"), False),
        (("", None), ("Nordvind A/S", None), True),
    ],
)
def test_when_a_number_changed_hands(before: tuple[str, str | None], after: tuple[str, str | None], same: bool) -> None:
    """Only when the firm had a CVR number and neither that nor the name is left."""
    changes = decided({100: a_debtor(100, *after)}, [row(1, a_debtor(100, *before))])

    assert (changes.update == [(1, a_debtor(100, *after))]) is same
    assert (changes.bury == [1]) is not same


def test_a_tombstone_comes_back_as_the_same_firm() -> None:
    """Deleted and made again: the old row with its history lives again."""
    changes = decided({100: NORDVIND}, [row(1, NORDVIND, gone=True)])

    assert changes == DebtorChanges(update=[(1, NORDVIND)], outcomes={100: Outcome.UPDATED})


def test_a_tombstone_is_not_disturbed_by_another_firm() -> None:
    """Its number came back as somebody else: a new row."""
    changes = decided({100: at(SYDHAVN, 100)}, [row(1, NORDVIND, gone=True)])

    assert changes == DebtorChanges(insert=[at(SYDHAVN, 100)], outcomes={100: Outcome.CREATED})


def test_the_right_tombstone_of_several_comes_back() -> None:
    """A number had three owners; the first one is back, unseen in between."""
    rows = [row(3, at(SYDHAVN, 100)), row(2, firm(100), gone=True), row(1, NORDVIND, gone=True)]

    changes = decided({100: NORDVIND}, rows)

    assert (changes.bury, changes.update) == ([3], [(1, NORDVIND)])


def test_an_event_finds_the_tombstone_of_its_debtor() -> None:
    """The old number was read, and buried, before the re-numbering was known: the row comes back under the new one."""
    changes = decided({100: None, 300: at(NORDVIND, 300)}, [row(1, NORDVIND, gone=True)], [(100, 300)])

    assert changes.update == [(1, at(NORDVIND, 300))]
    assert changes.outcomes == {100: Outcome.ABSENT, 300: Outcome.MOVED}


def test_a_late_event_joins_tombstone_and_newcomer() -> None:
    """Both numbers were read before the event came: the tombstone lives on under the new number, the other row ends."""
    rows = [row(1, NORDVIND, gone=True), row(7, at(NORDVIND, 300))]

    changes = decided({100: None, 300: at(NORDVIND, 300)}, rows, [(100, 300)])

    assert (changes.absorb, changes.update) == ([(7, 1)], [(1, at(NORDVIND, 300))])


def test_a_tombstone_of_another_department_stays_where_it_is() -> None:
    """An event that comes twice must not join two departments because they share a CVR number."""
    school, library = a_debtor(1, "Lemvig Skole", "29189935"), a_debtor(2, "Lemvig Bibliotek", "29189935")

    changes = decided({1: None, 2: library}, [row(1, school, gone=True), row(5, library)], [(1, 2)])

    assert changes == DebtorChanges(outcomes={1: Outcome.ABSENT, 2: Outcome.UNCHANGED})


def test_a_remembered_renumbering_leads_to_the_tombstone() -> None:
    """100 became 200 in an earlier drain, 200 becomes 300 now: the row buried under 100 lives under 300."""
    changes = decided(
        {200: None, 300: at(NORDVIND, 300)}, [row(1, NORDVIND, gone=True)], [(200, 300)], remembered=[(100, 200)]
    )

    assert changes.update == [(1, at(NORDVIND, 300))]


def test_a_remembered_renumbering_moves_no_living_row() -> None:
    """Weeks later 100 holds a department of the same firm, which is deleted: that is no re-numbering."""
    school, library = a_debtor(100, "Lemvig Skole", "29189935"), a_debtor(200, "Lemvig Bibliotek", "29189935")

    changes = decided({100: None, 200: library}, [row(1, school), row(2, library)], remembered=[(100, 200)])

    assert (changes.bury, changes.absorb) == ([1], [])


def test_a_living_end_that_was_not_read_is_looked_at() -> None:
    """100 became 200 now, 200 became 300 in an earlier drain, where a row of the same firm lives: read both."""
    rows = [row(1, NORDVIND), row(7, at(NORDVIND, 300))]

    changes = decided({100: None, 200: None}, rows, [(100, 200)], remembered=[(200, 300)])

    assert (changes.bury, changes.look, changes.conflicts) == ([1], [Edge(100, 300)], [])


def test_a_living_end_of_another_firm_is_not_looked_at() -> None:
    """Where the far row is somebody else, there is nothing to find."""
    rows = [row(1, NORDVIND), row(7, at(SYDHAVN, 300))]

    changes = decided({100: None, 200: None}, rows, [(100, 200)], remembered=[(200, 300)])

    assert (changes.bury, changes.look) == ([1], [])


def test_a_loop_of_events_ends() -> None:
    """Re-numberings in a circle with nobody left in it."""
    changes = decided({1: None, 2: None, 3: None}, [row(1, firm(1))], [(1, 2), (2, 3), (3, 1), (2, 1)])

    assert changes == DebtorChanges(bury=[1], outcomes={1: Outcome.GONE, 2: Outcome.ABSENT, 3: Outcome.ABSENT})


def test_a_whole_register_is_shifted_by_one() -> None:
    """A thousand debtors renumbered upwards: every row one step, nobody buried."""
    before = [firm(number) for number in range(1, 1_001)]
    read: dict[int, Debtor | None] = {1: None, **{d.number + 1: at(d, d.number + 1) for d in before}}

    changes = decided(read, [row(d.number, d) for d in before], [(n, n + 1) for n in range(1, 1_001)])

    assert dict(changes.update) == {d.number: at(d, d.number + 1) for d in before}
    assert changes.bury == changes.insert == changes.absorb == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("31313139", "31313139"),
        ("DK31313139", "31313139"),
        ("dk-31 31 31 39", "31313139"),
        ("DK.31.31.31.39", "31313139"),
        ("0031313139", "31313139"),
        ("NO 912 345 678 MVA", "NO912345678MVA"),
        ("0", ""),
        ("0000000000", ""),
        ("DK", ""),
        ("Test", ""),
        ("-", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_cvr_numbers_as_people_write_them(text: str | None, key: str) -> None:
    """Spelling does not count, and what is no number is absent."""
    assert cvr_key(text) == key


def test_absent_values_agree_with_nothing() -> None:
    """Two debtors without a name, or with the CVR number 0, are not one firm for it."""
    assert not same_cvr("0", "0")
    assert not same_cvr(None, "")
    assert not same_name("", " ")
    assert same_name("Nordvind Service A/S", "NORDVIND  SERVICE a/s")


def test_the_fingerprint_is_of_the_content() -> None:
    """The number does not count, every other value does."""
    assert at(NORDVIND, 7).fingerprint() == NORDVIND.fingerprint()
    for name in Debtor._fields[1:]:
        assert NORDVIND._replace(**{name: "other"}).fingerprint() != NORDVIND.fingerprint(), name
    assert NORDVIND._replace(city=None).fingerprint() != NORDVIND._replace(city="None").fingerprint()
    assert (
        NORDVIND._replace(zip="1", city="2','3").fingerprint() != NORDVIND._replace(zip="1','2", city="3").fingerprint()
    )
    assert len(NORDVIND.fingerprint()) == 16
