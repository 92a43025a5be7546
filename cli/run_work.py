"""
Working on a run from a command, or watching the process that does.
"""

from __future__ import annotations

import sys
import time

from cli import lock
from cli.output import CommandFailed, unlock
from cli.progress import Display
from consumers.run_jobs import place_of
from consumers.runs import work_on
from infra.bootstrap import Services
from infra.database.comparisons import UNFINISHED
from infra.database.engine import DatabaseAway
from infra.database.runs import Run

POLL_S = 0.5
"""How often the row of a run is looked at that another process works on, or that waits."""


def check_tokens(services: Services, number: int) -> None:
    """Raises CredentialsMissing at once rather than let the run wait for a token."""
    unlock(services, number)
    token = services.granted.get(number) or services.agreements.grant_token(number)
    services.client.agreement(number, token)


def finish(services: Services, run_id: int, goes_on: str) -> Run:
    """
    Work on a run until it has ended, or watch the process that does.

    The embedded form does the work where it runs, unless this command alone was given the token. Elsewhere the lease
    decides: a worker may take over while this command waits, and the other way round.

    Args:
        goes_on: what a person does to have it go on, for when this command ends before.

    Raises:
        CommandFailed: interrupted, or the database does not answer; the run stays and can be resumed.
    """
    token: str | None = None
    number = run_of(services, run_id).agreement
    with Display(shown=sys.stderr.isatty()) as display:
        try:
            while (run := run_of(services, run_id)).state in UNFINISHED:
                display.show(place_of(run))
                running = None if number in services.granted else lock.holder(services.settings)
                token = services.runs.take(run_id) if running is None else None
                if token is None:
                    display.wait(_who_works(run, running))
                    time.sleep(POLL_S)
                    continue
                seconds = work_on(services, run_id, token, on_page=display.show)
                token = None
                if seconds > 0:
                    display.wait(run_of(services, run_id).message or "", seconds)
                    _sleep(services, run_id, seconds)
        except KeyboardInterrupt:
            if token is not None:
                services.runs.release(run_id, token)
            raise CommandFailed(f"interrupted; {goes_on} (a running worker does so by itself)") from None
        except DatabaseAway as error:
            raise CommandFailed(f"{error}; {goes_on}") from error
    return run


def run_of(services: Services, run_id: int) -> Run:
    """A run that is there. Raises CommandFailed when it is not."""
    run = services.runs.get(run_id)
    if run is None:
        raise CommandFailed(f"there is no run {run_id}")
    return run


def _sleep(services: Services, run_id: int, seconds: float) -> None:
    """Until the wait is over or another process has taken the run."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and run_of(services, run_id).state == "waiting":
        time.sleep(min(left, POLL_S))


def _who_works(run: Run, running: int | None) -> str:
    if run.state == "waiting" and run.message:
        return run.message
    if running is not None:
        return f"process {running} does the work"
    return "another process works on it, or was killed less than three minutes ago"
