"""One agreement: its records, what changes them, and the webhooks that fires."""

from bisect import insort
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, Protocol

import msgspec

from sandbox.delivery import Delivery, Event
from sandbox.hooks import CUSTOMER_UPDATED, INVOICE_BOOKED, Webhook
from sandbox.idempotency import Replays
from sandbox.limits import Budget
from sandbox.records import Customer, GivenLines, Invoice, Line
from sandbox.reference import Reference
from sandbox.table import Table

MAX_NUMBER = 999_999_999
CENT = Decimal("0.01")


class Conventions(msgspec.Struct, forbid_unknown_fields=True):
    """What e-conomic's documentation leaves open; every reading of it can be chosen."""

    create: Literal["old_empty", "same", "none"] = "old_empty"
    update: Literal["same", "none"] = "same"
    delete: Literal["new_empty", "same", "none"] = "new_empty"
    renumber: Literal["old_new", "split", "none"] = "old_new"  # split: like a deletion and a creation
    validation_errors: Literal["object", "list", "classic"] = "object"
    balance_moves_last_updated: bool = False
    renumber_moves_last_updated: bool = False
    invisible_webhook_blocks: bool = True  # a webhook of somebody else makes POST /webhooks fail
    insecure_webhook_urls: bool = False  # the webhooks service takes http, for local use
    text_lines_in_line_service: bool = True
    cache_errors: bool = True  # idempotency keys keep errors too
    more_properties: tuple[str, ...] = ()  # of debtors, which no documentation names; a PUT without them wipes them


class Clock(Protocol):
    """The time; tests bring their own."""

    def now(self) -> float:
        """Seconds since 1970."""

    def today(self) -> int:
        """The ordinal of the local date."""


class NewLine(msgspec.Struct, forbid_unknown_fields=True):
    """A line to be booked; with a description alone it is a text line."""

    description: str = ""
    quantity: Decimal | None = None
    unitNetPrice: Decimal | None = None
    discountPercentage: Decimal = Decimal("0.00")
    unitCostPrice: Decimal = Decimal("0.00")
    vatRate: Decimal | None = None
    product: str | None = None
    unit: int | None = None


