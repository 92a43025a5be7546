"""
e-conomic's hooks: a small WSGI function in front of Flask.

Flask's routing and request object cost more than everything a hook needs (measurements.md), so the one path that
storms pass through does without them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import structlog

from domain.errors import NotStored
from domain.hints import Kind, NewHint, Source
from infra.intake.hook_keys import HookKeys
from infra.intake.intake import Intake
from infra.metrics import HOOKS
from webhooks.bodies import MAX_BODY, declared_length, is_agreement, read_body
from webhooks.hook_numbers import Numbers, read_numbers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

PREFIX = "/webhooks/e-conomic/"

# Bounded repeats: a body without a single separator costs no more than any other.
_SECRETS = re.compile(r"""(?i)\b([\w-]{0,40}(?:key|secret|token)[\w-]{0,40}["']?\s{0,9}[=:]\s{0,9}["']?)[^&\s"',}]+""")

KINDS = {"customer": Kind.DEBTORS, "invoice": Kind.INVOICES, "daybook": Kind.PAYMENTS}

_COUNTERS = {
    (kind, status): HOOKS.labels(kind, status)
    for kind in (*KINDS, "unknown")
    for status in ("202", "400", "404", "405", "413", "503")
}


class HookPath:
    """Answers everything below `/webhooks/e-conomic/`, hands the rest to `app`."""

    def __init__(self, app: WSGIApplication, intake: Intake, keys: HookKeys) -> None:
        self._app = app
        self._intake = intake
        self._keys = keys

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if not path.startswith(PREFIX):
            return self._app(environ, start_response)
        return self._hook(path[len(PREFIX) :], environ, start_response)

    def _hook(self, rest: str, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        parts = rest.split("/")
        name = parts[-1]
        secret = parts[1] if len(parts) == 3 else environ.get("HTTP_X_HOOK_KEY", "")
        if len(parts) not in (2, 3) or name not in KINDS or not is_agreement(parts[0]):
            return _answer(start_response, "404 Not Found", "unknown")
        if environ["REQUEST_METHOD"] not in ("GET", "POST"):
            return _answer(start_response, "405 Method Not Allowed", name, ("Allow", "GET, POST"))
        agreement = int(parts[0])
        try:
            if not secret or not self._keys.accepts(agreement, secret):
                return _answer(start_response, "404 Not Found", name)
            body = read_body(environ)
            if body is None:
                return _answer(start_response, "413 Content Too Large", name)
            if len(body) < declared_length(environ):  # cut on the way: half a number would be another debtor
                return _answer(start_response, "400 Bad Request", name)
            hint = make_hint(agreement, KINDS[name], environ.get("QUERY_STRING", ""), body, secret)
            self._intake.accept(hint)
        except NotStored as error:
            log.warning("webhook.not_stored", agreement=agreement, hook=name, error=str(error))
            return _answer(start_response, "503 Service Unavailable", name, ("Retry-After", str(error.retry_after_s)))
        return _answer(start_response, "202 Accepted", name, ("X-Correlation-Id", hint.correlation_id))


def make_hint(agreement: int, kind: Kind, query: str, body: bytes, secret: str) -> NewHint:
    """The event a hook becomes; one that names nothing is unusable, and kept with what it said, secrets masked."""
    correlation_id = os.urandom(8).hex()
    if kind is Kind.PAYMENTS:
        return NewHint(agreement, kind, Source.HOOK, correlation_id)
    text = body.decode("utf-8", "replace") if body else ""
    numbers: Numbers = read_numbers(query, text)
    if not numbers:
        said = f"?{query}\n{text}".replace("\0", "").replace(secret, "***")
        said = _SECRETS.sub(r"\1***", said)[:MAX_BODY]
        return NewHint(agreement, Kind.UNUSABLE, Source.HOOK, correlation_id, body=f"{kind.value} {said}")
    return NewHint(agreement, kind, Source.HOOK, correlation_id, numbers.old, numbers.new)


def _answer(start_response: Callable[..., Any], status: str, hook: str, *headers: tuple[str, str]) -> list[bytes]:
    start_response(status, [("Content-Length", "0"), *headers])
    _COUNTERS[hook, status[:3]].inc()
    return [b""]
