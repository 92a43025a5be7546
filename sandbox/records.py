"""Debtors and booked invoices: what is kept, and how e-conomic shows it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from sandbox.http import REST_HOST, encode
from sandbox.reference import Reference

NO_VALUE: dict[str, Any] = {}


def money(hundredths: int) -> Decimal:
    """200.00 for 20000."""
    return Decimal(hundredths).scaleb(-2)


def iso_day(ordinal: int) -> str:
    """The calendar date of an ordinal."""
    return date.fromordinal(ordinal).isoformat()


def iso_moment(seconds: float) -> str:
    """A UTC time as `lastUpdated` shows it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def converted(hundredths: int, rate: int) -> int:
    """An amount in base currency; the rate is per 100 units, in millionths. Halves round away from zero."""
    scaled = abs(hundredths) * rate
    result = (scaled + 50_000_000) // 100_000_000
    return result if hundredths >= 0 else -result


REFERENCES = {
    # property of a customer: key of the referred record, collection
    "customerGroup": ("customerGroupNumber", "customer-groups"),
    "paymentTerms": ("paymentTermsNumber", "payment-terms"),
    "vatZone": ("vatZoneNumber", "vat-zones"),
    "layout": ("layoutNumber", "layouts"),
    "salesPerson": ("employeeNumber", "employees"),
    "priceGroup": ("priceGroupNumber", "price-groups"),
}
TEXTS = (
    "address",
    "city",
    "corporateIdentificationNumber",
    "country",
    "ean",
    "email",
    "mobilePhone",
    "name",
    "pNumber",
    "publicEntryNumber",
    "telephoneAndFaxNumber",
    "vatNumber",
    "website",
    "zip",
)


_KNOWN = frozenset((*REFERENCES, *TEXTS, "currency", "barred", "creditLimit", "eInvoicingDisabledByDefault"))


class Customer:
    """
    A debtor.

    `fields` holds what can be written, by the API's property names; references
    are kept as plain numbers, absent properties are not there.
    """

    __slots__ = ("_item", "_recipient", "fields", "invoices", "last_updated", "number")

    def __init__(self, number: int, fields: dict[str, Any], last_updated: int) -> None:
        self.number = number
        self.fields = fields
        self.last_updated = last_updated
        self.invoices: list[Invoice] = []
        self._item: bytes | None = None
        self._recipient: Recipient | None = None

    def changed(self) -> None:
        """Forget what was serialised."""
        self._item = self._recipient = None

    def forget_item(self) -> None:
        """Forget what was serialised, for a new balance; the recipient snapshot stays good."""
        self._item = None

    def balance(self) -> int:
        """What is owed in base currency, in hundredths."""
        return sum(converted(invoice.remainder, invoice.rate) for invoice in self.invoices if invoice.remainder)

    def item(self, reference: Reference, today: int) -> bytes:
        """The record as a collection shows it; kept until it changes."""
        if self._item is None:
            self._item = self._rendered(reference, today)
        return self._item

    def single(self, reference: Reference, today: int) -> bytes:
        """The record alone: with links to delete and replace it."""
        url = f"{REST_HOST}/customers/{self.number}"
        meta = {
            "delete": {"description": "Delete this customer.", "href": url, "httpMethod": "delete"},
            "replace": {"description": "Replace this customer.", "href": url, "httpMethod": "put"},
        }
        return self.item(reference, today)[:-1] + b',"metaData":' + encode(meta) + b"}"

    def _rendered(self, reference: Reference, today: int) -> bytes:
        fields = self.fields
        shown: dict[str, Any] = {"customerNumber": self.number, "currency": fields["currency"]}
        for prop, (key, path) in REFERENCES.items():
            if prop in fields and prop != "priceGroup":  # a price group can be written and is never shown
                shown[prop] = {key: fields[prop], "self": f"{REST_HOST}/{path}/{fields[prop]}"}
        if fields.get("barred"):
            shown["barred"] = True
        shown["balance"] = money(self.balance())
        overdue = (i for i in self.invoices if i.remainder and i.due is not None and i.due < today)
        shown["dueAmount"] = money(sum(converted(invoice.remainder, invoice.rate) for invoice in overdue))
        if "creditLimit" in fields:
            shown["creditLimit"] = fields["creditLimit"]
        for prop in TEXTS:
            if prop in fields:
                shown[prop] = fields[prop]
        for prop in sorted(fields.keys() - _KNOWN):
            shown[prop] = fields[prop]
        shown["lastUpdated"] = iso_moment(self.last_updated)
        shown["eInvoicingDisabledByDefault"] = fields.get("eInvoicingDisabledByDefault", False)
        return encode(shown)[:-1] + b"," + _customer_links(self.number) + b"}"

    def recipient(self, reference: Reference) -> "Recipient":
        """The snapshot an invoice booked now carries."""
        if self._recipient is None:
            self._recipient = Recipient.of(self.fields, reference)
        return self._recipient


