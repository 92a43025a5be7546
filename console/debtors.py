"""
The pages people work with: the list of debtors, one debtor, one invoice.
"""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.engine import Connection

from console import chart, figures
from console.language import gettext, today
from console.ports import ConsoleServices
from console.sign_in import reader
from domain.reference import DEBTOR, INVOICE, LINE, Listing, carried
from infra.database import scope, views_debtors, views_invoices, views_names, views_status
from infra.database.views_debtors import Agreement

MAX_ID = 2**63 - 1  # what the database can hold; anything above is no page of ours
ID = f"int(max={MAX_ID})"


def add_routes(pages: Blueprint, services: ConsoleServices) -> None:
    """`/`, `/agreements/<n>/debtors…`, `/agreements/<n>/invoices/<number>`."""
    database = services.database

    @pages.get("/")
    def home() -> ResponseReturnValue:
        """The debtors of the only agreement, or the choice between several."""
        with database.read() as connection:
            mine = views_debtors.agreements(connection, reader().firm_id)
            numbers = [agreement.number for agreement in mine]
            if len(mine) == 1:
                return redirect(url_for("console.debtor_list", agreement=numbers[0]))
            troubles = {number: views_status.trouble(connection, number) for number in numbers}
            failures = views_status.count_open_failures(connection, numbers)
        return render_template("console/agreements.html", agreements=mine, troubles=troubles, failures=failures)

    @pages.get(f"/agreements/<{ID}:agreement>/debtors")
    def debtor_list(agreement: int) -> ResponseReturnValue:
        """A page of debtors, or those a search finds."""
        query = request.args.get("query", "").strip()[:200]
        by_name = request.args.get("sort") == "name"
        everything = request.args.get("all") == "1"
        scoped = {"in": True, "out": False}.get(request.args.get("scope", ""))
        cursor = _cursor()
        with database.read() as connection:
            mine = _mine(connection, agreement)
            page = views_debtors.debtors(
                connection, agreement, query, by_name=by_name, after=cursor, everything=everything, in_scope=scoped
            )
            groups = scope.chosen_groups(connection, agreement)
            shown = {str(number) for number in (*groups, *(row.debtor_group for row in page.rows))}
            names = views_names.names(connection, agreement, {Listing.DEBTOR_GROUPS: shown})
            trouble = views_status.trouble(connection, agreement)
        return render_template(
            "console/debtors.html",
            agreement=mine,
            page=page,
            names=names,
            groups=groups,
            scope=None if scoped is None else "in" if scoped else "out",
            query=query,
            sort="name" if by_name else None,
            all="1" if everything else None,
            cursor=cursor,
            trouble=trouble,
        )

    @pages.get(f"/agreements/<{ID}:agreement>/debtors/<{ID}:debtor_id>")
    def debtor(agreement: int, debtor_id: int) -> ResponseReturnValue:
        """A debtor with its figures and a page of its invoices: what is stored, never a live look-up."""
        day, cursor = today(), _cursor()
        with database.read() as connection:
            mine = _mine(connection, agreement)
            found = views_debtors.debtor(connection, agreement, debtor_id) or abort(404)
            if found.absorbed_by is not None:
                return redirect(url_for("console.debtor", agreement=agreement, debtor_id=found.absorbed_by))
            days = views_invoices.sales_by_day(connection, debtor_id, figures.first_day(day), day)
            unpaid = views_invoices.open_amounts(connection, debtor_id)
            invoices = views_invoices.invoices(connection, agreement, debtor_id, after=cursor)
            names = views_names.names(connection, agreement, carried([found], DEBTOR))
            trouble = views_status.trouble(connection, agreement)
        sales = figures.sales(days, day)
        return render_template(
            "console/debtor.html",
            agreement=mine,
            debtor=found,
            names=names,
            sales=sales,
            chart=chart.bars([month.net for month in sales.months]),
            owed=figures.owed(unpaid, day),
            invoices=invoices,
            cursor=cursor,
            trouble=trouble,
            today=day,
        )

    @pages.post(f"/agreements/<{ID}:agreement>/debtors/<{ID}:debtor_id>/sync")
    def sync_now(agreement: int, debtor_id: int) -> ResponseReturnValue:
        """Have the debtor read again; the page shows the result by itself."""
        with database.read() as connection:
            _mine(connection, agreement)
            found = views_debtors.debtor(connection, agreement, debtor_id) or abort(404)
        correlation_id = services.ask(agreement, found.number)
        flash(gettext("Asked for: the page shows it as soon as e-conomic has answered."))
        response = redirect(url_for("console.debtor", agreement=agreement, debtor_id=debtor_id), 303)
        response.headers["X-Correlation-Id"] = correlation_id
        return response

    @pages.get(f"/agreements/<{ID}:agreement>/invoices/<{ID}:number>")
    def invoice(agreement: int, number: int) -> ResponseReturnValue:
        """A booked invoice with its lines."""
        with database.read() as connection:
            mine = _mine(connection, agreement)
            found = views_invoices.invoice(connection, agreement, number) or abort(404)
            lines = views_invoices.lines(connection, agreement, number)
            numbers = {**carried([found], INVOICE), **carried(lines, LINE)}
            names = views_names.names(connection, agreement, numbers)
        return render_template(
            "console/invoice.html", agreement=mine, invoice=found, lines=lines, names=names, today=today()
        )


def _mine(connection: Connection, number: int) -> Agreement:
    """The reader's agreement; another firm's does not exist."""
    return views_debtors.agreement(connection, reader().firm_id, number) or abort(404)


def _cursor() -> int | None:
    """Where the page asked for starts; a mistyped one is the first page."""
    text = request.args.get("cursor", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
