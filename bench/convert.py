"""
Won deals: how many become debtors in a second, what each costs in calls, and how the published limits are used.

Each deal is another company with a CVR number, asked for by one signed event. PostgreSQL and RabbitMQ; the stand-in
e-conomic answers at once, first without limits, then with a bucket of 2,000 calls that refills by 30 a second.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from stdnum.dk import cvr  # type: ignore[import-untyped]

from bench import report
from bench.servers import free_port, running
from bench.stand_in import (
    AGREEMENT,
    BROKER_URL,
    StandIn,
    connect_agreement,
    debitor,
    looked_at_start,
    postgres,
    stand_in,
)
from infra.crm.signatures import key_of, sign

DEALS = round(1_000 * report.SCALE)
LIMITED = round(2_500 * report.SCALE)
BUCKET, REFILL_PER_S = 2_000 * report.SCALE, 30.0 * report.SCALE
CRM_SECRET = "whsec_" + "YmVuY2gtc2VjcmV0LW9mLWRlYnRvcnMtMTIzNDU2Nzg="
SENDERS = 8
PATIENCE_S = 300
CVRS = filter(lambda n: cvr.is_valid(str(n)), itertools.count(20_000_000))


def send(port: int, name: str, kind: str, data: object) -> None:
    """A signed event of the CRM, under this `webhook-id`; raises urllib.error.HTTPError unless it is taken."""
    body = json.dumps({"type": kind, "timestamp": "2026-05-04T12:00:00Z", "data": data}).encode()
    now = int(time.time())
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": sign([key_of(CRM_SECRET)], name, now, body),
    }
    url = f"http://127.0.0.1:{port}/webhooks/crm/{AGREEMENT}"
    urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=60).close()


def each(work: Callable[[int], None], values: list[int]) -> None:
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(work, values))


def wait_for(connection: psycopg.Connection, query: str, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        row = connection.execute(query).fetchone()
        if row is not None and row[0] >= wanted:
            return
        time.sleep(0.02)
    raise SystemExit(f"not in time: {query}")


CREATED = "SELECT count(*) FROM conversion WHERE state = 'created'"


class Round:
    """Companies told of first, then all their deals at once; how long, how many calls, how long each took."""

    def __init__(self, api: StandIn, port: int, connection: psycopg.Connection, start: int, count: int) -> None:
        numbers = list(range(start, start + count))
        numbered = {n: next(CVRS) for n in numbers}

        def told(n: int) -> None:
            company = {
                "id": f"crm-{n}",
                "name": f"Bench {n} ApS",
                "vat": f"{numbered[n]}",
                "zip": "8700",
                "country": "DK",
            }
            send(port, f"company {n}", "company.upserted", company)

        each(told, numbers)
        wait_for(connection, "SELECT count(*) FROM company", start + count)
        api.calls()
        began = time.perf_counter()
        each(lambda n: send(port, f"deal {n}", "prospect.converted", {"company": {"id": f"crm-{n}"}}), numbers)
        wait_for(connection, CREATED, start + count)
        self.seconds = time.perf_counter() - began
        self.by_status = api.call("GET", "/calls?limit=100000")["calls"]
        self.calls = api.calls()
        self.per_second = count / self.seconds


def one_by_one(api: StandIn, port: int, connection: psycopg.Connection, start: int, count: int) -> list[float]:
    """Milliseconds from a lone deal's event to the end of its conversion."""
    took = []
    for n in range(start, start + count):
        company = {"id": f"crm-{n}", "name": f"Alone {n} ApS", "vat": f"{next(CVRS)}", "zip": "8700", "country": "DK"}
        send(port, f"company {n}", "company.upserted", company)
        wait_for(connection, "SELECT count(*) FROM company", n + 1)
        began = time.perf_counter()
        send(port, f"deal {n}", "prospect.converted", {"company": {"id": f"crm-{n}"}})
        while (connection.execute(CREATED).fetchone() or (0,))[0] < n + 1:
            time.sleep(0.002)
        took.append((time.perf_counter() - began) * 1000)
    return took


def main() -> None:
    command = [sys.executable, "-c", "from cli.main import main; main()"]
    with stand_in(0, 0, 1) as api, postgres("debitor_bench_convert") as url:
        port, health = free_port(), [free_port(), free_port()]
        env = {
            **api.environment(),
            "DEBITOR_DATABASE_URL": url,
            "DEBITOR_BROKER_URL": BROKER_URL,
            "DEBITOR_LISTEN": f"127.0.0.1:{port}",
        }
        connect_agreement(env)
        debitor(["crm", "secret", "add", str(AGREEMENT), "--stdin"], env, given=f"{CRM_SECRET}\n")
        defaults = ["all.customer_group=1", "all.payment_terms=1", "domestic.vat_zone=1"]
        debitor(["agreement", "new-debtors", str(AGREEMENT), *defaults, "--home", "DK"], env)
        worker = {**env, "DEBITOR_METRICS_LISTEN": f"127.0.0.1:{health[0]}"}
        scheduler = {**env, "DEBITOR_METRICS_LISTEN": f"127.0.0.1:{health[1]}"}
        with (
            running([*command, "serve", "--processes", "1"], env, f"http://127.0.0.1:{port}/health/ready"),
            running([*command, "worker"], worker, f"http://127.0.0.1:{health[0]}/health/live"),
            running([*command, "scheduler"], scheduler, f"http://127.0.0.1:{health[1]}/health/live"),
            psycopg.connect(url, autocommit=True) as connection,
        ):
            looked_at_start(connection, [AGREEMENT])
            free = Round(api, port, connection, 0, DEALS)
            lone = one_by_one(api, port, connection, DEALS, 50)
            limits = {"bucket": BUCKET, "refill_per_s": REFILL_PER_S, "daily": 50_000}
            api.call("PUT", f"/agreements/{AGREEMENT}/limits", limits)
            limited = Round(api, port, connection, DEALS + 50, LIMITED)
        refused = sum(call["status"] == 429 for call in limited.by_status)
        allowed = BUCKET + REFILL_PER_S * limited.seconds
        debtors = api.call("GET", f"/agreements/{AGREEMENT}")["debtors"]
    requested = DEALS + 50 + LIMITED
    report.write(
        "convert",
        how=(
            f"{DEALS:,} deals at once without limits, 50 one by one, then {LIMITED:,} at once with the published limits"
            f" (bucket {BUCKET:,.0f}, {REFILL_PER_S:g}/s): {refused} calls were refused. One web process, worker and"
            " scheduler; calls as the stand-in counted them; the bucket allows what it holds and what flows in."
        ),
        columns=("round", "deals", "seconds", "per second", "calls each"),
        rows=[
            (name, f"{count:,}", f"{each_.seconds:.1f}", f"{each_.per_second:.1f}", f"{each_.calls / count:.2f}")
            for name, count, each_ in (("no limits", DEALS, free), ("published limits", LIMITED, limited))
        ],
        figures={
            "per_second": free.per_second,
            "calls_per_conversion": free.calls / DEALS,
            "p50_ms": statistics.median(lone),
            "p99_ms": sorted(lone)[int(len(lone) * 0.99) - 1],
            "requested": requested,
            "debtors": debtors,
            "refused_429": refused,
        },
        ratios={"limited_vs_bucket": (limited.calls - refused) / allowed},
    )


if __name__ == "__main__":
    main()
