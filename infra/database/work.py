"""
Work rows: who works on what, what waits and why.

A lease is taken by one conditional UPDATE; the transaction that writes results checks its token under lock. The
holder releases in its own commit first and looks again afterwards, so an event that arrives between the two is
either seen by that look or wakes somebody itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from domain.errors import LeaseLost, TransientError
from domain.hints import Kind
from domain.work import DAY_CALLS, Arrivals, Lease, wait_s
from infra.database.conversions import due_now
from infra.database.dialect import Sql
from infra.database.engine import Database, DatabaseAway
from infra.database.holders import new_token

log = structlog.get_logger()

OWED_EVERY_S = 1.0
LEASE_S = 180
"""Longer than the longest e-conomic call with its retries (30 s each, three tries)."""

MOST_ASKED = 20
"""More at once is somebody replaying everything, not a person who waits."""


def _outstanding(sql: Sql) -> str:
    """Whether a work row has something to work on: events, or conversions that are due."""
    return (
        "(EXISTS (SELECT 1 FROM inbox WHERE inbox.agreement = work.agreement AND inbox.kind = work.kind"
        " AND inbox.handled_at IS NULL)"
        f" OR (work.kind = '{Kind.CONVERSIONS.value}' AND EXISTS (SELECT 1 FROM conversion"
        f" WHERE conversion.agreement = work.agreement AND {due_now(sql, 'conversion')})))"
    )


FOLLOWS_COMPANIES = "(SELECT companies_since IS NOT NULL FROM agreement WHERE number = {}.agreement)"
"""Whether the agreement's first import was started; part of a statement that is needed anyway."""


class Due(NamedTuple):
    """Work that could start now."""

    agreement: int
    kind: Kind


