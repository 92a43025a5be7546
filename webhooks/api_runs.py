"""
The API's runs: resyncs, imports and matches are started, watched, cancelled and taken back, and their reports fetched.

Every POST here may be sent again: an unfinished run answers with itself. A sender's `Idempotency-Key` therefore needs
no memory of ours.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from domain.import_rows import Verdict
from domain.imports import ImportOptions
from domain.resync_state import ResyncOptions
from domain.run_kinds import RunKind
from infra.bootstrap import Services
from infra.database import api_views, asked_runs, import_views
from infra.database.asked_runs import Begun, NotNow
from infra.database.import_views import NotAsked
from infra.database.runs import Run
from infra.import_report import write_report
from webhooks import api_shapes as shapes
from webhooks.api_requests import (
    MAX_ID,
    Problem,
    agreement_of,
    answer,
    body_of,
    caller,
    check_parameters,
    number,
    page,
    page_size,
    text,
)

SCOPE = "operations"
WHO = "api"
_FLAGS = ("debtors", "invoices", "dry_run", "allow_deletions")
_FORMATS = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def add_runs(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/runs")
    def runs() -> ResponseReturnValue:
        """Runs, newest first."""
        firm = caller(services, SCOPE)
        check_parameters({"agreement", "cursor", "limit"})
        limit = page_size()
        with services.database.read() as connection:
            rows = api_views.runs(
                connection, firm, agreement=number("agreement"), after=number("cursor"), limit=limit + 1
            )
        return page(rows, limit, shapes.run, lambda row: row.id)

    @api.post("/runs")
    def start() -> ResponseReturnValue:
        """Start a run: 201, or 200 with the unfinished one that was asked for alike."""
        firm = caller(services, SCOPE)
        check_parameters(())
        body = body_of({"type", "agreement", "options"})
        kind = body.get("type")
        if kind not in list(RunKind):
            raise Problem(400, f"type must be one of {', '.join(RunKind)}", field="type")
        agreement = body.get("agreement")
        if not isinstance(agreement, int) or isinstance(agreement, bool) or not 0 < agreement <= MAX_ID:
            raise Problem(400, "agreement must be an agreement's number", field="agreement")
        asked_for = body.get("options", {})
        if not isinstance(asked_for, dict):
            raise Problem(400, "options must be an object", field="options")
        with _refused():
            begun = begin(firm, RunKind(kind), agreement, asked_for)
        location = f"{api.url_prefix}/runs/{begun.run_id}"
        found = shapes.run(own_run(firm, begun.run_id))
        return answer(found, 201 if begun.fresh else 200, headers={"Location": location})

    @api.get("/runs/<int:wanted>")
    def run(wanted: int) -> ResponseReturnValue:
        """One run: where it is and what it did so far."""
        found = own_run(caller(services, SCOPE), wanted)
        check_parameters(())
        return answer(shapes.run(found))

    @api.post("/runs/<int:wanted>/cancel")
    def cancel(wanted: int) -> ResponseReturnValue:
        """End a run where it is, or drop one that waits for a person's word."""
        return change(wanted, asked_runs.cancel)

    @api.post("/runs/<int:wanted>/resume")
    def resume(wanted: int) -> ResponseReturnValue:
        """Let a run go on at once where it stopped, a cancelled or failed one, too."""
        return change(wanted, asked_runs.resume)

    @api.get("/runs/<int:wanted>/rows")
    def rows(wanted: int) -> ResponseReturnValue:
        """What an import says and did about each debtor, by number."""
        own_run(caller(services, SCOPE), wanted)
        check_parameters({"verdict", "cursor", "limit"})
        limit, verdict = page_size(), text("verdict")
        if verdict is not None and verdict not in list(Verdict):
            raise Problem(400, f"verdict must be one of {', '.join(Verdict)}", field="verdict")
        with services.database.read() as connection:
            found = import_views.rows(connection, wanted, verdict=verdict, after=number("cursor"), limit=limit + 1)
        return page(found, limit, shapes.import_row, lambda shown: shown.row.content.number)

    @api.get("/runs/<int:wanted>/report")
    def report(wanted: int) -> ResponseReturnValue:
        """All rows as a file."""
        own_run(caller(services, SCOPE), wanted)
        check_parameters({"format"})
        kind = text("format") or "csv"
        if kind not in _FORMATS:
            raise Problem(400, f"format must be one of {', '.join(_FORMATS)}", field="format")
        folder = tempfile.TemporaryDirectory(prefix="debitor-report-")
        path = Path(folder.name) / f"import-{wanted}.{kind}"
        write_report(services.database, wanted, path)
        response = Response(_chunks(folder, path), mimetype=_FORMATS[kind])
        response.headers["Content-Disposition"] = f'attachment; filename="{path.name}"'
        response.headers["Content-Length"] = str(path.stat().st_size)
        response.headers["Cache-Control"] = "no-store"
        return response

    @api.get("/runs/<int:wanted>/checks")
    def checks(wanted: int) -> ResponseReturnValue:
        """The links a person is asked about, and what was answered."""
        own_run(caller(services, SCOPE), wanted)
        check_parameters(())
        return answer(checks_json(wanted))

    @api.post("/runs/<int:wanted>/checks/<int:debtor>")
    def check(wanted: int, debtor: int) -> ResponseReturnValue:
        """Say whether one of them is right; null takes the answer back."""
        own_run(caller(services, SCOPE), wanted)
        check_parameters(())
        body = body_of({"right"})
        right = body.get("right")
        if "right" not in body or not (right is None or isinstance(right, bool)):
            raise Problem(400, "right must be true, false or null", field="right")
        try:
            import_views.tick(services.database, wanted, debtor, right=right, who=WHO)
        except NotAsked as error:
            raise Problem(404, str(error)) from error
        return answer(checks_json(wanted))

    def begin(firm: int, kind: RunKind, agreement: int, asked_for: dict[str, Any]) -> Begun:
        if kind is RunKind.RESYNC:
            options = _resync_options(asked_for)
            agreement_of(services, firm, agreement)
            return asked_runs.begin_resync(services.database, agreement, options)
        if kind is RunKind.REVERT:
            of_run = _revert_of(asked_for)
            agreement_of(services, firm, agreement)
            if own_run(firm, of_run).agreement != agreement:
                raise Problem(404, f"there is no run {of_run} of agreement {agreement}")
            return asked_runs.begin_revert(services.database, of_run, who=WHO)
        flags = _import_flags(asked_for, ("test", "waiting") if kind is RunKind.IMPORT else ("test",))
        agreement_of(services, firm, agreement)
        waiting = None
        if flags.get("waiting"):
            with services.database.read() as connection:
                waiting = asked_runs.proposed(connection, agreement)
            if waiting is None:
                raise Problem(409, f"nothing of agreement {agreement} waits for a word")
        wanted = ImportOptions(test=flags.get("test", False), waiting=waiting, who=WHO)
        return asked_runs.begin_import(services.database, agreement, kind, wanted)

    def change(wanted: int, how: Any) -> ResponseReturnValue:
        firm = caller(services, SCOPE)
        own_run(firm, wanted)
        check_parameters(())
        body_of(())
        with _refused():
            how(services.database, wanted)
        return answer(shapes.run(own_run(firm, wanted)))

    def checks_json(wanted: int) -> shapes.Json:
        with services.database.read() as connection:
            return shapes.checks(import_views.asked(connection, wanted), import_views.parts(connection, wanted))

    def own_run(firm: int, wanted: int) -> Run:
        with services.database.read() as connection:
            found = api_views.run(connection, firm, wanted)
        if found is None:
            raise Problem(404, f"there is no run {wanted}")
        return found


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except NotNow as error:
        raise Problem(409, str(error)) from error


