"""
`/health/*` and `/metrics`, as a small WSGI function every process can serve.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import sqlalchemy as sa
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from infra.bootstrap import Services
from infra.database.engine import Database, DatabaseAway

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

T = TypeVar("T")

ANSWER_S = 1.0
"""A database that takes longer counts as away: whoever asks for health must be answered."""


class InTime(Generic[T]):
    """A look at the database on a thread of its own: a frozen server never answers and never refuses."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._answer: Future[T] | None = None

    def __call__(self) -> T:
        """What the look says; callers at the same time share it. Raises DatabaseAway."""
        with self._lock:
            answer = self._answer
            if answer is None or answer.done():
                answer = self._answer = Future()
                threading.Thread(target=self._run, args=(answer,), name="health-look", daemon=True).start()
        try:
            return answer.result(timeout=ANSWER_S)
        except FutureTimeout:
            raise DatabaseAway(f"the database took longer than {ANSWER_S:g} s") from None

    def _run(self, answer: Future[T]) -> None:
        try:
            answer.set_result(self._look())
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            answer.set_exception(error)


class DatabaseGauges(Collector):
    """What waits, as the database says it: the same numbers from every process."""

    def __init__(self, look: Callable[[], dict[str, Any]]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        outstanding = GaugeMetricFamily("debitor_inbox_outstanding", "Unhandled events", labels=["kind"])
        oldest = GaugeMetricFamily("debitor_inbox_oldest_seconds", "Age of the oldest unhandled event")
        waiting = GaugeMetricFamily("debitor_work_waiting", "Kinds of work that wait, by reason", labels=["reason"])
        failures = GaugeMetricFamily("debitor_failures_open", "Things a person must look at")
        unpublished = GaugeMetricFamily("debitor_outbox_unpublished", "Events that wait for the exchange")
        deliveries = GaugeMetricFamily("debitor_deliveries_pending", "Deliveries to endpoints that wait")
        paused = GaugeMetricFamily("debitor_endpoints_paused", "Endpoints that keep failing")
        calls = GaugeMetricFamily("debitor_economic_calls_day", "Calls of the last 24 hours", labels=["agreement"])
        up = GaugeMetricFamily("debitor_database_up", "1 while the database answers")
        try:
            numbers = self._look()
        except DatabaseAway:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        for kind, count in numbers["outstanding"].items():
            outstanding.add_metric([kind], count)
        oldest.add_metric([], numbers["oldest_s"])
        for reason, count in numbers["waiting"].items():
            waiting.add_metric([reason], count)
        failures.add_metric([], numbers["failures"])
        unpublished.add_metric([], numbers["unpublished"])
        deliveries.add_metric([], numbers["deliveries"])
        paused.add_metric([], numbers["endpoints_paused"])
        for agreement, count in numbers["calls"].items():
            calls.add_metric([str(agreement)], count)
        yield from (up, outstanding, oldest, waiting, failures, unpublished, deliveries, paused, calls)


def backlog(database: Database) -> dict[str, Any]:
    """What waits now. Raises DatabaseAway."""
    with database.read() as connection:
        outstanding = connection.execute(
            sa.text("SELECT kind, count(*) FROM inbox WHERE handled_at IS NULL GROUP BY kind")
        ).all()
        oldest = connection.execute(
            sa.text(f"SELECT {database.sql.seconds_since('min(received_at)')} FROM inbox WHERE handled_at IS NULL")
        ).scalar()
        waiting = connection.execute(
            sa.text("SELECT reason, count(*) FROM work WHERE reason IS NOT NULL GROUP BY reason")
        ).all()
        counts = connection.execute(
            sa.text(
                "SELECT (SELECT count(*) FROM failure WHERE state = 'open'),"
                " (SELECT count(*) FROM outbox WHERE published_at IS NULL),"
                " (SELECT count(*) FROM delivery WHERE state = 'pending'),"
                " (SELECT count(*) FROM endpoint WHERE paused_at IS NOT NULL AND disabled_at IS NULL)"
            )
        ).one()
    return {
        "outstanding": dict(outstanding),
        "oldest_s": round(max(0.0, float(oldest or 0)), 3),
        "waiting": dict(waiting),
        **dict(zip(("failures", "unpublished", "deliveries", "endpoints_paused"), counts, strict=True)),
    }


def gauges(database: Database) -> dict[str, Any]:
    """What waits now, and each agreement's calls of the last 24 hours. Raises DatabaseAway."""
    with database.read() as connection:
        calls = connection.execute(
            sa.text(
                f"SELECT agreement, sum(spent) FROM calls WHERE hour > {database.sql.after('day')} GROUP BY agreement"
            ),
            {"day": -86_400},
        ).all()
    return {**backlog(database), "calls": dict(calls)}


class HealthPath:
    """Answers `/health/live`, `/health/ready` and `/metrics`, hands the rest to `app`."""

    def __init__(self, app: WSGIApplication, services: Services, takes_events: Callable[[], bool]) -> None:
        self._app = app
        self._takes_events = takes_events
        self._backlog = InTime(lambda: backlog(services.database))
        self._gauges = DatabaseGauges(InTime(lambda: gauges(services.database)))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/health/live":
                return _respond(start_response, "200 OK", "application/json", b'{"live":true}')
            case "/health/ready":
                return self._ready(start_response)
            case "/metrics":
                return _respond(start_response, "200 OK", CONTENT_TYPE_LATEST, generate_latest(self._registry()))
        return self._app(environ, start_response)

    def _ready(self, start_response: StartResponse) -> list[bytes]:
        """200 while at least one durable store takes events; everything else is in the body only."""
        ready = self._takes_events()
        body: dict[str, Any] = {"ready": ready, "database": "up"}
        try:
            body["backlog"] = self._backlog()
        except DatabaseAway as error:
            body["database"] = str(error)
        status = "200 OK" if ready else "503 Service Unavailable"
        return _respond(start_response, status, "application/json", json.dumps(body).encode())

    def _registry(self) -> CollectorRegistry:
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            if self._gauges not in REGISTRY._collector_to_names:
                REGISTRY.register(self._gauges)
            return REGISTRY
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(self._gauges)
        return registry


def _respond(start_response: StartResponse, status: str, content_type: str, body: bytes) -> list[bytes]:
    start_response(
        status,
        [("Content-Type", content_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")],
    )
    return [body]


def not_found(_environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """The end of a chain of WSGI functions."""
    return _respond(start_response, "404 Not Found", "text/plain", b"not found\n")


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def serve_health(services: Services, address: tuple[str, int]) -> WSGIServer:
    """Serve health and metrics of a worker or scheduler on a thread; `shutdown()` stops it."""

    ping = InTime(services.database.ping)

    def takes_events() -> bool:
        try:
            ping()
        except DatabaseAway:
            return False
        return True

    server = make_server(*address, HealthPath(not_found, services, takes_events), handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    log.info("health.listening", address=f"{address[0]}:{server.server_port}")
    return server
