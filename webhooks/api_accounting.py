"""
The API's debtors and invoices: the stored copy, never a live look-up.
"""

from __future__ import annotations

import datetime as dt

from flask import Blueprint
from flask.typing import ResponseReturnValue

from domain.debtors import MAX_NUMBER
from domain.hints import usable
from domain.reference import DEBTOR, INVOICE, LINE, carried
from infra.bootstrap import Services
from infra.database import api_views
from infra.database.api_views import InvoicePlace
from infra.database.views_debtors import Agreement
from infra.database.views_names import names
from webhooks import api_shapes as shapes
from webhooks.api_requests import (
    Problem,
    agreement_of,
    answer,
    caller,
    check_parameters,
    number,
    page,
    page_size,
    text,
    yes_or_no,
)

SCOPE = "accounting:read"
_AGREEMENT = "/agreements/<int:agreement>"


def add_accounting(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    def asked(agreement: int) -> Agreement:
        return agreement_of(services, caller(services, SCOPE), agreement)

    @api.get(f"{_AGREEMENT}/debtors")
    def debtors(agreement: int) -> ResponseReturnValue:
        """Debtors by number; deleted ones say when they went."""
        own = asked(agreement)
        check_parameters({"query", "in_scope", "cursor", "limit"})
        limit = page_size()
        with services.database.read() as connection:
            rows = api_views.debtors(
                connection,
                agreement,
                query=text("query") or "",
                in_scope=yes_or_no("in_scope"),
                after=number("cursor"),
                limit=limit + 1,
            )
            found = names(connection, agreement, carried(rows, DEBTOR))
        return page(rows, limit, lambda row: shapes.debtor(row, own.base_currency, found), lambda row: row.number)

    @api.get(f"{_AGREEMENT}/debtors/<int:wanted>")
    def debtor(agreement: int, wanted: int) -> ResponseReturnValue:
        """One debtor, deleted or not."""
        own = asked(agreement)
        check_parameters(())
        with services.database.read() as connection:
            row = api_views.debtor(connection, agreement, wanted)
            found = names(connection, agreement, carried([row] if row else [], DEBTOR))
        if row is None:
            raise Problem(404, f"agreement {agreement} has no debtor {wanted}")
        return answer(shapes.debtor(row, own.base_currency, found))

    @api.get(f"{_AGREEMENT}/invoices")
    def invoices(agreement: int) -> ResponseReturnValue:
        """Booked invoices: by number, or of one debtor by date; newest first."""
        own = asked(agreement)
        check_parameters({"debtor", "cursor", "limit"})
        limit, debtor = page_size(), number("debtor", most=MAX_NUMBER)
        with services.database.read() as connection:
            if debtor is None:
                rows = api_views.invoices(connection, agreement, after=number("cursor"), limit=limit + 1)
            else:
                rows = api_views.debtor_invoices(connection, agreement, debtor, after=_place(), limit=limit + 1)
            found = names(connection, agreement, carried(rows, INVOICE))
        return page(
            rows,
            limit,
            lambda row: shapes.invoice(row, own.base_currency, found),
            lambda row: row.number if debtor is None else f"{row.date.isoformat()}.{row.number}",
        )

    @api.get(f"{_AGREEMENT}/invoices/<int:wanted>")
    def invoice(agreement: int, wanted: int) -> ResponseReturnValue:
        """One booked invoice with its lines in the order on paper."""
        own = asked(agreement)
        check_parameters(())
        with services.database.read() as connection:
            row = api_views.invoice(connection, agreement, wanted)
            lines = api_views.lines(connection, agreement, wanted)
            numbers = {**carried([row] if row else [], INVOICE), **carried(lines, LINE)}
            found = names(connection, agreement, numbers)
        if row is None:
            raise Problem(404, f"agreement {agreement} has no booked invoice {wanted}")
        return answer(shapes.invoice(row, own.base_currency, found, lines))


def _place() -> InvoicePlace | None:
    """The cursor of a debtor's invoices. Raises Problem 400."""
    cursor = text("cursor")
    if cursor is None:
        return None
    date, _, last = cursor.partition(".")
    try:
        place = InvoicePlace(dt.date.fromisoformat(date), usable(last) or 0)
    except ValueError:
        place = None
    if place is None or place.number == 0:
        raise Problem(400, "cursor must be one that a page of this list gave", field="cursor")
    return place