def _customer_links(number: int) -> bytes:
    url, totals = f"{REST_HOST}/customers/{number}", f"{REST_HOST}/invoices/totals"
    return (
        f'"contacts":"{url}/contacts",'
        f'"templates":{{"invoice":"{url}/templates/invoice","invoiceLine":"{url}/templates/invoiceline",'
        f'"self":"{url}/templates"}},'
        f'"totals":{{"drafts":"{totals}/drafts/customers/{number}","booked":"{totals}/booked/customers/{number}",'
        f'"self":"{url}/totals"}},'
        f'"deliveryLocations":"{url}/delivery-locations",'
        f'"invoices":{{"drafts":"{url}/invoices/drafts","booked":"{url}/invoices/booked","self":"{url}/invoices"}},'
        f'"self":"{url}"'
    ).encode()


@dataclass(slots=True)
class Recipient:
    """Name and address as they were when an invoice was booked."""

    fields: dict[str, Any]
    raw: msgspec.Raw

    @classmethod
    def of(cls, customer: dict[str, Any], reference: Reference) -> "Recipient":
        """The snapshot of a debtor's present fields; the name is cut to the 250 an invoice allows."""
        fields: dict[str, Any] = {"name": customer["name"][:250]}
        for prop in ("address", "zip", "city", "country", "ean", "publicEntryNumber", "mobilePhone"):
            if customer.get(prop):
                fields[prop] = customer[prop]
        if customer.get("corporateIdentificationNumber"):
            fields["cvr"] = customer["corporateIdentificationNumber"]
        fields["vatZone"] = reference.zones.items[customer["vatZone"]].fields
        return cls(fields, msgspec.Raw(encode(fields)))


@dataclass(slots=True)
class Line:
    """
    One line of a booked invoice; a text line has a description and nothing else.

    `number` is the line's identifier, `sort_key` its place on the paper.
    """

    number: int
    sort_key: int
    description: str
    quantity: Decimal | None = None
    unit_price: Decimal = Decimal("0.00")
    discount: Decimal = Decimal("0.00")
    cost: Decimal = Decimal("0.00")
    vat_rate: Decimal = Decimal("0.000000")
    vat: Decimal = Decimal("0.0000")
    net: Decimal = Decimal("0.00")
    product: str | None = None
    unit: int | None = None


class LineSource(Protocol):
    """Where the lines of an invoice come from: given ones, or made again from a seed each time they are read."""

    def lines(self, invoice: "Invoice") -> list[Line]:
        """The lines, ascending by `number`."""

    def count(self, invoice: "Invoice") -> int:
        """How many there are, without making them."""


@dataclass(slots=True)
class GivenLines:
    """Lines booked one by one."""

    items: list[Line]

    def lines(self, invoice: "Invoice") -> list[Line]:
        """As they were given."""
        return self.items

    def count(self, invoice: "Invoice") -> int:
        """Their number."""
        return len(self.items)


