"""
Runs that a person asks for: begun once however often they are asked for, resumed, cancelled, reverted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.errors import PermanentError
from domain.imports import ImportOptions, ImportState, Phase
from domain.resync_state import ResyncOptions
from domain.reverting import RevertState
from domain.run_kinds import RunKind
from infra.database.comparisons import PROPOSED, RESYNC, UNFINISHED, ComparisonRows, queue_run
from infra.database.engine import Database
from infra.database.failures import FailureRows
from infra.database.tables import agreement as _agreement
from infra.database.tables import run as _run

_ABOUT_COMPANIES = (RunKind.IMPORT, RunKind.MATCH, RunKind.REVERT)
_STOPPED = ("cancelled", "failed")


class NotNow(PermanentError):
    """A run cannot be begun, resumed, cancelled or reverted; the message says why, and what to do."""

    reason = "run_not_possible"


class Begun(NamedTuple):
    """The run that was asked for; not `fresh` = it had begun before and goes on."""

    run_id: int
    fresh: bool


def begin_resync(database: Database, agreement: int, options: ResyncOptions) -> Begun:
    """
    Queue a resync of a connected agreement, or go on with its unfinished one: two at once only cost calls twice.

    The daily comparison that runs by itself does less than a person asks for: it is left alone.
    """
    with database.write() as connection:
        _alone(connection, agreement)
        for run_id, asked_for in _unfinished(connection, agreement, RESYNC):
            if not ResyncOptions.from_json(asked_for).by_itself:
                _due_now(connection, run_id)
                return Begun(run_id, fresh=False)
        return Begun(ComparisonRows(connection, database.sql, agreement).begin(options), fresh=True)


def resume_resync(database: Database, agreement: int) -> int | None:
    """Let an agreement's unfinished resync go on at once, whatever it waits for; None when there is none."""
    with database.write() as connection:
        for run_id, _ in _unfinished(connection, agreement, RESYNC):
            _due_now(connection, run_id)
            return run_id
    return None


def begin_import(database: Database, agreement: int, kind: RunKind, options: ImportOptions) -> Begun:
    """
    Queue an import or a match of a connected agreement, or go on with the unfinished one that was asked for alike.

    Raises:
        NotNow: another one is unfinished, or a match is to be started before the first import.
    """
    first = Phase.LIST if kind is RunKind.IMPORT and options.waiting is None else Phase.LOAD
    with database.write() as connection:
        since = _alone(connection, agreement)
        if since is None and kind is RunKind.MATCH and not options.test:
            raise NotNow(
                f"agreement {agreement} has not been imported yet, so nothing may be created or linked:"
                f" `debitor import {agreement} --test` shows what would be, `debitor import {agreement}` starts it"
            )
        before = _free(connection, agreement, kind, options.as_json())
        if before is not None:
            return Begun(before, fresh=False)
        if options.waiting is not None and not options.test:
            _to_queued(connection, options.waiting, options.as_json())
            _answered(connection, database, agreement)
            return Begun(options.waiting, fresh=True)
        state = ImportState(first).as_json()
        return Begun(queue_run(connection, database.sql, agreement, kind, options.as_json(), state), fresh=True)


def begin_revert(database: Database, run_id: int, *, who: str) -> Begun:
    """
    Queue the revert of an import or match that has ended, or go on with the unfinished one.

    Raises:
        NotNow: there is no such run, it has not ended, or it changed nothing.
    """
    with database.write() as connection:
        _alone(connection, _one(connection, run_id).agreement)
        run = _one(connection, run_id, lock=True)
        if run.type not in (RunKind.IMPORT, RunKind.MATCH):
            raise NotNow(f"run {run_id} is a {run.type}: only an import or a match can be reverted")
        if run.options.get("test"):
            raise NotNow(f"run {run_id} was a test: it changed nothing")
        if run.state in UNFINISHED or run.state == PROPOSED:
            raise NotNow(f"run {run_id} has not ended: cancel it first")
        options = {"run": run_id, "who": who}
        before = _free(connection, run.agreement, RunKind.REVERT, options)
        if before is not None:
            return Begun(before, fresh=False)
        state = RevertState().as_json()
        queued = queue_run(connection, database.sql, run.agreement, RunKind.REVERT, options, state)
        return Begun(queued, fresh=True)


