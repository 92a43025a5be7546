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

import structlog
from sqlalchemy.engine import Connection

from domain.errors import CredentialsRefused, LeaseLost, TransientError
from domain.hints import Hint, Kind
from domain.work import BUSY_HINTS, DAY_CALLS, Arrivals, Lease, wait_s
from infra.database.conversions import due_now
from infra.database.dialect import Sql, text
from infra.database.edits import edits_due
from infra.database.engine import Database, DatabaseAway
from infra.database.holders import new_token
from infra.database.inbox import STORED_HINT, read_hints
from infra.database.refusals import Refusals
from infra.database.standing import Standing, read_standing, standing

log = structlog.get_logger()

OWED_EVERY_S = 1.0
LEASE_S = 180
"""Longer than the longest e-conomic call with its retries (30 s each, three tries)."""

MOST_ASKED = 20
"""More at once is somebody replaying everything, not a person who waits."""

FEW = 20

_UNHANDLED = "FROM inbox WHERE inbox.agreement = work.agreement AND inbox.kind = work.kind AND inbox.handled_at IS NULL"


class Taken(NamedTuple):
    """
    A lease, how the events came in that it is for, and whether e-conomic refused the token the last time.

    `few`: those events, sorted by id, unless there are more than `FEW`; most drains are for one. `grant`: the sealed
    token to read with, where one is stored and /self has named the agreement.
    """

    lease: Lease
    arrivals: Arrivals
    was_refused: bool
    few: list[Hint] | None
    grant: str | None


