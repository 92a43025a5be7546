"""Debitor's mirror held against the stand-in's books."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from infra.database import tables_mirror
from infra.database.engine import Database
from tests.support.sandbox import Books
from tests.support.waiting import eventually

Records = dict[Any, Any]


def _text(value: Any) -> Any:
    return None if value == "" else value


def _amount(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value).normalize() + 0


def of_economic(books: Books) -> Records:
    """Every debtor and invoice of an agreement, in the shape `of_debitor` has."""
    state = books.state()
    found: Records = {}
    for one in state["debtors"]:
        found["debtor", one["customerNumber"]] = (
            one.get("name"),
            one.get("currency"),
            one.get("customerGroup", {}).get("customerGroupNumber"),
            one.get("paymentTerms", {}).get("paymentTermsNumber"),
            one.get("vatZone", {}).get("vatZoneNumber"),
            *(_text(one.get(name)) for name in ("address", "zip", "city", "country", "email")),
            _text(one.get("corporateIdentificationNumber")),
            _text(one.get("telephoneAndFaxNumber")),
            _amount(one.get("balance")),
        )
    for one in state["invoices"]:
        lines = sorted(one.get("lines", []), key=lambda line: line.get("sortKey", line["lineNumber"]))
        found["invoice", one["bookedInvoiceNumber"]] = (
            one["customer"]["customerNumber"],
            one["date"],
            one["currency"],
            _amount(one["netAmount"]),
            _amount(one["grossAmount"]),
            _amount(one["remainder"]),
            tuple(
                (
                    line.get("product", {}).get("productNumber"),
                    _text(line.get("description")),
                    _amount(line.get("quantity")),
                    _amount(line.get("totalNetAmount")),
                )
                for line in lines
            ),
        )
    return found


def of_debitor(database: Database, agreement: int) -> Records:
    """The living debtors and the invoices as stored; an invoice is its owner's, whatever number that has now."""
    debtor, invoice, line = tables_mirror.debtor, tables_mirror.invoice, tables_mirror.invoice_line
    found: Records = {}
    with database.read() as connection:
        numbers = {}
        for row in connection.execute(debtor.select().where(debtor.c.agreement == agreement)):
            numbers[row.id] = row.number
            if row.gone_at is None:
                found["debtor", row.number] = (
                    row.name,
                    *(row.currency, row.debtor_group, row.payment_terms, row.vat_zone),
                    *(_text(value) for value in (row.address, row.zip, row.city, row.country, row.email)),
                    *(_text(row.cvr), _text(row.phone), _amount(row.balance)),
                )
        lines: dict[int, list[Any]] = {}
        for row in connection.execute(
            line.select().where(line.c.agreement == agreement).order_by(line.c.invoice, line.c.position, line.c.number)
        ):
            lines.setdefault(row.invoice, []).append(
                (row.product, _text(row.description), _amount(row.quantity), _amount(row.net))
            )
        for row in connection.execute(invoice.select().where(invoice.c.agreement == agreement)):
            found["invoice", row.number] = (
                numbers.get(row.debtor_id),
                row.date.isoformat(),
                row.currency,
                *(_amount(value) for value in (row.net, row.gross, row.remainder)),
                tuple(lines.get(row.number, ())),
            )
    return found


def differences(database: Database, books: Books) -> list[str]:
    """What Debitor and e-conomic say differently, at most ten things."""
    theirs, ours = of_economic(books), of_debitor(database, books.number)
    different = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    return [f"{key}: e-conomic {theirs.get(key)}, Debitor {ours.get(key)}" for key in sorted(different)[:10]]


def becomes_equal(database: Database, books: Books, *, within_s: float = 20.0) -> None:
    """Wait until the mirror says what e-conomic says."""
    eventually(
        lambda: not differences(database, books), within_s=within_s, why=lambda: "\n".join(differences(database, books))
    )
