"""
e-conomic's records and ours: the only place that says "customer".

Only what identifies a record and its money is required; an unknown property is ignored, an optional one that does
not fit is left out (e-conomic.md §5.20).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import field

from domain.accounting_api import Identity, Value
from domain.debtors import MAX_NUMBER, Debtor
from domain.invoices import Invoice
from infra.economic.bodies import Misfit
from infra.economic.pages import Shape
from infra.economic.wire import (
    EmployeeRef,
    GroupRef,
    Key,
    LayoutRef,
    Number,
    ProjectRef,
    Ref,
    TermsRef,
    Wire,
    ZoneRef,
    amount,
    day,
    instant,
    referred,
)


class DebtorRef(Ref):
    key: Key | None = field(default=None, name="customerNumber")


class DebtorRecord(Wire):
    """REST customer (e-conomic.md §2.3)."""

    number: Number = field(name="customerNumber")
    name: str | None = None
    currency: str | None = None
    debtor_group: GroupRef | None = field(default=None, name="customerGroup")
    payment_terms: TermsRef | None = None
    vat_zone: ZoneRef | None = None
    layout: LayoutRef | None = None
    sales_person: EmployeeRef | None = None
    address: str | None = None
    zip: str | None = None
    city: str | None = None
    country: str | None = None
    cvr: str | None = field(default=None, name="corporateIdentificationNumber")
    vat_number: str | None = None
    p_number: str | None = None
    ean: str | None = None
    public_entry_number: str | None = None
    email: str | None = None
    phone: str | None = field(default=None, name="telephoneAndFaxNumber")
    mobile: str | None = field(default=None, name="mobilePhone")
    website: str | None = None
    barred: bool | None = None
    e_invoicing_disabled: bool | None = field(default=None, name="eInvoicingDisabledByDefault")
    credit_limit: Decimal | None = None
    balance: Decimal | None = None
    due_amount: Decimal | None = None
    last_updated: str | None = None


PROPERTY_OF = {info.name: info.encode_name for info in msgspec.structs.fields(DebtorRecord)}
OUR_NAMES = {theirs: ours for ours, theirs in PROPERTY_OF.items()}
"""Our fields of a debtor and e-conomic's."""

READ_ONLY = frozenset(
    (
        *("balance", "dueAmount", "lastUpdated"),
        *("contacts", "deliveryLocations", "templates", "totals", "invoices", "metaData", "self"),
    )
)
"""What e-conomic adds to a debtor by itself (e-conomic.md §2.3)."""


def properties(values: Mapping[str, Value]) -> dict[str, Any]:
    """Our fields of a debtor as e-conomic's properties; a number that refers to a list becomes a reference to it."""
    written: dict[str, Any] = {}
    for name, value in values.items():
        key = _REFERENCE_KEYS.get(name)
        written[PROPERTY_OF[name]] = value if key is None else {key: value}
    return written


_REFERENCE_KEYS = {
    name: next(field.encode_name for field in msgspec.structs.fields(ref) if field.name == "key")
    for name, ref in (
        ("debtor_group", GroupRef),
        ("payment_terms", TermsRef),
        ("vat_zone", ZoneRef),
        ("layout", LayoutRef),
        ("sales_person", EmployeeRef),
    )
}


def debtor(record: DebtorRecord) -> Debtor:
    r = record
    return Debtor(
        r.number, r.name or "", r.currency, referred(r.debtor_group), referred(r.payment_terms), referred(r.vat_zone),
        referred(r.layout), referred(r.sales_person), r.address, r.zip, r.city, r.country, r.cvr, r.vat_number,
        r.p_number, r.ean, r.public_entry_number, r.email, r.phone, r.mobile, r.website, bool(r.barred),
        bool(r.e_invoicing_disabled), amount(r.credit_limit), amount(r.balance), amount(r.due_amount),
        instant(r.last_updated),
    )  # fmt: skip


class Recipient(Wire):
    name: str | None = None
    address: str | None = None
    zip: str | None = None
    city: str | None = None
    country: str | None = None
    ean: str | None = None
    cvr: str | None = None
    vat_zone: ZoneRef | None = None


class Delivery(Wire):
    address: str | None = None
    zip: str | None = None
    city: str | None = None
    country: str | None = None
    delivery_date: str | None = None


class Notes(Wire):
    heading: str | None = None
    text_line1: str | None = None
    text_line2: str | None = None


