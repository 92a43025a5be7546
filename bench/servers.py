"""
Server processes of a benchmark: started, waited for, stopped by their id.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
DEADLINE_S = 30.0


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str], ready_url: str, *, cwd: Path = ROOT) -> Iterator[int]:
    """A server from the moment `ready_url` answers 2xx until the block ends; yields its process id."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if "BENCH_VERBOSE" not in os.environ else None,
        start_new_session=True,
    )
    try:
        _wait(process, ready_url)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{' '.join(map(str, process.args))} ended with {process.returncode}")  # type: ignore[arg-type]
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"nothing answers at {url}")


def granian(target: str, port: int, *, workers: int, threads: int) -> list[str]:
    """The command for one WSGI factory, as `debitor serve` starts it."""
    code = (
        "from cli import processes; import sys;"
        f"processes.THREADS = {threads};"
        f"processes.run_server({target!r}, '127.0.0.1:{port}', {workers})"
    )
    return [sys.executable, "-c", code]
