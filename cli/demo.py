"""
`debitor demo`: the embedded form with the stand-in e-conomic and demo data, in a folder of its own.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import click

from cli.lock import holder
from cli.processes import run_server
from consumers.runs import start_resync
from domain.errors import ConfigurationError
from domain.resync_state import ResyncOptions
from infra import logs, settings
from infra.bootstrap import Services, connect
from infra.database import schema
from infra.database.users import Users

FOLDER = Path("var/demo")
LIVE_FOLDER = Path("var/demo-agreement")
DEMO_TOKEN = "demo"  # noqa: S105 - e-conomic's public pair, read-only (e-conomic.md §2.1)
AGREEMENT = 1442871
EMAIL = "demo@debitor.example"
APP_SECRET = "sandbox-app-secret"  # noqa: S105 - the stand-in's, it opens nothing else
GRANT = f"sandbox-grant-{AGREEMENT}"
READY_S = 30.0


@click.command()
@click.option("--listen", default=None, help="where the pages are served (default 127.0.0.1:8000)")
@click.option("--debtors", default=250, show_default=True, help="debtors the stand-in begins with")
@click.option("--invoices", default=1200, show_default=True, help="invoices the stand-in begins with")
@click.option("--per-second", default=0.5, show_default=True, help="how busy the stand-in's bookkeeper is")
def demo(listen: str | None, debtors: int, invoices: int, per_second: float) -> None:
    """Run everything here with a stand-in for e-conomic; nothing to set up, nothing leaves this machine."""
    logs.set_up("demo", level="WARNING")
    economic = f"127.0.0.1:{_free_port()}"
    _own_settings(FOLDER, listen or os.environ.get("DEBITOR_LISTEN", "127.0.0.1:8000"))
    os.environ.update(
        {
            "DEBITOR_ECONOMIC_REST_URL": f"http://{economic}",
            "DEBITOR_ECONOMIC_Q2C_URL": f"http://{economic}/q2capi/v5.3.0",
            "DEBITOR_ECONOMIC_WEBHOOKS_URL": f"http://{economic}/webhooksapi/v1.0.0",
            "DEBITOR_ECONOMIC_APP_SECRET_TOKEN": APP_SECRET,
        }
    )
    current = settings.load()
    pid = holder(current)
    if pid is not None:
        raise ConfigurationError(f"the demo is running here already (process {pid}); stop it first")
    stand_in = _start_stand_in(economic, debtors, invoices)
    atexit.register(_end, stand_in, os.getpid())
    services = connect(current)
    schema.migrate(services.database)
    password, secret = _prepare(services, FOLDER, AGREEMENT, GRANT)
    _tell_stand_in(economic, f"http://{current.listen}/webhooks/e-conomic/{AGREEMENT}/{secret}", per_second)
    services.close()
    click.echo(
        f"\n  Debitor demo:  http://{current.listen}\n"
        f"  Sign in with:  {EMAIL}\n"
        f"  Password:      {password}\n\n"
        f"  The stand-in e-conomic (http://{economic}) books and edits by itself; watch it arrive.\n"
        "  Ctrl-C stops everything; start it again and it goes on.\n"
    )
    run_server("cli.web:embedded_app", current.listen, 1)


def set_up_demo_agreement(listen: str) -> None:
    """
    Settings, sign-in and a first resync of e-conomic's public demo agreement, which anybody may read.

    Raises:
        TransientError: e-conomic does not answer, or strangers have used up the demo's calls.
    """
    _own_settings(LIVE_FOLDER, listen)
    os.environ["DEBITOR_ECONOMIC_APP_SECRET_TOKEN"] = DEMO_TOKEN
    services = connect(settings.load())
    schema.migrate(services.database)
    known = services.agreements.all()
    number = known[0].number if known else services.client.agreement(0, DEMO_TOKEN).identity().agreement
    password, _secret = _prepare(services, LIVE_FOLDER, number, DEMO_TOKEN)
    services.close()
    click.echo(f"\n  http://{listen}\n  Sign in with:  {EMAIL}\n  Password:      {password}\n")


def _own_settings(folder: Path, listen: str) -> None:
    """A demo never touches the data of a real installation: what it needs lies in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ.update(
        {
            "DEBITOR_DATABASE_URL": f"sqlite:///{folder.resolve()}/debitor.db",
            "DEBITOR_BROKER_URL": "memory://",
            "DEBITOR_SECRET_KEY": settings.stored_key(folder),
            "DEBITOR_LISTEN": listen,
            "DEBITOR_PUBLIC_URL": f"http://{listen}",
        }
    )


def _start_stand_in(listen: str, debtors: int, invoices: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603 - our own module
        [
            *(sys.executable, "-m", "sandbox", "--listen", listen, "--end-with-parent"),
            *("--agreement", str(AGREEMENT), "--debtors", str(debtors), "--invoices", str(invoices)),
            *("--keep", str((FOLDER / "economic.books").resolve())),
            # *("--journal", str((FOLDER / "economic.journal").resolve())),
        ],
        start_new_session=True,  # Ctrl-C reaches Debitor first, which then ends it
    )
    deadline = time.monotonic() + READY_S
    while True:
        try:
            _call(listen, "GET", "/_control/ready")
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ConfigurationError("the stand-in e-conomic did not start; its message stands above") from None
            time.sleep(0.05)
        else:
            return process


def _prepare(services: Services, folder: Path, agreement: int, grant: str) -> tuple[str, str]:
    """Agreement, sign-in and a first resync; returns the password and the webhook secret."""
    users = Users(services.database)
    firm = users.ensure_firm("Demo")
    secret = services.agreements.hook_secret(agreement)
    if secret is None:
        secret = services.agreements.add(agreement, firm_id=firm, grant_token=grant)
    file = folder / "sign-in"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(9) + "\n")
    password = file.read_text().strip()
    if all(user.email != EMAIL for user in users.list()):
        users.add(EMAIL, password, "admin", firm_id=firm)
    if services.runs.unfinished(agreement, "resync") is None:
        start_resync(services, agreement, ResyncOptions())
    return password, secret


def _tell_stand_in(economic: str, hooks: str, per_second: float) -> None:
    """Webhooks as a bookkeeper would paste them, and somebody who works there."""
    base = f"/_control/agreements/{AGREEMENT}"
    form = "application/x-www-form-urlencoded"
    for event, name, body in (
        ("CUSTOMER_UPDATED", "customer", "old=[OLDNUMBER]&new=[NEWNUMBER]"),
        ("INVOICE_BOOKED", "invoice", "invoiceno=[INVOICENO]"),
        ("DAYBOOK_BOOKED", "daybook", "book=[DAYBOOKNO]"),
    ):
        _call(
            economic,
            "PUT",
            f"{base}/webhooks/{event}",
            {"url": f"{hooks}/{name}", "contentType": form, "postData": body},
        )
    _call(economic, "PUT", f"{base}/life", {"per_second": per_second})


def _call(address: str, method: str, path: str, body: object = None) -> bytes:
    request = urllib.request.Request(
        f"http://{address}{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def _end(process: subprocess.Popen[bytes], starter: int) -> None:
    """End the stand-in; a worker process that inherited this must not."""
    if os.getpid() == starter and process.poll() is None:
        process.terminate()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
