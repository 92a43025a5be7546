"""
What every request and answer of the API has in common: who asks, parameters, problems, pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, request

from infra.bootstrap import Services
from infra.database import views_debtors
from infra.database.users import ApiTokens
from infra.database.views_debtors import Agreement

LIMIT = 100
MAX_LIMIT = 1_000
MAX_ID = 2**63 - 1
_MAX_TEXT = 200

T = TypeVar("T")


class Problem(Exception):
    """An answer that is not 2xx; `field` names the parameter or body field at fault, `more` what else it says."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})
        self.more = dict(more or {})


def problem(error: Problem) -> Response:
    """RFC 9457; the type is `about:blank`, so the title is the status's own."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        **error.more,
    }
    if error.field is not None:
        body["field"] = error.field
    return answer(body, error.status, headers=error.headers, mimetype="application/problem+json")


def answer(
    body: object,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    mimetype: str = "application/json",
) -> Response:
    """A JSON answer nobody may keep: it is one firm's accounts."""
    response = Response(json.dumps(body, ensure_ascii=False), status, mimetype=mimetype)
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def page(rows: Sequence[T], limit: int, shape: Callable[[T], object], cursor: Callable[[T], object]) -> Response:
    """A page from one row more than `limit`; the cursor of the last row shown asks for the next one."""
    body: dict[str, object] = {"items": [shape(row) for row in rows[:limit]]}
    if len(rows) > limit:
        body["cursor"] = str(cursor(rows[limit - 1]))
    return answer(body)


def caller(services: Services, scope: str) -> int:
    """
    The firm whose token this is.

    Raises:
        Problem: 401 without a living token, 403 when it is not good for `scope`.
        DatabaseAway: it cannot be looked up.
    """
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = ApiTokens(services.database).by_token(token.strip()) if kind.lower() == "bearer" and token else None
    if bearer is None:
        raise Problem(
            401,
            "this needs a living token in the header `Authorization: Bearer …` (debitor api-token create)",
            headers={"WWW-Authenticate": 'Bearer realm="debitor"'},
        )
    if scope not in bearer.scopes:
        raise Problem(
            403,
            f"the token lacks the scope {scope}",
            headers={"WWW-Authenticate": f'Bearer realm="debitor", error="insufficient_scope", scope="{scope}"'},
        )
    return bearer.firm_id


def agreement_of(services: Services, firm: int, number: int) -> Agreement:
    """One of the firm's agreements. Raises Problem 404, for another firm's too."""
    with services.database.read() as connection:
        found = views_debtors.agreement(connection, firm, number)
    if found is None:
        raise Problem(404, f"there is no agreement {number}")
    return found


def check_parameters(known: Collection[str]) -> None:
    """Refuse names nobody reads: a misspelt filter must not show everything. Raises Problem 400."""
    for name in request.args:
        if name not in known:
            raise Problem(400, f"there is no parameter {name!r} here, only {', '.join(sorted(known))}", field=name)


def text(name: str) -> str | None:
    """A parameter as it is; None when absent or empty."""
    value = request.args.get(name, "").strip()
    if len(value) > _MAX_TEXT or "\0" in value:
        raise Problem(400, f"{name} is longer than {_MAX_TEXT} characters, or no text", field=name)
    return value or None


def number(name: str, *, most: int = MAX_ID) -> int | None:
    """A parameter that is a whole number from 1 to `most`; None when absent. Raises Problem 400."""
    value = text(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= most):
        raise Problem(400, f"{name} must be a whole number from 1 to {most}", field=name)
    return int(value)


def yes_or_no(name: str) -> bool | None:
    """A parameter that is `true` or `false`; None when absent. Raises Problem 400."""
    value = text(name)
    if value not in (None, "true", "false"):
        raise Problem(400, f"{name} must be true or false", field=name)
    return None if value is None else value == "true"


def page_size() -> int:
    """How many items a page holds at most. Raises Problem 400."""
    return number("limit", most=MAX_LIMIT) or LIMIT


def body_of(known: Collection[str]) -> dict[str, Any]:
    """
    The JSON object of a POST; an empty body is an empty object.

    Raises:
        Problem: 400 for anything else and for fields nobody reads; 413 when it is too large.
    """
    raw = request.get_data()
    try:
        body = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Problem(400, "the body must be a JSON object")
    for name in body:
        if name not in known:
            raise Problem(400, f"there is no field {name!r} here, only {', '.join(sorted(known))}", field=str(name))
    return body