class References(Wire):
    other: str | None = None
    sales_person: EmployeeRef | None = None


_NO_RECIPIENT, _NO_DELIVERY, _NO_NOTES, _NO_REFERENCES = Recipient(), Delivery(), Notes(), References()


class InvoiceRecord(Wire):
    """REST booked invoice without its lines (e-conomic.md §2.6)."""

    number: Number = field(name="bookedInvoiceNumber")
    debtor: DebtorRef = field(name="customer")
    date: str
    currency: str
    net: Decimal = field(name="netAmount")
    gross: Decimal = field(name="grossAmount")
    remainder: Decimal
    vat: Decimal | None = field(default=None, name="vatAmount")
    due_date: str | None = None
    order_number: Key | None = None
    exchange_rate: Decimal | None = None
    rounding: Decimal | None = field(default=None, name="roundingAmount")
    net_base: Decimal | None = field(default=None, name="netAmountInBaseCurrency")
    gross_base: Decimal | None = field(default=None, name="grossAmountInBaseCurrency")
    remainder_base: Decimal | None = field(default=None, name="remainderInBaseCurrency")
    payment_terms: TermsRef | None = None
    layout: LayoutRef | None = None
    project: ProjectRef | None = None
    recipient: Recipient | None = None
    delivery: Delivery | None = None
    notes: Notes | None = None
    references: References | None = None


def invoice(record: InvoiceRecord) -> Invoice:
    """Raises Misfit when the debtor, the date or an amount that must be there is not."""
    r = record
    debtor_number, date = referred(r.debtor), day(r.date)
    net, gross, remainder = amount(r.net), amount(r.gross), amount(r.remainder)
    if debtor_number is None or not 1 <= debtor_number <= MAX_NUMBER:
        raise Misfit("customer: no usable number")
    if date is None:
        raise Misfit("date: not a date")
    if net is None or gross is None or remainder is None:
        raise Misfit("netAmount, grossAmount or remainder: not an amount")
    vat = amount(r.vat)
    to, delivery = r.recipient or _NO_RECIPIENT, r.delivery or _NO_DELIVERY
    notes, references = r.notes or _NO_NOTES, r.references or _NO_REFERENCES
    return Invoice(
        r.number, debtor_number, date, r.currency, net, gross - net if vat is None else vat, gross, remainder,
        day(r.due_date), r.order_number, amount(r.exchange_rate), amount(r.rounding), amount(r.net_base),
        amount(r.gross_base), amount(r.remainder_base), referred(r.payment_terms),
        r.payment_terms.name if r.payment_terms else None, referred(r.layout), referred(references.sales_person),
        referred(r.project), to.name, to.address, to.zip, to.city, to.country, to.ean, to.cvr, referred(to.vat_zone),
        delivery.address, delivery.zip, delivery.city, delivery.country, day(delivery.delivery_date), notes.heading,
        notes.text_line1, notes.text_line2, references.other,
    )  # fmt: skip


class User(Wire):
    login_id: str | None = None


class Company(Wire):
    name: str | None = None


class Role(Wire):
    name: str | None = None


class Application(Wire):
    required_roles: list[Role] | None = None


class Settings(Wire):
    base_currency: str | None = None


class AgreementType(Wire):
    name: str | None = None


class SelfRecord(Wire):
    """`GET /self` (e-conomic.md §2.2)."""

    agreement_number: Key
    agreement_type: AgreementType | None = None
    user: User | None = None
    user_name: str | None = None
    company: Company | None = None
    application: Application | None = None
    settings: Settings | None = None


def identity(record: SelfRecord) -> Identity:
    r = record
    roles = (r.application.required_roles if r.application else None) or []
    return Identity(
        r.agreement_number,
        (r.user.login_id if r.user else None) or r.user_name,
        r.company.name if r.company else None,
        r.settings.base_currency if r.settings else None,
        tuple(role.name for role in roles if role.name),
        r.agreement_type.name if r.agreement_type else None,
    )


DEBTOR = Shape("customers", "customerNumber", DebtorRecord, debtor)
INVOICE = Shape("invoices/booked", "bookedInvoiceNumber", InvoiceRecord, invoice)
UNPAID = Shape("invoices/unpaid", "bookedInvoiceNumber", InvoiceRecord, invoice)
IDENTITY = Shape("self", "agreementNumber", SelfRecord, identity)
