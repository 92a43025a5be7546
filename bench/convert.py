"""
Won deals: how many become debtors in a second, what each costs in calls, and how the published limits are used.

Each deal is another company with a CVR number, asked for by one signed event. PostgreSQL and RabbitMQ; the stand-in
e-conomic answers at once, first without limits, then with a bucket of 2,000 calls that refills by 30 a second.

    python -m bench.convert [free] [lone] [limited]     these rounds only, in this order

The limited round takes as long at any scale as the bucket needs: about 100 s.
"""

from __future__ import annotations

import itertools
import json
import signal
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
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
LONE = 50
PATIENCE_S = 170
ROUNDS = ("free", "lone", "limited")
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


def wait_for(connection: psycopg.Connection, query: str, wanted: int, every_s: float = 0.02) -> int:
    """How many there are in the end: fewer than wanted when time was up."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = int((connection.execute(query).fetchone() or (0,))[0])
        if found >= wanted or time.monotonic() > deadline:
            return found
        time.sleep(every_s)


COMPANIES = "SELECT count(*) FROM company"
CREATED = "SELECT count(*) FROM conversion WHERE state = 'created'"


class Round:
    """Companies told of first, then all their deals at once; how long, how many calls, how many were in time."""

    def __init__(self, api: StandIn, port: int, connection: psycopg.Connection, count: int) -> None:
        before = int((connection.execute(COMPANIES).fetchone() or (0,))[0])
        created = int((connection.execute(CREATED).fetchone() or (0,))[0])
        numbers = list(range(before, before + count))
        numbered = {n: next(CVRS) for n in numbers}
        each(lambda n: send(port, f"company {n}", "company.upserted", company(n, "Bench", numbered[n])), numbers)
        wait_for(connection, COMPANIES, before + count)
        api.calls()
        began = time.perf_counter()
        each(lambda n: send(port, f"deal {n}", "prospect.converted", {"company": {"id": f"crm-{n}"}}), numbers)
        self.count = count
        self.made = wait_for(connection, CREATED, created + count) - created
        self.seconds = time.perf_counter() - began
        answered = api.call("GET", "/calls?limit=100000")["calls"]
        self.refused = sum(call["status"] == 429 for call in answered)
        self.calls = api.calls()
        self.per_second = self.made / self.seconds


def company(n: int, word: str, number: int) -> dict[str, str]:
    return {"id": f"crm-{n}", "name": f"{word} {n} ApS", "vat": f"{number}", "zip": "8700", "country": "DK"}


def one_by_one(port: int, connection: psycopg.Connection, count: int) -> list[float]:
    """Milliseconds from a lone deal's event to the end of its conversion."""
    took = []
    before = int((connection.execute(COMPANIES).fetchone() or (0,))[0])
    created = int((connection.execute(CREATED).fetchone() or (0,))[0])
    for n in range(before, before + count):
        send(port, f"company {n}", "company.upserted", company(n, "Alone", next(CVRS)))
        wait_for(connection, COMPANIES, n + 1)
        began = time.perf_counter()
        send(port, f"deal {n}", "prospect.converted", {"company": {"id": f"crm-{n}"}})
        created += 1
        if wait_for(connection, CREATED, created, every_s=0.002) < created:
            raise SystemExit(f"a lone deal was not done in {PATIENCE_S} s")
        took.append((time.perf_counter() - began) * 1000)
    return took


def stop(*_: object) -> None:
    raise SystemExit("stopped")  # the servers end with it


def main() -> None:
    wanted = sys.argv[1:] or list(ROUNDS)
    if not set(wanted) <= set(ROUNDS):
        raise SystemExit(f"rounds are {', '.join(ROUNDS)}")
    signal.signal(signal.SIGTERM, stop)
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
            results = Results(wanted)
            for name in wanted:
                if name == "lone":
                    results.lone = sorted(one_by_one(port, connection, LONE))
                    continue
                if name == "limited":
                    limits = {"bucket": BUCKET, "refill_per_s": REFILL_PER_S, "daily": 50_000}
                    api.call("PUT", f"/agreements/{AGREEMENT}/limits", limits)
                found = Round(api, port, connection, DEALS if name == "free" else LIMITED)
                results.rounds[name] = found
                print(f"{name}: {found.made:,} of {found.count:,} in {found.seconds:.1f} s", file=sys.stderr)
        results.debtors = api.call("GET", f"/agreements/{AGREEMENT}")["debtors"]
    results.report()


class Results:
    """What the rounds brought, printed and written."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self.wanted = wanted
        self.rounds: dict[str, Round] = {}
        self.lone: list[float] = []
        self.debtors = 0

    def report(self) -> None:
        figures: dict[str, float] = {}
        ratios: dict[str, float] = {}
        if free := self.rounds.get("free"):
            figures |= {"per_second": free.per_second, "calls_per_conversion": free.calls / max(free.made, 1)}
        if self.lone:
            figures |= {
                "p50_ms": statistics.median(self.lone),
                "p99_ms": self.lone[max(int(len(self.lone) * 0.99) - 1, 0)],
            }
        figures["requested"] = sum(each_.count for each_ in self.rounds.values()) + len(self.lone)
        figures["debtors"] = self.debtors
        if limited := self.rounds.get("limited"):
            figures["refused_429"] = limited.refused
            figures["limited_per_second"] = limited.per_second
            ratios["limited_vs_bucket"] = (limited.calls - limited.refused) / (BUCKET + REFILL_PER_S * limited.seconds)
        report.write(
            "convert",
            how=(
                f"{DEALS:,} deals at once without limits, {LONE} one by one, then {LIMITED:,} at once with the"
                f" published limits (bucket {BUCKET:,.0f}, {REFILL_PER_S:g}/s); here: {', '.join(self.wanted)}. One web"
                " process, worker and scheduler; calls as the stand-in counted them; the bucket allows what it holds"
                " and what flows in."
            ),
            columns=("round", "deals", "debtors", "seconds", "per second", "calls each", "refused (429)"),
            rows=[
                (
                    name,
                    f"{each_.count:,}",
                    f"{each_.made:,}",
                    f"{each_.seconds:.1f}",
                    f"{each_.per_second:.1f}",
                    f"{each_.calls / max(each_.made, 1):.2f}",
                    f"{each_.refused:,}",
                )
                for name, each_ in self.rounds.items()
            ],
            figures=figures,
            ratios=ratios,
        )


if __name__ == "__main__":
    main()
