"""
The commands that keep running.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path

import click
import structlog
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from cli import lock
from domain.errors import ConfigurationError
from infra import logs, settings
from infra.database import schema
from infra.database.engine import Database
from infra.settings import Settings, listen_address

log = structlog.get_logger()

THREADS = 8
_METRICS = "debitor-metrics-"
STOP_S = 10


@click.command()
def migrate() -> None:
    """Bring the database schema up to this version."""
    logs.set_up("migrate", level="WARNING")
    database = Database(settings.load().database_url)
    click.echo(f"The schema is at {schema.migrate(database)}.")
    database.close()


@click.command()
@click.option("--processes", default=2, show_default=True, help="web worker processes")
def serve(processes: int) -> None:
    """Serve pages, API and webhooks (PostgreSQL and RabbitMQ)."""
    current = _grown("web")
    database = Database(current.database_url)
    schema.require_newest(database)
    database.close()
    _share_metrics()
    if current.hooks_listen:
        hooks = multiprocessing.get_context("spawn").Process(
            target=run_server, args=("cli.web:hooks_app", current.hooks_listen, processes), daemon=False
        )
        hooks.start()
        atexit.register(hooks.terminate)
    run_server("cli.web:web_app", current.listen, processes)


@click.command()
@click.option("--threads", default=THREADS, show_default=True, help="slices of work at the same time")
def worker(threads: int) -> None:
    """Consume wake-ups; start as many workers as you like."""
    from consumers.processes import start_consumers, until_told_to_stop
    from infra.bootstrap import connect
    from infra.health import serve_health

    current = _grown("worker")
    services = connect(current)
    schema.require_newest(services.database)
    if current.metrics_listen:
        serve_health(services, listen_address(current.metrics_listen))
    stop = until_told_to_stop()
    running = start_consumers(services, threads=threads)
    stop.wait()
    running.stop(timeout=STOP_S * 1000)
    services.close()


@click.command()
def scheduler() -> None:
    """Wake up what is due, send events out, drain the intake queue, clean up; a second one does no harm."""
    from consumers.processes import start_scheduler, until_told_to_stop
    from infra.bootstrap import connect
    from infra.health import serve_health

    current = _grown("scheduler")
    services = connect(current)
    schema.require_newest(services.database)
    if current.metrics_listen:
        serve_health(services, listen_address(current.metrics_listen))
    stop = until_told_to_stop()
    threads = start_scheduler(services, stop)
    stop.wait()
    for thread in threads:
        thread.join(timeout=STOP_S)
    services.close()


@click.command()
@click.option("--demo-agreement", is_flag=True, help="use e-conomic's public, read-only demo agreement")
def up(demo_agreement: bool) -> None:
    """Run everything in one process (SQLite), against the real e-conomic."""
    logs.set_up("up")
    if demo_agreement:
        from cli.demo import set_up_demo_agreement

        set_up_demo_agreement(settings.load().listen)
    run_embedded(settings.load())


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Start the stand-in e-conomic alone, on loopback (see `debitor sandbox --help`)."""
    os.execv(sys.executable, [sys.executable, "-m", "sandbox", *arguments])  # noqa: S606 - our own module


def run_embedded(current: Settings) -> None:
    """Migrate and serve the embedded form until told to stop. Raises ConfigurationError."""
    if not current.sqlite or not current.embedded:
        raise ConfigurationError(
            "the embedded form needs SQLite and memory://; with PostgreSQL and RabbitMQ start `debitor serve`,"
            " `debitor worker` and `debitor scheduler`"
        )
    pid = lock.holder(current)
    if pid is not None:
        raise ConfigurationError(
            f"Debitor is running here already (process {pid}, {lock.lock_path(current)}); stop it first, or set"
            " DEBITOR_DATABASE_URL to another file"
        )
    database = Database(current.database_url)
    schema.migrate(database)
    database.close()
    run_server("cli.web:embedded_app", current.listen, 1)


def run_server(target: str, listen: str, processes: int) -> None:
    """Granian, WSGI, until SIGINT or SIGTERM; a worker that dies is started again."""
    host, port = listen_address(listen)
    log.info("web.listening", address=listen, processes=processes)
    Granian(
        target,
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=THREADS,
        backlog=2048,
        backpressure=512,
        websockets=False,
        log_level=LogLevels.error,  # its own start-up lines say nothing that ours do not
        log_access=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP_S,
    ).serve()


def _grown(process: str) -> Settings:
    """Settings of the form with several processes. Raises ConfigurationError."""
    logs.set_up(process)
    current = settings.load()
    if current.embedded:
        raise ConfigurationError(
            f"`debitor {'serve' if process == 'web' else process}` needs RabbitMQ: set DEBITOR_BROKER_URL=amqp://…, or"
            " run everything in one process with `debitor up`"
        )
    return current


def _share_metrics() -> None:
    """Web workers sum their metrics through files in a directory of this run; those of killed runs are removed."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        return
    for left in Path(tempfile.gettempdir()).glob(f"{_METRICS}*"):
        pid = left.name.removeprefix(_METRICS).partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    starter = os.getpid()
    directory = tempfile.mkdtemp(prefix=f"{_METRICS}{starter}-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
    atexit.register(lambda: shutil.rmtree(directory, ignore_errors=True) if os.getpid() == starter else None)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
