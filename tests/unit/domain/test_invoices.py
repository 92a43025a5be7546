"""Lines against headers, and fingerprints."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from domain.invoices import Line, facing, in_order, lines_agree, lines_fingerprint, unique_lines
from infra.economic.wire import amount
from tests.unit.domain.fakes import an_invoice


def line(number: int, net: str | None, **more: object) -> Line:
    return Line(20417, number, number, net=None if net is None else Decimal(net))._replace(**more)


@pytest.mark.parametrize(
    ("net", "nets", "agree"),
    [
        ("200.00", ["200.00"], True),
        ("200.00", ["100.00", "100"], True),
        ("200.00", ["199.99"], True),
        ("200.00", ["200.01"], True),
        ("200.00", ["199.98"], False),
        ("200.00", ["99.99", "99.99"], True),
        ("200.00", ["99.99", "99.98"], False),
        ("200.00", ["200.00", None, None], True),
        ("200.00", ["199.98", None, None], False),  # a text line has no rounding
        ("200.00", [None], False),
        ("200.00", [], False),
        ("0.00", [], True),
        ("0.00", [None], True),
        ("0.00", ["100.00", "-100.00"], True),
        ("-80.00", ["-80.00"], True),
        ("-80.00", ["80.00"], True),
        ("-80.00", ["40.00", "40.00"], True),
        ("-80.00", ["79.98"], False),
        ("80.00", ["-80.00"], False),
        ("-80.00", [], False),
    ],
)
def test_lines_against_the_header(net: str, nets: list[str | None], agree: bool) -> None:
    """A hundredth for each line with an amount; a credit note by its magnitude."""
    assert lines_agree(Decimal(net), [line(i, value) for i, value in enumerate(nets, 1)]) is agree


def test_a_line_listed_twice_is_one() -> None:
    """A cursor may repeat records while data changes: the last reading of a number counts."""
    lines = [line(1, "1"), line(2, "2"), line(1, "3")]

    assert unique_lines(lines) == [line(1, "3"), line(2, "2")]


def test_lines_are_shown_by_position() -> None:
    """Neither source promises an order."""
    lines = [line(3, "1", position=1), line(1, "2", position=2), line(2, "3", position=2)]

    for _ in range(5):
        random.Random(1).shuffle(lines)
        assert [each.number for each in in_order(lines)] == [3, 1, 2]


def test_the_same_lines_from_either_service_are_the_same() -> None:
    """REST and q2capi number lines differently: order and content count."""
    rest = [line(1, "50", product="A"), line(2, "10", product="B")]
    bulk = [line(901, "10", product="B", position=7), line(900, "50", product="A", position=5)]

    assert lines_fingerprint(rest) == lines_fingerprint(bulk)
    assert lines_fingerprint(rest) != lines_fingerprint(rest[:1])
    assert lines_fingerprint(rest) != lines_fingerprint([rest[0], rest[1]._replace(net=Decimal("10.01"))])
    assert lines_fingerprint(rest) != lines_fingerprint([rest[0]._replace(position=3), rest[1]])


def test_spelling_of_amounts_does_not_count() -> None:
    """60, 60.0 and 60.00 are one amount once they passed the mapping, and only then."""
    header = an_invoice(1).header
    spelt = [header._replace(net=amount(Decimal(text)) or Decimal(0)) for text in ("60", "60.0", "60.00", "6E+1")]

    assert len({each.fingerprint() for each in spelt}) == 1
    assert header._replace(net=Decimal("60.0")).fingerprint() != header._replace(net=Decimal("60.00")).fingerprint()


def test_every_value_of_a_header_counts() -> None:
    """No column is forgotten."""
    header = an_invoice(1).header

    for name in header._fields:
        assert header._replace(**{name: "other"}).fingerprint() != header.fingerprint(), name


def test_credit_note_lines_face_their_header() -> None:
    """Lines that a list shows as positive count as the credit they are; lines with the right sign stay."""
    positive = [Line(1, 1, 1, quantity=Decimal("3"), vat=Decimal("25"), net=Decimal("100")), Line(1, 2, 2)]
    negative = facing(Decimal("-100"), positive)

    assert [(line.quantity, line.vat, line.net) for line in negative] == [(-3, -25, -100), (None, None, None)]
    assert facing(Decimal("-100"), negative) == negative
    assert facing(Decimal("100"), positive) == positive
    assert facing(Decimal("-80"), positive) == positive  # they do not add up: nobody knows what they mean
