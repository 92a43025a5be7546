"""Filling an agreement: a hundred thousand debtors and a million lines within seconds."""

# ruff: noqa: S311 - chance makes the data and the faults here, no secrets

import gc
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from sandbox.agreement import Agreement
from sandbox.names import company, near_copy
from sandbox.records import NO_VALUE, Customer, Invoice, Line, converted, money
from sandbox.reference import PRODUCTS

DAYS = 790  # about 26 months
TEXTS = ("Vedr. anlæg 4", "Efter aftale", "Udført iht. tilbud", "Se vedlagte timeseddel")
_STEP = 2_654_435_761  # Knuth's multiplicative hash: spreads invoice numbers over the catalogue
_ZERO = Decimal("0.00")
_QUANTITIES = tuple(Decimal(n).scaleb(-2) for n in range(0, 100_00, 100))
_RATES = {25: Decimal("25.000000"), 0: Decimal("0.000000")}


class Bulk(msgspec.Struct, forbid_unknown_fields=True):
    """How much to make; `lines` is the total over all invoices and wins over `lines_per_invoice`."""

    debtors: int = 0
    invoices: int = 0
    lines_per_invoice: int = 3
    lines: int | None = None
    seed: int = 1
    hooks: bool = False  # fire an event for each record


class MadeLines:
    """
    Lines made from the invoice's number each time they are read.

    A million lines kept would take a gigabyte; made again they cost a few
    microseconds, and only when somebody looks.
    """

    __slots__ = ("_extra", "_per_invoice", "_seed")

    def __init__(self, seed: int, per_invoice: int, extra: range) -> None:
        self._seed, self._per_invoice, self._extra = seed, per_invoice, extra

    def count(self, invoice: Invoice) -> int:
        """Every invoice has the same number of lines, but for the rest that spreads over the first ones."""
        return self._count(invoice.number)

    def _count(self, number: int) -> int:
        return self._per_invoice + (number in self._extra)

    def _rows(self, number: int, cheap: bool) -> list[tuple[int, int, int]]:
        """(product, quantity, net in hundredths); product -1 is a text line."""
        rows = []
        state = (number + self._seed * 7919) * _STEP & 0xFFFFFFFF
        for place in range(self._count(number)):
            state = (state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
            if place and state % 11 == 0:
                rows.append((-1, 0, 0))
                continue
            product = (state >> 8) % len(PRODUCTS)
            quantity = 1 + (state >> 16) % 8
            price = PRODUCTS[product][3] // 7 if cheap else PRODUCTS[product][3]
            net = quantity * price
            if state % 9 == 0:  # ten per cent off
                net = (net * 90 + 50) // 100
            rows.append((product, quantity, net))
        return rows

    def net(self, number: int, cheap: bool) -> int:
        """The sum of the lines, without making them."""
        return sum(row[2] for row in self._rows(number, cheap))

    def lines(self, invoice: Invoice) -> list[Line]:
        """The lines of an invoice."""
        rows = self._rows(invoice.number, invoice.currency == "EUR")
        sign = -1 if invoice.net < 0 else 1
        percent = 25 if invoice.vat else 0
        swapped = len(rows) > 1 and invoice.number % 5 == 0  # entered in another order than shown
        lines = []
        for place, (index, quantity, net) in enumerate(rows, 1):
            shown = place if not swapped or place > 2 else 3 - place
            if index < 0:
                lines.append(Line(place, shown, TEXTS[(invoice.number + place) % len(TEXTS)]))
                continue
            code, name, unit, price, cost, _ = PRODUCTS[index]
            if invoice.currency == "EUR":
                price, cost = price // 7, cost // 7
            discount = _ZERO if net == quantity * price else Decimal("10.00")
            lines.append(
                Line(
                    place,
                    shown,
                    name,
                    _QUANTITIES[quantity] * sign,
                    money(price),
                    discount,
                    money(cost),
                    _RATES[percent],
                    Decimal(sign * net * percent).scaleb(-4),
                    money(sign * net),
                    code,
                    unit,
                )
            )
        return lines


def fill(agreement: Agreement, bulk: Bulk) -> None:
    """Add debtors and invoices after those that are there."""
    agreement.muted = not bulk.hooks
    gc.disable()
    try:
        _add_debtors(agreement, bulk)
        _add_invoices(agreement, bulk)
    finally:
        agreement.muted = False
        gc.enable()
        gc.freeze()  # else every full collection walks millions of records that stay, and answers stall


def _add_debtors(agreement: Agreement, bulk: Bulk) -> None:
    random = Random(bulk.seed)
    first = agreement.customers.last() + 1
    moment = int(agreement.clock.now()) - DAYS * 86_400
    step = DAYS * 86_400 // max(1, bulk.debtors)
    made: list[Customer] = []
    for number in range(first, first + bulk.debtors):
        if made and number % 40 == 0:
            fields = near_copy(made[-1 - int(random.random() * min(30, len(made)))].fields, random)
        else:
            fields = company(random, number)
        made.append(Customer(number, fields, moment))
        moment += step
    agreement.customers.add_ascending(made)
    if bulk.hooks:
        for customer in made:
            agreement.announce_created(customer)


def _add_invoices(agreement: Agreement, bulk: Bulk) -> None:
    if not bulk.invoices or not agreement.customers.keys:
        return
    random = Random(bulk.seed + 1)
    pick = random.random
    customers = list(agreement.customers)
    today = agreement.clock.today()
    first = max(agreement.invoices.last() + 1, 20_001)
    per_invoice, extra = bulk.lines_per_invoice, 0
    if bulk.lines is not None:
        per_invoice, extra = divmod(bulk.lines, bulk.invoices)
    source = MadeLines(bulk.seed, per_invoice, range(first, first + extra))
    credit_note = {"notes": {"heading": "Kreditnota", "textLine1": "Retur"}}
    made: list[Invoice] = []
    for index in range(bulk.invoices):
        number = first + index
        customer = customers[int(pick() ** 2 * len(customers))]  # some buy more than others
        fields = customer.fields
        day = today - DAYS + DAYS * index // bulk.invoices
        terms = agreement.reference.terms.items[fields["paymentTerms"]].fields
        due = day + terms.get("daysOfCredit", 0) if terms["paymentTermsType"] in ("net", "invoiceMonth") else None
        currency = fields["currency"]
        credit = index % 29 == 28
        net = source.net(number, currency == "EUR") * (-1 if credit else 1)
        vat = _vat(net) if fields["vatZone"] == 1 else 0
        made.append(
            Invoice(
                number,
                customer,
                customer.recipient(agreement.reference),
                day,
                due,
                currency,
                agreement.reference.rates[currency],
                fields["paymentTerms"],
                net,
                vat,
                _still_open(net + vat, (due or day) - today, pick()),
                source,
                layout=21 if credit else fields.get("layout", 19),
                order=number // 3 if number % 3 == 0 else None,
                more=credit_note if credit else NO_VALUE,
            )
        )
        customer.invoices.append(made[-1])
    agreement.invoices.add_ascending(made)
    agreement.open_numbers += [invoice.number for invoice in made if invoice.remainder]
    for customer in customers:
        customer.forget_item()
    if bulk.hooks:
        for invoice in made:
            agreement.announce_booked(invoice)


def _vat(net: int) -> int:
    """A quarter, halves away from zero."""
    return converted(net, 25_000_000)


def _still_open(gross: int, days_left: int, chance: float) -> int:
    """Old ones are mostly paid, recent ones mostly not, a few in part."""
    paid = 0.3 if days_left >= 0 else 0.7 if days_left > -30 else 0.97
    if chance < paid:
        return 0
    return gross // 2 if chance > 0.99 else gross


def debtor_fields(agreement: Agreement, number: int, given: dict[str, Any]) -> dict[str, Any]:
    """A made-up debtor with some fields given; `None` takes a field away."""
    fields = company(Random(number * 31 + agreement.number), number) | given
    return {name: value for name, value in fields.items() if value is not None}
