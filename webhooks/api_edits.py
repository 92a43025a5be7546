"""
The API's edits: fields of a debtor are changed in e-conomic, where the agreement allows it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.engine import Connection

from domain.debtor_edits import Edit
from domain.debtors import MAX_NUMBER
from domain.edit_requests import BadChange, EditsOff, NoDebtor, ask, read_changes, read_seen
from domain.hints import Kind
from infra.bootstrap import Services
from infra.database import edits
from infra.database.unit_of_work import SqlUnitOfWork
from webhooks import api_shapes_edits as shapes
from webhooks.api_repeats import Done, once
from webhooks.api_requests import (
    Problem,
    agreement_of,
    answer,
    body_of,
    caller,
    check_parameters,
    number,
    page,
    page_size,
)

SCOPE = "conversions:write"
WHO = "api"
_DEBTOR = "/agreements/<int:agreement>/debtors/<int:wanted>"


def add_edits(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.patch(_DEBTOR)
    def change(agreement: int, wanted: int) -> ResponseReturnValue:
        """Have fields of a debtor changed: 202 with the edit that will do it, or say why not."""
        firm = caller(services, SCOPE)
        check_parameters(())
        agreement_of(services, firm, agreement)
        body = body_of({"changes", "was"})

        def act(connection: Connection) -> Done:
            uow = SqlUnitOfWork(connection, services.database.sql, agreement)
            edit_id = _asked(uow, wanted, body).id
            view = edits.one(connection, firm, edit_id)
            assert view is not None
            location = f"{api.url_prefix}/agreements/{agreement}/debtors/{wanted}/edits/{edit_id}"
            return Done(shapes.edit(view), 202, location)

        response = once(services, firm, act)
        services.wake_ups.note(agreement, Kind.EDITS)
        return response

    @api.get(f"{_DEBTOR}/edits")
    def edits_of(agreement: int, wanted: int) -> ResponseReturnValue:
        """The edits of a debtor, newest first."""
        agreement_of(services, caller(services, SCOPE), agreement)
        check_parameters({"cursor", "limit"})
        limit, after = page_size(), number("cursor")
        with services.database.read() as connection:
            rows = edits.of_number(connection, agreement, wanted, after=after, limit=limit + 1)
        return page(rows, limit, shapes.edit, lambda row: row.edit.id)

    @api.get(f"{_DEBTOR}/edits/<int:edit_id>")
    def edit(agreement: int, wanted: int, edit_id: int) -> ResponseReturnValue:
        """One edit, also under the number its debtor had when it was asked for."""
        firm = caller(services, SCOPE)
        agreement_of(services, firm, agreement)
        check_parameters(())
        with services.database.read() as connection:
            found = edits.one(connection, firm, edit_id)
            known = found is not None and edits.had_number(connection, found.edit, wanted)
        if found is None or found.edit.agreement != agreement or not known:
            raise Problem(404, f"debtor {wanted} has no edit {edit_id}")
        return answer(shapes.edit(found))


def _asked(uow: SqlUnitOfWork, wanted: int, body: Mapping[str, Any]) -> Edit:
    said: dict[str, Mapping[str, object]] = {}
    for part in ("changes", "was"):
        value = body.get(part) or {}
        if not isinstance(value, dict):
            raise Problem(400, f"{part} must be an object: field and value", field=part)
        said[part] = value
    if wanted > MAX_NUMBER:
        raise Problem(404, f"there is no debtor {wanted}")
    try:
        changes, seen = read_changes(said["changes"]), _seen(said["was"])
        return ask(uow, wanted, changes, seen, who=WHO, by_crm=True, cause=os.urandom(8).hex())
    except BadChange as error:
        field = error.field if error.field == "changes" else f"changes.{error.field}"
        raise Problem(400, str(error), field=field) from None
    except EditsOff as error:
        raise Problem(409, str(error)) from None
    except NoDebtor as error:
        raise Problem(404, str(error)) from None


def _seen(said: Mapping[str, object]) -> dict[str, str | None]:
    try:
        return read_seen(said)
    except BadChange as error:
        raise Problem(400, str(error), field=f"was.{error.field}") from None
