"""
Runs: jobs somebody asked for, each a row with a lease, its progress and its counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa

from domain.errors import LeaseLost, TransientError
from domain.ports import UnitOfWork
from domain.read_ahead import ReadAhead
from domain.run_kinds import RunState
from domain.work import wait_s
from infra.database import tables
from infra.database.comparisons import UNFINISHED, queue_run
from infra.database.engine import Database
from infra.database.holders import free_the_dead, new_token
from infra.database.standing import Standing, read_standing, standing
from infra.database.unit_of_work import SqlUnitOfWork
from infra.database.work import LEASE_S, Owed, draw_stamp

T = tables.run.c


class Run(NamedTuple):
    """A run as stored; `counts` and `progress` are the JSON of its kind."""

    id: int
    agreement: int
    type: str
    state: str
    options: dict[str, Any]
    progress: dict[str, Any]
    counts: dict[str, Any]
    message: str | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None


_COLUMNS = [T[name] for name in Run._fields]


class Runs:
    """Creates, finds, takes and ends runs, each in a short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = database.sql
        self._owed = Owed()

    def create(self, agreement: int, kind: str, options: dict[str, Any], progress: dict[str, Any]) -> int:
        with self._database.write() as connection:
            return queue_run(connection, self._sql, agreement, kind, options, progress)

    def get(self, run_id: int) -> Run | None:
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_COLUMNS).where(T.id == run_id)).first()
            return None if row is None else Run(*row)

    def unfinished(self, agreement: int, kind: str) -> Run | None:
        """The newest run of this kind that has not ended."""
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(*_COLUMNS)
                .where(T.agreement == agreement, T.type == kind, T.state.in_(UNFINISHED))
                .order_by(T.id.desc())
                .limit(1)
            ).first()
            return None if row is None else Run(*row)

    def latest(self, agreements: list[int], limit: int = 20) -> list[Run]:
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(*_COLUMNS).where(T.agreement.in_(agreements)).order_by(T.id.desc()).limit(limit)
            )
            return [Run(*row) for row in rows]

    def due(self) -> list[int]:
        """Unfinished runs that nobody holds and whose time has come, of agreements that are not paused."""
        with self._database.quick() as connection:
            rows = connection.execute(
                sa.text(
                    f"SELECT id FROM run WHERE {self._due()} AND EXISTS (SELECT 1 FROM agreement a WHERE"
                    " a.number = run.agreement AND a.paused_at IS NULL AND a.removed_at IS NULL) ORDER BY id"
                )
            )
            return [run_id for (run_id,) in rows]

    def _due(self) -> str:
        now = self._sql.now
        return (
            "state IN ('queued', 'running', 'waiting')"
            f" AND (lease_until IS NULL OR lease_until < {now}) AND (not_before IS NULL OR not_before <= {now})"
        )

    def take(self, run_id: int) -> str | None:
        """The lease token, if the run is due and nobody alive holds it."""
        free_the_dead(self._database)
        token = new_token()
        with self._database.write() as connection:
            taken = connection.execute(
                sa.text(
                    f"UPDATE run SET lease_token = :token, lease_until = {self._sql.after('lease_s')},"
                    f" state = 'running', started_at = COALESCE(started_at, {self._sql.now})"
                    f" WHERE id = :id AND {self._due()}"
                ),
                {"token": token, "lease_s": LEASE_S, "id": run_id},
            )
            return token if taken.rowcount else None

    def release(self, run_id: int, token: str) -> None:
        """Give the lease back between two slices."""
        self._end_lease(run_id, token, "state = state", {})

    def owe(self, run_id: int, token: str) -> None:
        """The database is away: give the lease back as soon as it answers again."""
        self._owed.give_back(lambda: self.release(run_id, token))

    def finish(self, run_id: int, token: str, *, state: str = "done", message: str | None = None) -> None:
        """The run has ended: done or failed."""
        self._end_lease(
            run_id,
            token,
            f"state = :state, message = :message, finished_at = {self._sql.now}, not_before = NULL",
            {"state": state, "message": message},
        )

    def set_counts(self, run_id: int, token: str, counts: dict[str, Any]) -> None:
        """What the run did in all."""
        with self._database.write() as connection:
            connection.execute(
                sa.update(tables.run).where(T.id == run_id, T.lease_token == token).values(counts=counts)
            )

    def wait(self, run_id: int, token: str, error: TransientError) -> float:
        """The surroundings are at fault: wait, and say why; returns the seconds."""
        with self._database.read() as connection:
            attempts = connection.execute(sa.select(sa.text("attempts")).select_from(tables.run).where(T.id == run_id))
            seconds = wait_s(error, int(attempts.scalar() or 0) + 1)
        self._end_lease(
            run_id,
            token,
            "state = 'waiting', message = :message, attempts = attempts + 1,"
            f" not_before = {self._sql.after('seconds')}",
            {"message": f"{error.reason}: {error}"[:500], "seconds": seconds},
        )
        return seconds

    def _end_lease(self, run_id: int, token: str, sets: str, values: dict[str, object]) -> None:
        with self._database.write() as connection:
            connection.execute(
                sa.text(
                    f"UPDATE run SET lease_token = NULL, lease_until = NULL, {sets}"
                    " WHERE id = :id AND lease_token = :token"
                ),
                {"id": run_id, "token": token, **values},
            )


