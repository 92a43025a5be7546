"""
A storm of webhooks: as many debtors changed as there are, then as many events about fifty of them.

The stand-in delivers from 64 connections while another agreement gets one lone hook. PostgreSQL and RabbitMQ.
"""

from __future__ import annotations

import sys
import time
import urllib.parse
import urllib.request
from typing import NamedTuple

import psycopg

from bench import report
from bench.servers import free_port, running
from bench.stand_in import (
    AGREEMENT,
    BROKER_URL,
    SECRET,
    StandIn,
    connect_agreement,
    debitor,
    looked_at_start,
    postgres,
    stand_in,
)

HOOKS = round(100_000 * report.SCALE)
FEW = 50
CONNECTIONS = 64
OTHER = 2_000_001
LONE = 7
PATIENCE_S = 900


class Storm(NamedTuple):
    """What one storm took; `lost` = events not answered 2xx, or not handled."""

    lost: int
    calls: int
    ingest_s: float
    tail_s: float
    lone_hook_ms: float


def list_read_seconds(env: dict[str, str]) -> float:
    """A full debtor read as Debitor does it when nothing changed, its process start included."""
    started = time.perf_counter()
    debitor(["resync", str(AGREEMENT), "--debtors", "--json"], env)
    return time.perf_counter() - started


def outstanding(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM inbox WHERE agreement = %s AND handled_at IS NULL", (AGREEMENT,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def lone_hook(api: StandIn, port: int, connection: psycopg.Connection, name: str) -> float:
    """Milliseconds from one hook of the other agreement to the new name in its row."""
    api.call("PATCH", f"/agreements/{OTHER}/debtors/{LONE}", {"name": name})
    started = time.perf_counter()
    urllib.request.urlopen(
        urllib.request.Request(
            f"http://127.0.0.1:{port}/webhooks/e-conomic/{OTHER}/{SECRET}/customer",
            data=urllib.parse.urlencode({"old": LONE, "new": LONE}).encode(),
        ),
        timeout=60,
    ).close()
    while time.perf_counter() - started < PATIENCE_S:
        row = connection.execute(
            "SELECT 1 FROM debtor WHERE agreement = %s AND number = %s AND name = %s", (OTHER, LONE, name)
        ).fetchone()
        if row is not None:
            return (time.perf_counter() - started) * 1000
        time.sleep(0.005)
    raise SystemExit("the lone hook was not in its row in time")


def storm(api: StandIn, port: int, connection: psycopg.Connection, distinct: int) -> Storm:
    """Fire the events, wait until every one is handled."""
    api.calls()
    before = api.call("GET", "/deliveries?last=0")
    started = time.perf_counter()
    api.call("POST", f"/agreements/{AGREEMENT}/storm", {"count": HOOKS, "distinct": distinct, "shuffle": True})
    lone_ms = lone_hook(api, port, connection, f"Lone {distinct}")
    while True:
        counts = api.call("GET", "/deliveries?last=0&wait_ms=1000")
        if not counts["pending"]:
            break
    ingest_s = time.perf_counter() - started
    delivered = counts["delivered"] - before["delivered"]
    last = time.perf_counter()
    while (left := outstanding(connection)) and time.perf_counter() - last < PATIENCE_S:
        time.sleep(0.02)
    tail_s = time.perf_counter() - last
    return Storm(HOOKS - delivered + left, api.calls() - 1, ingest_s, tail_s, lone_ms)  # one call was the lone hook's


def main() -> None:
    command = [sys.executable, "-c", "from cli.main import main; main()"]
    with stand_in(HOOKS, 0, 1) as api, postgres("debitor_bench_storm") as url:
        port, health = free_port(), [free_port(), free_port()]
        env = {
            **api.environment(),
            "DEBITOR_DATABASE_URL": url,
            "DEBITOR_BROKER_URL": BROKER_URL,
            "DEBITOR_LISTEN": f"127.0.0.1:{port}",
        }
        connect_agreement(env)
        api.call("POST", "/agreements", {"number": OTHER})
        api.call("POST", f"/agreements/{OTHER}/bulk", {"debtors": 20, "invoices": 0, "seed": OTHER})
        debitor(
            ["agreement", "add", str(OTHER), "--grant-token", "-", "--webhook-secret", SECRET],
            env,
            given=f"sandbox-grant-{OTHER}\n",
        )
        for number in (AGREEMENT, OTHER):
            debitor(["resync", str(number), "--debtors", "--json"], env)
        api.call(
            "PUT",
            f"/agreements/{AGREEMENT}/webhooks/CUSTOMER_UPDATED",
            {
                "url": f"http://127.0.0.1:{port}/webhooks/e-conomic/{AGREEMENT}/{SECRET}/customer",
                "postData": "old=[OLDNUMBER]&new=[NEWNUMBER]",
                "contentType": "application/x-www-form-urlencoded",
            },
        )
        api.call("PUT", "/delivery", {"concurrency": CONNECTIONS, "timeout_ms": 60_000, "disable_after": 0})
        list_s = list_read_seconds(env)
        worker = {**env, "DEBITOR_METRICS_LISTEN": f"127.0.0.1:{health[0]}"}
        scheduler = {**env, "DEBITOR_METRICS_LISTEN": f"127.0.0.1:{health[1]}"}
        with (
            running([*command, "serve", "--processes", "1"], env, f"http://127.0.0.1:{port}/health/ready"),
            running([*command, "worker"], worker, f"http://127.0.0.1:{health[0]}/health/live"),
            running([*command, "scheduler"], scheduler, f"http://127.0.0.1:{health[1]}/health/live"),
            psycopg.connect(url, autocommit=True) as connection,
        ):
            looked_at_start(connection, [AGREEMENT, OTHER])
            many = storm(api, port, connection, HOOKS)
            few = storm(api, port, connection, FEW)
    report.write(
        "storm",
        how=(
            f"{HOOKS:,} events over {HOOKS:,} debtors, then {HOOKS:,} over {FEW}, delivered by the stand-in from"
            f" {CONNECTIONS} connections; one web process, one worker, one scheduler; calls as the stand-in counted"
            " them (start of the storm until all is handled); tail = from the last answer until every event is"
            f" handled; `debitor resync --debtors` of the unchanged list takes {list_s:.1f} s; the lone hook belongs to"
            " another agreement and is sent when the storm begins."
        ),
        columns=("storm", "lost", "calls", "ingest s", "tail s", "lone hook ms"),
        rows=[
            (name, f"{s.lost}", f"{s.calls}", f"{s.ingest_s:.1f}", f"{s.tail_s:.1f}", f"{s.lone_hook_ms:.0f}")
            for name, s in (("all distinct", many), (f"over {FEW}", few))
        ],
        figures={
            "lost": many.lost + few.lost,
            "calls_distinct": many.calls,
            "calls_same": few.calls,
            "ingest_seconds": max(many.ingest_s, few.ingest_s),
            "tail_seconds": max(many.tail_s, few.tail_s),
            "list_read_seconds": list_s,
            "lone_hook_ms": max(many.lone_hook_ms, few.lone_hook_ms),
        },
        ratios={"tail_vs_list_read": max(many.tail_s, few.tail_s) / list_s},
    )


if __name__ == "__main__":
    main()