@dataclass(slots=True)
class Invoice:
    """A booked invoice; amounts are hundredths of the invoice's own currency, dates are ordinals."""

    number: int
    customer: Customer
    recipient: Recipient
    day: int
    due: int | None
    currency: str
    rate: int  # base currency for 100 units, in millionths
    terms: int
    net: int
    vat: int
    remainder: int
    source: LineSource
    layout: int = 19
    order: int | None = None
    more: dict[str, Any] = field(default_factory=lambda: NO_VALUE)  # notes, references, delivery
    in_line_service: bool = True  # False: the bulk line service leaves this invoice's lines out

    @property
    def gross(self) -> int:
        """With VAT."""
        return self.net + self.vat

    def lines(self) -> list[Line]:
        """The lines, ascending by their number."""
        return self.source.lines(self)

    def line_count(self) -> int:
        """How many lines the bulk line service shows."""
        return self.source.count(self) if self.in_line_service else 0

    def item(self, reference: Reference) -> bytes:
        """As the booked collection shows it: no lines."""
        return encode(self._shown(reference))

    def view(self, reference: Reference) -> bytes:
        """As paid, unpaid, overdue and not-due show it: two fields fewer."""
        shown = self._shown(reference)
        del shown["exchangeRate"], shown["grossAmountInBaseCurrency"]
        return encode(shown)

    def under_customer(self, reference: Reference) -> bytes:
        """As /customers/{n}/invoices/booked shows it: a view, without `sent`."""
        shown = self._shown(reference)
        del shown["exchangeRate"], shown["grossAmountInBaseCurrency"], shown["sent"]
        return encode(shown)

    def single(self, reference: Reference) -> bytes:
        """The invoice alone: with its lines in the order of the paper."""
        shown = self._shown(reference)
        lines = sorted(self.lines(), key=lambda line: line.sort_key)
        shown["lines"] = [_rest_line(line, reference) for line in lines]
        return encode(shown)

    def _shown(self, reference: Reference) -> dict[str, Any]:
        number, rate = self.number, self.rate
        url = f"{REST_HOST}/invoices/booked/{number}"
        customer = self.customer.number
        shown: dict[str, Any] = {"bookedInvoiceNumber": number}
        if self.order is not None:
            shown["orderNumber"] = self.order
        shown |= {
            "date": iso_day(self.day),
            "currency": self.currency,
            "exchangeRate": Decimal(rate).scaleb(-6),
            "netAmount": money(self.net),
            "netAmountInBaseCurrency": money(converted(self.net, rate)),
            "grossAmount": money(self.net + self.vat),
            "grossAmountInBaseCurrency": money(converted(self.net + self.vat, rate)),
            "vatAmount": money(self.vat),
            "roundingAmount": money(0),
            "remainder": money(self.remainder),
            "remainderInBaseCurrency": money(converted(self.remainder, rate)),
        }
        if self.due is not None:
            shown["dueDate"] = iso_day(self.due)
        shown["paymentTerms"] = reference.terms.items[self.terms].raw
        shown["customer"] = {"customerNumber": customer, "self": f"{REST_HOST}/customers/{customer}"}
        shown["recipient"] = self.recipient.raw
        shown |= self.more
        shown["layout"] = {"layoutNumber": self.layout, "self": f"{REST_HOST}/layouts/{self.layout}"}
        shown["pdf"] = {"download": f"{url}/pdf"}
        shown["sent"] = f"{url}/sent"
        shown["self"] = url
        return shown


def _rest_line(line: Line, reference: Reference) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "lineNumber": line.number,
        "sortKey": line.sort_key,
        "description": line.description,
    }
    if line.quantity is None:
        return shown
    shown |= {
        "quantity": line.quantity,
        "unitNetPrice": line.unit_price,
        "discountPercentage": line.discount,
        "unitCostPrice": line.cost,
        "vatRate": line.vat_rate,
        "vatAmount": line.vat,
        "totalNetAmount": line.net,
    }
    if line.product is not None:
        shown["product"] = {"productNumber": line.product, "self": f"{REST_HOST}/products/{line.product}"}
    if line.unit is not None:
        shown["unit"] = reference.units.items[line.unit].raw
    return shown
