"""
Where PostgreSQL and SQLite differ: types, the clock, sets of numbers, locks.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

SCALE = 6
"""Decimals kept of any amount, rate or quantity."""

_UNIT = 10**SCALE


def time_text(moment: dt.datetime) -> str:
    """UTC, fixed width, so that SQLite's text order is time order."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def scaled(amount: Decimal) -> int:
    """SQLite has no exact decimals: amounts are stored in millionths, so that sums are exact."""
    return int((amount * _UNIT).to_integral_value())


sqlite3.register_adapter(Decimal, scaled)
sqlite3.register_adapter(dt.datetime, time_text)
sqlite3.register_adapter(dt.date, dt.date.isoformat)


class Amount(TypeDecorator[Decimal]):
    """Money, quantities and rates, exact on both databases."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.Numeric(20, SCALE))
        return dialect.type_descriptor(sa.BigInteger())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else scaled(Decimal(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return Decimal(value) if dialect.name == "postgresql" else Decimal(value) / _UNIT


class UtcDateTime(TypeDecorator[dt.datetime]):
    """Aware UTC datetimes; milliseconds on SQLite."""

    impl = sa.String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.String(24))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else time_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return as_time(value)


def as_time(value: Any) -> dt.datetime:
    """A time as either database returns it in plain SQL."""
    moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(moment, dt.datetime)
    return moment.astimezone(dt.UTC)


@lru_cache(maxsize=2_048)
def text(statement: str) -> sa.TextClause:
    """
    A statement in plain SQL, made once for each text: SQLAlchemy's own takes as long as a short query.

    Only for texts of which there are few; values are bound.
    """
    return sa.text(statement)


class Sql:
    """The fragments of plain SQL that differ, for one database."""

    def __init__(self, dialect_name: str) -> None:
        self.postgresql = dialect_name == "postgresql"
        self.now = "clock_timestamp()" if self.postgresql else "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
        self.for_update = " FOR UPDATE" if self.postgresql else ""
        self.id_type = "bigint" if self.postgresql else "integer"

    def after(self, name: str) -> str:
        """The database's time in `:name` seconds (negative: ago)."""
        if self.postgresql:
            return f"clock_timestamp() + make_interval(secs => CAST(:{name} AS double precision))"
        return f"strftime('%Y-%m-%dT%H:%M:%fZ', 'now', CAST(:{name} AS TEXT) || ' seconds')"

    def later(self, moment: str, seconds: str) -> str:
        """A stored time and so many seconds (an expression)."""
        if self.postgresql:
            return f"{moment} + make_interval(secs => CAST({seconds} AS double precision))"
        return f"strftime('%Y-%m-%dT%H:%M:%fZ', {moment}, printf('%+.3f seconds', {seconds}))"

    def seconds_since(self, column: str) -> str:
        """Seconds between a stored time and the database's now."""
        if self.postgresql:
            return f"CAST(extract(epoch FROM clock_timestamp() - {column}) AS double precision)"
        return f"((julianday('now') - julianday({column})) * 86400.0)"

    def as_json(self, columns: str) -> str:
        """An aggregate: JSON text, a list with a list of these columns for each row."""
        if self.postgresql:
            return f"CAST(json_agg(json_build_array({columns})) AS text)"
        return f"json_group_array(json_array({columns}))"

    def set_of(self, name: str) -> str:
        """A sub-select of the numbers bound as `numbers(…)` to `:name`; its column is `n`, sorted as bound."""
        if self.postgresql:
            return f"(SELECT n FROM unnest(CAST(:{name} AS bigint[])) AS s(n))"
        return f"(SELECT value AS n FROM json_each(:{name}))"

    def among(self, column: str, name: str) -> str:
        """Whether a column holds one of the numbers bound as `numbers(…)` to `:name`; for few, see `rows_of`."""
        if self.postgresql:
            return f"{column} = ANY(CAST(:{name} AS bigint[]))"
        return f"{column} IN (SELECT value FROM json_each(:{name}))"

    def rows_of(self, table: str, column: str, name: str, also: str) -> str:
        """
        A FROM clause: the rows `d` of `:agreement` whose column holds one of the numbers bound to `:name`.

        One look-up in the index per number, whatever the planner believes about the size of a growing table
        (seen with `= ANY(…)`: a plan made for the empty table, 0.2 s per page of 1,000 at 15,000 rows).
        """
        if self.postgresql:
            return (
                f"unnest(CAST(:{name} AS bigint[])) AS s(n) CROSS JOIN LATERAL"
                f" (SELECT * FROM {table} WHERE agreement = :agreement AND {column} = s.n{also} OFFSET 0) AS d"
            )
        return f"json_each(:{name}) AS s CROSS JOIN {table} AS d ON agreement = :agreement AND {column} = s.value{also}"

    def numbers(self, values: Collection[int]) -> str:
        """A set of numbers as a parameter, sorted: rows are locked in one order everywhere."""
        return self.sequence(sorted(values))

    def sequence(self, values: Sequence[int]) -> str:
        """Numbers in this order as a parameter; on PostgreSQL for a CAST to bigint[]."""
        # Text is made, and read, several times faster than the driver dumps a list.
        text = ",".join(map(str, values))
        return f"{{{text}}}" if self.postgresql else f"[{text}]"

    def among_texts(self, column: str, name: str) -> str:
        """Whether a column holds one of the texts bound as `texts(…)` to `:name`."""
        if self.postgresql:
            return f"{column} = ANY(CAST(:{name} AS text[]))"
        return f"{column} IN (SELECT value FROM json_each(:{name}))"

    def texts(self, values: Collection[str]) -> Any:
        """A set of texts as a parameter."""
        return list(values) if self.postgresql else json.dumps(list(values))
