"""
Events of the CRM, signed as Standard Webhooks.

A WSGI function like e-conomic's hooks, since it is served where they are, with or without Flask behind.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog

from domain.crm_events import Misshapen, read_sent
from domain.errors import NotStored
from domain.hints import NewHint, Source
from infra.crm.signatures import BadSignature, check
from infra.intake.intake import Intake
from infra.intake.remembered import Remembered
from infra.metrics import HOOKS
from webhooks.bodies import is_agreement, read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

PREFIX = "/webhooks/crm/"


class _Refusal(Exception):
    def __init__(self, status: HTTPStatus, detail: str, field: str | None = None, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.field = field
        self.headers = [(name.replace("_", "-"), value) for name, value in headers.items()]


class CrmPath:
    """
    Answers `POST /webhooks/crm/<agreement>`, hands the rest to `app`.

    Args:
        keys: what each connected agreement's events may be signed with.
    """

    def __init__(self, app: WSGIApplication, intake: Intake, keys: Remembered[tuple[bytes, ...]]) -> None:
        self._app = app
        self._intake = intake
        self._keys = keys

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if not path.startswith(PREFIX):
            return self._app(environ, start_response)
        try:
            hint, new = self._accept(path[len(PREFIX) :], environ)
        except _Refusal as refusal:
            return _refuse(start_response, refusal)
        status = HTTPStatus.ACCEPTED if new else HTTPStatus.OK
        return _answer(start_response, status, [("X-Correlation-Id", hint.correlation_id)] if new else [], b"")

    def _accept(self, agreement: str, environ: WSGIEnvironment) -> tuple[NewHint, bool]:
        """The stored event, and whether it is new. Raises _Refusal."""
        if not is_agreement(agreement):
            raise _Refusal(HTTPStatus.NOT_FOUND, "there is no such address")
        if environ["REQUEST_METHOD"] != "POST":
            raise _Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "events are posted", Allow="POST")
        try:
            hint = self._read(int(agreement), environ)
            return hint, self._intake.accept(hint)
        except NotStored as error:
            log.warning("webhook.not_stored", agreement=int(agreement), hook="crm", error=str(error))
            raise _Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, "not stored: send it again", Retry_After=str(error.retry_after_s)
            ) from error

    def _read(self, agreement: int, environ: WSGIEnvironment) -> NewHint:
        keys = self._keys.get(agreement)
        if keys is None:
            raise _Refusal(HTTPStatus.NOT_FOUND, f"agreement {agreement} is not connected")
        body = read_body(environ)
        if body is None:
            raise _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "an event has at most 64 KiB")
        sent_id, sent_at, signature = (environ.get(f"HTTP_WEBHOOK_{name}") for name in ("ID", "TIMESTAMP", "SIGNATURE"))
        now = time.time()
        try:
            webhook_id = check(keys, sent_id, sent_at, signature, body, now=int(now))
            event = read_sent(webhook_id, body, now=dt.datetime.fromtimestamp(now, dt.UTC))
        except BadSignature as error:
            raise _Refusal(HTTPStatus.UNAUTHORIZED, str(error)) from None
        except Misshapen as error:
            raise _Refusal(HTTPStatus.BAD_REQUEST, str(error), error.field) from None
        correlation_id = os.urandom(8).hex()
        return NewHint(agreement, event.kind, Source.CRM, correlation_id, body=event.as_text(), webhook_id=webhook_id)


def _refuse(start_response: StartResponse, refusal: _Refusal) -> list[bytes]:
    """RFC 9457, as the API does."""
    status = refusal.status
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": str(refusal),
    }
    if refusal.field is not None:
        problem["field"] = refusal.field
    headers = [("Content-Type", "application/problem+json"), *refusal.headers]
    return _answer(start_response, status, headers, json.dumps(problem).encode())


def _answer(
    start_response: Callable[..., Any], status: HTTPStatus, headers: list[tuple[str, str]], body: bytes
) -> list[bytes]:
    start_response(f"{status.value} {status.phrase}", [("Content-Length", str(len(body))), *headers])
    HOOKS.labels("crm", str(status.value)).inc()
    return [body]