def _outstanding(sql: Sql) -> str:
    """Whether a work row has something to work on: events, or conversions or edits that are due."""
    return (
        f"(EXISTS (SELECT 1 {_UNHANDLED})"
        f" OR (work.kind = '{Kind.CONVERSIONS.value}' AND EXISTS (SELECT 1 FROM conversion"
        f" WHERE conversion.agreement = work.agreement AND {due_now(sql, 'conversion')}))"
        f" OR (work.kind = '{Kind.EDITS.value}' AND EXISTS (SELECT 1 FROM debtor_edit"
        f" WHERE debtor_edit.agreement = work.agreement AND {edits_due(sql, 'debtor_edit')})))"
    )


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

    def __init__(self, database: Database, *, mail_domain: str | None = None) -> None:
        self._database = database
        self._owed = Owed()
        self._refusals = Refusals(database, mail_domain)
        sql = self._sql = database.sql
        self._outstanding = _outstanding(sql)
        self._free = (
            f"(work.lease_until IS NULL OR work.lease_until < {sql.now})"
            f" AND (work.not_before IS NULL OR work.not_before <= {sql.now})"
            " AND EXISTS (SELECT 1 FROM agreement a WHERE a.number = work.agreement AND a.paused_at IS NULL"
            " AND a.removed_at IS NULL)"
        )
        waited = f"SELECT {sql.seconds_since('received_at')} {_UNHANDLED} ORDER BY id"
        self._arrivals = (
            f"(SELECT count(*) FROM (SELECT received_at {_UNHANDLED} ORDER BY id DESC LIMIT {BUSY_HINTS}) AS newest"
            f" WHERE received_at > {sql.after('second')}), ({waited} DESC LIMIT 1), {sql.seconds_since('drained_at')},"
            f" (SELECT sum(spent) FROM calls WHERE calls.agreement = work.agreement AND hour > {sql.after('day')}),"
            f" ({waited} LIMIT 1)"
        )
        self._at_hand = (
            f"(SELECT {sql.as_json(STORED_HINT)} FROM (SELECT {STORED_HINT} {_UNHANDLED}"
            f" ORDER BY id LIMIT {FEW + 1}) AS oldest),"
            " (SELECT grant_token FROM agreement WHERE number = work.agreement AND identity_checked_at IS NOT NULL)"
        )

    def take(self, agreement: int, kind: Kind) -> Taken | None:
        """The lease, if the work is due and nobody holds it, and how its events come in. Raises DatabaseAway."""
        token = new_token()
        with self._database.quick() as connection:
            row = connection.execute(
                text(
                    f"UPDATE work SET lease_token = :token, lease_until = {self._sql.after('lease_s')}"
                    f" WHERE agreement = :agreement AND kind = :kind AND {self._free} AND {self._outstanding}"
                    f" RETURNING {self._arrivals}, reason, {self._at_hand}"
                ),
                {
                    "token": token,
                    "lease_s": LEASE_S,
                    "agreement": agreement,
                    "kind": kind.value,
                    "second": -1,
                    "day": -86_400,
                },
            ).first()
        if row is None:
            return None
        *arrivals, reason, oldest, grant = row
        few = read_hints(oldest)
        return Taken(
            Lease(agreement, kind, token),
            _arrivals(*arrivals),
            reason == CredentialsRefused.reason,
            few if len(few) <= FEW else None,
            grant,
        )

    def due(self) -> list[Due]:
        """Everything that could start now: outstanding events, no lease, `not_before` passed, not paused."""
        with self._database.quick() as connection:
            rows = connection.execute(
                text(f"SELECT agreement, kind FROM work WHERE {self._free} AND {self._outstanding}")
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
            if connection.execute(text(f"SELECT 1 FROM work WHERE {idle} LIMIT 1")).first() is None:
                return
        with self._database.write() as connection:
            connection.execute(
                text(
                    "UPDATE work SET reason = NULL, message = NULL, waiting_since = NULL, attempts = 0,"
                    f" not_before = NULL WHERE {idle}"
                )
            )

    def is_due(self, agreement: int, kind: Kind) -> bool:
        """The look after a release."""
        with self._database.quick() as connection:
            return (
                connection.execute(
                    text(
                        "SELECT 1 FROM work WHERE agreement = :agreement AND kind = :kind"
                        f" AND {self._free} AND {self._outstanding}"
                    ),
                    {"agreement": agreement, "kind": kind.value},
                ).first()
                is not None
            )

    def people_wait(self, lease: Lease) -> bool:
        """Whether events are outstanding that a person asked for, few enough to be read before all others."""
        with self._database.quick() as connection:
            asked = connection.execute(
                text(
                    "SELECT count(*) FROM (SELECT 1 FROM inbox WHERE agreement = :agreement AND kind = :kind"
                    " AND handled_at IS NULL AND source = 'sync' LIMIT :more) AS asked"
                ),
                {"agreement": lease.agreement, "kind": lease.kind.value, "more": MOST_ASKED + 1},
            ).scalar_one()
            return 0 < int(asked) <= MOST_ASKED

    def release(self, lease: Lease) -> None:
        """Give the lease back; there is more to do."""
        with self._database.quick() as connection:
            connection.execute(
                text(
                    "UPDATE work SET lease_token = NULL, lease_until = NULL"
                    " WHERE agreement = :agreement AND kind = :kind AND lease_token = :token"
                ),
                _key(lease),
            )

    def owe(self, lease: Lease) -> None:
        """The database is away: give the lease back as soon as it answers again."""
        self._owed.give_back(lambda: self.release(lease))

    def postpone(self, lease: Lease, seconds: float) -> None:
        """Give the lease back and start again in `seconds`: pacing, not trouble."""
        with self._database.quick() as connection:
            connection.execute(
                text(
                    f"UPDATE work SET lease_token = NULL, lease_until = NULL, not_before = {self._sql.after('seconds')}"
                    " WHERE agreement = :agreement AND kind = :kind AND lease_token = :token"
                ),
                {"seconds": seconds, **_key(lease)},
            )

    def wait(self, lease: Lease, error: TransientError) -> float:
        """The surroundings are at fault: give the lease back, say why, and wait; returns the seconds."""
        with self._database.write() as connection:
            before = connection.execute(
                text(
                    "SELECT attempts, reason FROM work WHERE agreement = :agreement AND kind = :kind"
                    f" AND lease_token = :token{self._sql.for_update}"
                ),
                _key(lease),
            ).first()
            if before is None:
                return 0.0
            seconds = wait_s(error, before.attempts + 1)
            connection.execute(
                text(
                    "UPDATE work SET lease_token = NULL, lease_until = NULL, attempts = attempts + 1,"
                    f" not_before = {self._sql.after('seconds')}, reason = :reason, message = :message,"
                    f" waiting_since = COALESCE(waiting_since, {self._sql.now})"
                    " WHERE agreement = :agreement AND kind = :kind AND lease_token = :token"
                ),
                {"seconds": seconds, "reason": error.reason, "message": str(error)[:500], **_key(lease)},
            )
        if isinstance(error, CredentialsRefused) and before.attempts > 0 and before.reason == error.reason:
            self._refusals.tell(lease.agreement)
        return seconds

    def clear_leases(self) -> None:
        """Embedded form, at start: whoever held a lease is dead, there is one process only."""
        with self._database.write() as connection:
            connection.execute(text("UPDATE work SET lease_token = NULL, lease_until = NULL"))
            connection.execute(text("UPDATE run SET lease_token = NULL, lease_until = NULL"))
            connection.execute(text("UPDATE job SET lease_token = NULL, lease_until = NULL"))

    def try_now(self, agreement: int) -> None:
        """A person mended something: whatever waits for this agreement may start at once."""
        with self._database.write() as connection:
            start_now(connection, agreement)


def start_now(connection: Connection, agreement: int) -> None:
    """Work and runs that wait need wait no more, and what is refused from now on is told anew."""
    for statement in (
        "UPDATE agreement SET refusal_told_at = NULL WHERE number = :agreement AND refusal_told_at IS NOT NULL",
        "UPDATE work SET not_before = NULL, attempts = 0 WHERE agreement = :agreement",
        "UPDATE run SET not_before = NULL, attempts = 0 WHERE agreement = :agreement"
        " AND state IN ('queued', 'running', 'waiting')",
    ):
        connection.execute(text(statement), {"agreement": agreement})


def asked_for(connection: Connection, agreement: int, kind: Kind) -> None:
    """A person waits: what was put off for the pace, or for want of calls, may start now."""
    connection.execute(
        text(
            "UPDATE work SET not_before = NULL WHERE agreement = :agreement AND kind = :kind"
            " AND (reason IS NULL OR reason = 'rate_limited')"
        ),
        {"agreement": agreement, "kind": kind.value},
    )


def check_in(connection: Connection, sql: Sql, lease: Lease, *, release: bool = False) -> Standing:
    """
    Lock the work row and make the lease last, or give it back in this transaction: the work is drained then.

    Raises:
        LeaseLost: somebody else holds it now.
    """
    sets = (
        f"lease_token = NULL, lease_until = NULL, drained_at = {sql.now}, not_before = NULL, reason = NULL,"
        " message = NULL, waiting_since = NULL, attempts = 0"
        if release
        else f"lease_until = {sql.after('lease_s')}"
    )
    held = connection.execute(
        text(
            f"UPDATE work SET {sets} WHERE agreement = :agreement AND kind = :kind AND lease_token = :token"
            f" RETURNING {standing('work')}"
        ),
        _key(lease) if release else {"lease_s": LEASE_S, **_key(lease)},
    ).first()
    if held is None:
        raise LeaseLost(f"the {lease.kind} of agreement {lease.agreement} are held by somebody else now")
    return read_standing(held)


def draw_stamp(database: Database, agreement: int) -> int:
    """The next stamp of an agreement, committed at once: drawn before a request is sent, it dates the answer."""
    with database.quick() as connection:
        value = connection.execute(
            text("UPDATE stamp SET value = value + 1 WHERE agreement = :agreement RETURNING value"),
            {"agreement": agreement},
        ).scalar_one()
        return int(value)


def create_rows(connection: Connection, agreement: int, kinds: Iterable[Kind] = tuple(Kind)) -> None:
    """The rows an agreement needs before its first event."""
    connection.execute(
        text("INSERT INTO work (agreement, kind, attempts) VALUES (:agreement, :kind, 0) ON CONFLICT DO NOTHING"),
        [{"agreement": agreement, "kind": kind.value} for kind in kinds],
    )
    connection.execute(
        text("INSERT INTO stamp (agreement, value) VALUES (:agreement, 0) ON CONFLICT DO NOTHING"),
        {"agreement": agreement},
    )
    connection.execute(
        text("INSERT INTO budget (agreement) VALUES (:agreement) ON CONFLICT DO NOTHING"), {"agreement": agreement}
    )


def _arrivals(
    last_second: int, since_hint_s: float | None, since_drain_s: float | None, spent: int | None, oldest_s: float | None
) -> Arrivals:
    """Without an event, the work is due for another reason."""
    since_hint = 1.0 if since_hint_s is None else float(since_hint_s)
    drained = float("inf") if since_drain_s is None else float(since_drain_s)
    return Arrivals(last_second, since_hint, drained, float(spent or 0) / DAY_CALLS, float(oldest_s or 0))


def _key(lease: Lease) -> dict[str, object]:
    return {"agreement": lease.agreement, "kind": lease.kind.value, "token": lease.token}
