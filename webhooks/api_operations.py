"""
The API's failures and runs: what operators' programs watch, replay, dismiss and start.

Every POST here may be sent again: an ended failure answers with its state, an unfinished run with itself. A sender's
`Idempotency-Key` therefore needs no memory of ours.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from domain.resync_state import ResyncOptions
from infra.bootstrap import Services
from infra.database import api_views, failure_list
from infra.database.failure_list import Failure, Filter
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

SCOPE = "operations"
_FLAGS = ("debtors", "invoices", "dry_run", "allow_deletions")
_MAX_NOTE = 2_000


def add_operations(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/failures")
    def failures() -> ResponseReturnValue:
        """Failures, newest first; open ones unless another state is asked for."""
        firm = caller(services, SCOPE)
        check_parameters({"agreement", "state", "kind", "cursor", "limit"})
        limit = page_size()
        wanted = Filter(firm, number("agreement"), _state(), text("kind"))
        with services.database.read() as connection:
            rows = failure_list.failures(connection, wanted, after=number("cursor"), limit=limit + 1)
        return page(rows, limit, shapes.failure, lambda row: row.id)

    @api.get("/failures/<int:wanted>")
    def failure(wanted: int) -> ResponseReturnValue:
        """One failure with its whole story."""
        found = own_failure(wanted)
        check_parameters(())
        return answer(shapes.failure(found))

    @api.post("/failures/<int:wanted>/replay")
    def replay(wanted: int) -> ResponseReturnValue:
        """Have the record read again; 409 says what to do about a failure that this cannot help."""
        own_failure(wanted)
        check_parameters(())
        body_of(())
        [done] = failure_list.replay(services.database, [wanted])
        if done.refusal is not None and done.failure.state == "open":
            raise Problem(409, f"failure {wanted} cannot be replayed: {done.refusal}")
        kind = done.failure.read_again
        if done.correlation_id is None or kind is None:
            return answer(shapes.failure(done.failure))
        services.wake_ups.note(done.failure.agreement, kind)
        return answer(shapes.failure(done.failure), headers={"X-Correlation-Id": done.correlation_id})

    @api.post("/failures/<int:wanted>/dismiss")
    def dismiss(wanted: int) -> ResponseReturnValue:
        """End a failure as it is, with a note for the next reader."""
        own_failure(wanted)
        check_parameters(())
        note = body_of({"note"}).get("note")
        if note is not None and (not isinstance(note, str) or len(note) > _MAX_NOTE or "\0" in note):
            raise Problem(400, f"note must be text of at most {_MAX_NOTE} characters", field="note")
        [done] = failure_list.dismiss(services.database, [wanted], note)
        return answer(shapes.failure(done))

    @api.get("/runs")
    def runs() -> ResponseReturnValue:
        """Runs, newest first."""
        firm = caller(services, SCOPE)
        check_parameters({"agreement", "cursor", "limit"})
        limit = page_size()
        with services.database.read() as connection:
            rows = api_views.runs(
                connection, firm, agreement=number("agreement"), after=number("cursor"), limit=limit + 1
            )
        return page(rows, limit, shapes.run, lambda row: row.id)

    @api.get("/runs/<int:wanted>")
    def run(wanted: int) -> ResponseReturnValue:
        """One run: where it is and what it did so far."""
        firm = caller(services, SCOPE)
        check_parameters(())
        return answer(run_json(firm, wanted))

    @api.post("/runs")
    def start() -> ResponseReturnValue:
        """Start a resync: 201, or 200 with the unfinished one of the same agreement."""
        firm = caller(services, SCOPE)
        check_parameters(())
        body = body_of({"type", "agreement", "options"})
        if body.get("type") != "resync":
            raise Problem(400, "type must be resync", field="type")
        agreement = body.get("agreement")
        if not isinstance(agreement, int) or isinstance(agreement, bool) or not 0 < agreement <= MAX_ID:
            raise Problem(400, "agreement must be an agreement's number", field="agreement")
        options = _options(body.get("options", {}))
        agreement_of(services, firm, agreement)
        begun = api_views.begin_resync(services.database, agreement, options)
        location = f"{api.url_prefix}/runs/{begun.run_id}"
        return answer(run_json(firm, begun.run_id), 201 if begun.fresh else 200, headers={"Location": location})

    def own_failure(wanted: int) -> Failure:
        firm = caller(services, SCOPE)
        with services.database.read() as connection:
            found = failure_list.failure(connection, wanted, firm=firm)
        if found is None:
            raise Problem(404, f"there is no failure {wanted}")
        return found

    def run_json(firm: int, wanted: int) -> shapes.Json:
        with services.database.read() as connection:
            found = api_views.run(connection, firm, wanted)
        if found is None:
            raise Problem(404, f"there is no run {wanted}")
        return shapes.run(found)


def _state() -> str | None:
    state = text("state") or "open"
    if state == "all":
        return None
    if state not in failure_list.STATES:
        raise Problem(400, f"state must be all or one of {', '.join(failure_list.STATES)}", field="state")
    return state


def _options(asked: Any) -> ResyncOptions:
    """Raises Problem 400, naming the field."""
    if not isinstance(asked, dict):
        raise Problem(400, "options must be an object", field="options")
    for name, value in asked.items():
        if name not in (*_FLAGS, "since"):
            raise Problem(400, f"a resync has no option {name!r}", field=f"options.{name}")
        if name in _FLAGS and not isinstance(value, bool):
            raise Problem(400, f"{name} must be true or false", field=f"options.{name}")
    since = asked.get("since")
    try:
        date = None if since is None else dt.date.fromisoformat(since)
    except (TypeError, ValueError):
        raise Problem(400, "since must be a date such as 2026-05-04", field="options.since") from None
    options = ResyncOptions(**{**asked, "since": date})
    if not (options.debtors or options.invoices):
        raise Problem(400, "a resync reads debtors, invoices or both", field="options.invoices")
    if date is not None and not options.invoices:
        raise Problem(400, "since limits invoices, which are left out", field="options.since")
    return options
