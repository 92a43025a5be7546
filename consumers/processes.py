"""
The long-running parts: consumers and the scheduler, as threads of whatever process hosts them.
"""

from __future__ import annotations

import signal
import threading

import structlog
from dramatiq import Worker

from consumers.actors import declare_actors
from consumers.scheduler import Scheduler
from infra.bootstrap import Services

log = structlog.get_logger()

THREADS = 8


def start_consumers(services: Services, *, threads: int = THREADS) -> Worker:
    """Declare the actors and start consuming every queue."""
    declare_actors(services.broker, services)
    worker = Worker(services.broker, worker_threads=threads, worker_timeout=100)
    worker.start()
    log.info("worker.started", threads=threads)
    return worker


def start_scheduler(services: Services, stop: threading.Event) -> threading.Thread:
    """The scheduler on a thread of its own."""
    thread = threading.Thread(target=Scheduler(services).run, args=(stop,), name="scheduler", daemon=True)
    thread.start()
    log.info("scheduler.started")
    return thread


def until_told_to_stop() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
