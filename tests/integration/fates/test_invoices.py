"""Booked invoices of every kind, from the stand-in over both of its hosts."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from domain.hints import Kind, Source
from domain.resync_state import ResyncOptions
from infra.database import tables_mirror
from infra.economic import EconomicClient
from tests.integration.fates.conftest import Mirrored, SandboxBooks
from tests.support.databases import rows
from tests.support.fates import Firm

Connect = Callable[[], tuple[SandboxBooks, Mirrored]]

INVOICES = ResyncOptions(debtors=False)
LINES: list[dict[str, Any]] = [
    {"description": "Montage", "quantity": 2, "unitNetPrice": 100},
    {"description": "Kørsel", "quantity": 1, "unitNetPrice": 59.5},
]


@pytest.fixture
def one(connect: Connect) -> tuple[SandboxBooks, Mirrored]:
    """An agreement with one debtor on both sides."""
    books, mirror = connect()
    books.put(1, Firm("Nordvind Service A/S", "31313139"))
    mirror.compare_all()
    return books, mirror


def announce(mirror: Mirrored, *numbers: int) -> None:
    for number in numbers:
        mirror.hint((None, number), Kind.INVOICES)
    mirror.drain_all()


def stored(mirror: Mirrored) -> dict[int, Any]:
    invoice = tables_mirror.invoice
    mine = invoice.select().where(invoice.c.agreement == mirror.agreement).order_by(invoice.c.number)
    with mirror.database.read() as connection:
        return {row.number: row for row in connection.execute(mine)}


def line_sums(mirror: Mirrored) -> list[Decimal]:
    """The net amounts of each invoice's lines together, by invoice number."""
    line = tables_mirror.invoice_line
    nets = sa.select(line.c.invoice, line.c.net).where(line.c.agreement == mirror.agreement, line.c.net.is_not(None))
    sums: dict[int, Decimal] = defaultdict(Decimal)
    with mirror.database.read() as connection:
        for number, net in connection.execute(nets):
            sums[number] += net
    return [sums[number] for number in sorted(sums)]


def states(mirror: Mirrored) -> list[str]:
    return [row.lines_state for row in stored(mirror).values()]


@pytest.mark.parametrize("announced", [1, 3], ids=["singly", "listed"])
def test_several_currencies(one: tuple[SandboxBooks, Mirrored], announced: int) -> None:
    """Each invoice keeps its own currency beside the agreement's, whichever way it was read."""
    books, mirror = one
    numbers = [books.books.book(1, currency=currency, lines=LINES) for currency in ("DKK", "EUR", "SEK")]
    for start in range(0, 3, announced):
        announce(mirror, *numbers[start : start + announced])

    assert mirror.differences() == []
    own, euro, krona = stored(mirror).values()
    assert [row.currency for row in (own, euro, krona)] == ["DKK", "EUR", "SEK"]
    assert own.net_base == own.net == Decimal("259.5")
    for row in (euro, krona):
        assert row.net == Decimal("259.5")
        assert row.net_base == (row.net * row.exchange_rate / 100).quantize(Decimal("0.01"))


@pytest.mark.parametrize("announced", [1, 3], ids=["singly", "listed"])
def test_credit_notes(one: tuple[SandboxBooks, Mirrored], announced: int) -> None:
    """A credit note is negative in its header and in its lines, and takes from the debtor's balance."""
    books, mirror = one
    numbers = [books.books.book(1, credit_note=credit, lines=LINES) for credit in (False, True, True)]
    for start in range(0, 3, announced):
        announce(mirror, *numbers[start : start + announced])

    assert mirror.differences() == []
    assert [row.net > 0 for row in stored(mirror).values()] == [True, False, False]
    assert set(states(mirror)) <= {"complete", "verified"}
    assert line_sums(mirror) == [Decimal("259.5"), Decimal("-259.5"), Decimal("-259.5")]


@pytest.mark.parametrize("listed", [True, False])
def test_text_lines(one: tuple[SandboxBooks, Mirrored], listed: bool) -> None:
    """Lines of words alone add nothing and are kept in their place; a list that leaves them out is no difference."""
    books, mirror = one
    books.books("PUT", "conventions", {"text_lines_in_line_service": listed})
    numbers = [books.books.book(1, lines=[LINES[0], {"description": "Vedr. maj"}, LINES[1]]) for _ in range(3)]
    announce(mirror, *numbers)
    assert states(mirror) == ["verified"] * 3
    assert mirror.failures() == []

    announce(mirror, numbers[0])  # alone it is read with all of its lines
    if listed:
        assert mirror.differences() == []