def _chunks(folder: tempfile.TemporaryDirectory[str], path: Path) -> Iterator[bytes]:
    with folder, path.open("rb") as file:
        while chunk := file.read(65_536):
            yield chunk


def _import_flags(asked_for: dict[str, Any], known: tuple[str, ...]) -> dict[str, bool]:
    """Raises Problem 400, naming the field."""
    for name, value in asked_for.items():
        if name not in known:
            raise Problem(400, f"there is no option {name!r} here, only {', '.join(known)}", field=f"options.{name}")
        if not isinstance(value, bool):
            raise Problem(400, f"{name} must be true or false", field=f"options.{name}")
    return asked_for


def _revert_of(asked_for: dict[str, Any]) -> int:
    """Raises Problem 400, naming the field."""
    for name in asked_for:
        if name != "run":
            raise Problem(400, f"a revert has no option {name!r}", field=f"options.{name}")
    run = asked_for.get("run")
    if not isinstance(run, int) or isinstance(run, bool) or not 0 < run <= MAX_ID:
        raise Problem(400, "run must be the id of an import or match", field="options.run")
    return run


def _resync_options(asked: dict[str, Any]) -> ResyncOptions:
    """Raises Problem 400, naming the field."""
    for name, value in asked.items():
        if name not in (*_FLAGS, "since"):
            raise Problem(400, f"a resync has no option {name!r}", field=f"options.{name}")
        if name in _FLAGS and not isinstance(value, bool):
            raise Problem(400, f"{name} must be true or false", field=f"options.{name}")
    since = asked.get("since")
    try:
        date = None if since is None else dt.date.fromisoformat(since)
    except (TypeError, ValueError):
        raise Problem(400, "since must be a date such as 2026-05-04", field="options.since") from None
    options = ResyncOptions(**{**asked, "since": date})
    if not (options.debtors or options.invoices):
        raise Problem(400, "a resync reads debtors, invoices or both", field="options.invoices")
    if date is not None and not options.invoices:
        raise Problem(400, "since limits invoices, which are left out", field="options.since")
    return options
