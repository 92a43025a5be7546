"""
Writing many rows at once, past SQLAlchemy's per-row cost (measured in docs/decisions/0004).

Rows are tuples in the order of `columns`, in Python types; SQLite's adapters are registered in `dialect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql as pgsql
from sqlalchemy.engine import Connection

from infra.database.dialect import Sql

_AT_ONCE = 1_000
"""Rows of one block of text: a page."""


def insert_rows(
    connection: Connection, sql: Sql, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Insert rows known to be new. Raises sqlalchemy/driver errors unchanged."""
    driver = connection.connection.driver_connection
    if sql.postgresql:
        assert isinstance(driver, psycopg.Connection)
        statement = pgsql.SQL("COPY {} ({}) FROM STDIN (NULL 'None')").format(
            pgsql.Identifier(table), pgsql.SQL(", ").join(map(pgsql.Identifier, columns))
        )
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for block in _copy_text(rows, len(columns)):
                copy.write(block)
        return
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    assert driver is not None
    driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def new_ids(connection: Connection, sql: Sql, table: str, count: int) -> list[int]:
    """So many ids for rows to be inserted, ascending; SQLite has one writer at a time, so the next ones are ours."""
    if sql.postgresql:
        rows = connection.execute(
            sa.text(f"SELECT nextval(pg_get_serial_sequence('{table}', 'id')) FROM generate_series(1, :count)"),
            {"count": count},
        )
        return sorted(int(row_id) for (row_id,) in rows)
    last = connection.execute(sa.text(f"SELECT COALESCE(max(id), 0) FROM {table}")).scalar_one()
    return list(range(last + 1, last + 1 + count))


def _copy_text(rows: Iterable[tuple[Any, ...]], width: int) -> Iterator[str]:
    """
    Rows in COPY's text format, NULL written as None; three times as fast as `Copy.write_row` with its dumpers.

    What is special to the format can only stand in text, so one look at all text of a block tells whether any value
    needs care; nearly always none does.
    """
    line = "\t".join(["%s"] * width)
    rows = iter(rows)
    while block := list(islice(rows, _AT_ONCE)):
        texts = "\x1f".join([value for row in block for value in row if isinstance(value, str)])
        if any(special in texts for special in ("\\", "\n", "\t", "\r", "None")):
            block = [tuple([_escaped(value) if isinstance(value, str) else value for value in row]) for row in block]
        yield "\n".join([line % row for row in block]) + "\n"


def _escaped(text: str) -> str:
    if text == "None":
        return "\\None"  # an unneeded backslash: no NULL
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def update_rows(
    connection: Connection,
    sql: Sql,
    table: str,
    columns: Sequence[str],
    keys: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Set `columns` where `keys` match; each row holds the columns' values and then the keys'."""
    mark = "%s" if sql.postgresql else "?"
    sets = ", ".join(f"{name} = {mark}" for name in columns)
    where = " AND ".join(f"{name} = {mark}" for name in keys)
    driver: Any = connection.connection.driver_connection
    with closing(driver.cursor()) as cursor:
        statement = f"UPDATE {table} SET {sets} WHERE {where}"
        if len(rows) == 1:  # nearly always, and psycopg opens a pipeline for many
            cursor.execute(statement, rows[0])
        else:
            cursor.executemany(statement, rows)
