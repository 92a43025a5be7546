"""
The API's failures: what operators' programs watch, replay and dismiss.

Every POST here may be sent again: an ended failure answers with its state. A sender's `Idempotency-Key` therefore needs
no memory of ours.
"""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from infra.bootstrap import Services
from infra.database import failure_list
from infra.database.failure_list import Failure, Filter
from webhooks import api_shapes as shapes
from webhooks.api_requests import (
    Problem,
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
_MAX_NOTE = 2_000


def add_failures(api: Blueprint, services: Services) -> None:
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

    def own_failure(wanted: int) -> Failure:
        firm = caller(services, SCOPE)
        with services.database.read() as connection:
            found = failure_list.failure(connection, wanted, firm=firm)
        if found is None:
            raise Problem(404, f"there is no failure {wanted}")
        return found


def _state() -> str | None:
    state = text("state") or "open"
    if state == "all":
        return None
    if state not in failure_list.STATES:
        raise Problem(400, f"state must be all or one of {', '.join(failure_list.STATES)}", field="state")
    return state
