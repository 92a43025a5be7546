"""Debitor's own processes, and the stand-in's, as an operator starts them; only these are ever ended, by their id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0

_ENDS_WITH_US = "import sys, ctypes; sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, 9)\n"  # PR_SET_PDEATHSIG
_DEBITOR = _ENDS_WITH_US + "from cli.main import main; main()"


class Process:
    """One command, with everything it starts itself, in a process group of its own."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._command, self._folder = command, folder
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("DEBITOR_")},
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        self.log_file = folder / f"{name}.log"
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    def start(self) -> Process:
        assert self._running is None
        with self.log_file.open("ab") as log:
            self._running = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def wait_for(self, url: str) -> Process:
        """Until this address answers 200; AssertionError with the log when the process ends before."""
        deadline = time.monotonic() + READY_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                    return self
            assert self.running, f"{self.name} has ended:\n{self.log()[-3000:]}"
            assert time.monotonic() < deadline, f"{self.name} is not ready:\n{self.log()[-3000:]}"
            time.sleep(0.05)

    @property
    def running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def children(self) -> list[int]:
        """The processes it has started itself."""
        return children_of(self.pid)

    def kill(self) -> None:
        """kill -9 of all of it."""
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait(timeout=10)
            self._running = None

    def freeze(self) -> None:
        """SIGSTOP of all of it."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.killpg(self.pid, signal.SIGCONT)

    def stop(self, *, within_s: float = 30.0) -> int:
        """SIGTERM, as a supervisor does; returns the exit code."""
        assert self._running is not None
        self._running.send_signal(signal.SIGTERM)
        try:
            return self._running.wait(timeout=within_s)
        finally:
            self.kill()

    def wait(self, *, within_s: float = 60.0) -> int:
        """Until it ends by itself; returns the exit code."""
        assert self._running is not None
        code = self._running.wait(timeout=within_s)
        self._running = None
        return code

    def log(self) -> str:
        """Everything it has written, over all its lives."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


def children_of(pid: int) -> list[int]:
    """The processes that this one has started itself."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False, timeout=10)
    return [int(pid) for pid in found.stdout.split()]


def debitor(name: str, *arguments: str, environment: Mapping[str, str], folder: Path) -> Process:
    """A `debitor` command, not started yet."""
    return Process(name, [sys.executable, "-c", _DEBITOR, *arguments], environment, folder)


def run_debitor(
    *arguments: str, environment: Mapping[str, str], folder: Path, within_s: float = 60.0
) -> tuple[int, str]:
    """A `debitor` command that ends; returns its exit code and what it wrote."""
    process = debitor("command", *arguments, environment=environment, folder=folder)
    before = len(process.log())
    process.start()
    try:
        code = process.wait(within_s=within_s)
    finally:
        process.kill()
    return code, process.log()[before:]


@contextlib.contextmanager
def ending(*processes: Process) -> Iterator[None]:
    """Whatever happens, these processes are gone afterwards."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
