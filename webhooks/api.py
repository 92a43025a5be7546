"""
The JSON API below `/api/v1`: bearer tokens with scopes, RFC 9457 problems, cursor pages (design.md §5.2).
"""

from __future__ import annotations

import structlog
from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from domain.errors import TransientError
from infra.bootstrap import Services
from webhooks.api_accounting import add_accounting
from webhooks.api_companies import add_companies
from webhooks.api_conversions import add_conversions
from webhooks.api_description import DESCRIPTION
from webhooks.api_differences import add_differences
from webhooks.api_duplicates import add_duplicates
from webhooks.api_edits import add_edits
from webhooks.api_failures import add_failures
from webhooks.api_merges import add_merges
from webhooks.api_requests import MAX_ID, Problem, answer, problem
from webhooks.api_runs import add_runs

log = structlog.get_logger()

PREFIX = "/api/v1"
MAX_BODY = 64 * 1024
RETRY_AFTER_S = 5
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def make_api(services: Services) -> Blueprint:
    """The blueprint; it has no cookies and no forms, so the pages' protection against forged forms is not for it."""
    api = Blueprint("api", __name__, url_prefix=PREFIX)
    _answer_errors(api)

    @api.before_request
    def limit() -> None:
        """No body is large, no number longer than the database's."""
        request.max_content_length = MAX_BODY
        if any(isinstance(value, int) and value > MAX_ID for value in (request.view_args or {}).values()):
            raise _nothing_here()

    add_accounting(api, services)
    add_companies(api, services)
    add_conversions(api, services)
    add_differences(api, services)
    add_duplicates(api, services)
    add_edits(api, services)
    add_failures(api, services)
    add_runs(api, services)
    add_merges(api, services)

    @api.get("/openapi.json")
    def description() -> ResponseReturnValue:
        """What this API offers; open to everybody, since it says nothing about anybody."""
        return answer(DESCRIPTION)

    @api.route("/", defaults={"rest": ""}, methods=_METHODS)
    @api.route("/<path:rest>", methods=_METHODS)
    def nothing_here(rest: str) -> ResponseReturnValue:
        """Any other path or method: a problem, not a page."""
        raise _nothing_here()

    return api


def _nothing_here() -> Problem:
    return Problem(404, f"there is nothing at this path for this method; {PREFIX}/openapi.json lists what there is")


def _answer_errors(api: Blueprint) -> None:
    """Every error leaves as a problem; which ones deserve a look is logged."""

    @api.errorhandler(Problem)
    def expected(error: Problem) -> ResponseReturnValue:
        return problem(error)

    @api.errorhandler(TransientError)
    def surroundings(error: TransientError) -> ResponseReturnValue:
        log.warning("api.unavailable", reason=error.reason, error=str(error))
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return problem(Problem(503, f"not now ({error.reason}); try again", headers=headers))

    @api.errorhandler(HTTPException)
    def http(error: HTTPException) -> ResponseReturnValue:
        return problem(Problem(error.code or 500, error.description or error.name))

    @api.errorhandler(Exception)
    def bug(error: Exception) -> ResponseReturnValue:
        log.exception("api.bug")
        return problem(Problem(500, "Debitor failed; the log says why"))