class Owed:
    """
    Gives leases back as soon as the database answers again.

    While a lease is held nobody is woken for its work: without this it would wait until the lease runs out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owed: list[Callable[[], None]] = []

    def give_back(self, release: Callable[[], None]) -> None:
        """Returns at once; `release` is tried every second until it does not raise DatabaseAway."""
        with self._lock:
            self._owed.append(release)
            if len(self._owed) > 1:
                return
        threading.Thread(target=self._pay, name="owed-leases", daemon=True).start()

    def _pay(self) -> None:
        while True:
            try:
                self._owed[0]()
            except DatabaseAway:
                time.sleep(OWED_EVERY_S)
                continue
            except Exception:
                log.exception("work.not_given_back")  # the lease runs out by itself
            with self._lock:
                del self._owed[0]
                if not self._owed:
                    return


class WorkRows:
    """Takes, releases and postpones work in short transactions of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owed = Owed()
        sql = self._sql = database.sql
        self._outstanding = _outstanding(sql)
        self._free = (
            f"(work.lease_until IS NULL OR work.lease_until < {sql.now})"
            f" AND (work.not_before IS NULL OR work.not_before <= {sql.now})"
            " AND EXISTS (SELECT 1 FROM agreement a WHERE a.number = work.agreement AND a.paused_at IS NULL"
            " AND a.removed_at IS NULL)"
        )

    def take(self, agreement: int, kind: Kind) -> Lease | None:
        """The lease, if the work is due and nobody holds it. Raises DatabaseAway."""
        token = new_token()
        with self._database.quick() as connection:
            taken = connection.execute(
                sa.text(
                    f"UPDATE work SET lease_token = :token, lease_until = {self._sql.after('lease_s')}"
                    f" WHERE agreement = :agreement AND kind = :kind AND {self._free} AND {self._outstanding}"
                ),
                {"token": token, "lease_s": LEASE_S, "agreement": agreement, "kind": kind.value},
            )
            return Lease(agreement, kind, token) if taken.rowcount else None

    def due(self) -> list[Due]:
        """Everything that could start now: outstanding events, no lease, `not_before` passed, not paused."""
        with self._database.quick() as connection:
            rows = connection.execute(
                sa.text(f"SELECT agreement, kind FROM work WHERE {self._free} AND {self._outstanding}")
            )
            return [Due(agreement, Kind(kind)) for agreement, kind in rows]

    def settle(self) -> None:
        """
        Work that waits for nothing any more says no reason: somebody else (poller, resync) has handled its events.

        Only what nobody holds and whose wait is over; nothing is written where there is nothing to clear.
        """
        idle = (
            f"reason IS NOT NULL AND (lease_until IS NULL OR lease_until < {self._sql.now})"
            f" AND (not_before IS NULL OR not_before <= {self._sql.now}) AND NOT {self._outstanding}"
        )
        with self._database.read() as connection:
            if connection.execute(sa.text(f"SELECT 1 FROM work WHERE {idle} LIMIT 1")).first() is None:
                return
        with self._database.write() as connection:
            connection.execute(
                sa.text(
                    "UPDATE work SET reason = NULL, message = NULL, waiting_since = NULL, attempts = 0,"
                    f" not_before = NULL WHERE {idle}"
                )
            )

    def is_due(self, agreement: int, kind: Kind) -> bool:
        """The look after a release."""
        with self._database.quick() as connection:
            return (
                connection.execute(
                    sa.text(
                        "SELECT 1 FROM work WHERE agreement = :agreement AND kind = :kind"
                        f" AND {self._free} AND {self._outstanding}"
                    ),
                    {"agreement": agreement, "kind": kind.value},
                ).first()
                is not None
            )

    def arrivals(self, lease: Lease) -> Arrivals:
        """How events come in, for the pace."""
        since_hint = self._sql.seconds_since("max(received_at)")
        since_drain = self._sql.seconds_since("drained_at")
        with self._database.quick() as connection:
            row = connection.execute(
                sa.text(
                    f"SELECT count(*), {since_hint},"
                    f" (SELECT {since_drain} FROM work WHERE agreement = :agreement AND kind = :kind),"
                    f" (SELECT sum(spent) FROM calls WHERE agreement = :agreement AND hour > {self._sql.after('day')})"
                    " FROM (SELECT received_at FROM inbox WHERE agreement = :agreement AND kind = :kind"
                    f" AND handled_at IS NULL AND received_at > {self._sql.after('second')}) AS recent"
                ),
                {"agreement": lease.agreement, "kind": lease.kind.value, "second": -1, "day": -86_400},
            ).one()
        recent, since_hint_s, since_drain_s, spent = row
        return Arrivals(
            last_second=recent,
            since_hint_s=1.0 if since_hint_s is None else float(since_hint_s),
            since_drain_s=float("inf") if since_drain_s is None else float(since_drain_s),
            spent_share=float(spent or 0) / DAY_CALLS,
        )

    def people_wait(self, lease: Lease) -> bool:
        """Whether events are outstanding that a person asked for, few enough to be read before all others."""
        with self._database.quick() as connection:
            asked = connection.execute(
                sa.text(
                    "SELECT count(*) FROM (SELECT 1 FROM inbox WHERE agreement = :agreement AND kind = :kind"
                    " AND handled_at IS NULL AND source = 'sync' LIMIT :more) AS asked"
                ),
                {"agreement": lease.agreement, "kind": lease.kind.value, "more": MOST_ASKED + 1},
            ).scalar_one()
            return 0 < int(asked) <= MOST_ASKED

    def release(self, lease: Lease, *, drained: bool = False) -> None:
        """Give the lease back; a drain that went well also clears the reason it waited for."""
        with self._database.quick() as connection:
            release_in(connection, self._sql, lease, drained=drained)

    def owe(self, lease: Lease) -> None:
        """The database is away: give the lease back as soon as it answers again."""
        self._owed.give_back(lambda: self.release(lease))

    def postpone(self, lease: Lease, seconds: float) -> None:
        """Give the lease back and start again in `seconds`: pacing, not trouble."""
        with self._database.quick() as connection:
            connection.execute(
                sa.text(
                    f"UPDATE work SET lease_token = NULL, lease_until = NULL, not_before = {self._sql.after('seconds')}"
                    " WHERE agreement = :agreement AND kind = :kind AND lease_token = :token"
                ),
                {"seconds": seconds, **_key(lease)},
            )

    def wait(self, lease: Lease, error: TransientError) -> float:
        """The surroundings are at fault: give the lease back, say why, and wait; returns the seconds."""
        with self._database.write() as connection:
            attempts = connection.execute(
                sa.text(
                    "SELECT attempts FROM work WHERE agreement = :agreement AND kind = :kind"
                    f" AND lease_token = :token{self._sql.for_update}"
                ),
                _key(lease),
            ).scalar()
            if attempts is None:
                return 0.0
            seconds = wait_s(error, attempts + 1)
            connection.execute(
                sa.text(
                    "UPDATE work SET lease_token = NULL, lease_until = NULL, attempts = attempts + 1,"
                    f" not_before = {self._sql.after('seconds')}, reason = :reason, message = :message,"
                    f" waiting_since = COALESCE(waiting_since, {self._sql.now})"
                    " WHERE agreement = :agreement AND kind = :kind AND lease_token = :token"
                ),
                {"seconds": seconds, "reason": error.reason, "message": str(error)[:500], **_key(lease)},
            )
            return seconds

    def clear_leases(self) -> None:
        """Embedded form, at start: whoever held a lease is dead, there is one process only."""
        with self._database.write() as connection:
            connection.execute(sa.text("UPDATE work SET lease_token = NULL, lease_until = NULL"))
            connection.execute(sa.text("UPDATE run SET lease_token = NULL, lease_until = NULL"))
            connection.execute(sa.text("UPDATE job SET lease_token = NULL, lease_until = NULL"))

    def try_now(self, agreement: int) -> None:
        """A person mended something: whatever waits for this agreement may start at once."""
        with self._database.write() as connection:
            start_now(connection, agreement)


