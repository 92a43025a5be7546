"""
Newer wins: one row per number ever read, raised before anything else is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy.engine import Connection

from infra.database.dialect import Sql, text


class What(StrEnum):
    """What was read under a number."""

    DEBTOR = "debtor"
    INVOICE = "invoice"
    LINES = "lines"


def raise_stamps(connection: Connection, sql: Sql, agreement: int, what: What, stamps: Mapping[int, int]) -> set[int]:
    """
    Raise the stamp of these numbers (number → stamp) and return those whose stamp rose.

    Every writer passes here first and locks the rows in the order of their numbers: two writers never wait for each
    other in a circle, and what follows in the transaction is theirs alone.
    """
    if not stamps:
        return set()
    ordered = sorted(stamps.items())
    if sql.postgresql:
        source = "unnest(CAST(:numbers AS bigint[]), CAST(:stamps AS bigint[])) AS s(n, stamp)"
        values: dict[str, object] = {
            "numbers": sql.sequence([number for number, _ in ordered]),
            "stamps": sql.sequence([stamp for _, stamp in ordered]),
        }
    else:
        source = "(SELECT value ->> 0 AS n, value ->> 1 AS stamp FROM json_each(:pairs)) AS s"
        values = {"pairs": json.dumps(ordered)}
    rows = connection.execute(
        text(
            "INSERT INTO reading (agreement, what, number, stamp, read_at)"
            f" SELECT :agreement, :what, s.n, s.stamp, {sql.now} FROM {source} WHERE true"
            " ORDER BY s.n ON CONFLICT (agreement, what, number)"
            " DO UPDATE SET stamp = excluded.stamp, read_at = excluded.read_at"
            " WHERE reading.stamp < excluded.stamp RETURNING number"
        ),
        {"agreement": agreement, "what": what.value, **values},
    )
    return set(rows.scalars())
