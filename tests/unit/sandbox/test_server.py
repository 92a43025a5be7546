"""The process: where it listens, when it ends, and connections cut for real."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.server import loopback, serve, watch_parent
from tests.unit.sandbox.support import MINIMAL, TOKENS

TOP = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:8900", ("127.0.0.1", 8900)),
        ("localhost:1", ("127.0.0.1", 1)),
        ("[::1]:8900", ("::1", 8900)),
    ],
)
def test_loopback_addresses(listen: str, expected: tuple[str, int]) -> None:
    """The machine's own addresses are fine."""
    assert loopback(listen) == expected


@pytest.mark.parametrize("listen", ["0.0.0.0:8900", "192.0.2.1:8900", "crm.example:80", "8900", "[::]:1"])
def test_other_addresses_are_refused(listen: str) -> None:
    """Well-known tokens must not be reachable from elsewhere."""
    with pytest.raises(ValueError, match="loopback"):
        loopback(listen)


def test_parent_is_watched() -> None:
    """With another parent than at the start, the watcher calls back."""
    gone = threading.Event()

    watch_parent(os.getppid() + 1, gone.set, interval_s=0.01)

    assert gone.wait(5)


def test_taken_address() -> None:
    """Two on one address would share the callers; the second is refused instead."""
    with socket.create_server(("127.0.0.1", 0)) as first, pytest.raises(OSError, match="in use"):
        serve(f"127.0.0.1:{first.getsockname()[1]}")


@pytest.fixture
def served() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The stand-in in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--listen", address, "--debtors", "3", "--end-with-parent"],
        cwd=TOP,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    url = process.stdout.readline().decode().rpartition(" ")[2].strip()  # said once it listens
    assert url == f"http://{address}"
    yield process, url
    process.stdout.close()
    process.kill()
    process.wait()


def test_served_over_a_socket(served: tuple[subprocess.Popen[bytes], str]) -> None:
    """It answers, cuts connections without an answer or in the middle of one, and ends on SIGTERM."""
    process, url = served
    with httpx.Client(base_url=url, headers=TOKENS, timeout=20) as client:
        assert client.get("/customers").json()["pagination"]["results"] == 3
        client.post("/_control/faults", json={"path": "/customers", "cut": "after", "times": 1})
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            client.post("/customers", json=MINIMAL)
        client.post("/_control/faults", json={"path": "/self", "body": "cut", "times": 1})
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            client.get("/self")
        assert client.get("/customers").json()["pagination"]["results"] == 4

        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
