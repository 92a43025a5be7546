"""
A PostgreSQL and a RabbitMQ of our own, from the binaries of this machine, that tests may stop, freeze and kill.

Each has its own port, data and log in a folder of its own under an unprivileged user, does nothing that a shared
server notices, and ends with the tests however they end.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.network import free_port
from tests.support.processes import Process, children_of
from tests.support.services import absent, broker_answers, database_answers
from tests.support.waiting import eventually

START_S = 60.0
_UNPRIVILEGED = "nobody"


class Server:
    """One server process and what it starts: stopped, killed, frozen and started again."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.folder = folder
        self._process = Process(name, [*_as_nobody(), *command], environment, folder)
        self._frozen: list[int] = []

    def answers(self) -> bool:
        """Whether it serves its clients."""
        raise NotImplementedError

    def start(self) -> None:
        """Returns once it answers."""
        self._process.start()
        eventually(lambda: self.answers() or not self._process.running, within_s=START_S, why=self._process.log)
        assert self._process.running, self._process.log()[-3000:]

    def kill(self) -> None:
        """kill -9 of all of it: what is connected breaks, nobody listens any more."""
        for pid in self._all():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._frozen = []

    def freeze(self) -> None:
        """SIGSTOP of all of it: connections are taken and stay open, nothing is answered and nothing refused."""
        while new := [pid for pid in self._all() if pid not in self._frozen]:  # the first is who starts others
            for pid in new:
                self._frozen.append(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        frozen, self._frozen = self._frozen, []
        for pid in reversed(frozen):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def _all(self) -> list[int]:
        """Its processes, parents first."""
        if not self._process.running:
            return []
        found = [self._process.pid]
        for pid in found:  # grows while we go
            found += children_of(pid)
        return found


class PostgresServer(Server):
    """A cluster whose only user needs no password."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.port = free_port()
        data = folder / "data"
        subprocess.run(
            [*_as_nobody(), str(programs / "initdb"), "--no-sync", "-U", "postgres", "-A", "trust", "-D", str(data)],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=START_S,
        )
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "max_connections": 200,
            "fsync": "off",  # kill -9 loses nothing that the kernel has; only a power cut would
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        super().__init__("postgres", [str(programs / "postgres"), "-D", str(data), *options], {}, folder)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def answers(self) -> bool:
        return database_answers(self.url) is None

    def stop(self) -> None:
        """`pg_ctl stop -m fast`."""
        self._end(signal.SIGINT)

    def stop_immediately(self) -> None:
        """`pg_ctl stop -m immediate`: as after a crash it recovers from its log at the next start."""
        self._end(signal.SIGQUIT)

    def _end(self, number: int) -> None:
        self._signal(number)
        self._process.wait(within_s=START_S)


class RabbitServer(Server):
    """A node that no other node and no epmd but its own knows."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.port = free_port()
        self._programs = programs
        self._environment = {
            "HOME": str(folder),  # of the Erlang cookie
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"debitor-test-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
        }
        super().__init__("rabbitmq", [str(programs / "rabbitmq-server")], self._environment, folder)
        epmd = ["epmd", "-port", self._environment["ERL_EPMD_PORT"], "-address", "127.0.0.1"]
        self.epmd = Process("epmd", [*_as_nobody(), *epmd], self._environment, folder)

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def answers(self) -> bool:
        return broker_answers(self.url) is None

    def memory_alarm(self, on: bool) -> None:
        """With the alarm on whoever publishes is made to wait."""
        self.ctl("set_vm_memory_high_watermark", "0.0" if on else "0.6")

    def ctl(self, *arguments: str) -> None:
        """`rabbitmqctl`; a second or two."""
        done = subprocess.run(
            [*_as_nobody(), str(self._programs / "rabbitmqctl"), "-q", *arguments],
            env={**os.environ, **self._environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def private_postgresql() -> Iterator[PostgresServer]:
    """A cluster of its own, running. Skips, or fails in CI, where there is no PostgreSQL to start."""
    programs = _programs("initdb", *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    if programs is None or not (programs / "postgres").exists():
        absent("a PostgreSQL to start", "no initdb and postgres in PATH or /usr/lib/postgresql")
    with _folder() as folder:
        server = PostgresServer(programs, folder)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def private_rabbitmq() -> Iterator[RabbitServer]:
    """A node of its own, running. Skips, or fails in CI, where there is no RabbitMQ to start."""
    # Debian's /usr/sbin/rabbitmq-server insists on its own user and folders.
    programs = _programs("rabbitmq-server", Path("/usr/lib/rabbitmq/bin"))
    if programs is None or shutil.which("epmd") is None:
        absent("a RabbitMQ to start", "no rabbitmq-server and epmd in PATH or /usr/lib/rabbitmq/bin")
    with _folder() as folder:
        (folder / "plugins").write_text("[].\n")
        server = RabbitServer(programs, folder)
        try:
            server.epmd.start()
            server.start()
            yield server
        finally:
            server.kill()
            server.epmd.kill()


def _programs(name: str, *folders: Path) -> Path | None:
    """The folder with a program of this name."""
    if shutil.which("setpriv") is None:
        absent("setpriv (util-linux)", "servers of our own are started with it")
    found = shutil.which(name)
    places = [*folders, *([Path(found).resolve().parent] if found else [])]
    return next((place for place in places if (place / name).exists()), None)


def _as_nobody() -> list[str]:
    """Runs a command that dies with us, and as nobody when we are root: PostgreSQL refuses root."""
    command = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        user = pwd.getpwnam(_UNPRIVILEGED)
        command += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    return [*command, "--"]


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that the unprivileged user can reach: pytest's own are closed to others."""
    root = os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="debitor-test-server-", dir="/tmp" if root else None))
    try:
        if root:
            user = pwd.getpwnam(_UNPRIVILEGED)
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