def test_lines_the_list_leaves_out(one: tuple[SandboxBooks, Mirrored]) -> None:
    """An invoice whose lines are missing in q2capi is read singly, by its event and by a resync."""
    books, mirror = one
    numbers = [books.books.book(1, lines=LINES, omit_lines=place == 1) for place in range(3)]
    announce(mirror, *numbers)
    assert (states(mirror), mirror.differences()) == (["verified", "complete", "verified"], [])

    books.books.book(1, lines=LINES, omit_lines=True)
    mirror.compare_all(ResyncOptions())
    assert states(mirror)[-1] == "complete"
    assert mirror.differences() == []


@pytest.mark.parametrize("status", [403, 404, 410], ids=["refused", "gone", "retired"])
def test_the_lines_service_refuses(one: tuple[SandboxBooks, Mirrored], status: int) -> None:
    """Headers are stored, a person is told; when it answers again the lines come and the failure closes."""
    books, mirror = one
    for _ in range(30):
        books.books.book(1, lines=LINES)
    with books.books.fault(path="/q2capi", status=status):
        mirror.compare_all(INVOICES)
        assert set(states(mirror)) == {"pending"}
        assert [failure.split()[0] for failure in mirror.failures()] == ["lines"]

    mirror.compare_all(INVOICES)
    assert set(states(mirror)) == {"verified"}
    mirror.compare_all()
    assert (mirror.differences(), mirror.failures()) == ([], [])


def test_an_old_version_in_the_address(one: tuple[SandboxBooks, Mirrored], client: EconomicClient) -> None:
    """The version of q2capi that is set no longer exists: headers go on, and the failure names the address."""
    books, mirror = one
    books.books.book(1, lines=LINES)
    config = dataclasses.replace(client.config, q2c_url=client.config.q2c_url.replace("v5.3.0", "v4.0.0"))
    with EconomicClient(config) as old:
        mirror.api = old.agreement(mirror.agreement, books.books.grant)
        mirror.compare_all(INVOICES)

    assert states(mirror) == ["pending"]
    (message,) = rows(mirror.database, "SELECT message FROM failure WHERE agreement = :a", a=mirror.agreement)
    assert "v4.0.0" in message.message


def test_a_lower_number_picked_by_hand(one: tuple[SandboxBooks, Mirrored]) -> None:
    """Booked under a number below all others and never announced: the next look finds it."""
    books, mirror = one
    books.books.book(1, lines=LINES)
    mirror.compare_all(INVOICES)
    books.books.book(1, lines=LINES, number=7, hook=False)

    mirror.hint((None, None), Kind.POLL, Source.POLL)
    mirror.drain(kind=Kind.POLL)
    mirror.drain_all()

    assert next(iter(stored(mirror))) == 7
    assert (mirror.differences(), mirror.failures()) == ([], [])


def test_paid_and_partly_paid(one: tuple[SandboxBooks, Mirrored]) -> None:
    """
    A booked day book makes Debitor look: what is open follows, and the balance with it.

    The list of unpaid invoices lacks two columns; an invoice it leads to keeps them.
    """
    books, mirror = one
    numbers = [books.books.book(1, currency="EUR", lines=LINES) for _ in range(3)]
    announce(mirror, *numbers)
    whole = stored(mirror)
    books.books.pay(numbers[0])
    books.books("POST", f"invoices/{numbers[1]}/pay", {"amount": 100})

    mirror.hint((None, None), Kind.PAYMENTS)
    mirror.drain_all()

    assert mirror.differences() == []
    after = stored(mirror)
    gross = whole[numbers[0]].gross
    assert [after[number].remainder for number in numbers] == [0, gross - 100, gross]
    for number in numbers:
        kept = ("exchange_rate", "gross_base", "net_base", "rounding", "recipient_name")
        assert [getattr(after[number], name) for name in kept] == [getattr(whole[number], name) for name in kept]
        assert after[number].exchange_rate is not None
        assert after[number].gross_base is not None
