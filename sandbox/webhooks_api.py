"""`/webhooksapi/v1.0.0`: an app's own webhooks, one per event type."""

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sandbox.agreement import Agreement
from sandbox.errors import bad_request_problem, problem, problem_not_found
from sandbox.filters import FilterError, Kind, Property, compile_filter, parse_filter
from sandbox.hooks import EVENT_TYPES, Webhook
from sandbox.http import Answer, Refused, Request, as_json
from sandbox.records import iso_moment
from sandbox.world import Grant

PREFIX = ["webhooksapi", "v1.0.0"]
MAX_HEADERS = 5
MAX_HEADER_CHARACTERS = 1000
LENGTHS = {"name": 100, "url": 1000, "contentType": 50, "postData": 4000}
REQUIRED = ("eventType", "name", "url", "contentType")
SCHEMA = {
    "eventType": Property(Kind.TEXT, lambda hook: hook.event_type),
    "isDisabled": Property(Kind.FLAG, lambda hook: hook.is_disabled),
}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def route(request: Request, grant: Grant, parts: list[str]) -> Answer:
    """
    Answer a path below `/webhooksapi/v1.0.0`.

    Raises:
        Refused: as problem+json.
    """
    if "SuperUser" not in grant.roles:
        raise Refused(problem(403, "Access denied: the role SuperUser is missing.", "AccessDenied"))
    agreement, owner = grant.agreement, grant.secret
    match (request.method, *parts):
        case ("GET", "EventTypes"):
            return as_json([_event_type(name) for name in EVENT_TYPES])
        case ("GET", "webhooks"):
            return as_json({"items": [_shown(hook) for hook in _own(request, agreement, owner)]})
        case ("GET", "webhooks", "paged"):
            size, skip = int(request.query.get("pagesize", "20")), int(request.query.get("skippages", "0"))
            hooks = _own(request, agreement, owner)[skip * size : (skip + 1) * size]
            return as_json([_shown(hook) for hook in hooks])
        case ("GET", "webhooks", "count"):
            return as_json(len(_own(request, agreement, owner)))
        case ("GET", "webhooks", event_type):
            return as_json(_shown(_find(agreement, owner, event_type)))
        case ("POST", "webhooks"):
            return _create(request, agreement, owner)
        case ("PUT", "webhooks"):
            return _update(request, agreement, owner)
        case ("DELETE", "webhooks", event_type):
            _find(agreement, owner, event_type)
            del agreement.webhooks[event_type, owner]
            return Answer(204)
    raise problem_not_found()


def _event_type(name: str) -> dict[str, Any]:
    event = EVENT_TYPES[name]
    fields = [{"fieldName": field, "description": text} for field, text in event.merge_fields]
    return {"name": name, "description": event.description, "mergeFields": fields}


def _own(request: Request, agreement: Agreement, owner: str) -> list[Webhook]:
    """Only what the calling app made is visible."""
    hooks = [hook for (_, maker), hook in sorted(agreement.webhooks.items(), key=str) if maker == owner]
    text = request.query.get("filter")
    if not text:
        return hooks
    try:
        return list(filter(compile_filter(parse_filter(text, SCHEMA), SCHEMA), hooks))
    except FilterError as error:
        raise bad_request_problem(str(error), "BadFilterRequest") from None


def _find(agreement: Agreement, owner: str, event_type: str) -> Webhook:
    hook = agreement.webhooks.get((event_type, owner))
    if hook is None:
        raise problem_not_found()
    return hook


def _create(request: Request, agreement: Agreement, owner: str) -> Answer:
    body = _accepted(request, agreement)
    event_type = body["eventType"]
    makers = [maker for kind, maker in agreement.webhooks if kind == event_type]
    if owner in makers or (makers and agreement.conventions.invisible_webhook_blocks):
        reason = f"A webhook already exists for event type {event_type}."
        raise bad_request_problem(reason, "WebhookAlreadyExistsForEventType", "eventType")
    hook = Webhook(event_type, body["url"], owner)
    _write(hook, body, agreement)
    agreement.webhooks[event_type, owner] = hook
    return as_json({"eventType": event_type}, 201)


