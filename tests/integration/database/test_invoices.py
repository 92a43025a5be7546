"""The mirrored invoices: headers by stamp and content, lines replaced where they differ."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from domain.debtors import Debtor, DebtorChanges
from domain.invoices import Invoice, Line, LinesState
from domain.ports import Tally, Written
from infra.database import tables_mirror
from infra.database.engine import Database
from infra.database.mirror_debtors import DebtorRows
from infra.database.mirror_invoices import InvoiceRows
from tests.support.databases import AGREEMENT, rows, scalar

DAY = dt.date(2026, 5, 4)


def invoice(number: int, *, debtor: int = 100, net: str = "200.00", remainder: str = "250.00") -> Invoice:
    return Invoice(
        number,
        debtor,
        DAY,
        "EUR",
        Decimal(net),
        Decimal("50.00"),
        Decimal("250.00"),
        Decimal(remainder),
        due=DAY + dt.timedelta(days=14),
        exchange_rate=Decimal("746.038200"),
        recipient_name="Nordvind Service A/S",
        heading="Faktura",
    )


def line(invoice: int, number: int, net: str = "100.00", product: str = "A-1") -> Line:
    return Line(invoice, number, number, product, "Montage", Decimal("2.50"), 1, Decimal("40.00"), net=Decimal(net))


def write(store: Database, *invoices: Invoice, stamp: int = 1, cause: str = "c0ffee") -> Written:
    with store.write() as connection:
        return InvoiceRows(connection, store.sql, AGREEMENT).write(
            invoices, {one.number: stamp for one in invoices}, {one.number: cause for one in invoices}
        )


def write_lines(
    store: Database, number: int, *lines: Line, stamp: int = 1, state: LinesState = LinesState.VERIFIED
) -> Tally:
    with store.write() as connection:
        return InvoiceRows(connection, store.sql, AGREEMENT).write_lines(
            {number: lines}, {number: state}, {number: stamp}
        )


def add_debtor(store: Database, number: int) -> int:
    with store.write() as connection:
        DebtorRows(connection, store.sql, AGREEMENT).write(
            DebtorChanges(insert=[Debtor(number, f"Firma {number}")]), {}
        )
    return int(scalar(store, "SELECT max(id) FROM debtor"))


def lines_of(store: Database, number: int) -> list[tuple[int, str, Decimal]]:
    found = tables_mirror.invoice_line
    with store.read() as connection:
        return [
            (row.number, row.product, row.net)
            for row in connection.execute(found.select().where(found.c.invoice == number).order_by(found.c.position))
        ]


def test_a_header_is_stored_whole(store: Database) -> None:
    """Every field comes back as it was read, money exactly; the lines are pending."""
    written = write(store, invoice(20417))

    with store.read() as connection:
        row = connection.execute(tables_mirror.invoice.select()).one()._mapping
    assert {name: row[name] for name in Invoice._fields} == invoice(20417)._asdict()
    assert (row["lines_state"], row["correlation_id"], row["debtor_id"]) == ("pending", "c0ffee", None)
    assert written == Written(Tally(created=1), {100}, new=(20417,))


def test_an_unchanged_header_costs_its_stamp_only(store: Database) -> None:
    """The same content under a newer stamp leaves the row and its cause as they are, and names no debtor."""
    write(store, invoice(1), stamp=1, cause="first")

    written = write(store, invoice(1), stamp=2, cause="second")

    assert written == Written(Tally(unchanged=1), set())
    assert scalar(store, "SELECT correlation_id FROM invoice") == "first"
    assert scalar(store, "SELECT stamp FROM reading WHERE what = 'invoice'") == 2


def test_a_changed_header_is_updated(store: Database) -> None:
    """A payment changes what is open, and its debtor is named; neighbours in the page are counted apart."""
    write(store, invoice(1), invoice(2), stamp=1)

    written = write(store, invoice(1, remainder="0.00"), invoice(2), invoice(3), stamp=2)

    assert written == Written(Tally(created=1, updated=1, unchanged=1), {100}, new=(3,), paid=(1,))
    with store.read() as connection:
        found = connection.execute(tables_mirror.invoice.select().order_by(tables_mirror.invoice.c.number)).all()
    assert [row.remainder for row in found] == [Decimal(0), Decimal("250.00"), Decimal("250.00")]


def test_an_older_reading_changes_nothing(store: Database) -> None:
    """A reading stamped before the stored one is stale, whatever it says."""
    write(store, invoice(1, remainder="0.00"), stamp=5)

    assert write(store, invoice(1), stamp=4) == Written(Tally(stale=1), set())
    assert write(store, invoice(1), stamp=5) == Written(Tally(stale=1), set())
    assert scalar(store, "SELECT remainder FROM invoice") == 0


def test_invoices_belong_to_the_debtors_row(store: Database) -> None:
    """An invoice knows the row of its debtor, keeps it when read again under an old number, follows a corrected one."""
    first, second = add_debtor(store, 100), add_debtor(store, 200)
    write(store, invoice(1), invoice(2), stamp=1)
    assert {row.debtor_id for row in rows(store, "SELECT debtor_id FROM invoice")} == {first}

    with store.write() as connection:  # the debtor is 150 now; the invoice still says 100
        DebtorRows(connection, store.sql, AGREEMENT).write(
            DebtorChanges(free=[first], update=[(first, Debtor(150, "Firma 100"))]), {}
        )
    third = add_debtor(store, 100)
    write(store, invoice(1, remainder="0.00"), invoice(2, debtor=200), invoice(3), stamp=2)

    found = rows(store, "SELECT number, debtor_id FROM invoice ORDER BY number")
    assert [row.debtor_id for row in found] == [first, second, third]


def test_an_invoice_without_its_debtor_is_an_orphan(store: Database) -> None:
    """Debtor numbers nobody answers to are named, so that they can be asked for."""
    add_debtor(store, 200)
    write(store, invoice(1), invoice(2, debtor=200))

    with store.read() as connection:
        assert InvoiceRows(connection, store.sql, AGREEMENT).orphans([1, 2, 3]) == {100}


def test_lines_are_stored_and_replaced(store: Database) -> None:
    """Other lines take the place of the old ones, with their state; none is left over."""
    write(store, invoice(1), invoice(2))
    assert write_lines(store, 1, line(1, 1), line(1, 2), line(1, 3)) == Tally(created=3)
    write_lines(store, 2, line(2, 1))

    tally = write_lines(store, 1, line(1, 1, "199.99", "B-2"), stamp=2, state=LinesState.UNVERIFIED)

    assert tally == Tally(created=1)
    assert lines_of(store, 1) == [(1, "B-2", Decimal("199.99"))]
    assert lines_of(store, 2) == [(1, "A-1", Decimal("100.00"))]
    found = rows(store, "SELECT lines_state FROM invoice ORDER BY number")
    assert [row.lines_state for row in found] == ["unverified", "verified"]


def test_the_same_lines_are_not_written_again(store: Database) -> None:
    """Equal lines stay, while their state may get better."""
    write(store, invoice(1))
    write_lines(store, 1, line(1, 1), state=LinesState.UNVERIFIED)

    assert write_lines(store, 1, line(1, 1), stamp=2, state=LinesState.COMPLETE) == Tally(unchanged=1)
    assert scalar(store, "SELECT lines_state FROM invoice") == "complete"


def test_older_lines_change_nothing(store: Database) -> None:
    """Lines read before the stored ones, or without a header here, are not stored."""
    write(store, invoice(1))
    write_lines(store, 1, line(1, 1), stamp=5)

    assert write_lines(store, 1, line(1, 1, "1.00"), line(1, 2), stamp=4) == Tally(stale=2)
    assert write_lines(store, 9, line(9, 1)) == Tally(stale=1)
    assert lines_of(store, 1) == [(1, "A-1", Decimal("100.00"))]
    assert lines_of(store, 9) == []


@pytest.mark.parametrize("state", [LinesState.COMPLETE, LinesState.DIFFERENT])
def test_a_list_never_replaces_lines_read_singly(store: Database, state: LinesState) -> None:
    """Those of a single invoice have text lines too: a newer list reading leaves them and their state."""
    write(store, invoice(1))
    write_lines(store, 1, line(1, 1), line(1, 2), state=state)

    assert write_lines(store, 1, line(1, 1), stamp=9, state=LinesState.VERIFIED) == Tally(unchanged=1)
    assert len(lines_of(store, 1)) == 2
    assert scalar(store, "SELECT lines_state FROM invoice") == state


def test_what_is_open_is_found_in_pages(store: Database) -> None:
    """Invoices with open lines, and with something left to pay, come by number in pages; credit notes count too."""
    write(
        store, *(invoice(number) for number in (1, 2, 3)), invoice(4, remainder="0.00"), invoice(5, remainder="-9.00")
    )
    write_lines(store, 2, line(2, 1))
    with store.write() as connection:
        InvoiceRows(connection, store.sql, AGREEMENT).mark_lines([3], LinesState.UNVERIFIED)

    with store.read() as connection:
        found = InvoiceRows(connection, store.sql, AGREEMENT)
        assert found.open_lines(0, 10) == [1, 3, 4, 5]
        assert found.open_lines(1, 2) == [3, 4]
        assert found.open_numbers(0, 10) == [1, 2, 3, 5]
        assert found.open_numbers(2, 1) == [3]
        stored = found.stored([2, 3, 77])

    assert {number: (row.net, row.lines_state) for number, row in stored.items()} == {
        2: (Decimal("200.00"), LinesState.VERIFIED),
        3: (Decimal("200.00"), LinesState.UNVERIFIED),
    }


def test_a_page_of_invoices_is_one_write(store: Database) -> None:
    """A thousand headers with two lines each, half of them changed the second time."""
    numbers = range(1, 1_001)
    write(store, *(invoice(number) for number in numbers), stamp=1)
    with store.write() as connection:
        tally = InvoiceRows(connection, store.sql, AGREEMENT).write_lines(
            {n: [line(n, 1), line(n, 2)] for n in numbers},
            dict.fromkeys(numbers, LinesState.VERIFIED),
            dict.fromkeys(numbers, 1),
        )
    assert tally == Tally(created=2_000)

    written = write(store, *(invoice(n, remainder="0.00" if n % 2 else "250.00") for n in numbers), stamp=2)

    assert written.tally == Tally(updated=500, unchanged=500)
    assert scalar(store, "SELECT count(*) FROM invoice_line") == 2_000
