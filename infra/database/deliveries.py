"""
What the relay takes from the outbox, and what became of it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.deliveries import GONE, Answer, pause_s, retry_s
from domain.ports import FailureReport
from infra.database.dialect import UtcDateTime, time_text
from infra.database.endpoints import disable_in, without_query
from infra.database.engine import Database
from infra.database.failures import FailureRows

CLEAN_AT_ONCE = 5_000


class Told(NamedTuple):
    """One event as it is told, the same each time."""

    id: int
    event_id: str
    type: str
    created_at: dt.datetime
    firm_id: int
    agreement: int | None
    sequence: int
    data: str

    def body(self, public_url: str) -> bytes:
        """The envelope of design.md §5.5; a page of ours is stored without the address we are reached under."""
        data = self.data.replace('"url":"/', f'"url":{json.dumps(public_url.rstrip("/"))[:-1]}/')
        return msgspec.json.encode(
            {
                "id": self.event_id,
                "type": self.type,
                "timestamp": time_text(self.created_at),
                "firm": self.firm_id,
                "agreement": self.agreement,
                "sequence": self.sequence,
                "data": msgspec.Raw(data.encode()),
            }
        )


class DueEndpoint(NamedTuple):
    """An endpoint that something may be delivered to now; a paused one takes one attempt."""

    id: int
    url: str
    internal: bool
    paused: bool


class Due(NamedTuple):
    """One attempt to be made; `attempts` have been made."""

    delivery: int
    endpoint: int
    attempts: int
    event: Told


_TOLD = ", ".join(f"o.{name}" for name in Told._fields)
_TYPES = {"created_at": UtcDateTime()}


class Deliveries:
    """Everything the relay asks of the database. Raises DatabaseAway."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = database.sql

    # -- the exchange ---------------------------------------------------------------------

    def unpublished(self, limit: int) -> list[Told]:
        """The oldest events nobody has published, whatever was published after them: never a range."""
        statement = sa.text(f"SELECT {_TOLD} FROM outbox o WHERE o.published_at IS NULL ORDER BY o.id LIMIT :limit")
        with self._database.read() as connection:
            return [Told._make(row) for row in connection.execute(statement.columns(**_TYPES), {"limit": limit})]

    def published(self, ids: Collection[int]) -> None:
        """Mark exactly these."""
        with self._database.write() as connection:
            connection.execute(
                sa.text(f"UPDATE outbox SET published_at = {self._sql.now} WHERE {self._sql.among('id', 'ids')}"),
                {"ids": self._sql.numbers(ids)},
            )

    # -- the endpoints --------------------------------------------------------------------

    def due_endpoints(self) -> list[DueEndpoint]:
        """Endpoints with an attempt due, in order; neither disabled nor left in peace."""
        now = self._sql.now
        with self._database.read() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT e.id, e.url, e.internal, e.paused_at IS NOT NULL FROM endpoint e"
                    f" WHERE e.disabled_at IS NULL AND (e.paused_until IS NULL OR e.paused_until <= {now})"
                    " AND EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint_id = e.id AND d.state = 'pending'"
                    f" AND d.next_attempt_at <= {now}) ORDER BY e.id"
                )
            )
            return [DueEndpoint(row[0], row[1], bool(row[2]), bool(row[3])) for row in rows]

    def due(self, endpoint: int, limit: int, *, under_way: Collection[int] = ()) -> list[Due]:
        """
        The attempts due longest, without those under way.

        A later event of a subject waits until the earlier ones were delivered, or were tried twice: for the first
        retry, and no longer.
        """
        statement = sa.text(
            f"SELECT d.id, d.attempts, {_TOLD} FROM delivery d JOIN outbox o ON o.id = d.outbox_id"
            f" WHERE d.endpoint_id = :endpoint AND d.state = 'pending' AND d.next_attempt_at <= {self._sql.now}"
            f" AND NOT {self._sql.among('d.id', 'under_way')}"
            " AND NOT EXISTS (SELECT 1 FROM delivery e WHERE e.endpoint_id = d.endpoint_id AND e.subject = d.subject"
            " AND e.state = 'pending' AND e.outbox_id < d.outbox_id AND e.attempts < 2)"
            " ORDER BY d.next_attempt_at, d.id LIMIT :limit"
        ).columns(**_TYPES)
        with self._database.read() as connection:
            rows = connection.execute(
                statement, {"endpoint": endpoint, "limit": limit, "under_way": self._sql.numbers(under_way)}
            )
            return [Due(row[0], endpoint, row[1], Told._make(row[2:])) for row in rows]

    def record(self, attempts: Iterable[tuple[Due, Answer]]) -> list[str]:
        """
        Write down what became of attempts, in one transaction; returns the outcome of each: delivered, retried,
        given_up, gone, or ended when somebody else had ended the delivery meanwhile.
        """
        with self._database.write() as connection:
            return [_Record(connection, self._database, due, answer).write() for due, answer in attempts]

    def again(
        self,
        endpoint: int,
        *,
        events: Sequence[str] = (),
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        given_up: bool = False,
    ) -> int:
        """
        Deliver events once more, from the first attempt on: these, a range by when they happened, or those given up.

        Also what the endpoint has accepted, and what happened before it was added; types it does not take are left out
        unless they are named. Returns how many.
        """
        wanted = "o.firm_id = e.firm_id AND e.id = :endpoint AND e.disabled_at IS NULL"
        values: dict[str, Any] = {"endpoint": endpoint}
        parameters: list[sa.BindParameter[Any]] = []
        if events:
            wanted += " AND o.event_id IN :events"
            values["events"] = list(events)
            parameters.append(sa.bindparam("events", expanding=True))
        else:
            wanted += " AND (e.types IS NULL OR ' ' || e.types || ' ' LIKE '% ' || o.type || ' %')"
        for name, moment, sign in (("since", since, ">="), ("until", until, "<")):
            if moment is not None:
                wanted += f" AND o.created_at {sign} :{name}"
                values[name] = moment
                parameters.append(sa.bindparam(name, type_=UtcDateTime()))
        if given_up:
            wanted += (
                " AND EXISTS (SELECT 1 FROM delivery d WHERE d.outbox_id = o.id AND d.endpoint_id = e.id"
                " AND d.state = 'given_up')"
            )
        statement = sa.text(
            "INSERT INTO delivery (outbox_id, endpoint_id, subject, state, attempts, next_attempt_at)"
            f" SELECT o.id, e.id, o.subject, 'pending', 0, {self._sql.now} FROM outbox o CROSS JOIN endpoint e"
            f" WHERE {wanted} ORDER BY o.id ON CONFLICT (outbox_id, endpoint_id) DO UPDATE SET state = 'pending',"
            " attempts = 0, next_attempt_at = excluded.next_attempt_at, ended_at = NULL"
        ).bindparams(*parameters)
        with self._database.write() as connection:
            count = connection.execute(statement, values).rowcount
            connection.execute(
                sa.text("UPDATE endpoint SET paused_until = NULL WHERE id = :endpoint"), {"endpoint": endpoint}
            )
            return count

    def clean(self, retention_days: int) -> int:
        """Forget events older than so many days that nobody waits for, at most 5,000; returns how many."""
        old = {"ago": -86_400 * retention_days, "limit": CLEAN_AT_ONCE}
        with self._database.write() as connection:
            connection.execute(
                sa.text(  # an event written in the very moment its endpoint was disabled
                    f"UPDATE delivery SET state = 'cancelled', ended_at = {self._sql.now} WHERE state = 'pending'"
                    " AND endpoint_id IN (SELECT id FROM endpoint WHERE disabled_at IS NOT NULL)"
                )
            )
            ids = self._sql.numbers(
                connection.execute(
                    sa.text(
                        f"SELECT id FROM outbox o WHERE created_at < {self._sql.after('ago')}"
                        " AND published_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM delivery d"
                        " WHERE d.outbox_id = o.id AND d.state = 'pending') ORDER BY id LIMIT :limit"
                    ),
                    old,
                )
                .scalars()
                .all()
            )
            connection.execute(
                sa.text(f"DELETE FROM delivery WHERE {self._sql.among('outbox_id', 'ids')}"), {"ids": ids}
            )
            gone = connection.execute(sa.text(f"DELETE FROM outbox WHERE {self._sql.among('id', 'ids')}"), {"ids": ids})
            return gone.rowcount


