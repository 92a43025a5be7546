"""The mirrored debtors: what a decision says is what the rows say."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from domain.debtors import Debtor, DebtorChanges, Edge
from infra.database.engine import Database
from infra.database.mirror_debtors import DebtorRows
from tests.support.databases import AGREEMENT, add_agreement, do, rows

NORDVIND = Debtor(
    100,
    "Nordvind Service A/S",
    currency="DKK",
    debtor_group=1,
    cvr="31313139",
    email="faktura@nordvind.example",
    barred=True,
    balance=Decimal("12345678.91"),
    credit_limit=Decimal("0.10"),
    last_updated=dt.datetime(2026, 5, 4, 12, 30, 15, tzinfo=dt.UTC),
)
SYDHAVN = Debtor(200, "Sydhavnens Smedje ApS", cvr="42424240")


def write(store: Database, agreement: int = AGREEMENT, **changes: Any) -> None:
    causes = changes.pop("causes", {})
    with store.write() as connection:
        DebtorRows(connection, store.sql, agreement).write(DebtorChanges(**changes), causes)


def mirror(store: Database) -> list[tuple[int, int, str, bool]]:
    """(row id, number, name, living) of every row."""
    found = rows(store, "SELECT id, number, name, gone_at FROM debtor ORDER BY id")
    return [(row.id, row.number, row.name, row.gone_at is None) for row in found]


def an_invoice(store: Database, number: int, debtor: int, owner: int | None = None) -> None:
    do(
        store,
        "INSERT INTO invoice (agreement, number, debtor_number, date, currency, net, vat, gross, remainder,"
        " fingerprint, lines_state, debtor_id, first_seen_at, changed_at)"
        " VALUES (:agreement, :number, :debtor, '2026-05-04', 'DKK', 0, 0, 0, 0,"
        f" 'x', 'pending', :owner, {store.sql.now}, {store.sql.now})",
        agreement=AGREEMENT,
        number=number,
        debtor=debtor,
        owner=owner,
    )


def owner_of(store: Database, invoice: int) -> int | None:
    (row,) = rows(store, "SELECT debtor_id FROM invoice WHERE number = :number", number=invoice)
    return None if row.debtor_id is None else int(row.debtor_id)


def test_a_debtor_is_stored_whole(store: Database) -> None:
    """Every field comes back as it was read: text, money to the øre, yes and no, time."""
    write(store, insert=[NORDVIND], causes={100: "c0ffee"})

    from infra.database import tables_mirror

    with store.read() as connection:
        row = connection.execute(tables_mirror.debtor.select()).one()._mapping
    assert {name: row[name] for name in Debtor._fields} == NORDVIND._asdict()
    assert row["correlation_id"] == "c0ffee"
    assert row["fingerprint"] == NORDVIND.fingerprint()
    assert row["gone_at"] is None


def test_an_update_keeps_the_row(store: Database) -> None:
    """New content lands in the same row, with the event that caused it."""
    write(store, insert=[NORDVIND], causes={100: "first"})

    write(store, update=[(1, NORDVIND._replace(name="Nordvind Energi A/S", email=None))], causes={100: "second"})

    (row,) = rows(store, "SELECT id, name, email, cvr, correlation_id FROM debtor")
    assert tuple(row) == (1, "Nordvind Energi A/S", None, "31313139", "second")


def test_a_renumbered_debtor_is_the_same_row(store: Database) -> None:
    """A move changes the number, nothing else: invoices follow by the row's id."""
    write(store, insert=[NORDVIND])
    an_invoice(store, 1, debtor=100, owner=1)

    write(store, free=[1], update=[(1, NORDVIND._replace(number=150))])

    assert mirror(store) == [(1, 150, NORDVIND.name, True)]
    assert owner_of(store, 1) == 1


def test_two_debtors_swap_their_numbers(store: Database) -> None:
    """A swap in one transaction never lets two living rows share a number."""
    write(store, insert=[NORDVIND, SYDHAVN])

    write(store, free=[1, 2], update=[(1, NORDVIND._replace(number=200)), (2, SYDHAVN._replace(number=100))])

    assert mirror(store) == [(1, 200, NORDVIND.name, True), (2, 100, SYDHAVN.name, True)]


def test_a_chain_moves_at_once_and_its_first_number_is_reused(store: Database) -> None:
    """100 → 200 → 300 while a newcomer takes 100: three rows, each with its own number."""
    write(store, insert=[NORDVIND, SYDHAVN])

    write(
        store,
        free=[1, 2],
        update=[(1, NORDVIND._replace(number=200)), (2, SYDHAVN._replace(number=300))],
        insert=[Debtor(100, "Nykøbing Nyt IVS")],
    )

    assert mirror(store) == [
        (1, 200, NORDVIND.name, True),
        (2, 300, SYDHAVN.name, True),
        (3, 100, "Nykøbing Nyt IVS", True),
    ]


def test_a_row_that_becomes_another_hands_its_invoices_over(store: Database) -> None:
    """Two rows of one firm become one: the ended row is a tombstone that names the other, which owns all invoices."""
    write(store, insert=[NORDVIND, NORDVIND._replace(number=101)])
    an_invoice(store, 1, debtor=100, owner=1)
    an_invoice(store, 2, debtor=101, owner=2)

    write(store, absorb=[(2, 1)], free=[1], update=[(1, NORDVIND._replace(number=101))])

    assert mirror(store) == [(1, 101, NORDVIND.name, True), (2, 101, NORDVIND.name, False)]
    assert (owner_of(store, 1), owner_of(store, 2)) == (1, 1)
    assert rows(store, "SELECT absorbed_by FROM debtor WHERE id = 2")[0].absorbed_by == 1


