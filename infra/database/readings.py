"""
Newer wins: one row per number ever read, raised before anything else is written.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from infra.database.dialect import Sql


class What(StrEnum):
    """What was read under a number."""

    DEBTOR = "debtor"
    INVOICE = "invoice"
    LINES = "lines"


def raise_stamps(
    connection: Connection, sql: Sql, agreement: int, what: What, numbers: Collection[int], stamp: int
) -> set[int]:
    """
    Raise the stamp of these numbers and return those whose stamp rose.

    Every writer passes here first and locks the rows in the order of their numbers: two writers never wait for each
    other in a circle, and what follows in the transaction is theirs alone.
    """
    if not numbers:
        return set()
    rows = connection.execute(
        sa.text(
            "INSERT INTO reading (agreement, what, number, stamp, read_at)"
            f" SELECT :agreement, :what, n, :stamp, {sql.now} FROM {sql.set_of('numbers')} AS s WHERE true"
            " ORDER BY n ON CONFLICT (agreement, what, number)"
            " DO UPDATE SET stamp = excluded.stamp, read_at = excluded.read_at"
            " WHERE reading.stamp < excluded.stamp RETURNING number"
        ),
        {"agreement": agreement, "what": what.value, "stamp": stamp, "numbers": sql.numbers(numbers)},
    )
    return {number for (number,) in rows}
