"""Booked invoices over REST: the collection, its views, single ones, and their PDF."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from sandbox.agreement import Agreement
from sandbox.customers import find_customer
from sandbox.errors import not_found, rest_error
from sandbox.filters import Kind, Property, Reach, Schema
from sandbox.http import REST_HOST, Answer, Refused, Request, as_json
from sandbox.pages import Collection, rest_page
from sandbox.records import Invoice

KEY = "bookedInvoiceNumber"


def _recipient(name: str) -> Callable[[Invoice], Any]:
    return lambda invoice: invoice.recipient.fields.get(name)


def _more(group: str, name: str) -> Callable[[Invoice], Any]:
    return lambda invoice: invoice.more.get(group, {}).get(name)


def _schema() -> Schema:
    schema = {
        KEY: Property(Kind.NUMBER, lambda invoice: invoice.number),
        "date": Property(Kind.DATE, lambda invoice: invoice.day),
        "currency": Property(Kind.TEXT, lambda invoice: invoice.currency),
        "exchangeRate": Property(Kind.NUMBER, lambda invoice: Decimal(invoice.rate).scaleb(-6)),
        "paymentTerms.paymentTermsNumber": Property(Kind.NUMBER, lambda invoice: invoice.terms),
        "customer.customerNumber": Property(Kind.NUMBER, lambda invoice: invoice.customer.number),
    }
    for name in ("name", "address", "zip", "city", "country", "ean", "publicEntryNumber"):
        schema[f"recipient.{name}"] = Property(Kind.TEXT, _recipient(name))
    schema["recipient.vatZone.vatZoneNumber"] = Property(
        Kind.NUMBER, lambda invoice: invoice.recipient.fields["vatZone"]["vatZoneNumber"]
    )
    for group, names in (
        ("delivery", ("address", "zip", "city", "country", "deliveryTerms")),
        ("notes", ("heading", "textLine1", "textLine2")),
        ("references", ("other",)),
    ):
        for name in names:
            schema[f"{group}.{name}"] = Property(Kind.TEXT, _more(group, name))
    return schema


BOOKED = _schema()
VIEW = {name: prop for name, prop in BOOKED.items() if name != "exchangeRate"}
UNDER_CUSTOMER = {name: prop for name, prop in VIEW.items() if name != "recipient.vatZone.vatZoneNumber"}
VIEWS = ("paid", "unpaid", "overdue", "not-due")


def list_booked(request: Request, agreement: Agreement) -> Answer:
    """`GET /invoices/booked`: headers without lines."""
    invoices, reference = agreement.invoices, agreement.reference
    return rest_page(
        request,
        Collection(BOOKED, KEY, invoices.within, len(invoices), lambda invoice: invoice.item(reference)),
    )


def list_view(request: Request, agreement: Agreement, view: str) -> Answer:
    """`GET /invoices/paid|unpaid|overdue|not-due`."""
    records = _view_records(agreement, view)
    return rest_page(
        request,
        Collection(VIEW, KEY, _within(records), len(records), lambda invoice: invoice.view(agreement.reference)),
    )


def _view_records(agreement: Agreement, view: str) -> Sequence[Invoice]:
    if view == "paid":
        return [invoice for invoice in agreement.invoices if not invoice.remainder]
    today = agreement.clock.today()
    unpaid = [invoice for number in agreement.open_numbers if (invoice := agreement.invoices.get(number))]
    if view == "unpaid":
        return unpaid
    overdue = view == "overdue"
    return [invoice for invoice in unpaid if (invoice.due is not None and invoice.due < today) is overdue]


def list_under_customer(request: Request, agreement: Agreement, number: str) -> Answer:
    """`GET /customers/{n}/invoices/booked`."""
    records = sorted(find_customer(agreement, number).invoices, key=lambda invoice: invoice.number)
    return rest_page(
        request,
        Collection(
            UNDER_CUSTOMER,
            KEY,
            _within(records),
            len(records),
            lambda invoice: invoice.under_customer(agreement.reference),
        ),
    )


def _within(records: Sequence[Invoice]) -> Callable[[Reach], Sequence[Invoice]]:
    """The part of a sorted list a filter can match."""

    def within(reach: Reach) -> Sequence[Invoice]:
        if reach.keys is not None:
            return [invoice for invoice in records if invoice.number in reach.keys]
        start = bisect_left(records, reach.low, key=lambda invoice: invoice.number)
        stop = bisect_right(records, reach.high, key=lambda invoice: invoice.number)
        return records[start:stop]

    return within


def find_invoice(agreement: Agreement, number: str) -> Invoice:
    """
    The invoice a path names.

    Raises:
        Refused: 404.
    """
    invoice = agreement.invoices.get(int(number)) if number.isdecimal() else None
    if invoice is None:
        raise not_found()
    return invoice


def get_invoice(agreement: Agreement, number: str) -> Answer:
    """`GET /invoices/booked/{n}`: with lines."""
    return Answer(200, find_invoice(agreement, number).single(agreement.reference))


def get_pdf(request: Request, agreement: Agreement, number: str) -> Answer:
    """
    `GET /invoices/booked/{n}/pdf`: one page with the invoice's number.

    Raises:
        Refused: 406 unless the caller takes anything (`Accept: */*`).
    """
    invoice = find_invoice(agreement, number)
    if request.header(b"accept") not in ("", "*/*"):
        raise Refused(rest_error(406, "Not acceptable.", "Use the Accept header */*."))
    return Answer(200, _pdf(f"Faktura {invoice.number}"), b"application/pdf")


def _pdf(text: str) -> bytes:
    content = f"BT /F1 24 Tf 72 770 Td ({text}) Tj ET".encode()
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    document, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(document))
        document += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return document + b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        len(document),
    )


def index() -> Answer:
    """`GET /invoices`: links only."""
    url = f"{REST_HOST}/invoices"
    links = {name.replace("-", ""): f"{url}/{name}" for name in ("drafts", "booked", *VIEWS, "sent", "totals")}
    return as_json(links | {"self": url})


def nothing(request: Request) -> Answer:
    """Collections that exist and are empty here: drafts, sent."""
    return rest_page(request, Collection({}, KEY, lambda _: (), 0, lambda _: b""))