def test_a_deleted_debtor_is_a_tombstone(store: Database) -> None:
    """A tombstone keeps its data and its invoices, and its number is free for another firm."""
    write(store, insert=[NORDVIND])
    an_invoice(store, 1, debtor=100, owner=1)

    write(store, bury=[1])
    write(store, insert=[SYDHAVN._replace(number=100)])

    assert mirror(store) == [(1, 100, NORDVIND.name, False), (2, 100, SYDHAVN.name, True)]
    assert owner_of(store, 1) == 1


def test_a_tombstone_comes_back(store: Database) -> None:
    """Deleted and made again as the same firm: the old row lives again."""
    write(store, insert=[NORDVIND])
    write(store, bury=[1])

    write(store, update=[(1, NORDVIND)])

    assert mirror(store) == [(1, 100, NORDVIND.name, True)]


def test_the_living_and_the_newest_graves_are_found(store: Database) -> None:
    """By number: the living row, and of several tombstones the newest that was not absorbed."""
    write(store, insert=[NORDVIND])
    write(store, bury=[1])
    write(store, insert=[SYDHAVN._replace(number=100)])
    do(store, f"UPDATE debtor SET gone_at = {store.sql.now}, absorbed_by = 9 WHERE id = 2")
    write(store, insert=[SYDHAVN])

    with store.read() as connection:
        found = DebtorRows(connection, store.sql, AGREEMENT)
        living, graves = found.living([100, 200, 300]), found.graves([100, 200])
        assert found.living_between(100, 200) == [200]
        assert found.count_living() == 1
        assert found.count_living(0, 199) == 0

    assert {number: row.id for number, row in living.items()} == {200: 3}
    assert [(row.id, row.number, row.gone) for row in graves] == [(1, 100, True)]


def test_invoices_stored_first_find_their_debtor(store: Database) -> None:
    """Invoices whose debtor was not here are joined to the living row of their number."""
    an_invoice(store, 1, debtor=100)
    an_invoice(store, 2, debtor=200)
    write(store, insert=[NORDVIND, SYDHAVN])

    with store.write() as connection:
        DebtorRows(connection, store.sql, AGREEMENT).adopt_invoices([100])

    assert (owner_of(store, 1), owner_of(store, 2)) == (1, None)


def test_agreements_share_no_number(store: Database) -> None:
    """The same number of two agreements is two debtors, and one agreement sees its own only."""
    add_agreement(store, 7)
    write(store, insert=[NORDVIND])
    write(store, 7, insert=[SYDHAVN._replace(number=100)])

    with store.read() as connection:
        assert DebtorRows(connection, store.sql, 7).living([100])[100].name == SYDHAVN.name
        assert DebtorRows(connection, store.sql, AGREEMENT).living([100])[100].name == NORDVIND.name


def test_two_living_rows_never_share_a_number(store: Database) -> None:
    """The database itself refuses a second living row under a number: a bug is loud, not a duplicate."""
    from domain.errors import DebitorError

    write(store, insert=[NORDVIND])
    with pytest.raises(Exception, match=r"(?i)unique") as raised:
        write(store, insert=[NORDVIND])

    assert not isinstance(raised.value, DebitorError)
    assert len(mirror(store)) == 1


def test_edges_are_remembered_once(store: Database) -> None:
    """A re-numbering claimed twice is one edge with its last time."""
    for _ in range(2):
        with store.write() as connection:
            DebtorRows(connection, store.sql, AGREEMENT).remember_edges([Edge(1, 2), Edge(2, 3)])

    found = rows(store, "SELECT old_number, new_number FROM debtor_edge ORDER BY old_number")
    assert [tuple(row) for row in found] == [(1, 2), (2, 3)]


def test_edges_are_found_all_around(store: Database) -> None:
    """Those that lead to or from a number, over others as well; not those of other numbers, agreements or years."""
    add_agreement(store, 7)
    edges = [Edge(1, 2), Edge(2, 3), Edge(9, 2), Edge(3, 1), Edge(50, 51)]
    with store.write() as connection:
        DebtorRows(connection, store.sql, AGREEMENT).remember_edges([*edges, Edge(3, 60)])
        DebtorRows(connection, store.sql, 7).remember_edges([Edge(3, 4)])
    do(store, f"UPDATE debtor_edge SET seen_at = {store.sql.after('ago')} WHERE new_number = 60", ago=-31 * 86_400)

    with store.read() as connection:
        found = DebtorRows(connection, store.sql, AGREEMENT)
        assert sorted(found.edges_around([3])) == sorted(edges[:4])
        assert sorted(found.edges_around([9, 51])) == sorted(edges)
        assert found.edges_around([60]) == found.edges_around([4]) == found.edges_around([]) == []


def test_tombstones_come_newest_first(store: Database) -> None:
    """A number had two owners that are gone; one that became one with another row is not among them."""
    write(store, insert=[NORDVIND])
    write(store, bury=[1])
    write(store, insert=[SYDHAVN._replace(number=100)])
    write(store, bury=[2])
    write(store, insert=[NORDVIND, SYDHAVN])
    write(store, absorb=[(3, 4)])

    with store.write() as connection:
        graves = DebtorRows(connection, store.sql, AGREEMENT).graves([100, 200])

    assert [(row.id, row.name, row.gone) for row in graves] == [(2, SYDHAVN.name, True), (1, NORDVIND.name, True)]
