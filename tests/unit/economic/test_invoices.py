"""Booked invoices and their lines, from both hosts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import httpx
import msgspec
import pytest

from domain.errors import PermanentError, Unavailable
from domain.invoices import Invoice, InvoiceWithLines, Line, lines_agree, lines_fingerprint
from tests.unit.economic.support import Answers, agreement, edited, line, lines_page, listed, samples

INVOICES = samples("invoices")
EUR, CREDIT, CASH, SPARSE = INVOICES


def read(body: bytes, number: int) -> InvoiceWithLines:
    """The single invoice a body holds."""
    found = agreement(Answers(body)).invoice(number)
    assert found is not None
    return found


def test_recorded_invoice() -> None:
    """Every property of the recorded invoice and of its lines arrives where it belongs."""
    header, lines = read(EUR, 20417)

    assert header == Invoice(
        number=20417,
        debtor_number=4711,
        date=dt.date(2026, 5, 4),
        currency="EUR",
        net=Decimal(200),
        vat=Decimal(50),
        gross=Decimal(250),
        remainder=Decimal(250),
        due=dt.date(2026, 5, 18),
        order_number=881,
        exchange_rate=Decimal("746.15"),
        rounding=Decimal(0),
        net_base=Decimal("1492.30"),
        gross_base=Decimal("1865.38"),
        remainder_base=Decimal("1865.38"),
        payment_terms=2,
        payment_terms_name="Netto 14 dage",
        layout=19,
        recipient_name="Nordvind Service A/S",
        recipient_address="Industrivej 7\nBygning B",
        recipient_zip="8700",
        recipient_city="Horsens",
        recipient_country="Danmark",
        recipient_cvr="31313139",
        recipient_vat_zone=1,
        delivery_address="Nordvind Service A/S\rKajen 3",
        delivery_zip="8700",
        delivery_city="Horsens",
        delivery_country="Danmark",
        delivery_date=dt.date(2026, 5, 4),
        other_reference="PO 55-17",
    )
    assert lines == [
        Line(
            invoice=20417,
            number=1,
            position=1,
            product="SRV-1",
            description="Serviceeftersyn",
            quantity=Decimal(2),
            unit=1,
            unit_price=Decimal(100),
            unit_cost=Decimal(40),
            discount_pct=Decimal(0),
            vat_rate=Decimal(25),
            vat=Decimal(50),
            net=Decimal(200),
        ),
        Line(20417, 2, 2, description="Vedr. anlæg 4, maj"),
    ]


def test_other_recorded_invoices() -> None:
    """A credit note is negative, display order is not number order, and sparse terms leave no due date."""
    credit, cash, sparse = read(CREDIT, 20418), read(CASH, 20419), read(SPARSE, 31)

    assert (credit.header.gross, credit.header.heading) == (Decimal(-100), "Kreditnota")
    assert credit.header.text1 == "Vedr. faktura 20399"
    assert credit.header.recipient_ean == "5790000000012"
    assert [(item.number, item.position) for item in cash.lines] == [(2, 1), (1, 2)]
    assert sparse.header.due is None
    assert all(lines_agree(found.header.net, found.lines) for found in (credit, cash, sparse))


@pytest.mark.parametrize("method", ["invoices_after", "unpaid_after"])
def test_list_has_the_same_headers(method: str) -> None:
    """A list gives the header the single invoice gives, whatever else each carries."""
    ordered = [SPARSE, EUR, CREDIT, CASH]
    page = listed([edited(body, "lines") for body in ordered], resultsWithoutFilter=31204)

    answer = getattr(agreement(Answers(page)), method)(0)

    singles = [read(body, number).header for body, number in zip(ordered, (31, 20417, 20418, 20419), strict=True)]
    assert answer.items == singles
    assert [item.fingerprint() for item in answer.items] == [single.fingerprint() for single in singles]
    assert (answer.total, answer.more, answer.unreadable) == (31204, False, [])


def test_recorded_list_pages() -> None:
    """The recorded pages are abbreviated: their pagination counts, and what was cut out is missed by name."""
    pages = [agreement(Answers(page)).invoices_after(0) for page in samples("invoice_pages")]

    assert [(page.total, page.more) for page in pages] == [(31204, True), (31204, False), (31204, False)]
    assert [bad.number for bad in pages[0].unreadable] == [20417, 20418]
    assert "customer" in pages[0].unreadable[0].problem


def test_views_lack_two_columns() -> None:
    """The unpaid view carries neither exchange rate nor gross amount in base currency (e-conomic.md §2.6)."""
    view = edited(EUR, "lines", "exchangeRate", "grossAmountInBaseCurrency")

    (header,) = agreement(Answers(listed([view]))).unpaid_after(0).items

    assert (header.exchange_rate, header.gross_base) == (None, None)
    assert header.remainder == Decimal(250)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("customer", "{}"),
        ("customer", "null"),
        ("customer", '{"customerNumber":0}'),
        ("date", '"yesterday"'),
        ("currency", "null"),
        ("netAmount", '"NaN"'),
        ("grossAmount", "1e40"),
        ("remainder", "null"),
    ],
)
def test_header_without_its_money_is_unreadable(name: str, text: str) -> None:
    """Without debtor, date, currency or an amount an invoice says nothing; its neighbour is read."""
    broken = edited(EUR, **{name: msgspec.Raw(text.encode())})
    page = listed([edited(SPARSE, "lines"), edited(broken, "lines")])

    answer = agreement(Answers(page)).invoices_after(0)

    assert [item.number for item in answer.items] == [31]
    assert [bad.number for bad in answer.unreadable] == [20417]
    with pytest.raises(PermanentError):
        read(broken, 20417)


def test_debtor_by_link() -> None:
    """An invoice that names its debtor by link only still has one."""
    body = edited(EUR, customer={"self": "https://restapi.e-conomic.com/customers/4711"})

    assert read(body, 20417).header.debtor_number == 4711


def test_vat_follows_from_the_others() -> None:
    """An absent VAT amount is gross less net."""
    assert read(edited(EUR, "vatAmount"), 20417).header.vat == Decimal(50)


@pytest.mark.parametrize("numbers", [(None, None), (1, 1), (0, 2)])
def test_lines_that_number_badly(numbers: tuple[int | None, int | None]) -> None:
    """Missing, repeated or zero line numbers become the order of the answer."""
    body = edited(EUR, lines=[{"lineNumber": number, "description": "text"} for number in numbers])

    assert [item.number for item in read(body, 20417).lines] == [1, 2]


def test_unreadable_line_of_a_single_invoice() -> None:
    """An invoice read singly is as good as it gets, so a lost line must not go unnoticed."""
    with pytest.raises(PermanentError, match="lines of invoice 20417"):
        read(edited(EUR, lines=[17]), 20417)
    assert read(edited(EUR, "lines"), 20417).lines == []
    assert read(edited(EUR, lines=[{"quantity": "many", "lineNumber": 1}]), 20417).lines == [Line(20417, 1, 1)]


def test_recorded_bulk_line_equals_the_rest_one() -> None:
    """Both hosts describe one line in the same words, down to the fingerprint."""
    page = agreement(Answers(samples("line_pages")[0])).lines_page(None)

    (single, _) = read(EUR, 20417).lines
    assert page.items == [single]
    assert (page.unreadable, page.cursor) == ([], "20433")
    assert lines_fingerprint(page.items) == lines_fingerprint([single])


def test_bulk_text_line() -> None:
    """Everything but the key may be null; a line without display order stands by its number."""
    names = ("userInterfaceNumber", "productNumber", "description", "quantity", "unitNumber", "unitNetPrice", "vatRate")
    page = lines_page([line(7, 3, totalNetAmount=None, **dict.fromkeys(names))])

    assert agreement(Answers(page)).lines_page(None).items == [Line(7, 3, 3)]


def test_text_line_is_the_same_from_both_hosts() -> None:
    """One host says 0 or null where the other says nothing; the stored line must not change with its source."""
    zeros = lines_page([line(7, 2, description="Vedr. anlæg 4, maj", quantity=0, unitNetPrice=0.0, totalNetAmount=0.0)])
    body = edited(EUR, lines=[{"lineNumber": 2, "description": "Vedr. anlæg 4, maj", "totalNetAmount": 0.0}])

    bulk, single = agreement(Answers(zeros)).lines_page(None).items, read(body, 20417).lines

    assert bulk == [Line(7, 2, 2, description="Vedr. anlæg 4, maj")]
    assert lines_fingerprint(bulk) == lines_fingerprint(single)


@pytest.mark.parametrize("end", [b'{"items":[]}', b'{"items":[],"cursor":null}', b'{"items":[],"cursor":""}'])
def test_end_of_the_lines(end: bytes) -> None:
    """No cursor is the end, however it is written."""
    assert agreement(Answers(end)).lines_page("x") == ([], [], None)


def test_cursor_may_be_a_number() -> None:
    """A cursor is opaque: it goes back as it came."""
    answers = Answers(lines_page([], cursor=20433), lines_page([]))
    api = agreement(answers)

    assert api.lines_page(api.lines_page(None).cursor).cursor is None
    assert answers.urls[1].endswith("/lines?cursor=20433")


def test_lines_follow_the_cursor() -> None:
    """An invoice's lines may span pages and repeat; each comes once, strangers not at all."""
    answers = Answers(
        lines_page([line(8, 1), line(7, 1), line(99, 1)], cursor="a/b"),
        lines_page([], cursor="c"),
        lines_page([line(7, 1), line(7, 2)]),
    )

    lines, unreadable = agreement(answers).lines([7, 8])

    assert [(item.invoice, item.number) for item in lines] == [(7, 1), (7, 2), (8, 1)]
    assert not unreadable
    assert [url.partition("?")[2] for url in answers.urls] == [
        "filter=documentId$in:%5B7,8%5D",
        "filter=documentId$in:%5B7,8%5D&cursor=a%2Fb",
        "filter=documentId$in:%5B7,8%5D&cursor=c",
    ]


