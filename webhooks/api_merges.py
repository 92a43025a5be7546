"""
The API's merges: companies that become one, looked at before, and undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.engine import Connection

from domain.companies import CompanyFields
from domain.merge_companies import merge, preview
from domain.merging import GROUPS, Keep, NotMerged, Wish, WrongWish
from domain.unmerge_companies import unmerge
from infra.bootstrap import Services
from infra.database import company_views, merge_views
from infra.database.merge_wishes import wish
from infra.database.merges import MergeRows, merging
from webhooks import api_shapes_merges as shapes
from webhooks.api_companies import READ, WHO, WRITE
from webhooks.api_repeats import Done, once
from webhooks.api_requests import Problem, answer, body_of, caller, check_parameters, number, page, page_size
from webhooks.api_shapes import Json


def add_merges(api: Blueprint, services: Services) -> None:
    """Add the routes."""
    database = services.database

    @api.get("/merges")
    def merges() -> ResponseReturnValue:
        """Merges, newest first, undone ones included."""
        firm = caller(services, READ)
        check_parameters({"cursor", "limit"})
        limit = page_size()
        with database.read() as connection:
            rows = merge_views.merges(connection, firm, after=number("cursor"), limit=limit + 1)
        return page(rows, limit, shapes.merge, lambda row: row.id)

    @api.get("/merges/<int:wanted>")
    def one(wanted: int) -> ResponseReturnValue:
        """One merge, undone or not."""
        firm = caller(services, READ)
        check_parameters(())
        with database.read() as connection:
            return answer(_shown(connection, firm, wanted))

    @api.post("/merges")
    def make() -> ResponseReturnValue:
        """Merge companies: 201; with `preview` only say what they would be: 200."""
        firm = caller(services, WRITE)
        check_parameters(())
        body = body_of({"companies", "survivor", "keep", "fields", "preview"})
        if not isinstance(body.get("preview", False), bool):
            raise Problem(400, "preview must be true or false", field="preview")
        if body.get("preview"):
            with database.read() as connection, _refusals(connection, firm):
                asked = preview(merging(connection, database.sql, firm), _wish(connection, firm, body))
            return answer(shapes.preview(*asked))

        def act(connection: Connection) -> Done:
            with _refusals(connection, firm):
                done = merge(merging(connection, database.sql, firm), _wish(connection, firm, body), who=WHO)
            return Done(_shown(connection, firm, done.id), 201, f"{api.url_prefix}/merges/{done.id}")

        return once(services, firm, act)

    @api.post("/merges/<int:wanted>/undo")
    def undo(wanted: int) -> ResponseReturnValue:
        """Undo a merge, the newest of its companies first; what stays with the survivor is in `kept`."""
        firm = caller(services, WRITE)
        check_parameters(())
        body_of(())

        def act(connection: Connection) -> Done:
            _shown(connection, firm, wanted)
            stores = merging(connection, database.sql, firm)
            with _refusals(connection, firm):
                unmerge(stores, MergeRows(connection, database.sql, firm), wanted, who=WHO)
            return Done(_shown(connection, firm, wanted))

        return once(services, firm, act)


def _shown(connection: Connection, firm: int, merge_id: int) -> Json:
    found = merge_views.merge(connection, firm, merge_id)
    if found is None:
        raise Problem(404, f"there is no merge {merge_id}")
    return shapes.merge(found)


@contextmanager
def _refusals(connection: Connection, firm: int) -> Iterator[None]:
    """A wish that can never be is 400, what cannot be now is 409, naming the company to go on with."""
    try:
        yield
    except WrongWish as error:
        raise Problem(400, str(error), field=error.field) from None
    except NotMerged as error:
        go_on = None if error.survivor is None else company_views.one(connection, firm, error.survivor)
        more = None if go_on is None else {"survivor": {"id": go_on.crm_id, "debitor_id": go_on.id}}
        raise Problem(409, str(error), field=error.field, more=more) from None


def _wish(connection: Connection, firm: int, body: dict[str, Any]) -> Wish:
    """Raises Problem 400, naming the field, or WrongWish."""
    companies = body.get("companies")
    if not isinstance(companies, list) or not all(map(_is_id, companies)):
        raise Problem(400, "companies must be a list of the CRM's ids, or # and Debitor's own", field="companies")
    survivor = body.get("survivor")
    if survivor is not None and not _is_id(survivor):
        raise Problem(400, "survivor must be one of the companies", field="survivor")
    keep = body.get("keep", Keep.LINKED)
    if keep not in list(Keep):
        raise Problem(400, f"keep must be one of {', '.join(Keep)}", field="keep")
    fields = body.get("fields", {})
    if not isinstance(fields, dict):
        raise Problem(400, "fields must be an object", field="fields")
    take: dict[str, str] = {}
    values: dict[str, str | None] = {}
    for name, chosen in fields.items():
        if name not in (*CompanyFields._fields, *GROUPS):
            raise Problem(400, f"a company has no field {name!r}", field=f"fields.{name}")
        if isinstance(chosen, dict) and chosen.keys() == {"from"} and _is_id(chosen["from"]):
            take[name] = chosen["from"]
        elif isinstance(chosen, dict) and chosen.keys() == {"value"} and isinstance(chosen["value"], str | None):
            values[name] = (chosen["value"] or "").strip() or None
        else:
            said = 'must be {"from": a company} or {"value": text or null}'
            raise Problem(400, f"{name} {said}", field=f"fields.{name}")
    return wish(connection, firm, companies, survivor=survivor, keep=Keep(keep), take=take, values=values)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value