def resume(database: Database, run_id: int) -> None:
    """
    Let a run go on at once where it stopped, one that was cancelled or failed, too; one that is done stays so.

    Raises:
        NotNow: there is no such run, it waits for a person's word, or another one has begun meanwhile.
    """
    with database.write() as connection:
        _alone(connection, _one(connection, run_id).agreement)
        run = _one(connection, run_id, lock=True)
        if run.state == PROPOSED:
            raise NotNow(f"run {run_id} waits for a word: test it, start it, or drop it")
        if run.state in _STOPPED:
            if run.type in _ABOUT_COMPANIES:
                _free(connection, run.agreement, RunKind(run.type), None)
            _to_queued(connection, run_id, run.options)
        elif run.state in UNFINISHED:
            _due_now(connection, run_id)


def cancel(database: Database, run_id: int) -> None:
    """
    End a run where it is; whoever works on it writes nothing more.

    Raises:
        NotNow: there is no such run, or it has ended.
    """
    with database.write() as connection:
        _alone(connection, _one(connection, run_id).agreement)
        run = _one(connection, run_id, lock=True)
        ended = connection.execute(
            sa.update(_run)
            .where(_run.c.id == run_id, _run.c.state.in_((*UNFINISHED, PROPOSED)))
            .values(
                state="cancelled",
                finished_at=sa.text(database.sql.now),
                lease_token=None,
                lease_until=None,
                not_before=None,
                message=None,
            )
        )
        if run.state == PROPOSED:
            _answered(connection, database, run.agreement)
        if not ended.rowcount and run.state != "cancelled":
            raise NotNow(f"run {run_id} has ended: {run.state}")


def proposed(connection: Connection, agreement: int) -> int | None:
    """The agreement's run that waits for a person's word."""
    found = sa.select(_run.c.id).where(
        _run.c.agreement == agreement, _run.c.type == RunKind.IMPORT, _run.c.state == PROPOSED
    )
    return connection.execute(found.order_by(_run.c.id)).scalars().first()


def _answered(connection: Connection, database: Database, agreement: int) -> None:
    """A person said what is to become of those that wait."""
    FailureRows(connection, database.sql, agreement).resolve("import", [agreement])


def _alone(connection: Connection, agreement: int) -> Any:
    """Nobody else begins a run of this agreement meanwhile; returns when its first import was approved."""
    found = sa.select(_agreement.c.companies_since).where(_agreement.c.number == agreement)
    return connection.execute(found.with_for_update()).scalar()


def _unfinished(connection: Connection, agreement: int, *kinds: str) -> list[tuple[int, dict[str, Any]]]:
    """Newest first."""
    found = sa.select(_run.c.id, _run.c.options).where(
        _run.c.agreement == agreement, _run.c.type.in_(kinds), _run.c.state.in_(UNFINISHED)
    )
    return [(row.id, row.options) for row in connection.execute(found.order_by(_run.c.id.desc()))]


def _free(connection: Connection, agreement: int, kind: RunKind, options: dict[str, Any] | None) -> int | None:
    """
    The unfinished run of this kind and options, due now; None when no run about companies is unfinished.

    Raises:
        NotNow: another one is.
    """
    for other in _ABOUT_COMPANIES:
        for run_id, asked_for in _unfinished(connection, agreement, other):
            if other is kind and options is not None and _same(asked_for, options):
                _due_now(connection, run_id)
                return run_id
            raise NotNow(
                f"{other} {run_id} of agreement {agreement} is unfinished: let it end, or cancel it with"
                f" `debitor import {agreement} --cancel {run_id}`"
            )
    return None


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return {**a, "who": ""} == {**b, "who": ""}


def _one(connection: Connection, run_id: int, *, lock: bool = False) -> Any:
    """A run; its agreement is locked before it is."""
    found = sa.select(_run).where(_run.c.id == run_id)
    row = connection.execute(found.with_for_update() if lock else found).first()
    if row is None:
        raise NotNow(f"there is no run {run_id}")
    return row


def _due_now(connection: Connection, run_id: int) -> None:
    connection.execute(sa.update(_run).where(_run.c.id == run_id).values(not_before=None, attempts=0))


def _to_queued(connection: Connection, run_id: int, options: dict[str, Any]) -> None:
    connection.execute(
        sa.update(_run)
        .where(_run.c.id == run_id)
        .values(state="queued", options=options, finished_at=None, message=None, not_before=None, attempts=0)
    )
