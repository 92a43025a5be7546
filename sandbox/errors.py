"""The two error shapes: REST's own, and problem+json of the OpenAPI services."""

import random
from datetime import UTC, datetime
from typing import Any

from sandbox.http import PROBLEM, Answer, Refused, encode

HYPERMEDIA = (
    "Please look closely at your request. If you are a developer, check that the resource exists; "
    "all resources can be found from the hypermedia at https://restapi.e-conomic.com"
)
VALIDATION_HINT = "Inspect validation errors and correct your request."
FILTER_HINT = "Filtering on collections can be done using the querystring parameter 'filter'."

_SECTIONS = {400: "15.5.1", 401: "15.5.2", 403: "15.5.4", 404: "15.5.5", 405: "15.5.6", 409: "15.5.10"}


def log_id() -> str:
    """An identifier such as e-conomic's support asks for."""
    return f"{random.getrandbits(64):016x}-CPH"


def rest_error(status: int, message: str, hint: str = "", code: str | None = None, **more: Any) -> Answer:
    """
    An error of the REST API.

    Args:
        more: `errors`, `allowedFilteringFields` and the like, where the error has them.
    """
    body: dict[str, Any] = {"message": message}
    if code:
        body["errorCode"] = code
    body |= {"developerHint": hint, "logId": log_id(), "httpStatusCode": status, **more}
    body["logTime"] = datetime.now().isoformat(timespec="seconds")  # noqa: DTZ005 - local, no zone, as the real one
    return Answer(status, encode(body))


def problem(status: int, title: str, code: str, errors: list[dict[str, Any]] | None = None) -> Answer:
    """An error of an OpenAPI service."""
    section = _SECTIONS.get(status, "15.6.1")
    body = {
        "type": f"https://tools.ietf.org/html/rfc9110#section-{section}",
        "title": title,
        "status": status,
        "errors": errors or [],
        "traceId": log_id(),
        "traceTimeUtc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "errorCode": code,
    }
    return Answer(status, encode(body), PROBLEM)


def not_found() -> Refused:
    """REST: no such resource."""
    return Refused(rest_error(404, "Resource not found.", HYPERMEDIA))


def bad_filter(reason: str, allowed: list[str]) -> Refused:
    """REST: the filter cannot be used; says which properties can."""
    return Refused(
        rest_error(
            400, "Could not parse query string filter.", FILTER_HINT, errors=[reason], allowedFilteringFields=allowed
        )
    )


def bad_request_problem(reason: str, code: str, prop: str | None = None) -> Refused:
    """OpenAPI: one thing wrong with the request."""
    errors = [{"message": reason, "errorCode": code, "property": prop}]
    return Refused(problem(400, "One or more errors occurred", code, errors))


def problem_not_found() -> Refused:
    """OpenAPI: no such resource."""
    return Refused(problem(404, "Resource not found.", "ResourceNotFound"))
