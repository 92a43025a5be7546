"""The web pages: sign-in, debtors with figures and invoices, what waits and what failed."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

from flask import Blueprint, Flask, url_for

from console import conversion_form, debtors, errors, failures, language, operations, security, sign_in
from console.ports import ConsoleServices
from infra.database.users import Users

__all__ = ["register"]


def asset(name: str) -> str:
    """The address of a static file; it changes with the file, so browsers may keep the file for ever."""
    return url_for("console.static", filename=name, v=_fingerprint(name))


@cache
def _fingerprint(name: str) -> str:
    return blake2b((Path(__file__).parent / "static" / name).read_bytes(), digest_size=6).hexdigest()


def register(app: Flask, services: ConsoleServices) -> None:
    """
    Add the pages to an app that may serve other things too: the rest of it keeps its own rules.

    Raises:
        ConfigurationError: DEBITOR_FRAME_ANCESTORS holds something that is no source.
    """
    users = Users(services.database)
    pages = Blueprint(
        "console", __name__, template_folder="templates", static_folder="static", static_url_path="/assets"
    )
    app.jinja_env.globals.update(asset=asset, reader=sign_in.reader)
    language.configure(app)
    sign_in.configure(app, users)
    security.configure(app, pages, services.settings, services.keys)
    errors.configure(app, pages)
    sign_in.add_routes(pages, users)
    debtors.add_routes(pages, services)
    operations.add_routes(pages, services)
    failures.add_routes(pages, services)
    conversion_form.add_routes(pages, services)
    app.register_blueprint(pages)
