"""
Pages for what goes wrong: what happened, what to do, and a number to quote when it was our fault.
"""

from __future__ import annotations

import logging
import secrets

from flask import Blueprint, Flask, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from console.language import gettext, marked
from console.security import is_page
from domain.errors import NotStored
from infra.database.engine import DatabaseAway

log = logging.getLogger("debitor.console")

AWAY_RETRY_S = 5

_WORDS = {
    400: (
        marked("This form is no longer valid"),
        marked("The page was open in another session, or for very long. Go back, reload the page and try again."),
    ),
    403: (marked("You may not do this"), marked("Your role does not include it. Ask an administrator of your firm.")),
    404: (
        marked("There is no such page"),
        marked("The address is mistyped, or what it showed belongs to another agreement. Search for it instead."),
    ),
    405: (marked("This address does not work that way"), marked("Go back and use the buttons of the page.")),
}
_OTHER = (marked("The request cannot be answered"), marked("Go back, reload the page and try again."))


def configure(app: Flask, pages: Blueprint) -> None:
    """Answer errors of the pages, and paths nobody serves, with a page; other parts of the app keep their own."""

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        if not is_page() or error.response is not None:
            return error
        title, advice = _WORDS.get(error.code or 500, _OTHER)
        return _page(error.code or 500, gettext(title), gettext(advice), headers=dict(error.get_headers()))

    pages.register_error_handler(HTTPException, refused)

    @pages.errorhandler(DatabaseAway)
    def away(_error: DatabaseAway) -> ResponseReturnValue:
        return _try_again(
            gettext("The database does not answer"),
            gettext("Nothing is lost: events are kept and will be handled. This page tries again by itself."),
            AWAY_RETRY_S,
        )

    @pages.errorhandler(NotStored)
    def not_stored(error: NotStored) -> ResponseReturnValue:
        return _try_again(
            gettext("Your request could not be stored"),
            gettext("Neither the database nor the message broker answers. Go back and try again in a moment."),
            error.retry_after_s,
        )

    @pages.errorhandler(Exception)
    def broken(error: Exception) -> ResponseReturnValue:
        """Our bug: logged once, with the number the page shows."""
        correlation_id = getattr(g, "correlation_id", None) or secrets.token_hex(16)
        log.error("console.failed", exc_info=error, extra={"correlation_id": correlation_id, "path": request.path})
        return _page(
            500,
            gettext("Something went wrong on our side"),
            gettext("Try again. If it stays, tell your administrator this number, which finds the error in the log:"),
            correlation_id=correlation_id,
        )


def _try_again(title: str, advice: str, seconds: int) -> ResponseReturnValue:
    log.warning("console.away", extra={"path": request.path})
    reload_s = seconds if request.method == "GET" else None
    return _page(503, title, advice, headers={"Retry-After": str(seconds)}, reload_s=reload_s)


def _page(
    status: int,
    title: str,
    advice: str,
    *,
    headers: dict[str, str] | None = None,
    correlation_id: str | None = None,
    reload_s: int | None = None,
) -> ResponseReturnValue:
    """An error page uses no database: it must be there when nothing else is."""
    html = render_template(
        "console/error.html",
        status=status,
        title=title,
        advice=advice,
        correlation_id=correlation_id,
        reload_s=reload_s,
    )
    response = make_response(html, status)
    for name, value in (headers or {}).items():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response
