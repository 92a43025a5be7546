"""The `debitor` command in this process, over a database of its own, with the stand-in e-conomic beside it."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from click.testing import CliRunner, Result

from cli.main import main
from infra import logs
from infra.database.engine import Database
from infra.database.users import Users
from tests.integration.console.world import QUICK
from tests.support.company_files import report_of
from tests.support.databases import AGREEMENT, KEY
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
GRANT = f"sandbox-grant-{AGREEMENT}"


class Debitor:
    """Calls the command line; what it prints is kept."""

    def __call__(self, *arguments: object, stdin: str = "", status: int = 0) -> Result:
        """One command, which must end with this exit code; no traceback, whatever happens."""
        result = CliRunner().invoke(main, list(map(str, arguments)), input=stdin)
        assert result.exit_code == status, result.output
        assert isinstance(result.exception, SystemExit | None), result.exception
        if status == 1:
            assert result.stderr.splitlines()[-1].startswith("debitor: "), result.stderr
        return result

    def json(self, *arguments: object, stdin: str = "", status: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self(*arguments, "--json", stdin=stdin, status=status).stdout)


class StandIn:
    """The stand-in e-conomic's control API."""

    def __init__(self, address: str) -> None:
        self.address = address

    def control(self, method: str, path: str, body: object = None) -> Any:
        response = httpx.request(method, f"{self.address}/_control/{path}", json=body)
        response.raise_for_status()
        return response.json() if response.content else None

    def books(self, method: str, path: str, body: object = None) -> Any:
        """Something in the tests' agreement."""
        return self.control(method, f"agreements/{AGREEMENT}/{path}", body)


@pytest.fixture
def debitor(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Debitor]:
    """The command with its settings; logs are as quiet as the command itself makes them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBITOR_DATABASE_URL", database.url)
    monkeypatch.setenv("DEBITOR_SECRET_KEY", KEY)
    monkeypatch.setattr(logs, "set_up", lambda process, level="INFO": None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield Debitor()
    structlog.reset_defaults()


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash that costs nothing: the real one takes longer than all the rest of a test."""
    monkeypatch.setattr("cli.people.Users", lambda database: Users(database, hasher=QUICK))


@pytest.fixture(scope="session")
def _stand_in() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "sandbox", "--listen", listen, "--end-with-parent"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    eventually(lambda: _answers(listen), within_s=20)
    yield f"http://{listen}"
    process.terminate()
    process.wait(10)


def _answers(listen: str) -> bool:
    try:
        return httpx.get(f"http://{listen}/_control/ready").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def stand_in(_stand_in: str, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """An empty agreement in the stand-in, which the command's settings point at."""
    monkeypatch.setenv("DEBITOR_ECONOMIC_REST_URL", _stand_in)
    monkeypatch.setenv("DEBITOR_ECONOMIC_Q2C_URL", f"{_stand_in}/q2capi/v5.3.0")
    monkeypatch.setenv("DEBITOR_ECONOMIC_APP_SECRET_TOKEN", "sandbox-app-secret")
    stand_in = StandIn(_stand_in)
    stand_in.control("POST", "reset")
    return stand_in


@pytest.fixture
def connected(debitor: Debitor, stand_in: StandIn) -> Callable[..., None]:
    """Connects the tests' agreement; options of `agreement add` may follow."""

    def add(*options: object, stdin: str = GRANT) -> None:
        debitor("agreement", "add", AGREEMENT, *(options or ("--grant-token", "-")), stdin=stdin)

    return add


class Import:
    """Imports bytes, and reads the report."""

    def __init__(self, debitor: Debitor, folder: Path) -> None:
        self._debitor = debitor
        self._folder = folder

    def __call__(
        self, content: bytes, *options: str, status: int = 0, name: str = "companies.csv"
    ) -> list[tuple[str, ...]]:
        (self._folder / name).write_bytes(content)
        report = self._folder / "report.csv"
        report.unlink(missing_ok=True)
        self.said = self._debitor("companies", "import", name, "--report", "report.csv", *options, status=status)
        assert [path.name for path in self._folder.iterdir() if path.name.startswith(".report")] == []
        return [(line["row"], line["outcome"], line["column"], line["reason"]) for line in report_of(report)]


@pytest.fixture
def importing(debitor: Debitor, tmp_path: Path) -> Import:
    return Import(debitor, tmp_path)
