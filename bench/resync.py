"""
A full resync, empty and unchanged, beside COPY-and-merge of the very same rows from memory into the same tables.

100,000 debtors, 100,000 invoices, 500,000 lines at scale 1.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from bench import report
from bench.servers import ROOT
from bench.stand_in import AGREEMENT, StandIn, connect_agreement, postgres, stand_in

DEBTORS = round(100_000 * report.SCALE)
INVOICES = round(100_000 * report.SCALE)
LINES_EACH = 5
PAGE = 1_000

KEYS = {
    "debtor": ("agreement, number) WHERE (gone_at IS NULL", "agreement"),
    "invoice": ("agreement, number", "agreement"),
    "invoice_line": ("agreement, invoice, number", "agreement"),
}

_CHILD = (
    "import sys; from cli.main import main\n"
    "try:\n    main(standalone_mode=False)\n"
    "finally:\n"
    # Not getrusage: its peak is inherited from the process that started this one.
    "    status = open('/proc/self/status').read()\n"
    "    print('PEAK', status.partition('VmHWM:')[2].split()[0], file=sys.stderr)\n"
)


class Resynced(NamedTuple):
    """One run of ours."""

    seconds: float
    calls: int
    peak_mb: float
    counts: dict[str, Any]


def resync(env: dict[str, str], api: StandIn) -> Resynced:
    """`debitor resync --json` as a process of its own."""
    api.calls()
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, "resync", str(AGREEMENT), "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"resync failed: {done.stderr[-2000:]}")
    peak_kb = int(done.stderr.rpartition("PEAK")[2].split()[0])
    return Resynced(seconds, api.calls(), peak_kb / 1024, json.loads(done.stdout)["counts"])


def rows_of(url: str) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """Every mirrored row in memory, as Python values."""
    found = {}
    with psycopg.connect(url) as connection:
        for table in KEYS:
            cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
            assert cursor.description is not None
            found[table] = ([column.name for column in cursor.description], cursor.fetchall())
    return found


def merge(url: str, rows: dict[str, tuple[list[str], list[tuple[Any, ...]]]]) -> float:
    """COPY into temporary tables and INSERT … ON CONFLICT DO UPDATE into the indexed ones; returns seconds."""
    started = time.perf_counter()
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, (columns, values) in rows.items():
            cursor.execute(f"CREATE TEMP TABLE incoming_{table} (LIKE {table}) ON COMMIT DROP")  # type: ignore[arg-type]
            names = ", ".join(columns)
            with cursor.copy(f"COPY incoming_{table} ({names}) FROM STDIN") as copy:  # type: ignore[arg-type]
                for row in values:
                    copy.write_row(row)
            key, _ = KEYS[table]
            sets = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in ("id", "agreement"))
            cursor.execute(
                f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM incoming_{table}"  # type: ignore[arg-type]
                f" ON CONFLICT ({key}) DO UPDATE SET {sets}"
            )
    return time.perf_counter() - started


def main() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with (
        stand_in(DEBTORS, INVOICES, LINES_EACH) as api,
        postgres("debitor_bench_resync") as url,
        postgres("debitor_bench_merge") as peer_url,
    ):
        env = {**api.environment(), "DEBITOR_DATABASE_URL": url, "DEBITOR_BROKER_URL": "memory://"}
        peer_env = {**env, "DEBITOR_DATABASE_URL": peer_url}
        for each in (env, peer_env):
            connect_agreement(each)
        empty = resync(env, api)
        rows = rows_of(url)
        total = sum(len(values) for _, values in rows.values())
        merge_empty = merge(peer_url, rows)
        unchanged = resync(env, api)
        merge_unchanged = merge(peer_url, rows)
        lines = len(rows["invoice_line"][1])
    minimum = sum(-(-count // PAGE) for count in (DEBTORS, INVOICES, lines))
    rates = {
        "resync, empty": total / empty.seconds,
        "resync, unchanged": total / unchanged.seconds,
        "COPY and merge, empty": total / merge_empty,
        "COPY and merge, unchanged": total / merge_unchanged,
    }
    report.write(
        "resync",
        how=(
            f"{DEBTORS:,} debtors, {INVOICES:,} invoices, {lines:,} lines; one process, PostgreSQL; the peer merges the"
            " same rows from memory into the same indexed tables, right after; calls as the stand-in counted them"
            f" (empty {empty.calls}, unchanged {unchanged.calls}, minimum {minimum}); process start included."
        ),
        columns=("what", "rows/s", "seconds"),
        rows=[(name, f"{rate:,.0f}", f"{total / rate:.1f}") for name, rate in rates.items()],
        figures={
            "rows_per_second": rates["resync, empty"],
            "rows_per_second_unchanged": rates["resync, unchanged"],
            "peak_mb": max(empty.peak_mb, unchanged.peak_mb),
        },
        ratios={
            "calls_vs_minimum": max(empty.calls, unchanged.calls) / minimum,
            "rows_vs_copy": rates["resync, empty"] / rates["COPY and merge, empty"],
            "rows_vs_copy_unchanged": rates["resync, unchanged"] / rates["COPY and merge, unchanged"],
        },
    )


if __name__ == "__main__":
    main()