def test_invoice_with_an_unreadable_line_has_none() -> None:
    """Half an invoice could pass for a whole one: it comes without lines, and is named; so is a line of nobody."""
    page = lines_page([line(7, 1), line(7, "x"), line(8, 1), line(None, 1)])
    api = agreement(Answers(page))

    items, unreadable = api.lines([7, 8])
    assert [item.invoice for item in items] == [8]
    assert unreadable == {7, None}
    assert [bad.number for bad in api.lines_page(None).unreadable] == [7, None]


@pytest.mark.parametrize("cursors", ["a", "aba"])
def test_cursor_that_repeats(cursors: str) -> None:
    """A cursor that comes again never ends; that is trouble, not a loop."""
    answers = Answers(*(lines_page([], cursor=cursor) for cursor in cursors))

    with pytest.raises(Unavailable):
        agreement(answers).lines([7])
    assert len(answers.requests) <= len(cursors) + 1


def test_page_that_names_its_own_cursor() -> None:
    """A single page never hands back the cursor it was asked with."""
    with pytest.raises(Unavailable, match="cursor repeats"):
        agreement(Answers(lines_page([line(7, 1)], cursor="a"))).lines_page("a")


@pytest.mark.parametrize("body", [b"[]", b'{"cursor":"a"}', b'{"items":null}', b'{"collection":[]}', b"<html>", b""])
def test_broken_lines_are_never_none(body: bytes) -> None:
    """Whatever is no list of lines is trouble on the way."""
    with pytest.raises(Unavailable):
        agreement(Answers(body)).lines([7])


def test_missing_invoice_is_none() -> None:
    """An unknown number is not an error."""
    assert agreement(Answers(httpx.Response(404, content=samples("errors_rest")[0]))).invoice(1) is None
