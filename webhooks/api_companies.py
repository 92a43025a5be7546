"""
The API's companies: what is stored of them, and what the CRM says of one now.
"""

from __future__ import annotations

import datetime as dt

from flask import Blueprint
from flask.typing import ResponseReturnValue

from domain.companies import LONGEST_ID, CompanyFields
from domain.company_events import company_values, microseconds
from domain.crm_events import UNSTORABLE, Misshapen
from domain.take_companies import Outcome, Upsert, take_companies
from infra.bootstrap import Services
from infra.database import company_views, merge_views
from infra.database.alerts import AlertRows
from infra.database.companies import CompanyRows
from infra.database.company_views import Company
from webhooks import api_shapes as shapes
from webhooks.api_requests import Problem, answer, body_of, caller, check_parameters, number, page, page_size, text
from webhooks.api_shapes_merges import happened

READ, WRITE = "companies:read", "companies:write"
WHO = "api"


def add_companies(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/companies")
    def companies() -> ResponseReturnValue:
        """Companies that live, in the order they came."""
        firm = caller(services, READ)
        check_parameters({"query", "relation", "cursor", "limit"})
        limit = page_size()
        with services.database.read() as connection:
            rows = company_views.companies(
                connection,
                firm,
                query=text("query") or "",
                relation=text("relation"),
                after=number("cursor") or 0,
                limit=limit + 1,
            )
        return page(rows, limit, shapes.company, lambda row: row.id)

    @api.get("/companies/<wanted>")
    def company(wanted: str) -> ResponseReturnValue:
        """One company by the CRM's id; a merged id is its survivor's for ever."""
        firm = caller(services, READ)
        check_parameters(())
        return answer(shapes.company(stored(firm, wanted)))

    @api.get("/companies/<wanted>/history")
    def history(wanted: str) -> ResponseReturnValue:
        """What happened to a company and to those that are part of it, newest first."""
        firm = caller(services, READ)
        check_parameters({"cursor", "limit"})
        limit, after = page_size(), number("cursor")
        company_id = stored(firm, wanted).id
        with services.database.read() as connection:
            rows = merge_views.history(
                connection, services.database.sql, firm, company_id, after=after, limit=limit + 1
            )
        return page(rows, limit, happened, lambda row: row.id)

    @api.put("/companies/<wanted>")
    def put(wanted: str) -> ResponseReturnValue:
        """What the CRM says of a company now. It may be sent again: the same again changes nothing."""
        firm = caller(services, WRITE)
        check_parameters(())
        record = _said(wanted)
        with services.database.write() as connection:
            if company_views.is_merged(connection, firm, wanted):
                raise Problem(409, f"company {wanted} was merged into another one; nothing was changed")
            parts = (connection, services.database.sql, firm)
            [taken] = take_companies(CompanyRows(*parts), [record], who=WHO, alerts=AlertRows(*parts))
        if taken.outcome is Outcome.SUPERSEDED:
            raise Problem(409, f"company {wanted} is stored as of a later time than this server's clock shows")
        shown = shapes.company(stored(firm, wanted))
        return answer(shown, 201 if taken.outcome is Outcome.CREATED else 200)

    def stored(firm: int, wanted: str) -> Company:
        with services.database.read() as connection:
            company_id = None if "\0" in wanted else company_views.find(connection, firm, wanted)
            found = None if company_id is None else company_views.one(connection, firm, company_id)
        if found is None or not found.fields.name:  # without a name: all that is known is that it was deleted
            raise Problem(404, f"there is no company {wanted}")
        return found


def _said(crm_id: str) -> Upsert:
    """Raises Problem 400, naming the field."""
    body = body_of({"id", *CompanyFields._fields})
    if crm_id.strip() != crm_id or len(crm_id) > LONGEST_ID or UNSTORABLE.search(crm_id):
        raise Problem(400, f"a CRM's id has 1 to {LONGEST_ID} characters, and no blanks around them", field="id")
    if body.get("id") not in (None, crm_id):
        raise Problem(400, "id must be the one of the path", field="id")
    for name, value in body.items():
        if isinstance(value, str) and UNSTORABLE.search(value):
            raise Problem(400, f"{name} holds a character that cannot be stored", field=name)
    try:
        values = company_values(body, where="")
    except Misshapen as error:
        raise Problem(400, str(error), field=error.field) from None
    return Upsert(values, crm_id, microseconds(dt.datetime.now(dt.UTC)))
