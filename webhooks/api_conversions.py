"""
The API's conversions: a won deal becomes a debtor.

Every POST may be sent again: a company has one conversion at a time, and asking twice is answered with the same one. A
sender's `Idempotency-Key` therefore needs no memory of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from domain.companies import LONGEST_ID
from domain.conversion_requests import Supply, Wanted
from domain.conversions import Said, State, WrongState
from domain.crm_events import SECOND_NEEDS_DEAL, UNSTORABLE
from domain.new_debtor import BadOverride, read_overrides
from infra.bootstrap import Services
from infra.database import company_views, conversion_views, views_debtors
from infra.database.conversion_views import ConversionView, StepView
from webhooks import api_shapes as shapes
from webhooks.api_requests import (
    MAX_ID,
    Problem,
    agreement_of,
    answer,
    body_of,
    caller,
    check_parameters,
    number,
    page,
    page_size,
    text,
)

SCOPE = "conversions:write"
WHO = "api"


def add_conversions(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/conversions")
    def conversions() -> ResponseReturnValue:
        """Conversions, newest first."""
        firm = caller(services, SCOPE)
        check_parameters({"agreement", "company", "state", "cursor", "limit"})
        limit, named = page_size(), text("company")
        with services.database.read() as connection:
            company = None if named is None else company_views.find(connection, firm, named)
            if named is not None and company is None:
                return page([], limit, shape, lambda row: row.id)
            rows = conversion_views.conversions(
                connection,
                firm,
                wanted_agreement=number("agreement"),
                wanted_company=company,
                state=_state(),
                after=number("cursor"),
                limit=limit + 1,
            )
        return page(rows, limit, shape, lambda row: row.id)

    @api.get("/conversions/<int:wanted>")
    def conversion(wanted: int) -> ResponseReturnValue:
        """One conversion with its whole story."""
        firm = caller(services, SCOPE)
        check_parameters(())
        return answer(story(firm, wanted))

    @api.post("/conversions")
    def convert() -> ResponseReturnValue:
        """Convert a company: 201, or 200 with the conversion that does so already, or did."""
        firm = caller(services, SCOPE)
        check_parameters(())
        body = body_of({"company", "agreement", "overrides", "allow_second_debtor", "deal"})
        agreement = _agreement(firm, body.get("agreement"))
        asked = services.desk.ask(agreement, _wanted(firm, body))
        location = f"{api.url_prefix}/conversions/{asked.conversion.id}"
        shown = story(firm, asked.conversion.id)
        return answer(shown, 201 if asked.begun else 200, headers={"Location": location})

    @api.post("/conversions/<int:wanted>")
    def go_on(wanted: int) -> ResponseReturnValue:
        """Say what a conversion lacks, choose a debtor for it, approve or decline it; 409 when it asks for nothing."""
        firm = caller(services, SCOPE)
        check_parameters(())
        found = own(firm, wanted)
        body = body_of({"overrides", "link", "create", "approve", "decline"})
        flags = {name: _flag(body, name) for name in ("create", "approve", "decline")}
        said = Said(_overrides(body.get("overrides")), _link(body.get("link")), flags["create"], flags["approve"])
        try:
            services.desk.supply(found.agreement, Supply(wanted, said, flags["decline"], WHO))
        except WrongState as error:
            raise Problem(409, str(error)) from None
        return answer(story(firm, wanted))

    def own(firm: int, wanted: int) -> ConversionView:
        with services.database.read() as connection:
            found = conversion_views.one(connection, firm, wanted)
        if found is None:
            raise Problem(404, f"there is no conversion {wanted}")
        return found

    def story(firm: int, wanted: int) -> shapes.Json:
        found = own(firm, wanted)
        with services.database.read() as connection:
            return {**shape(found), "history": [_step(each) for each in conversion_views.steps(connection, wanted)]}

    def shape(row: ConversionView) -> shapes.Json:
        asks = row.state is State.NEEDS_INPUT
        needs = row.needs.as_json() if asks and row.needs is not None else {"missing": [], "candidates": []}
        return {
            "id": row.id,
            "agreement": row.agreement,
            "company": {"id": row.crm_id, "debitor_id": row.company, "name": row.name},
            "state": row.state.value,
            "debtor": row.debtor,
            "reason": row.reason,
            "message": row.message,
            **needs,
            "url": services.forms.url(row.id) if asks else None,
            "overrides": dict(row.said.overrides),
            "deal": row.deal,
            "who": row.who,
            "created_at": shapes.time(row.created_at),
            "changed_at": shapes.time(row.changed_at),
        }

    def _agreement(firm: int, named: object) -> int:
        """The firm's only one need not be named."""
        if named is None:
            with services.database.read() as connection:
                numbers = [each.number for each in views_debtors.agreements(connection, firm)]
            if len(numbers) != 1:
                raise Problem(400, f"say which agreement: there are {len(numbers)}", field="agreement")
            return numbers[0]
        if not isinstance(named, int) or isinstance(named, bool) or not 0 < named <= MAX_ID:
            raise Problem(400, "agreement must be an agreement's number", field="agreement")
        return agreement_of(services, firm, named).number

    def _wanted(firm: int, body: Mapping[str, Any]) -> Wanted:
        company = body.get("company")
        crm_id = company.get("id") if isinstance(company, dict) else None
        if not isinstance(crm_id, str) or not crm_id.strip() or len(crm_id) > LONGEST_ID or UNSTORABLE.search(crm_id):
            raise Problem(400, 'company must name the CRM\'s id: {"id": "…"}', field="company.id")
        deal = body.get("deal")
        if deal is not None and (not isinstance(deal, str) or len(deal) > LONGEST_ID or UNSTORABLE.search(deal)):
            raise Problem(400, f"deal must be text of at most {LONGEST_ID} characters", field="deal")
        second = _flag(body, "allow_second_debtor")
        if second and not (deal or "").strip():
            raise Problem(400, f"deal {SECOND_NEEDS_DEAL}", field="deal")
        with services.database.read() as connection:
            company_id = company_views.find(connection, firm, crm_id.strip())
        if company_id is None:
            raise Problem(404, f"there is no company {crm_id}: PUT it below /companies first", field="company.id")
        return Wanted(
            company=company_id,
            said=Said(_overrides(body.get("overrides"))),
            second=second,
            deal=deal,
            who=WHO,
        )


def _step(row: StepView) -> shapes.Json:
    return {**row._asdict(), "at": shapes.time(row.at), "detail": dict(row.detail)}


def _state() -> State | None:
    named = text("state")
    if named is not None and named not in list(State):
        raise Problem(400, f"state must be one of {', '.join(State)}", field="state")
    return None if named is None else State(named)


def _overrides(said: object) -> dict[str, str]:
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise Problem(400, "overrides must be an object", field="overrides")
    try:
        return read_overrides(said)
    except BadOverride as error:
        raise Problem(400, str(error), field=f"overrides.{error.field}") from None


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Problem(400, f"{name} must be true or false", field=name)
    return value


def _link(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 999_999_999):
        raise Problem(400, "link must be a debtor's number", field="link")
    return value
