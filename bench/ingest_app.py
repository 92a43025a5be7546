"""
The product's own web processes without consumers: hooks are taken in, checked, stored, wake-ups published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.web import make_web, open_services, web_app
from infra import settings
from infra.bootstrap import connect
from infra.database import schema
from infra.database.users import ensure_firm

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def prepare(agreement: int, secret: str) -> None:
    """Schema and one agreement."""
    services = connect(settings.load())
    schema.migrate(services.database)
    services.agreements.add(agreement, firm_id=ensure_firm(services.database), hook_secret=secret)
    services.close()


def grown() -> WSGIApplication:
    """As `debitor serve`."""
    return web_app()


def embedded() -> WSGIApplication:
    """As `debitor up`, with nobody consuming."""
    return make_web(open_services("bench"), hooks=True)