def start_now(connection: Connection, agreement: int) -> None:
    """Work and runs that wait need wait no more."""
    for statement in (
        "UPDATE work SET not_before = NULL, attempts = 0 WHERE agreement = :agreement",
        "UPDATE run SET not_before = NULL, attempts = 0 WHERE agreement = :agreement"
        " AND state IN ('queued', 'running', 'waiting')",
    ):
        connection.execute(sa.text(statement), {"agreement": agreement})


def asked_for(connection: Connection, agreement: int, kind: Kind) -> None:
    """A person waits: what was put off for the pace, or for want of calls, may start now."""
    connection.execute(
        sa.text(
            "UPDATE work SET not_before = NULL WHERE agreement = :agreement AND kind = :kind"
            " AND (reason IS NULL OR reason = 'rate_limited')"
        ),
        {"agreement": agreement, "kind": kind.value},
    )


def check_in(connection: Connection, sql: Sql, lease: Lease) -> bool:
    """
    Lock the work row and make the lease last; returns whether companies follow the agreement's debtors.

    Raises:
        LeaseLost: somebody else holds it now.
    """
    held = connection.execute(
        sa.text(
            f"UPDATE work SET lease_until = {sql.after('lease_s')}"
            " WHERE agreement = :agreement AND kind = :kind AND lease_token = :token"
            f" RETURNING {FOLLOWS_COMPANIES.format('work')}"
        ),
        {"lease_s": LEASE_S, **_key(lease)},
    ).first()
    if held is None:
        raise LeaseLost(f"the {lease.kind} of agreement {lease.agreement} are held by somebody else now")
    return bool(held[0])


def release_in(connection: Connection, sql: Sql, lease: Lease, *, drained: bool) -> None:
    """Release as part of the transaction that wrote the results."""
    cleared = (
        f", drained_at = {sql.now}, not_before = NULL, reason = NULL, message = NULL, waiting_since = NULL,"
        " attempts = 0"
        if drained
        else ""
    )
    connection.execute(
        sa.text(
            f"UPDATE work SET lease_token = NULL, lease_until = NULL{cleared}"
            " WHERE agreement = :agreement AND kind = :kind AND lease_token = :token"
        ),
        _key(lease),
    )


def draw_stamp(database: Database, agreement: int) -> int:
    """The next stamp of an agreement, committed at once: drawn before a request is sent, it dates the answer."""
    with database.quick() as connection:
        value = connection.execute(
            sa.text("UPDATE stamp SET value = value + 1 WHERE agreement = :agreement RETURNING value"),
            {"agreement": agreement},
        ).scalar_one()
        return int(value)


def create_rows(connection: Connection, agreement: int, kinds: Iterable[Kind] = tuple(Kind)) -> None:
    """The rows an agreement needs before its first event."""
    connection.execute(
        sa.text("INSERT INTO work (agreement, kind, attempts) VALUES (:agreement, :kind, 0) ON CONFLICT DO NOTHING"),
        [{"agreement": agreement, "kind": kind.value} for kind in kinds],
    )
    connection.execute(
        sa.text("INSERT INTO stamp (agreement, value) VALUES (:agreement, 0) ON CONFLICT DO NOTHING"),
        {"agreement": agreement},
    )
    connection.execute(
        sa.text("INSERT INTO budget (agreement) VALUES (:agreement) ON CONFLICT DO NOTHING"), {"agreement": agreement}
    )


def _key(lease: Lease) -> dict[str, object]:
    return {"agreement": lease.agreement, "kind": lease.kind.value, "token": lease.token}
