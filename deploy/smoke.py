"""
One webhook in, wait for its row: `make smoke`.

Starts a demo of its own in a temporary folder. `--demo` uses the demo that runs here, `--running` the Debitor that runs
on the settings here.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from cli.demo import FOLDER
from infra import settings
from infra.database.agreements import Agreements
from infra.database.engine import Database
from infra.encryption import SecretBox

T = TypeVar("T")

START_S = 90
ROW_S = 30


def main() -> int:
    """Returns 0 when the webhook's debtor was read anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--running", action="store_true", help="use the Debitor that runs on the settings here")
    parser.add_argument("--demo", action="store_true", help="use the demo that runs here")
    options = parser.parse_args()
    if options.running or options.demo:
        if options.demo:
            use_demo(os.environ.get("DEBITOR_LISTEN", "127.0.0.1:8000"))
        return check()
    with demo():
        return check()


@contextmanager
def demo() -> Iterator[None]:
    """A demo of its own from the moment it takes events until the block ends; this process gets its settings."""
    with tempfile.TemporaryDirectory(prefix="debitor-smoke-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        for name in [name for name in os.environ if name.startswith("DEBITOR_")]:
            del os.environ[name]
        os.environ["DEBITOR_LISTEN"] = listen
        here = Path.cwd()
        os.chdir(folder)
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / "debitor"), "demo"],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            wait_for("the demo to start", lambda: process.poll() is not None or is_ready(listen), START_S)
            if process.poll() is not None:
                raise TimeoutError("the demo ended")
            use_demo(listen)
            look_at_pages(listen)
            yield
        except TimeoutError as error:
            sys.exit(f"smoke: {error}\n{log.read_text(errors='replace')[-3000:]}")
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
            os.chdir(here)


def use_demo(listen: str) -> None:
    """The settings that `debitor demo` makes for itself, for this process."""
    os.environ["DEBITOR_LISTEN"] = listen
    os.environ["DEBITOR_DATABASE_URL"] = f"sqlite:///{FOLDER.resolve()}/debitor.db"
    os.environ["DEBITOR_SECRET_KEY"] = settings.stored_key(FOLDER)


def check() -> int:
    """Send a webhook for a stored debtor and wait until it was read anew."""
    current = settings.load()
    database = Database(current.database_url)
    agreements = Agreements(database, SecretBox(settings.secret_keys(current)))

    def one(statement: str, **values: object) -> sa.Row[tuple[object, ...]] | None:
        with database.read() as connection:
            return connection.execute(sa.text(statement), values).first()

    debtor = wait_for(
        "a first debtor",
        lambda: one("SELECT agreement, number FROM debtor WHERE gone_at IS NULL ORDER BY agreement, number LIMIT 1"),
        START_S,
    )
    agreement, number = int(str(debtor[0])), int(str(debtor[1]))
    stamp = "SELECT stamp FROM reading WHERE agreement = :agreement AND what = 'debtor' AND number = :number"
    before = wait_for("its reading", lambda: one(stamp, agreement=agreement, number=number), ROW_S)[0]

    started = time.monotonic()
    request = urllib.request.Request(
        f"http://{current.hooks_listen or current.listen}/webhooks/e-conomic/{agreement}/customer",
        data=f"old={number}&new={number}".encode(),
        headers={"X-Hook-Key": agreements.hook_secret(agreement) or ""},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        status, correlation_id = answer.status, answer.headers["X-Correlation-Id"]
    accepted_ms = (time.monotonic() - started) * 1000

    wait_for(
        f"debtor {number} to be read anew",
        lambda: one(f"{stamp} AND stamp > :before", agreement=agreement, number=number, before=before),
        ROW_S,
    )
    wait_for(
        f"event {correlation_id} to be handled",
        lambda: one("SELECT 1 FROM inbox WHERE correlation_id = :id AND handled_at IS NOT NULL", id=correlation_id),
        ROW_S,
    )
    row_ms = (time.monotonic() - started) * 1000
    print(f"smoke: {status} after {accepted_ms:.0f} ms, the row of debtor {number} after {row_ms:.0f} ms")
    database.close()
    return 0


def look_at_pages(listen: str) -> None:
    """The sign-in page, in Danish, and the files it names. Raises URLError when one is missing."""
    request = urllib.request.Request(f"http://{listen}/", headers={"Accept-Language": "da"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        page = answer.read().decode()
    if 'lang="da"' not in page or "Adgangskode" not in page:
        raise TimeoutError(f"waited in vain for a Danish sign-in page: {page[:500]}")
    for address in re.findall(r'(?:href|src)="(/assets/[^"]+)"', page):
        urllib.request.urlopen(f"http://{listen}{address}", timeout=10).close()


def is_ready(listen: str) -> bool:
    """Whether `/health/ready` answers 200."""
    try:
        with urllib.request.urlopen(f"http://{listen}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_for(what: str, look: Callable[[], T | None], seconds: float) -> T:
    """What `look` finds. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.05)
    return found


if __name__ == "__main__":
    sys.exit(main())
