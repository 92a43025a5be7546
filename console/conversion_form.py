"""
The form that a conversion's link leads to: no account is needed, and it is good for that one conversion only.
"""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console.language import gettext, marked
from console.ports import ConsoleServices
from domain.companies import CompanyFields
from domain.conversion_requests import Supply
from domain.conversions import Said, State, WrongState
from domain.new_debtor import BadOverride, read_overrides
from domain.new_debtor_settings import DEFAULTED, Buyer
from infra.database import company_views, conversion_views
from infra.database.conversion_views import ConversionView
from infra.database.new_debtors import lists_of
from infra.form_links import PATH, Expired

WHO = "form"
MOST = 510  # characters of a field

_LABELS = {
    "name": marked("Name"),
    "street": marked("Street"),
    "zip": marked("Zip"),
    "city": marked("City"),
    "country": marked("Country"),
    "vat": marked("CVR or VAT number"),
    "pno": marked("P-number"),
    "ean": marked("EAN number"),
    "mail": marked("E-mail address"),
    "phone": marked("Phone"),
    "web": marked("Website"),
    "currency": marked("Currency"),
    "customer_group": marked("Debtor group"),
    "payment_terms": marked("Payment terms"),
    "vat_zone": marked("VAT zone"),
    "layout": marked("Layout"),
    "number": marked("Debtor number"),
    "kind": marked("Kind of customer"),
    "link": marked("Debtor number"),
}
_KINDS = {Buyer.FIRM: marked("firm"), Buyer.PERSON: marked("private person"), Buyer.PUBLIC: marked("public body")}


def add_routes(pages: Blueprint, services: ConsoleServices) -> None:
    """`/conversion/<token>`."""

    @pages.get(f"{PATH}/<token>")
    def conversion_form(token: str) -> ResponseReturnValue:
        """What one conversion asks for: which debtor it is first, then what is missing."""
        found, row_id = _found(token)
        return page(token, found, row_id)

    @pages.post(f"{PATH}/<token>")
    def answer_conversion(token: str) -> ResponseReturnValue:
        """Let it go on with what was said."""
        found, row_id = _found(token)
        link = request.form.get("link", "")
        given = {name: text.strip()[:MOST] for name, text in request.form.items() if name in _asked(found)}
        number = given.pop("link", link).strip()
        if number and not (number.isascii() and number.isdigit() and 0 < int(number) <= 999_999_999):
            return page(token, found, row_id, problem=gettext("A debtor number has digits only."))
        try:
            said = Said(read_overrides(given), int(number) if number else None, create=not number)
            services.desk.supply(found.agreement, Supply(row_id, said, who=WHO))
        except BadOverride as error:
            label = gettext(_LABELS.get(error.field, error.field))
            return page(token, found, row_id, problem=f"{label}: {error}")
        except WrongState:
            pass  # somebody was faster: the page says how it stands
        return redirect(url_for("console.conversion_form", token=token), 303)

    def _found(token: str) -> tuple[ConversionView, int]:
        """The conversion; 410 for a link that was good once, 404 for one that never was."""
        try:
            row_id = services.forms.read(token)
        except Expired:
            abort(410)
        with services.database.read() as connection:
            found = None if row_id is None else conversion_views.one(connection, None, row_id)
        if found is None or row_id is None:
            abort(404)
        return found, row_id

    def page(token: str, found: ConversionView, row_id: int, *, problem: str = "") -> ResponseReturnValue:
        asks = found.state is State.NEEDS_INPUT and found.needs is not None
        choices: dict[str, list[tuple[str, str]]] = {"kind": [(kind.value, gettext(_KINDS[kind])) for kind in Buyer]}
        with services.database.read() as connection:
            if asks:
                lists = lists_of(connection, found.agreement)
                choices |= {
                    name: [(key, f"{key} {text}") for key, text in lists.get(listing, {}).items()]
                    for name, listing in DEFAULTED.items()
                }
            firm = company_views.firm_of(connection, found.agreement)
            company = None if found.company is None else company_views.one(connection, firm, found.company)
        return render_template(
            "console/conversion.html",
            token=token,
            found=found,
            asks=asks,
            settled=found.state in (State.CREATED, State.LINKED),
            failed=found.state is State.FAILED,
            labels=_LABELS,
            choices=choices,
            values=_values(found, None if company is None else company.fields),
            problem=problem,
            most=MOST,
        )


def _asked(found: ConversionView) -> set[str]:
    return set() if found.needs is None else {each.field for each in found.needs.missing}


def _values(found: ConversionView, fields: CompanyFields | None) -> dict[str, str]:
    """What the fields hold so far."""
    known = {} if fields is None else {name: value for name, value in fields._asdict().items() if value}
    return {**known, **found.said.overrides}
