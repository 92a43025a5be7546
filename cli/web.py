"""
Putting the web processes together: WSGI factories that Granian calls in each worker, after forking.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

import console
from cli import lock
from consumers.processes import start_consumers, start_scheduler
from infra import logs, settings
from infra.bootstrap import Reception, Services, connect, open_reception
from infra.database import schema
from infra.health import HealthPath, not_found
from webhooks.api import make_api
from webhooks.crm_path import CrmPath
from webhooks.hook_path import HookPath

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_FORM_BYTES = 1024 * 1024


def web_app() -> WSGIApplication:
    """`debitor serve`: pages and API, and the hooks unless they have an address of their own."""
    watch_parent(os.getppid(), lambda: os._exit(0))
    services = open_services("web")
    return make_web(services, hooks=services.settings.hooks_listen is None)


def hooks_app() -> WSGIApplication:
    """`debitor serve` with DEBITOR_HOOKS_LISTEN: the hooks, there and only there."""
    watch_parent(os.getppid(), lambda: os._exit(0))
    services = open_services("hooks")
    reception = open_reception(services)
    return HealthPath(_hooks(not_found, reception), services, reception.intake.ready)


def embedded_app() -> WSGIApplication:
    """`debitor up` and `debitor demo`: everything in this one process, which ends when its parent does."""
    watch_parent(os.getppid(), lambda: os._exit(0))
    services = open_services("embedded")
    services.held = lock.hold(services.settings)
    services.work.clear_leases()
    app = make_web(services, hooks=True)
    start_consumers(services)
    start_scheduler(services, threading.Event())
    return app


def open_services(process: str) -> Services:
    """Logs, settings, services; the schema must be the newest. Raises ConfigurationError."""
    logs.set_up(process)
    services = connect(settings.load())
    schema.require_newest(services.database)
    return services


def make_web(services: Services, *, hooks: bool) -> WSGIApplication:
    """Pages, API, health, and the hooks where this address serves them."""
    app = Flask("debitor", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.register_blueprint(make_api(services))
    console.register(app, services)
    if services.settings.trusted_proxies:
        count = len(services.settings.trusted_proxies)
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=1, x_host=1)  # type: ignore[method-assign]
    wsgi: WSGIApplication = app
    reception = open_reception(services)
    if hooks:
        wsgi = _hooks(wsgi, reception)
    return HealthPath(wsgi, services, reception.intake.ready)


def _hooks(app: WSGIApplication, reception: Reception) -> WSGIApplication:
    """What others send by themselves, in front of `app`; e-conomic first, since its hooks storm."""
    crm = CrmPath(app, reception.intake, reception.crm_keys)
    return HookPath(crm, reception.intake, reception.keys)


def watch_parent(parent: int, gone: Callable[[], object]) -> None:
    """Call `gone` once this process has another parent than that."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        gone()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
