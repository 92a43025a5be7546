"""
What guards the pages: sign-in before anything, CSRF tokens, headers, cookies.

Only the console's own routes are guarded. Webhooks and the API share the app and have guards of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Blueprint, Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user  # type: ignore[import-untyped]
from flask_wtf.csrf import CSRFProtect  # type: ignore[import-untyped]

from domain.errors import ConfigurationError
from infra.settings import Settings

OPEN_ENDPOINTS = frozenset(
    {
        *("console.login", "console.check_password", "console.choose_language", "console.static"),
        *("console.conversion_form", "console.answer_conversion"),  # who has the signed link may see that one form
    }
)
"""Everything else needs a signed-in person."""

SESSION_S = 12 * 3600
"""A working day: whoever signed in in the morning is not asked again."""

_MACHINES = ("/api/", "/webhooks/", "/health/", "/metrics")
_SOURCE = re.compile(r"'self'|(https?://)?[A-Za-z0-9*.\-]+(:[0-9*]+)?")


def configure(app: Flask, pages: Blueprint, settings: Settings, keys: Sequence[str]) -> None:
    """Set the app's session up and guard every route of `pages`."""
    app.secret_key = keys[0]
    app.config.update(
        SECRET_KEY_FALLBACKS=list(keys[1:]),
        SESSION_COOKIE_NAME="debitor_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        PERMANENT_SESSION_LIFETIME=SESSION_S,
        SESSION_REFRESH_EACH_REQUEST=False,  # a page that refreshes itself must not keep its session for ever
        WTF_CSRF_CHECK_DEFAULT=False,  # the guard below checks; the app's other routes are not its business
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session, so a page left open still works
    )
    csrf = CSRFProtect(app)
    headers = _headers(settings)

    @pages.before_request
    def guard() -> ResponseReturnValue | None:
        if request.endpoint not in OPEN_ENDPOINTS and not current_user.is_authenticated:
            here = request.full_path.rstrip("?") if request.method == "GET" else None
            return redirect(url_for("console.login", next=here if here != "/" else None))
        csrf.protect()
        return None

    @app.after_request
    def secure(response: Response) -> Response:
        if is_page():
            response.headers.update(headers)
            kept = request.endpoint == "console.static" and response.status_code == 200
            # Names, addresses and amounts must not stay behind on a shared computer.
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if kept else "no-store"
        return response


def is_page() -> bool:
    """Whether a person in a browser asked: one of our routes, or none at all outside the machines' paths."""
    if request.blueprint is not None:
        return request.blueprint == "console"
    return request.endpoint is None and not request.path.startswith(_MACHINES)


def _headers(settings: Settings) -> dict[str, str]:
    """No inline script or style runs, nobody frames the pages unless a setting says so."""
    for source in settings.frame_ancestors:
        if not _SOURCE.fullmatch(source):
            raise ConfigurationError(
                f"DEBITOR_FRAME_ANCESTORS: {source!r} is not an origin such as https://crm.example"
            )
    framed_by = " ".join(settings.frame_ancestors) or "'none'"
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        f" form-action 'self'; base-uri 'none'; frame-ancestors {framed_by}"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if not settings.frame_ancestors:
        headers["X-Frame-Options"] = "DENY"
    if settings.secure_cookies:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
