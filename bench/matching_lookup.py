"""
One look-up among many companies in a database: two queries and the verdict, on PostgreSQL and SQLite.

The tables are the bench's own, shaped like the product's: (firm, key, company) under one primary key, and the packed
normal form by company id. Keys are computed once, on all cores, and loaded in bulk; that is not part of the figures.
"""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from bench.matching_danish import Debtor
from bench.stand_in import postgres
from domain.matching.index import CompanyIndex, look_up
from domain.matching.keys import keys_of
from domain.matching.records import RawRecord, Record, normalise
from domain.matching.verdicts import judge

FIRM = 1
PER_BLOCK = 5_000


class LookUps(NamedTuple):
    """Milliseconds of each look-up, in order; `found` of `planted` twins were linked or shown; lists not read."""

    times_ms: list[float]
    found: int
    planted: int
    capped: int

    def p99_ms(self) -> float:
        return sorted(self.times_ms)[int(len(self.times_ms) * 0.99)]

    def mean_ms(self) -> float:
        return sum(self.times_ms) / len(self.times_ms)

    def recall(self) -> float:
        return self.found / self.planted


class PostgresIndex(CompanyIndex):
    """`under` is one statement that reads at most `most + 1` entries of each list."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def under(self, keys: Collection[int], most: int) -> Mapping[int, Sequence[int]]:
        rows = self._connection.execute(
            "SELECT k.key, array_agg(c.company_id) FROM unnest(%s::bigint[]) AS k (key) CROSS JOIN LATERAL"
            " (SELECT company_id FROM company_key WHERE firm_id = %s AND key = k.key LIMIT %s) AS c GROUP BY k.key",
            (list(keys), FIRM, most + 1),
            prepare=True,
        )
        return dict(rows.fetchall())

    def records(self, ids: Collection[int]) -> Mapping[int, Record]:
        rows = self._connection.execute("SELECT id, normal FROM company WHERE id = ANY(%s)", (list(ids),), prepare=True)
        return {company: Record.unpacked(normal) for company, normal in rows}


class SqliteIndex(CompanyIndex):
    """`under` asks once per key: SQLite is in the process, a statement costs microseconds."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def under(self, keys: Collection[int], most: int) -> Mapping[int, Sequence[int]]:
        found = {}
        for key in keys:
            rows = self._connection.execute(
                "SELECT company_id FROM company_key WHERE firm_id = ? AND key = ? LIMIT ?", (FIRM, key, most + 1)
            )
            if ids := [company for (company,) in rows]:
                found[key] = ids
        return found

    def records(self, ids: Collection[int]) -> Mapping[int, Record]:
        rows = self._connection.execute(
            "SELECT id, normal FROM company WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
        )
        return {company: Record.unpacked(normal) for company, normal in rows}


def measure(registers: Sequence[tuple[CompanyIndex, Sequence[Debtor]]]) -> list[LookUps]:
    """
    Look debtors up one by one, in all registers alternately, so that a noisy minute hits each.

    A debtor's normal form is there already, as it is in the product.
    """
    told = [(index, [(normalise(debtor.record), debtor.company) for debtor in debtors]) for index, debtors in registers]
    results = [LookUps([], 0, 0, 0) for _ in told]
    for turn in range(-200, min(len(debtors) for _, debtors in told)):  # 200 to warm caches and prepared statements
        for position, (index, debtors) in enumerate(told):
            record, company = debtors[turn]
            started = time.perf_counter()
            verdict = judge(record, look_up([record], index)[0])
            took = (time.perf_counter() - started) * 1000
            if turn < 0:
                continue
            so_far = results[position]
            so_far.times_ms.append(took)
            results[position] = so_far._replace(
                found=so_far.found + any(candidate.company == company for candidate in verdict.candidates),
                planted=so_far.planted + 1,
                capped=so_far.capped + verdict.capped,
            )
    return results


def _prepared(block: tuple[int, list[RawRecord]]) -> tuple[str, str]:
    """COPY text of the normal forms and of the keys of some companies."""
    first, raws = block
    forms, keys = [], []
    for company, raw in enumerate(raws, first):
        record = normalise(raw)
        forms.append(f"{company}\t{record.packed()}\n")
        keys += [f"{FIRM}\t{key.hash}\t{company}\n" for key in keys_of(record)]
    return "".join(forms), "".join(keys)


def load_postgres(connection: psycopg.Connection, companies: list[RawRecord]) -> int:
    """Fill the tables; returns the number of keys."""
    connection.execute("CREATE TABLE company (id bigint, normal text)")
    connection.execute("CREATE TABLE company_key (firm_id bigint, key bigint, company_id bigint)")
    blocks = ((first, companies[first : first + PER_BLOCK]) for first in range(0, len(companies), PER_BLOCK))
    keys: list[str] = []
    with multiprocessing.Pool() as pool, connection.cursor() as cursor:
        with cursor.copy("COPY company FROM STDIN") as copy:
            for forms, some in pool.imap(_prepared, blocks):
                copy.write(forms)
                keys.append(some)
        with cursor.copy("COPY company_key FROM STDIN") as copy:
            for some in keys:
                copy.write(some)
    connection.execute("SET maintenance_work_mem = '1GB'")
    connection.execute("ALTER TABLE company ADD PRIMARY KEY (id)")
    connection.execute("ALTER TABLE company_key ADD PRIMARY KEY (firm_id, key, company_id)")
    connection.execute("VACUUM ANALYZE company")
    connection.execute("VACUUM ANALYZE company_key")
    return sum(some.count("\n") for some in keys)


def load_sqlite(connection: sqlite3.Connection, source: psycopg.Connection) -> None:
    """Fill the tables from PostgreSQL's, which gives them in the order SQLite stores them in."""
    connection.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
        "CREATE TABLE company (id INTEGER PRIMARY KEY, normal TEXT);"
        "CREATE TABLE company_key (firm_id, key, company_id, PRIMARY KEY (firm_id, key, company_id)) WITHOUT ROWID"
    )
    for statement, into in (
        ("SELECT id, normal FROM company ORDER BY id", "INSERT INTO company VALUES (?, ?)"),
        (
            "SELECT firm_id, key, company_id FROM company_key ORDER BY firm_id, key, company_id",
            "INSERT INTO company_key VALUES (?, ?, ?)",
        ),
    ):
        connection.executemany(into, _rows(source, statement))
    connection.commit()


def _rows(source: psycopg.Connection, statement: str) -> Iterator[tuple[object, ...]]:
    with source.transaction(), source.cursor("export") as cursor:
        cursor.itersize = 50_000
        yield from cursor.execute(statement)


@contextmanager
def loaded(name: str, directory: Path, companies: list[RawRecord]) -> Iterator[tuple[PostgresIndex, SqliteIndex]]:
    """The companies in a database of each kind, dropped afterwards."""
    started = time.perf_counter()
    with postgres(name) as url, psycopg.connect(url, autocommit=True) as connection:
        keys = load_postgres(connection, companies)
        file = directory / f"{name}.db"
        with closing(sqlite3.connect(file)) as sqlite:
            load_sqlite(sqlite, connection)
        print(f"{len(companies):,} companies, {keys:,} keys loaded in {time.perf_counter() - started:.0f} s")
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as sqlite:
            yield PostgresIndex(connection), SqliteIndex(sqlite)
