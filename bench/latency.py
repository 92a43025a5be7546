"""
From a hook to its row, beyond the API's own delay: 50 agreements, one event a second each, PostgreSQL and RabbitMQ.

The stand-in answers after a fixed delay, which is taken off; the row is watched for in the database itself.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
import urllib.parse

import httpx
import psycopg

from bench import report
from bench.servers import free_port, running
from bench.stand_in import BROKER_URL, SECRET, StandIn, connect_agreement, debitor, looked_at_start, postgres, stand_in

AGREEMENTS = max(5, round(50 * report.SCALE))
SECONDS = max(5, round(30 * report.SCALE))
FIRST = 2_000_001
DEBTORS = 20


def prepare(api: StandIn, env: dict[str, str]) -> list[int]:
    """The agreements, on both sides, each with its debtors mirrored."""
    connect_agreement(env)
    numbers = list(range(FIRST, FIRST + AGREEMENTS))
    for number in numbers:
        api.call("POST", "/agreements", {"number": number})
        api.call("POST", f"/agreements/{number}/bulk", {"debtors": DEBTORS, "invoices": 0, "seed": number})
        arguments = ["agreement", "add", str(number), "--grant-token", "-", "--webhook-secret", SECRET]
        debitor(arguments, env, given=f"sandbox-grant-{number}\n")
        debitor(["resync", str(number), "--json"], env)
    return numbers


class Wire:
    """
    One connection that stays open. An HTTP client's own work would be a tenth of the machine here, which is what is
    measured.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, body: str) -> int:
        """The answer's status, its body read."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        content = body.encode()
        start = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(start.encode() + content)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = re.search(r"\r\ncontent-length: (\d+)", head)
        if length is None:
            raise SystemExit(f"an answer without a length: {head}")
        await reader.readexactly(int(length[1]))
        return int(head.split()[1])


async def measure(api: StandIn, port: int, url: str, numbers: list[int]) -> list[float]:
    """Milliseconds from sending each hook to its row, for one event a second and agreement."""
    waits: list[float] = []
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    due: dict[tuple[int, int, str], float] = {}
    sent_all = asyncio.Event()

    async def watch() -> None:
        """Looks at the awaited rows every two milliseconds; a row counts when its new name is there."""
        while not (sent_all.is_set() and not due):
            awaited = [agreement for agreement, _, _ in due], [number for _, number, _ in due]
            cursor = await connection.execute(
                "SELECT d.agreement, d.number, d.name FROM unnest(%s::bigint[], %s::bigint[]) AS a (agreement, number)"
                " JOIN debtor d ON d.agreement = a.agreement AND d.number = a.number AND d.gone_at IS NULL",
                awaited,
            )
            now = time.perf_counter()
            for row in await cursor.fetchall():
                sent = due.pop((row[0], row[1], row[2]), None)
                if sent is not None:
                    waits.append((now - sent) * 1000)
            await asyncio.sleep(0.002)

    async def events(agreement: int) -> None:
        stand_in, web = Wire(urllib.parse.urlsplit(api.url).port or 0), Wire(port)
        await asyncio.sleep(random.random())
        for turn in range(SECONDS):
            started = time.perf_counter()
            number, name = random.randint(1, DEBTORS), f"Bench {agreement} {turn}"
            changed = f"/_control/agreements/{agreement}/debtors/{number}"
            if await stand_in.send("PATCH", changed, json.dumps({"name": name})) != 200:
                raise SystemExit("the stand-in refuses a change")
            for key in [key for key in due if key[:2] == (agreement, number)]:
                del due[key]  # overtaken before it was seen: the newer one counts
            due[agreement, number, name] = time.perf_counter()
            hook = f"/webhooks/e-conomic/{agreement}/{SECRET}/customer"
            status = await web.send("POST", hook, urllib.parse.urlencode({"old": number, "new": number}))
            if status != 202:
                raise SystemExit(f"a hook was answered {status}")
            await asyncio.sleep(max(0.0, 1.0 - (time.perf_counter() - started)))

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(events(agreement) for agreement in numbers))
    sent_all.set()
    await asyncio.wait_for(watcher, timeout=60)
    await connection.close()
    return sorted(waits)


async def api_delay(api: StandIn) -> float:
    """Median milliseconds of one single read straight from the stand-in, alone."""
    headers = {"X-AppSecretToken": "sandbox-app-secret", "X-AgreementGrantToken": f"sandbox-grant-{FIRST}"}
    async with httpx.AsyncClient(headers=headers) as http:
        times = []
        for _ in range(200):
            started = time.perf_counter()
            (await http.get(f"{api.url}/customers/1")).raise_for_status()
            times.append((time.perf_counter() - started) * 1000)
    return report.middle(times)


def main() -> None:
    command = [sys.executable, "-c", "from cli.main import main; main()"]
    with stand_in(0, 0, 1) as api, postgres("debitor_bench_latency") as url:
        port = free_port()
        health = [free_port(), free_port()]
        env = {
            **api.environment(),
            "DEBITOR_DATABASE_URL": url,
            "DEBITOR_BROKER_URL": BROKER_URL,
            "DEBITOR_LISTEN": f"127.0.0.1:{port}",
        }
        numbers = prepare(api, env)
        worker = {**env, "DEBITOR_METRICS_LISTEN": f"127.0.0.1:{health[0]}"}
        scheduler = {**env, "DEBITOR_METRICS_LISTEN": f"127.0.0.1:{health[1]}"}
        with (
            running([*command, "serve", "--processes", "1"], env, f"http://127.0.0.1:{port}/health/ready"),
            running([*command, "worker"], worker, f"http://127.0.0.1:{health[0]}/health/live"),
            running([*command, "scheduler"], scheduler, f"http://127.0.0.1:{health[1]}/health/live"),
        ):
            with psycopg.connect(url, autocommit=True) as connection:
                looked_at_start(connection, numbers)
            delay = asyncio.run(api_delay(api))
            waits = asyncio.run(measure(api, port, url, numbers))
    beyond = [max(0.0, wait - delay) for wait in waits]
    p50, p99 = beyond[len(beyond) // 2], beyond[int(len(beyond) * 0.99)]
    report.write(
        "latency",
        how=(
            f"{AGREEMENTS} agreements, one change and its hook a second each for {SECONDS} s; from sending the hook to"
            f" the new name in the debtor's row, looked for every 2 ms; {len(waits):,} events; the stand-in's own"
            f" {delay:.1f} ms for one read taken off; one web process, one worker, one scheduler."
        ),
        columns=("what", "ms"),
        rows=[("p50", f"{p50:.1f}"), ("p99", f"{p99:.1f}"), ("largest", f"{beyond[-1]:.1f}")],
        figures={"p50_ms": p50, "p99_ms": p99},
        ratios={},
    )


if __name__ == "__main__":
    main()