class Agreement:
    """The books of one company; everything that changes them goes through here."""

    def __init__(
        self,
        number: int,
        delivery: Delivery,
        clock: Clock,
        *,
        name: str = "Fjordlys Energi ApS",
        kind: str = "denmark",
        base_currency: str = "DKK",
        read_only: bool = False,
    ) -> None:
        self.number, self.name, self.kind, self.base_currency = number, name, kind, base_currency
        self.read_only = read_only
        self.clock = clock
        self.budget = Budget()
        self.replays = Replays()
        self.conventions = Conventions()
        self.webhooks: dict[tuple[str, str | None], Webhook] = {}
        self.muted = False  # bulk work and the past: change without telling anybody
        self._delivery = delivery
        self.clear()

    def clear(self) -> None:
        """An empty agreement; tokens, limits, conventions and webhooks stay."""
        self.reference = Reference(self.base_currency)
        self.customers: Table[Customer] = Table()
        self.invoices: Table[Invoice] = Table()
        self.open_numbers: list[int] = []  # invoices with a remainder, ascending

    # -- debtors ---------------------------------------------------------------------------

    def create_customer(self, fields: dict[str, Any], number: int | None = None) -> Customer:
        """A new debtor under its own or the next free number, which must be free."""
        number = self.customers.free(MAX_NUMBER) if number is None else number
        customer = Customer(number, fields, self._seconds())
        self.customers.add(customer)
        self.announce_created(customer)
        return customer

    def announce_created(self, customer: Customer) -> None:
        """Fire what a creation fires, for a debtor that was put in beside the API."""
        self._customer_event(self.conventions.create, None, customer.number)

    def change_customer(self, customer: Customer, fields: dict[str, Any]) -> None:
        """Replace everything that can be written."""
        customer.fields = fields
        customer.last_updated = self._seconds()
        customer.changed()
        self._customer_event(self.conventions.update, customer.number, customer.number)

    def delete_customer(self, customer: Customer) -> None:
        """Remove a debtor; the caller has looked for invoices."""
        self.customers.remove(customer.number)
        self._customer_event(self.conventions.delete, customer.number, None)

    def renumber_customer(self, customer: Customer, number: int) -> None:
        """Give a debtor another, free number; its invoices follow."""
        old = customer.number
        self.customers.remove(old)
        customer.number = number
        self.customers.add(customer)
        if self.conventions.renumber_moves_last_updated:
            customer.last_updated = self._seconds()
        customer.changed()
        if self.conventions.renumber == "split":
            self._customer_event("new_empty", old, None)
            self._customer_event("old_empty", None, number)
        else:
            self._customer_event(self.conventions.renumber, old, number)

    def _customer_event(self, convention: str, old: int | None, new: int | None) -> None:
        if convention == "none":
            return
        if convention == "same":
            old = new = new if new is not None else old
        self.fire(CUSTOMER_UPDATED, OLDNUMBER="" if old is None else old, NEWNUMBER="" if new is None else new)

    # -- invoices --------------------------------------------------------------------------

    def book(self, invoice: Invoice) -> Invoice:
        """Put a finished invoice into the books; its number must be free."""
        self.invoices.add(invoice)
        invoice.customer.invoices.append(invoice)
        if invoice.remainder:
            insort(self.open_numbers, invoice.number)
        self._balance_changed(invoice.customer)
        self.announce_booked(invoice)
        return invoice

    def announce_booked(self, invoice: Invoice) -> None:
        """Fire what a booking fires."""
        self.fire(INVOICE_BOOKED, INVOICENO=invoice.number)

    def pay(self, invoice: Invoice, amount: int | None = None) -> None:
        """Lower what is open by an amount in hundredths, or settle it; no webhook tells of a payment."""
        if not invoice.remainder:
            return
        invoice.remainder = 0 if amount is None else invoice.remainder - amount
        if not invoice.remainder:
            self.open_numbers.remove(invoice.number)
        self._balance_changed(invoice.customer)

    def _balance_changed(self, customer: Customer) -> None:
        customer.forget_item()
        if self.conventions.balance_moves_last_updated:
            customer.last_updated = self._seconds()

    # -- webhooks --------------------------------------------------------------------------

    def fire(self, event_type: str, **values: Any) -> int:
        """One request to each webhook of this event type; returns how many."""
        if self.muted:
            return 0
        hooks = [h for (kind, _), h in self.webhooks.items() if kind == event_type and not h.is_disabled]
        for hook in hooks:
            self._delivery.put(Event(self.number, hook, values))
        return len(hooks)

    def _seconds(self) -> int:
        return int(self.clock.now())


def priced(lines: list[NewLine], vat_rate: Decimal, sign: int, product: Callable[[str], Any]) -> GivenLines:
    """
    Lines with their amounts, as the books show them.

    Args:
        vat_rate: for lines that name none, in percent.
        sign: -1 makes a credit note: the quantity carries the sign.
        product: looks up a product's name, price and cost; None when unknown.
    """
    items = []
    for place, new in enumerate(lines, 1):
        known = product(new.product) if new.product else None
        price = new.unitNetPrice if new.unitNetPrice is not None else known.get("salesPrice") if known else None
        if new.quantity is None and price is None:
            items.append(Line(place, place, new.description))
            continue
        quantity = (new.quantity if new.quantity is not None else Decimal("1.00")) * sign
        price = price if price is not None else Decimal("0.00")
        rate = new.vatRate if new.vatRate is not None else vat_rate
        net = (quantity * price * (100 - new.discountPercentage) / 100).quantize(CENT, ROUND_HALF_UP)
        items.append(
            Line(
                place,
                place,
                new.description or (known["name"] if known else "Ydelse"),
                quantity,
                price,
                new.discountPercentage,
                new.unitCostPrice,
                rate,
                (net * rate / 100).quantize(Decimal("0.0001"), ROUND_HALF_UP),
                net,
                new.product,
                new.unit
                if new.unit is not None
                else known["unit"]["unitNumber"]
                if known and "unit" in known
                else None,
            )
        )
    return GivenLines(items)
