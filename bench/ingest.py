"""
Taking in hooks: durable 202s a second, beside a bare Flask route and beside what people usually write.

Real secret check, parsing and publishing are on, no worker runs. Needs `wrk` (Debian: apt-get install wrk),
PostgreSQL and RabbitMQ on loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import psycopg

from bench import report
from bench.servers import ROOT, free_port, granian, running
from infra.broker.topology import QUEUES

AGREEMENT, SECRET = 1442871, "bench-secret-1"
PATH = f"/webhooks/e-conomic/{AGREEMENT}/{SECRET}/customer"
CONNECTIONS = 32
ROUNDS = 3
SECONDS = max(2, round(8 * report.SCALE))

DATABASE_URL = os.environ.get("DEBITOR_TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
BROKER_URL = os.environ.get("DEBITOR_TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672/")
BENCH_DATABASE = "debitor_bench_ingest"


class Load(NamedTuple):
    """One run of wrk."""

    per_second: float
    p99_ms: float
    answered: int


def load(port: int, seconds: int) -> Load:
    """Hooks over 32 kept connections. Raises SystemExit when one was not answered 2xx."""
    done = subprocess.run(
        [
            "wrk",
            "-t2",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "-s",
            str(ROOT / "bench/hooks.lua"),
            f"http://127.0.0.1:{port}{PATH}",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    result = json.loads(done.stdout.partition("RESULT ")[2])
    if result["not_2xx"] or result["socket_errors"]:
        raise SystemExit(f"not every hook was answered 2xx: {result}")
    return Load(result["requests"] / result["seconds"], result["p99_ms"], result["requests"])


class Form(NamedTuple):
    """One contestant."""

    name: str
    serve: Callable[[int], AbstractContextManager[int]]
    stored: Callable[[], int] | None = None


def forms(directory: Path) -> list[Form]:
    """The contestants, ours prepared: schema and agreement."""
    url = psycopg.conninfo.make_conninfo(DATABASE_URL, dbname=BENCH_DATABASE)
    parts = psycopg.conninfo.conninfo_to_dict(url)
    postgres = (
        f"postgresql://{parts.get('user', 'postgres')}@{parts['host']}:{parts.get('port', 5432)}/{BENCH_DATABASE}"
    )
    common = {"DEBITOR_SECRET_KEY": "bench-key-0123456789", "BENCH_SECRET": SECRET}
    grown = {**common, "DEBITOR_DATABASE_URL": postgres, "DEBITOR_BROKER_URL": BROKER_URL}
    embedded = {
        **common,
        "DEBITOR_DATABASE_URL": f"sqlite:///{directory}/debitor.db",
        "DEBITOR_BROKER_URL": "memory://",
    }
    for env in (grown, embedded):
        _prepare(env)

    def flask(workers: int) -> Callable[[int], AbstractContextManager[int]]:
        return lambda port: running(
            granian("bench.bare_flask:make", port, workers=workers, threads=8), {}, f"http://127.0.0.1:{port}{PATH}"
        )

    def ours(target: str, env: dict[str, str], workers: int) -> Callable[[int], AbstractContextManager[int]]:
        return lambda port: running(
            granian(target, port, workers=workers, threads=8), env, f"http://127.0.0.1:{port}/health/ready"
        )

    def usual(port: int) -> AbstractContextManager[int]:
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "-k",
            "gthread",
            "-w",
            "2",
            "--threads",
            "8",
            "--log-level",
            "error",
        ]
        return running(
            [*command, "-b", f"127.0.0.1:{port}", "bench.usual_way:app"], grown, f"http://127.0.0.1:{port}{PATH}"
        )

    return [
        Form("bare Flask, 2 processes × 8 threads", flask(2)),
        Form("Debitor, PostgreSQL, 2 × 8", ours("bench.ingest_app:grown", grown, 2), lambda: _count(postgres)),
        Form("usual way: gunicorn 2 × 8, confirmed send", usual),
        Form("bare Flask, 1 process × 8 threads", flask(1)),
        Form(
            "Debitor, SQLite, 1 × 8", ours("bench.ingest_app:embedded", embedded, 1), lambda: _count_sqlite(directory)
        ),
    ]


def _prepare(env: dict[str, str]) -> None:
    if "postgresql" in env["DEBITOR_DATABASE_URL"]:
        with psycopg.connect(DATABASE_URL, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {BENCH_DATABASE} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {BENCH_DATABASE}")
    code = f"from bench.ingest_app import prepare;prepare({AGREEMENT}, {SECRET!r})"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT), **env}, check=True)


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM inbox").fetchone()
    assert row is not None
    return int(row[0])


def _count_sqlite(directory: Path) -> int:
    import sqlite3

    with sqlite3.connect(directory / "debitor.db") as connection:
        return int(connection.execute("SELECT count(*) FROM inbox").fetchone()[0])


def _purge() -> None:
    """Wake-ups nobody consumes, and the usual way's messages."""
    import pika

    with pika.BlockingConnection(pika.URLParameters(BROKER_URL)) as connection:
        for queue in (*QUEUES, "bench_usual_way"):
            channel = connection.channel()
            try:
                channel.queue_purge(queue)
            except pika.exceptions.ChannelClosedByBroker:
                continue


def main() -> None:
    if not shutil.which("wrk"):
        raise SystemExit("bench-ingest needs wrk to load the servers (Debian: apt-get install wrk)")
    with tempfile.TemporaryDirectory() as directory:
        contestants = forms(Path(directory))
        rounds: dict[str, list[Load]] = {form.name: [] for form in contestants}
        for _ in range(ROUNDS):
            for form in contestants:  # alternating, so that a noisy minute hits everybody
                port = free_port()
                before = form.stored() if form.stored else 0
                with form.serve(port):
                    load(port, 1)
                    result = load(port, SECONDS)
                if form.stored and form.stored() - before < result.answered:
                    raise SystemExit(f"{form.name}: answered {result.answered}, stored {form.stored() - before}")
                rounds[form.name].append(result)
                _purge()
    with psycopg.connect(DATABASE_URL, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {BENCH_DATABASE} WITH (FORCE)")
    rate = {name: report.middle([one.per_second for one in loads]) for name, loads in rounds.items()}
    p99 = {name: report.middle([one.p99_ms for one in loads]) for name, loads in rounds.items()}
    bare, grown, usual, bare_one, embedded = (form.name for form in contestants)
    peer = {grown: bare, embedded: bare_one, usual: bare}
    report.write(
        "ingest",
        how=(
            f"wrk, {CONNECTIONS} kept connections, {SECONDS} s a round, median of {ROUNDS} alternating rounds; every"
            " answer 2xx; rows in the inbox counted and at least as many as the answers."
        ),
        columns=("what", "hooks/s", "p99 ms", "beside its peer"),
        rows=[
            (
                name,
                f"{rate[name]:,.0f}",
                f"{p99[name]:.1f}",
                f"{rate[name] / rate[peer[name]]:.2f} of {peer[name]}" if name in peer else "peer",
            )
            for name in rounds
        ],
        figures={
            "per_second": rate[grown],
            "p99_ms": p99[grown],
            "embedded_per_second": rate[embedded],
            "embedded_p99_ms": p99[embedded],
        },
        ratios={
            "vs_bare_flask": rate[grown] / rate[bare],
            "embedded_vs_bare_flask": rate[embedded] / rate[bare_one],
            "vs_usual_way": rate[grown] / rate[usual],
        },
    )


if __name__ == "__main__":
    main()