class RunWork:
    """
    `domain.run_kinds.RunPort` under a run's lease.

    A `dry` one rolls back everything but its progress. One that `matches` looks itself for its debtors' companies:
    nobody else is asked to.
    """

    def __init__(
        self,
        database: Database,
        run: Run,
        token: str,
        ahead: ReadAhead | None = None,
        *,
        dry: bool = False,
        matches: bool = False,
    ) -> None:
        self.ahead = ahead or ReadAhead()
        self._database = database
        self._run = run
        self._token = token
        self._dry = dry
        self._matches = matches
        self._kept: list[Callable[[UnitOfWork], None]] = []

    @property
    def run_id(self) -> int:
        return self._run.id

    @property
    def agreement(self) -> int:
        return self._run.agreement

    def stamp(self) -> int:
        return draw_stamp(self._database, self.agreement)

    @contextmanager
    def transaction(self, *, release: bool = False) -> Iterator[SqlUnitOfWork]:
        assert not release  # a run's lease ends with the run
        with self._database.write() as connection:
            stands = self._check(connection)
            stands = stands._replace(follows_companies=stands.follows_companies and not self._matches)
            self._kept = []
            attempt = connection.begin_nested() if self._dry else None
            uow = SqlUnitOfWork(connection, self._database.sql, self.agreement, stands)
            yield uow
            if attempt is not None:
                attempt.rollback()
            for write in self._kept:
                write(uow)

    @contextmanager
    def look(self) -> Iterator[SqlUnitOfWork]:
        with self._database.read() as connection:
            yield SqlUnitOfWork(connection, self._database.sql, self.agreement)

    def save(self, _uow: UnitOfWork, state: RunState) -> None:
        """Committed with the transaction that is open now."""
        self.keep(lambda uow: self._write(uow, state))

    def keep(self, write: Callable[[UnitOfWork], None]) -> None:
        """What the transaction that is open now does last, and commits, a dry run's too."""
        self._kept.append(write)

    def _check(self, connection: sa.Connection) -> Standing:
        """Lock the row and make the lease last. Raises LeaseLost."""
        held = connection.execute(
            sa.text(
                f"UPDATE run SET lease_until = {self._database.sql.after('lease_s')}"
                " WHERE id = :id AND lease_token = :token AND state = 'running'"
                f" RETURNING {standing('run')}"
            ),
            {"lease_s": LEASE_S, "id": self._run.id, "token": self._token},
        ).first()
        if held is None:
            raise LeaseLost(f"run {self._run.id} was cancelled or is held by somebody else now")
        return read_standing(held)

    def _write(self, uow: UnitOfWork, state: RunState) -> None:
        assert isinstance(uow, SqlUnitOfWork)
        uow.connection.execute(
            sa.update(tables.run)
            .where(T.id == self._run.id)
            .values(progress=state.as_json(), counts=state.counts, attempts=0)
        )
