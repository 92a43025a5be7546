"""
The long-running parts: consumers and the scheduler, as threads of whatever process hosts them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import partial

import structlog
from dramatiq import Worker

from consumers.actors import declare_actors
from consumers.mailer import run_mailer
from consumers.relay import run_deliverer, run_publisher
from consumers.scheduler import Scheduler
from infra.bootstrap import Services

log = structlog.get_logger()

THREADS = 8

IDLE_LOOK_MS = 1_000
"""
So often a consumer looks whether it is to stop. Messages and acknowledgements interrupt the wait; Dramatiq's default of
100 ms, times two consumers a queue, took a fifth of a worker's time.
"""


def start_consumers(services: Services, *, threads: int = THREADS) -> Worker:
    """Declare the actors and start consuming every queue."""
    declare_actors(services.broker, services)
    worker = Worker(
        services.broker, worker_threads=threads, worker_timeout=100 if services.settings.embedded else IDLE_LOOK_MS
    )
    worker.start()
    log.info("worker.started", threads=threads)
    return worker


def start_scheduler(services: Services, stop: threading.Event) -> list[threading.Thread]:
    """The scheduler and the relay, on threads of their own; all end soon after `stop`."""
    loops: dict[str, Callable[[threading.Event], None]] = {
        "scheduler": Scheduler(services).run,
        "publish": partial(run_publisher, services),
        "deliver": partial(run_deliverer, services),
        "mail": partial(run_mailer, services),
    }
    threads = [threading.Thread(target=loop, args=(stop,), name=name, daemon=True) for name, loop in loops.items()]
    for thread in threads:
        thread.start()
    log.info("scheduler.started")
    return threads


def until_told_to_stop() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