class _Record:
    """One attempt's answer, written down."""

    def __init__(self, connection: Connection, database: Database, due: Due, answer: Answer) -> None:
        self._connection = connection
        self._database = database
        self._sql = database.sql
        self._due = due
        self._answer = answer

    def write(self) -> str:
        if self._answer.accepted:
            return self._accepted()
        if self._answer.status == GONE:
            return self._gone()
        outcome = self._refused()
        if outcome != "ended":
            self._count_failure()
        return outcome

    def _accepted(self) -> str:
        ended = self._update(f"state = 'delivered', ended_at = {self._sql.now}, last_error = NULL")
        was_paused = self._run(
            "UPDATE endpoint SET failures = 0, last_error = NULL, paused_at = NULL, paused_until = NULL,"
            f" last_attempt_at = {self._sql.now}, last_success_at = {self._sql.now}"
            " WHERE id = :endpoint AND paused_at IS NOT NULL"
        )
        if was_paused:  # it is well again: nothing needs to wait out its time
            self._run(
                f"UPDATE delivery SET next_attempt_at = {self._sql.now} WHERE endpoint_id = :endpoint"
                f" AND state = 'pending' AND next_attempt_at > {self._sql.now}"
            )
            self._resolve("endpoint", self._due.endpoint)
        else:
            self._run(
                "UPDATE endpoint SET failures = 0, last_error = NULL,"
                f" last_attempt_at = {self._sql.now}, last_success_at = {self._sql.now} WHERE id = :endpoint"
            )
        self._resolve("delivery", self._due.delivery)
        return "delivered" if ended else "ended"

    def _gone(self) -> str:
        self._update(f"state = 'cancelled', ended_at = {self._sql.now}, last_error = :problem")
        self._run(
            f"UPDATE endpoint SET failures = failures + 1, last_error = :problem, last_attempt_at = {self._sql.now}"
            " WHERE id = :endpoint"
        )
        disable_in(self._connection, self._database, self._due.endpoint, "gone")
        self._report(
            "endpoint",
            self._due.endpoint,
            "endpoint_gone",
            f"The endpoint {self._url()} answered 410: it is disabled, and what waited for it is not sent.",
            "If the CRM wants events, add the endpoint again: debitor crm endpoint add. Then dismiss this.",
        )
        return "gone"

    def _refused(self) -> str:
        seconds = retry_s(self._due.attempts + 1, self._answer)
        if seconds is not None:
            retried = self._update(
                f"next_attempt_at = {self._sql.after('seconds')}, last_error = :problem", seconds=seconds
            )
            return "retried" if retried else "ended"
        if not self._update(f"state = 'given_up', ended_at = {self._sql.now}, last_error = :problem"):
            return "ended"
        event = self._due.event
        self._report(
            "delivery",
            self._due.delivery,
            "not_delivered",
            f"The event {event.type} ({event.event_id}) was not delivered to {self._url()}:"
            f" {self._answer.problem}, {self._due.attempts + 1} times in three days.",
            f"Mend the endpoint, then: debitor crm endpoint resend {self._due.endpoint} --event {event.event_id}",
        )
        return "given_up"

    def _count_failure(self) -> None:
        failures = self._connection.execute(
            sa.text(
                f"UPDATE endpoint SET failures = failures + 1, last_error = :problem, last_attempt_at = {self._sql.now}"
                " WHERE id = :endpoint RETURNING failures"
            ),
            self._values(),
        ).scalar_one()
        seconds = pause_s(failures)
        if seconds is None:
            return
        self._run(
            f"UPDATE endpoint SET paused_at = COALESCE(paused_at, {self._sql.now}),"
            f" paused_until = {self._sql.after('seconds')} WHERE id = :endpoint",
            seconds=seconds,
        )
        self._report(
            "endpoint",
            self._due.endpoint,
            "endpoint_paused",
            f"The endpoint {self._url()} failed {failures} times in a row: {self._answer.problem}. Its events wait.",
            "Mend the endpoint. It is tried with one event now and then, at least hourly; when it accepts one, all"
            f" that waits is sent. To try at once: debitor crm endpoint resend {self._due.endpoint} --given-up",
        )

    def _url(self) -> str:
        return without_query(
            self._connection.execute(
                sa.text("SELECT url FROM endpoint WHERE id = :endpoint"), self._values()
            ).scalar_one()
        )

    def _update(self, changes: str, **more: object) -> bool:
        """Change the delivery, unless it was ended or begun anew since the attempt was started."""
        return self._run(
            f"UPDATE delivery SET attempts = attempts + 1, last_status = :status, {changes}"
            " WHERE id = :delivery AND state = 'pending' AND attempts = :attempts",
            **more,
        )

    def _run(self, statement: str, **more: object) -> bool:
        return self._connection.execute(sa.text(statement), {**self._values(), **more}).rowcount > 0

    def _values(self) -> dict[str, object]:
        return {
            "delivery": self._due.delivery,
            "endpoint": self._due.endpoint,
            "attempts": self._due.attempts,
            "status": self._answer.status,
            "problem": self._answer.problem,
        }

    def _failures(self, kind: str) -> FailureRows | None:
        """
        Failures belong to an agreement: a delivery's to its event's, others to the firm's first; None when the firm has
        none any more.
        """
        agreement = self._due.event.agreement if kind == "delivery" else None
        if agreement is None:
            agreement = self._connection.execute(
                sa.text("SELECT min(number) FROM agreement WHERE firm_id = :firm AND removed_at IS NULL"),
                {"firm": self._due.event.firm_id},
            ).scalar()
        return None if agreement is None else FailureRows(self._connection, self._sql, agreement)

    def _report(self, kind: str, subject: int, reason: str, message: str, advice: str) -> None:
        failures = self._failures(kind)
        if failures is not None:
            failures.report([FailureReport(kind, str(subject), reason, message, advice)])

    def _resolve(self, kind: str, subject: int) -> None:
        self._run(
            f"UPDATE failure SET state = 'resolved', ended_at = {self._sql.now}"
            " WHERE subject_kind = :kind AND subject = :subject AND state = 'open'",
            kind=kind,
            subject=str(subject),
        )
