"""Control calls that play the person in e-conomic: debtors edited, invoices booked and paid."""

# ruff: noqa: S311 - chance makes the data and the faults here, no secrets

from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

from sandbox.agreement import MAX_NUMBER, Agreement, NewLine, priced
from sandbox.control_shapes import ControlError, NewInvoice, Renumber
from sandbox.customers import LIMITS
from sandbox.http import Answer, Request, encode
from sandbox.records import REFERENCES, Customer, Invoice
from sandbox.reference import PRODUCTS, Listing
from sandbox.seed import debtor_fields

WRITABLE = frozenset((*LIMITS, *REFERENCES, "barred", "creditLimit", "eInvoicingDisabledByDefault"))


def route_books(request: Request, agreement: Agreement, parts: list[str]) -> Answer:
    """
    Answer a call below `/_control/agreements/{n}/debtors`, `/invoices`, `/reference` or `/state`.

    Raises:
        ControlError: no such record, or its state does not allow it.
    """
    match (request.method, *parts):
        case ("POST", "debtors"):
            return _create(request, agreement)
        case ("PATCH", "debtors", number):
            customer = _debtor(agreement, number)
            fields = {k: v for k, v in (customer.fields | _plain(agreement, request.json())).items() if v is not None}
            agreement.change_customer(customer, fields)
            return _shown(agreement, customer)
        case ("DELETE", "debtors", number):
            customer = _debtor(agreement, number)
            if customer.invoices and request.query.get("force") != "true":
                raise ControlError(409, "this debtor has invoices; force=true deletes it all the same")
            agreement.delete_customer(customer)
            return Answer(204)
        case ("POST", "debtors", number, "renumber"):
            customer, target = _debtor(agreement, number), request.read_as(Renumber).to
            if target in agreement.customers or not 1 <= target <= MAX_NUMBER:
                raise ControlError(409, f"number {target} cannot be used")
            agreement.renumber_customer(customer, target)
            return _shown(agreement, customer)
        case ("POST", "invoices"):
            invoice = book(agreement, request.read_as(NewInvoice))
            return Answer(201, invoice.single(agreement.reference))
        case ("POST", "invoices", number, "pay"):
            invoice = _invoice(agreement, number)
            amount = request.json().get("amount") if request.body else None
            agreement.pay(invoice, None if amount is None else _hundredths(Decimal(str(amount))))
            return Answer(200, invoice.single(agreement.reference))
        case ("PUT", "reference", path):
            listing, fields = _listing(agreement, path), request.json()
            if listing.key not in fields:
                raise ControlError(400, f"a record of {path} needs its {listing.key}")
            return Answer(200, listing.put(fields).body)
        case ("DELETE", "reference", path, key):
            listing = _listing(agreement, path)
            if listing.items.pop(int(key) if key.isdecimal() and path != "products" else key, None) is None:
                raise ControlError(404, f"no such record in {path}: {key}")
            return Answer(204)
        case ("GET", "state"):
            return _state(agreement)
    raise ControlError(404, f"no such control call: {request.method} {request.path}")


