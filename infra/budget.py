"""
What an agreement may still spend of e-conomic's calls, for all processes.

Source: e-conomic.md §2.11 (bucket per app and agreement, 50,000 calls in 24 hours).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

import sqlalchemy as sa
import structlog

from domain.call_forecast import DAY_RESERVE, DAY_S
from domain.errors import RateLimited
from domain.work import DAY_CALLS
from infra.database.dialect import text
from infra.database.engine import Database
from infra.economic.rates import RateSeen
from infra.metrics import CALLS

log = structlog.get_logger()

BLOCK = 10  # calls that bulk work reserves at once
BUCKET_RESERVE = 0.10  # of the bucket is kept for people and conversions
SPARE = 0.01  # of the bucket is left alone: what comes back is known from its size alone, and may come more slowly
PAUSE_S = 5.0  # after a 429 that names no time
LOW = 0.5  # a bucket fuller than this needs no bookkeeping
LATELY = 20  # calls that their cost is averaged over: some cost several tokens
CLOCK_S = 0.005  # how far stored times, whole milliseconds on SQLite, may be off


class SharedBudget:
    """
    `infra.economic.rates.Meter` over the database.

    Calls are counted before they are made, by one conditional statement in a short transaction of its own; what was
    reserved and not used by a process that died is lost for the day, never overspent.

    The bucket is kept as the moment at which it would be full again: each call moves it on, time brings it nearer, and
    e-conomic's headers, which know what others spend, only move it on too. Whoever finds too little waits until enough
    has flowed in, so e-conomic refuses next to nothing and next to nothing is left unused.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = database.sql
        self._short_s = f"(-{self._sql.seconds_since('full_at')} + {_COST} - window_s * (1.0 - :share))"  # until it may
        self._lock = threading.Lock()
        self._reserved: dict[int, int] = {}
        self._open: Counter[int] = Counter()  # calls of this process that have no answer yet
        self._cost: dict[int, float] = {}  # of a call, on average lately
        self.made: Counter[int] = Counter()  # calls of this process, by agreement

    def admit(self, agreement: int, bulk: bool) -> None:
        """Raises RateLimited while the agreement is paused or its budget is spent."""
        self._admit(agreement, bulk=bulk)
        with self._lock:
            self.made[agreement] += 1
            self._open[agreement] += 1

    def _admit(self, agreement: int, *, bulk: bool) -> None:
        if bulk and self._takes_reserved(agreement):
            return
        self._reserve(agreement, BLOCK if bulk else 1, bulk=bulk)
        if bulk:
            with self._lock:
                self._reserved[agreement] = self._reserved.get(agreement, 0) + BLOCK - 1

    def _takes_reserved(self, agreement: int) -> bool:
        """Whether a call reserved earlier is used; none is while e-conomic has asked any process for a pause."""
        with self._lock:
            left = self._reserved.get(agreement, 0)
            if left > 0:
                self._reserved[agreement] = left - 1
        if left > 0 and self._is_paused(agreement):
            with self._lock:
                self._reserved.pop(agreement, None)
            return False
        return left > 0

    def _is_paused(self, agreement: int) -> bool:
        with self._database.quick() as connection:
            return (
                connection.execute(
                    text(f"SELECT 1 FROM budget WHERE agreement = :agreement AND paused_until > {self._sql.now}"),
                    {"agreement": agreement},
                ).first()
                is not None
            )

    def seen(self, agreement: int, status: int, rate: RateSeen | None, retry_after_s: float | None) -> None:
        CALLS.labels(str(status)).inc()
        with self._lock:
            under_way = self._open[agreement] = max(0, self._open[agreement] - 1)
            cost = self._cost.get(agreement, 1.0)
            if rate is not None and rate.cost:
                cost = self._cost[agreement] = cost + (rate.cost - cost) / LATELY
        if rate is not None and rate.limit and rate.used is not None:
            left = 0 if status == 429 else rate.limit - rate.used
            if left < rate.limit * LOW:
                # What is under way may be counted in the answer or not.
                self._lower(agreement, rate.limit, max(0.0, left - under_way * cost), rate.window_s or 60)
        if status == 429:
            self._pause(agreement, PAUSE_S if retry_after_s is None else retry_after_s)

    def give_back(self, agreement: int) -> None:
        """A run has ended: calls reserved in a block and not made are not spent."""
        with self._lock:
            unused = self._reserved.pop(agreement, 0)
        if unused:
            with self._database.quick() as connection:
                connection.execute(
                    text(
                        "UPDATE calls SET spent = spent - :unused WHERE agreement = :agreement AND spent >= :unused"
                        " AND hour = (SELECT max(hour) FROM calls WHERE agreement = :agreement)"
                    ),
                    {"unused": unused, "agreement": agreement},
                )

    def spent(self, agreement: int) -> int:
        """Calls of the last 24 hours."""
        with self._database.read() as connection:
            return self._spent(connection, agreement)

    def _spent(self, connection: sa.Connection, agreement: int) -> int:
        spent = connection.execute(
            text(
                "SELECT COALESCE(sum(spent), 0) FROM calls"
                f" WHERE agreement = :agreement AND hour > {self._sql.after('day')}"
            ),
            {"agreement": agreement, "day": -DAY_S},
        )
        return int(spent.scalar_one())

    def _reserve(self, agreement: int, count: int, *, bulk: bool) -> None:
        most = DAY_CALLS - (DAY_RESERVE if bulk else 0)
        with self._database.quick() as connection:
            if self._count(connection, agreement, count, most, unless_held=True):
                return
        sql = self._sql
        tokens = count * max(1.0, self._cost.get(agreement, 1.0))
        values = {"tokens": tokens, "agreement": agreement, "share": BUCKET_RESERVE if bulk else SPARE}
        with self._database.quick_write() as connection:
            row = connection.execute(
                text(
                    f"UPDATE budget SET full_at = CASE WHEN full_at <= {sql.now} THEN NULL"
                    f" ELSE {sql.later('full_at', _COST)} END"
                    f" WHERE agreement = :agreement AND (paused_until IS NULL OR paused_until <= {sql.now})"
                    f" AND (full_at IS NULL OR full_at <= {sql.now} OR {self._short_s} <= {CLOCK_S})"
                    " RETURNING agreement"
                ),
                values,
            ).first()
            if row is None:
                raise self._limited(connection, values)
            if not self._count(connection, agreement, count, most):
                spent = self._spent(connection, agreement)
                raise RateLimited(
                    f"agreement {agreement} has spent {spent} of its {DAY_CALLS} calls in 24 hours", retry_after_s=600
                )

    def _count(
        self, connection: sa.Connection, agreement: int, count: int, most: int, *, unless_held: bool = False
    ) -> bool:
        """
        Count calls where the day has room for them; no two processes count beyond it.

        Args:
            unless_held: not while the agreement is paused or its bucket runs low either. That is one statement for
                nearly every call there is.
        """
        sql = self._sql
        hour = (
            "date_trunc('hour', clock_timestamp())" if sql.postgresql else "strftime('%Y-%m-%dT%H:00:00.000Z', 'now')"
        )
        spent = f"COALESCE((SELECT sum(spent) FROM calls WHERE agreement = :agreement AND hour > {sql.after('day')}"
        free = (
            " AND EXISTS (SELECT 1 FROM budget WHERE agreement = :agreement AND (full_at IS NULL"
            f" OR full_at <= {sql.now}) AND (paused_until IS NULL OR paused_until <= {sql.now}))"
        )
        counted = connection.execute(
            text(
                f"INSERT INTO calls (agreement, hour, spent) SELECT :agreement, {hour}, :count"
                f" WHERE {spent}), 0) + :count <= :most{free if unless_held else ''}"
                " ON CONFLICT (agreement, hour) DO UPDATE SET spent = calls.spent + excluded.spent"
                # This hour's row is locked now, and `calls` is what the others left of it.
                f" WHERE {spent} AND hour <> excluded.hour), 0) + calls.spent + excluded.spent <= :most"
            ),
            {"agreement": agreement, "count": count, "most": most, "day": -DAY_S},
        )
        return counted.rowcount > 0

    def _limited(self, connection: sa.Connection, values: Mapping[str, object]) -> RateLimited:
        agreement = values["agreement"]
        row = connection.execute(
            text(
                f"SELECT -{self._sql.seconds_since('paused_until')}, {self._short_s} FROM budget"
                " WHERE agreement = :agreement"
            ),
            values,
        ).first()
        if row is None:
            return RateLimited(f"agreement {agreement} is not connected", retry_after_s=60)
        wait_s = max([1.0, *(float(wait) for wait in row if wait is not None)])
        return RateLimited(f"e-conomic's rate limit for agreement {agreement} is used up", retry_after_s=wait_s)

    def _pause(self, agreement: int, seconds: float) -> None:
        log.warning("budget.paused", agreement=agreement, seconds=seconds)
        with self._lock:
            self._reserved.pop(agreement, None)
        with self._database.quick() as connection:
            connection.execute(
                text(f"UPDATE budget SET paused_until = {self._sql.after('seconds')} WHERE agreement = :agreement"),
                {"seconds": seconds, "agreement": agreement},
            )

    def _lower(self, agreement: int, limit: int, left: float, window_s: int) -> None:
        """A header only lowers what is left; it rises with time alone."""
        sql = self._sql
        full_at = sql.after("full_in")
        with self._database.quick() as connection:
            connection.execute(
                text(
                    f"UPDATE budget SET window_limit = :limit, window_s = :window, full_at = {full_at}"
                    f" WHERE agreement = :agreement AND (full_at IS NULL OR full_at < {full_at})"
                ),
                {
                    "limit": limit,
                    "window": window_s,
                    "full_in": (limit - left) / limit * window_s,
                    "agreement": agreement,
                },
            )


_COST = "CAST(:tokens AS double precision) * window_s / window_limit"
"""Seconds in which so much comes back."""
