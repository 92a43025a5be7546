"""The stand-in e-conomic as a process of its own, and a client on it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.accounting_api import AccountingApi
from infra.economic import EconomicClient, EconomicConfig

NUMBER = 1442871
ROOT = Path(__file__).parents[3]


class StandIn:
    """Control of a running stand-in; see its README."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._control = httpx.Client(base_url=f"{url}/_control", timeout=30)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._control.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def config(self, secret: str = "sandbox-app-secret") -> EconomicConfig:
        services = f"{self.url}/q2capi/v5.3.0", f"{self.url}/webhooksapi/v1.0.0/"
        return EconomicConfig(f"{self.url}/", *services, secret)

    def calls(self) -> int:
        """Calls the e-conomic side has answered."""
        return len(self.control("GET", "/calls")["calls"])

    def close(self) -> None:
        self._control.close()


@pytest.fixture(scope="session")
def stand_in_process() -> Iterator[StandIn]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "sandbox", "--listen", listen, "--end-with-parent"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        stand_in = StandIn(f"http://{listen}")
        try:
            _await_ready(stand_in, process)
            yield stand_in
        finally:
            stand_in.close()
            process.terminate()
            process.wait(10)


def _await_ready(stand_in: StandIn, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            stand_in.control("GET", "/ready")
            return
        except httpx.HTTPError:
            time.sleep(0.02)
    pytest.fail(f"the stand-in e-conomic did not start (exit code {process.poll()})")


@pytest.fixture
def stand_in(stand_in_process: StandIn) -> StandIn:
    """An empty agreement."""
    stand_in_process.control("POST", "/reset")
    return stand_in_process


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[EconomicClient]:
    with EconomicClient(stand_in.config(), retry_wait_s=0) as client:
        yield client


@pytest.fixture
def api(client: EconomicClient) -> AccountingApi:
    return client.agreement(NUMBER, f"sandbox-grant-{NUMBER}")