def book(agreement: Agreement, new: NewInvoice) -> Invoice:
    """
    Book an invoice or a credit note.

    Raises:
        ControlError: unknown debtor, currency or terms, or the number is taken.
    """
    customer = _debtor(agreement, str(new.debtor))
    reference = agreement.reference
    number = new.number if new.number is not None else max(agreement.invoices.last(), 20_000) + 1
    if number in agreement.invoices:
        raise ControlError(409, f"invoice number {number} is taken")
    currency = new.currency or customer.fields["currency"]
    terms = new.payment_terms or customer.fields["paymentTerms"]
    if currency not in reference.rates or terms not in reference.terms.items:
        raise ControlError(409, "no such currency or payment terms")
    percent = Decimal("25.000000") if customer.fields["vatZone"] == 1 else Decimal("0.000000")
    wanted = new.lines if new.lines is not None else _some_lines(number)

    def product(code: str) -> Any:
        item = reference.products.items.get(code)
        return item.fields if item else None

    lines = priced(wanted, percent, -1 if new.credit_note else 1, product)
    net = sum((line.net for line in lines.items), Decimal(0))
    vat = sum((line.vat for line in lines.items), Decimal(0))
    day = date.fromisoformat(new.date).toordinal() if new.date else agreement.clock.today()
    days = reference.terms.items[terms].fields.get("daysOfCredit")
    due = date.fromisoformat(new.due).toordinal() if new.due else day + days if days is not None else None
    more: dict[str, Any] = {}
    heading = new.heading or ("Kreditnota" if new.credit_note else None)
    if heading:
        more["notes"] = {"heading": heading}
    if new.reference:
        more["references"] = {"other": new.reference}
    net_amount, vat_amount = _hundredths(net), _hundredths(vat)
    invoice = Invoice(
        number,
        customer,
        customer.recipient(reference),
        day,
        due,
        currency,
        reference.rates[currency],
        terms,
        net_amount,
        vat_amount,
        net_amount + vat_amount,
        lines,
        more=more,
        in_line_service=not new.omit_lines,
    )
    agreement.muted = not new.hook
    try:
        return agreement.book(invoice)
    finally:
        agreement.muted = False


def _some_lines(number: int) -> list[NewLine]:
    random = Random(number)
    chosen = random.sample(PRODUCTS, 1 + number % 3)
    return [NewLine(quantity=Decimal(1 + random.randrange(6)), product=code) for code, *_ in chosen]


def _hundredths(amount: Decimal) -> int:
    return int((amount * 100).quantize(Decimal(1), "ROUND_HALF_UP"))


def _create(request: Request, agreement: Agreement) -> Answer:
    body = request.json() if request.body else {}
    number = body.pop("number", None) or body.pop("customerNumber", None) or agreement.customers.free(MAX_NUMBER)
    if number in agreement.customers:
        raise ControlError(409, f"number {number} is taken")
    fields = debtor_fields(agreement, number, _plain(agreement, body))
    customer = agreement.create_customer(fields, number)
    answer = _shown(agreement, customer)
    answer.status = 201
    return answer


def _plain(agreement: Agreement, body: dict[str, Any]) -> dict[str, Any]:
    """References as plain numbers, whichever way they were given."""
    fields = {}
    for name, value in body.items():
        if name not in WRITABLE and name not in agreement.conventions.more_properties:
            raise ControlError(400, f"a debtor has no field {name}")
        if isinstance(value, dict) and name in REFERENCES:
            value = value[REFERENCES[name][0]]
        fields[name] = value
    return fields


def _debtor(agreement: Agreement, number: str) -> Customer:
    customer = agreement.customers.get(int(number)) if number.isdecimal() else None
    if customer is None:
        raise ControlError(404, f"no debtor {number}")
    return customer


def _listing(agreement: Agreement, path: str) -> Listing:
    if path not in agreement.reference.listings:
        raise ControlError(404, f"no such list: {path}")
    return agreement.reference.listings[path]


def _invoice(agreement: Agreement, number: str) -> Invoice:
    invoice = agreement.invoices.get(int(number)) if number.isdecimal() else None
    if invoice is None:
        raise ControlError(404, f"no invoice {number}")
    return invoice


def _shown(agreement: Agreement, customer: Customer) -> Answer:
    return Answer(200, customer.single(agreement.reference, agreement.clock.today()))


def _state(agreement: Agreement) -> Answer:
    """Every debtor and every invoice with its lines, as single reads would show them."""
    reference, today = agreement.reference, agreement.clock.today()
    debtors = b",".join(customer.single(reference, today) for customer in agreement.customers)
    invoices = b",".join(invoice.single(reference) for invoice in agreement.invoices)
    groups = encode({str(c.number): c.fields["priceGroup"] for c in agreement.customers if "priceGroup" in c.fields})
    return Answer(200, b'{"debtors":[' + debtors + b'],"invoices":[' + invoices + b'],"price_groups":' + groups + b"}")