def _update(request: Request, agreement: Agreement, owner: str) -> Answer:
    body = _accepted(request, agreement)
    hook = _find(agreement, owner, body["eventType"])
    if body.get("objectVersion") != str(hook.version):
        raise Refused(problem(409, "The resource has been updated by another user", "UpdateConflict"))
    was_disabled = hook.is_disabled
    hook.version += 1
    _write(hook, body, agreement)
    if hook.is_disabled and not was_disabled:
        hook.last_disabled = agreement.clock.now()
    if not hook.is_disabled:
        hook.failures = 0
    return Answer(204)


def _write(hook: Webhook, body: dict[str, Any], agreement: Agreement) -> None:
    hook.name, hook.url, hook.content_type = body["name"], body["url"], body["contentType"]
    hook.post_data = body.get("postData")
    hook.custom_headers = [(pair["key"], pair["value"]) for pair in body.get("customHeaders") or []]
    hook.is_disabled = bool(body.get("isDisabled"))
    hook.last_updated = agreement.clock.now()


def _accepted(request: Request, agreement: Agreement) -> dict[str, Any]:
    """The body of a POST or PUT, looked over."""
    try:
        body = request.json()
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        raise bad_request_problem("The request body is not valid JSON.", "BadRequest")
    for name in REQUIRED:
        if not isinstance(body.get(name), str) or not body[name]:
            raise bad_request_problem(f"{name} is required.", "Required", name)
    if body["eventType"] not in EVENT_TYPES:
        raise bad_request_problem(f"Unknown event type {body['eventType']}.", "WebhookInvalidType", "eventType")
    for name, limit in LENGTHS.items():
        if len(body.get(name) or "") > limit:
            code = "WebhookInvalidUrl" if name == "url" else "TooLong"
            raise bad_request_problem(f"{name} is longer than {limit} characters.", code, name)
    _check_url(body["url"], agreement)
    _check_headers(body.get("customHeaders") or [])
    return body


def _check_url(url: str, agreement: Agreement) -> None:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise bad_request_problem("The URL is not valid.", "WebhookInvalidUrl", "url")
    if parts.scheme != "https" and not (agreement.conventions.insecure_webhook_urls and parts.scheme == "http"):
        raise bad_request_problem("The URL must be https.", "WebhookInvalidUrlScheme", "url")


def _check_headers(pairs: Any) -> None:
    prop = "customHeaders"
    if not isinstance(pairs, list) or not all(
        isinstance(pair, dict) and isinstance(pair.get("key"), str) and isinstance(pair.get("value"), str)
        for pair in pairs
    ):
        raise bad_request_problem("Custom headers are pairs of key and value.", "WebhookCustomHeaderInvalid", prop)
    if len(pairs) > MAX_HEADERS:
        raise bad_request_problem(f"At most {MAX_HEADERS} headers.", "WebhookCustomHeadersTooMany", prop)
    if sum(len(pair["key"]) + len(pair["value"]) for pair in pairs) > MAX_HEADER_CHARACTERS:
        raise bad_request_problem("The headers are too long.", "WebhookCustomHeadersTooLong", prop)
    for pair in pairs:
        if not _HEADER_NAME.fullmatch(pair["key"]) or "\r" in pair["value"] or "\n" in pair["value"]:
            raise bad_request_problem("A header is not valid.", "WebhookCustomHeaderInvalid", prop)


def _shown(hook: Webhook) -> dict[str, Any]:
    return {
        "eventType": hook.event_type,
        "name": hook.name,
        "url": hook.url,
        "contentType": hook.content_type,
        "postData": hook.post_data,
        "customHeaders": [{"key": key, "value": value} for key, value in hook.custom_headers],
        "isDisabled": hook.is_disabled,
        "lastDisabledDate": iso_moment(hook.last_disabled) if hook.last_disabled is not None else None,
        "lastUpdated": iso_moment(hook.last_updated),
        "objectVersion": str(hook.version),
    }
