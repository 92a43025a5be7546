"""Booked invoices over REST and their lines in bulk."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.sandbox.support import MINIMAL, TOKENS, Caller

LINES = "/q2capi/v5.3.0/invoices/booked/lines"


@pytest.fixture
def books(call: Caller) -> Caller:
    """Debtor 5 with invoices 101 (EUR), 102 (credit note), 103 (paid) and 104 (not due)."""
    call("PUT", "/customers/5", MINIMAL | {"city": "Horsens"})
    lines = [{"description": "Eftersyn", "quantity": 2, "unitNetPrice": 100}, {"description": "Vedr. maj"}]
    early, late = "2026-04-01", "2026-06-01"
    call.control("POST", "invoices", {"debtor": 5, "number": 101, "currency": "EUR", "lines": lines, "due": early})
    credit = {"debtor": 5, "number": 102, "credit_note": True, "lines": lines[:1], "due": early}
    call.control("POST", "invoices", credit)
    call.control("POST", "invoices", {"debtor": 5, "number": 103, "lines": lines})
    call.control("POST", "invoices/103/pay")
    call.control("POST", "invoices", {"debtor": 5, "number": 104, "lines": lines, "due": late})
    return call


def listed(call: Caller, path: str) -> list[int]:
    """The numbers a view answers with."""
    return [invoice["bookedInvoiceNumber"] for invoice in call("GET", path).json["collection"]]


def test_single_has_lines_and_the_list_has_none(books: Caller) -> None:
    """Lines are on the single invoice only; amounts are exact and a text line has no amounts."""
    single = books("GET", "/invoices/booked/101").json
    in_list = books("GET", "/invoices/booked").json["collection"][0]

    assert "lines" not in in_list
    assert in_list == {name: value for name, value in single.items() if name != "lines"}
    assert [str(single[name]) for name in ("netAmount", "vatAmount", "grossAmount")] == ["200.00", "50.00", "250.00"]
    assert single["exchangeRate"] == Decimal("746.150000")
    assert single["netAmountInBaseCurrency"] == Decimal("1492.30")
    assert single["grossAmountInBaseCurrency"] == Decimal("1865.38")
    assert single["lines"][1] == {"lineNumber": 2, "sortKey": 2, "description": "Vedr. maj"}
    assert b'"netAmount":200.00,' in books("GET", "/invoices/booked/101").body


def test_credit_note_is_negative(books: Caller) -> None:
    """A credit note is an invoice of the same series with negative amounts."""
    note = books("GET", "/invoices/booked/102").json

    assert (str(note["grossAmount"]), str(note["lines"][0]["totalNetAmount"])) == ("-250.00", "-200.00")


def test_views(books: Caller) -> None:
    """Each view holds its part, and lacks the fields the real ones lack."""
    assert listed(books, "/invoices/paid") == [103]
    assert listed(books, "/invoices/unpaid") == [101, 102, 104]
    assert listed(books, "/invoices/overdue") == [101, 102]
    assert listed(books, "/invoices/not-due") == [104]
    whole = set(books("GET", "/invoices/booked").json["collection"][0])
    view = set(books("GET", "/invoices/unpaid").json["collection"][0])
    under = set(books("GET", "/customers/5/invoices/booked").json["collection"][0])
    assert whole - view == {"exchangeRate", "grossAmountInBaseCurrency"}
    assert view - under == {"sent"}
    assert books("GET", "/invoices/unpaid", filter="exchangeRate$gt:1").status == 400


def test_what_cannot_be_filtered(books: Caller) -> None:
    """Neither the remainder nor the due date."""
    for name in ("remainder", "dueDate"):
        reply = books("GET", "/invoices/booked", filter=f"{name}$gt:0")
        assert reply.json["errors"] == [f"Filtering is not allowed on property '{name}'."]
        assert name not in reply.json["allowedFilteringFields"]


def test_recipient_is_a_snapshot_and_the_number_follows(books: Caller) -> None:
    """After an edit and a re-numbering the invoice shows the old town and the new number."""
    books.control("PATCH", "debtors/5", {"city": "Vejle"})
    books.control("POST", "debtors/5/renumber", {"to": 50})

    invoice = books("GET", "/invoices/booked/101").json

    assert invoice["recipient"]["city"] == "Horsens"
    assert invoice["customer"]["customerNumber"] == 50
    assert books("GET", "/customers/5").status == 404


def test_payment_moves_balance_and_due_amount(books: Caller) -> None:
    """A part payment lowers what the debtor owes."""
    before = books("GET", "/customers/5").json
    books.control("POST", "invoices/104/pay", {"amount": 100.5})

    after = books("GET", "/customers/5").json

    assert books("GET", "/invoices/booked/104").json["remainder"] == Decimal("149.50")
    assert before["balance"] - after["balance"] == Decimal("100.50")
    assert after["dueAmount"] == before["dueAmount"]


def test_pdf_wants_any_media(books: Caller) -> None:
    """The PDF is fetched with `Accept: */*`; anything else is a 406."""
    path = "/invoices/booked/101/pdf"

    pdf = books("GET", path, headers={**TOKENS, "Accept": "*/*"})

    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.body.startswith(b"%PDF-1.4")
    assert books("GET", path, headers={**TOKENS, "Accept": "application/pdf"}).status == 406


def test_bulk_lines_agree_with_headers(call: Caller) -> None:
    """Every line comes once over the cursor, the last page has none, and sums meet the headers."""
    call.control("POST", "bulk", {"debtors": 20, "invoices": 700, "lines": 2300})
    sums: dict[int, Decimal] = {}
    sizes, query = [], {}
    while True:
        page = call("GET", LINES, **query).json
        sizes.append(len(page["items"]))
        for line in page["items"]:
            sums[line["documentId"]] = sums.get(line["documentId"], Decimal(0)) + line["totalNetAmount"]
        if "cursor" not in page:
            break
        query = {"cursor": page["cursor"], "sort": "-documentId"}

    headers = call("GET", "/invoices/booked", pagesize=1000).json["collection"]

    assert sizes == [1000, 1000, 300]
    assert sums == {header["bookedInvoiceNumber"]: header["netAmount"] for header in headers}
    assert call("GET", f"{LINES}/count").json == 2300


def test_line_filters(call: Caller) -> None:
    """Lines are filtered by document, number and product; a count honours it."""
    call.control("POST", "bulk", {"debtors": 5, "invoices": 30, "lines_per_invoice": 4})

    def documents(text: str) -> list[int]:
        return [line["documentId"] for line in call("GET", LINES, filter=text).json["items"]]

    assert documents("documentId$in:[20005,20009,1]") == [20005] * 4 + [20009] * 4
    assert documents("documentId$gt:20028") == [20029] * 4 + [20030] * 4
    assert call("GET", f"{LINES}/count", filter="documentId$lte:20003").json == 12
    assert call("GET", f"{LINES}/count", filter="userInterfaceNumber$eq:1").json == 30
    refused = call("GET", LINES, filter="description$eq:x")
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert refused.json["errorCode"] == "BadFilterRequest"
    like = call("GET", LINES, filter="productNumber$like:x").json
    assert like["errors"][0]["message"] == "Operator $like: not supported on property productNumber"


def test_lines_of_one_document(books: Caller) -> None:
    """One document, one line, and nothing for a document that is not there; optional values are null."""
    prefix = "/q2capi/v5.3.0/invoices/booked"
    lines = books("GET", f"{prefix}/101/lines").json

    assert [line["userInterfaceNumber"] for line in lines] == [1, 2]
    assert (lines[1]["quantity"], lines[1]["productNumber"]) == (None, None)
    assert books("GET", f"{prefix}/101/lines/{lines[1]['number']}").json == lines[1]
    assert books("GET", f"{prefix}/777/lines").json == []
    assert books("GET", f"{prefix}/101/lines/99").json["errorCode"] == "ResourceNotFound"


def test_line_number_is_not_the_display_number(books: Caller) -> None:
    """On some invoices the service's line number differs from REST's, as it may."""
    books.control("POST", "invoices", {"debtor": 5, "number": 105})

    line = books("GET", "/q2capi/v5.3.0/invoices/booked/105/lines").json[0]

    assert line["number"] != books("GET", "/invoices/booked/105").json["lines"][0]["lineNumber"]


def test_missing_lines(books: Caller) -> None:
    """The bulk service can be made to leave out an invoice, or every text line."""
    books.control("POST", "invoices", {"debtor": 5, "number": 110, "omit_lines": True})
    books.control("PUT", "conventions", {"text_lines_in_line_service": False})

    found = [line["documentId"] for line in books("GET", LINES).json["items"]]

    assert found == [101, 102, 103, 104]
    assert books("GET", f"{LINES}/count").json == 4


@pytest.mark.parametrize("query", [{"pageSize": 101}, {"skipPages": 101}])
def test_paged_lines(books: Caller, query: dict[str, Any]) -> None:
    """A bare array, at most 100 pages of 100, sortable."""
    assert books("GET", f"{LINES}/paged", **query).status == 400

    page = books("GET", f"{LINES}/paged", pageSize=2, skipPages=0, sort="-documentId").json

    assert [line["documentId"] for line in page] == [104, 104]


def test_made_up_books_are_believable(call: Caller) -> None:
    """Demonstration data has several currencies, credit notes, text lines, and all states of payment."""
    call.control("POST", "bulk", {"debtors": 300, "invoices": 900})
    invoices = call.control("GET", "state")["invoices"]
    today = date(2026, 5, 4)

    assert {invoice["currency"] for invoice in invoices} == {"DKK", "EUR", "SEK", "NOK"}
    assert any(invoice["grossAmount"] < 0 for invoice in invoices)
    assert any("quantity" not in line for invoice in invoices for line in invoice["lines"])
    assert any(0 != abs(invoice["remainder"]) < abs(invoice["grossAmount"]) for invoice in invoices)
    assert invoices[0]["date"] < str(today - timedelta(days=730))
    for view in ("paid", "overdue", "not-due"):
        assert call("GET", f"/invoices/{view}").json["pagination"]["results"] > 5
