"""
One look-up among many companies in a database, through the product's own index: two questions and the verdict.

Normal forms and keys are made on all cores and loaded in bulk; that is not part of the figures.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from bench.matching_danish import Debtor
from bench.stand_in import postgres
from domain.matching.index import CompanyIndex, look_up
from domain.matching.keys import keys_of
from domain.matching.records import RawRecord, normalise
from domain.matching.verdicts import judge
from infra.database import schema
from infra.database.company_index import CompanyIndexRows
from infra.database.engine import Database
from infra.database.users import ensure_firm

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
                found=so_far.found + any(candidate.company == company + 1 for candidate in verdict.candidates),
                planted=so_far.planted + 1,
                capped=so_far.capped + verdict.capped,
            )
    return results


def _prepared(block: tuple[int, list[RawRecord]]) -> tuple[str, str]:
    """COPY text of the rows of some companies, and of their keys."""
    first, raws = block
    rows, keys = [], []
    for number, raw in enumerate(raws, first):
        record = normalise(raw)
        shown = (raw.name, raw.cvr, raw.street, raw.zip, raw.city, *raw.phones[:1], *("",) * (1 - len(raw.phones[:1])))
        values = (str(number), str(FIRM), *shown, raw.mail, raw.web, record.packed(), _WHEN, _WHEN)
        rows.append("\t".join(value.translate(_ESCAPED) or "\\N" for value in values) + "\n")
        keys += [f"{FIRM}\t{key.hash}\t{number}\n" for key in keys_of(record)]
    return "".join(rows), "".join(keys)


_WHEN = "2026-01-01T00:00:00.000Z"
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_COMPANY = "id, firm_id, name, vat, street, zip, city, phone, mail, web, normal, created_at, changed_at"
_KEY = "firm_id, key, company_id"


def load_postgres(database: Database, url: str, companies: list[RawRecord]) -> int:
    """Fill the product's tables; returns the number of keys."""
    schema.migrate(database)
    ensure_firm(database)
    blocks = (
        (first, companies[first - 1 : first - 1 + PER_BLOCK]) for first in range(1, len(companies) + 1, PER_BLOCK)
    )
    keys: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        with multiprocessing.Pool() as pool, _copied_into(connection, "company", _COMPANY) as copy:
            for rows, some in pool.imap(_prepared, blocks):
                copy.write(rows)
                keys.append(some)
        with _copied_into(connection, "company_key", _KEY) as copy:
            for some in keys:
                copy.write(some)
        connection.execute("VACUUM ANALYZE company")
        connection.execute("VACUUM ANALYZE company_key")
    return sum(some.count("\n") for some in keys)


@contextmanager
def _copied_into(connection: psycopg.Connection, table: str, columns: str) -> Iterator[psycopg.Copy]:
    """Rows go in without the indexes that look-ups do not need; the primary key is made afterwards."""
    found = connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", (table,)).fetchall()
    connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT pk_{table} CASCADE")
    for (name,) in found:
        connection.execute(f"DROP INDEX IF EXISTS {name}")
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        yield copy
    connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({'id' if table == 'company' else columns})")


def load_sqlite(database: Database, url: str) -> None:
    """Fill the product's tables from PostgreSQL's, which gives them in the order SQLite stores them in."""
    schema.migrate(database)
    ensure_firm(database)
    with database.quick() as connection, psycopg.connect(url) as source:
        driver = connection.connection.driver_connection
        assert driver is not None
        indexes = driver.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            " AND tbl_name IN ('company', 'company_key')"
        ).fetchall()
        driver.execute("BEGIN")
        for (name,) in indexes:
            driver.execute(f"DROP INDEX {name}")
        for table, columns, order in (("company", _COMPANY, "id"), ("company_key", _KEY, _KEY)):
            marks = ", ".join("?" * len(columns.split(",")))
            read = f"SELECT {columns} FROM {table} ORDER BY {order}".replace("created_at", "created_at::text")
            read = read.replace("changed_at", "changed_at::text")
            driver.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", _rows(source, read))
        driver.execute("COMMIT")
        driver.execute("ANALYZE")


def _rows(source: psycopg.Connection, statement: str) -> Iterator[tuple[object, ...]]:
    with source.transaction(), source.cursor("export") as cursor:
        cursor.itersize = 50_000
        yield from cursor.execute(statement)


@contextmanager
def loaded(name: str, directory: Path, companies: list[RawRecord]) -> Iterator[tuple[CompanyIndex, CompanyIndex]]:
    """The companies in a database of each kind, dropped afterwards."""
    started = time.perf_counter()
    with ExitStack() as stack:
        url = stack.enter_context(postgres(name))
        databases = [
            Database(url.replace("postgresql:", "postgresql+psycopg:")),
            Database(f"sqlite:///{directory / name}.db"),
        ]
        for database in databases:
            stack.callback(database.close)
        keys = load_postgres(databases[0], url, companies)
        load_sqlite(databases[1], url)
        print(f"{len(companies):,} companies, {keys:,} keys loaded in {time.perf_counter() - started:.0f} s")
        first, second = (
            CompanyIndexRows(stack.enter_context(database.quick()), database.sql, FIRM) for database in databases
        )
        yield first, second
