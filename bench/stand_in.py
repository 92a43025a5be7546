"""
The stand-in e-conomic of a benchmark, and Debitor's databases beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from bench.servers import ROOT, free_port, running

AGREEMENT, SECRET = 1442871, "bench-secret-1"
DATABASE_URL = os.environ.get("DEBITOR_TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
BROKER_URL = os.environ.get("DEBITOR_TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672/")


class StandIn:
    """Speaks to the control API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def call(self, method: str, path: str, body: object = None, *, timeout_s: float = 120) -> Any:
        """Raises urllib.error.URLError."""
        request = urllib.request.Request(
            f"{self.url}/_control{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def calls(self) -> int:
        """Calls received from Debitor since the last look, forgotten by it."""
        count = sum(self.call("GET", "/calls?limit=1")["by_path"].values())
        self.call("DELETE", "/calls")
        return int(count)

    def environment(self) -> dict[str, str]:
        """Debitor's settings for it."""
        return {
            "DEBITOR_ECONOMIC_REST_URL": self.url,
            "DEBITOR_ECONOMIC_Q2C_URL": f"{self.url}/q2capi/v5.3.0",
            "DEBITOR_ECONOMIC_WEBHOOKS_URL": f"{self.url}/webhooksapi/v1.0.0",
            "DEBITOR_ECONOMIC_APP_SECRET_TOKEN": "sandbox-app-secret",
            "DEBITOR_SECRET_KEY": "bench-key-0123456789",
        }


@contextmanager
def stand_in(debtors: int, invoices: int, lines_per_invoice: int) -> Iterator[StandIn]:
    """A stand-in with this many records and limits that do not hold anybody back."""
    port = free_port()
    command = [sys.executable, "-m", "sandbox", "--listen", f"127.0.0.1:{port}", "--end-with-parent"]
    sizes = ["--debtors", debtors, "--invoices", invoices, "--lines-per-invoice", lines_per_invoice]
    with running([*command, *map(str, sizes)], {}, f"http://127.0.0.1:{port}/_control/ready"):
        api = StandIn(port)
        limits = {"bucket": 100_000_000, "refill_per_s": 1_000_000, "daily": 100_000_000}
        api.call("PUT", f"/agreements/{AGREEMENT}/limits", limits)
        yield api


@contextmanager
def postgres(name: str) -> Iterator[str]:
    """The URL of a fresh database, dropped afterwards."""
    with psycopg.connect(DATABASE_URL, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    parts = psycopg.conninfo.conninfo_to_dict(DATABASE_URL)
    user = parts.get("user", "postgres") + (f":{parts['password']}" if "password" in parts else "")
    try:
        yield f"postgresql://{user}@{parts.get('host', '127.0.0.1')}:{parts.get('port', 5432)}/{name}"
    finally:
        with psycopg.connect(DATABASE_URL, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def debitor(arguments: list[str], env: dict[str, str], *, given: str = "", timeout_s: float = 1800) -> str:
    """What a `debitor` command printed. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=True,
    )
    return done.stdout


def connect_agreement(env: dict[str, str], number: int = AGREEMENT) -> None:
    """Schema, and an agreement that the stand-in knows."""
    debitor(["migrate"], env)
    arguments = ["agreement", "add", str(number), "--grant-token", "-", "--webhook-secret", SECRET]
    debitor(arguments, env, given=f"sandbox-grant-{number}\n")


def looked_at_start(connection: psycopg.Connection, agreements: list[int]) -> None:
    """Wait until the scheduler's look at its start is over: that work is not what a benchmark measures."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        looked = connection.execute(
            "SELECT count(*) FROM poll WHERE agreement = ANY(%s) AND next_at > now()", (agreements,)
        ).fetchone()
        left = connection.execute("SELECT count(*) FROM inbox WHERE handled_at IS NULL").fetchone()
        if looked == (len(agreements),) and left == (0,):
            return
        time.sleep(0.05)
    raise SystemExit("the scheduler's look at its start did not end")
