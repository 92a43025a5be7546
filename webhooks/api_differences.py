"""
The API's shown differences: changes of a company that were not taken, and what a person makes of them.
"""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from domain.companies import CompanyFields
from domain.settle_differences import NoDifference, settle
from domain.take_companies import CRM
from infra.bootstrap import Services
from infra.database import company_views
from infra.database.links import LinkRows
from infra.database.merges import MergeRows, merging
from webhooks import api_shapes as shapes
from webhooks.api_companies import READ, WHO, WRITE
from webhooks.api_requests import Problem, answer, body_of, caller, check_parameters


def add_differences(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/companies/<wanted>/differences")
    def differences(wanted: str) -> ResponseReturnValue:
        """Those of one company; a merged id shows its survivor's."""
        firm = caller(services, READ)
        check_parameters(())
        return shown(firm, found(firm, wanted))

    @api.post("/companies/<wanted>/differences/<field>/take")
    def take(wanted: str, field: str) -> ResponseReturnValue:
        """Write what the other side says; fields of an address are taken together."""
        return settled(wanted, field, taking=True)

    @api.post("/companies/<wanted>/differences/<field>/keep")
    def keep(wanted: str, field: str) -> ResponseReturnValue:
        """Keep what is stored until the other side says something new."""
        return settled(wanted, field, taking=False)

    def settled(wanted: str, field: str, *, taking: bool) -> ResponseReturnValue:
        firm = caller(services, WRITE)
        check_parameters(())
        whose = body_of({"whose"}).get("whose")
        if field not in CompanyFields._fields:
            raise Problem(404, f"a company has no field {field}")
        company_id = found(firm, wanted)
        with services.database.write() as connection:
            parts = (connection, services.database.sql, firm)
            stores, speaker = merging(*parts), None if whose is None else _speaker(LinkRows(*parts), whose)
            try:
                settle(
                    stores.companies,
                    MergeRows(*parts),
                    stores.outbox,
                    company_id,
                    field,
                    take=taking,
                    who=WHO,
                    speaker=speaker,
                )
            except NoDifference as error:
                raise Problem(409, str(error)) from error
        return shown(firm, company_id)

    def shown(firm: int, company_id: int) -> ResponseReturnValue:
        with services.database.read() as connection:
            company = company_views.one(connection, firm, company_id)
        if company is None:
            raise Problem(404, "this company is not there any more")
        return answer({"differences": shapes.company(company)["differences"]})

    def found(firm: int, wanted: str) -> int:
        with services.database.read() as connection:
            company_id = None if "\0" in wanted else company_views.find(connection, firm, wanted)
        if company_id is None:
            raise Problem(404, f"there is no company {wanted}")
        return company_id


def _speaker(links: LinkRows, whose: object) -> int:
    """CRM, or a debtor's own id. Raises Problem 400."""
    if whose == "crm":
        return CRM
    if isinstance(whose, dict) and whose.keys() == {"agreement", "number"}:
        agreement, number = whose["agreement"], whose["number"]
        if all(isinstance(each, int) and 0 < each < 10**12 for each in (agreement, number)):
            debtor = links.debtor(agreement, number)
            if debtor is not None:
                return debtor.id
            raise Problem(400, f"agreement {agreement} has no debtor {number}", field="whose")
    raise Problem(400, 'whose must be "crm" or {"agreement": …, "number": …}', field="whose")
