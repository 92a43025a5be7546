"""
Working on a run: by a worker in slices, or by the command line until it ends.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from consumers.run_jobs import job_of, reads_economic
from domain.errors import DebitorError, LeaseLost, TransientError, WrongAgreement
from domain.read_ahead import ReadAhead
from domain.resync_state import ResyncOptions, ResyncState
from domain.run_kinds import RunKind, RunState
from infra.bootstrap import Services
from infra.database.engine import DatabaseAway
from infra.database.runs import Run
from infra.database.statistics import refresh_statistics

log = structlog.get_logger()

SLICE_S = 30.0
"""Longer than a slice of hints: each slice starts its list of lines anew at the last stored invoice."""


STATISTICS_EVERY = 5  # pages


def start_resync(services: Services, agreement: int, options: ResyncOptions) -> int:
    """Queue a resync and return its run's id. Raises ConfigurationError for an unknown agreement."""
    services.agreements.get(agreement)
    state = ResyncState(options.first_phase())
    return services.runs.create(agreement, RunKind.RESYNC, options.as_json(), state.as_json())


def advance(services: Services, run_id: int) -> None:
    """One slice of a run; never raises for the surroundings."""
    token = None
    try:
        run = services.runs.get(run_id)
        if run is None or _wants_a_token(services, run):
            return
        token = services.runs.take(run_id)
        if token is not None:
            work_on(services, run_id, token, slice_s=SLICE_S)
    except DatabaseAway as error:
        log.warning("run.database_away", run=run_id, error=str(error))
        if token is not None:
            services.runs.owe(run_id, token)


def _wants_a_token(services: Services, run: Run) -> bool:
    """An agreement asked for its token every time: only the command that was given it can go on."""
    if not reads_economic(run):
        return False
    agreement = services.agreements.get(run.agreement)
    return agreement.ask_every_time and not agreement.has_grant and run.agreement not in services.granted


def work_on(
    services: Services,
    run_id: int,
    token: str,
    *,
    slice_s: float | None = None,
    on_page: Callable[[RunState], None] = lambda state: None,
) -> float:
    """
    Work until the run ends, has to wait, or the slice is over; returns the seconds to wait (0: ended or sliced).

    Raises DatabaseAway.
    """
    run = services.runs.get(run_id)
    assert run is not None
    structlog.contextvars.bind_contextvars(run=run_id)
    started = time.monotonic()
    pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
    try:
        job = job_of(services, run, token, ReadAhead(pool))
        count_calls = _calls_counter(services, run)
        for page in itertools.count():
            if not job.step():
                break
            job.state.counts["calls"] = {"spent": count_calls()}
            on_page(job.state)
            if page % STATISTICS_EVERY == 0:
                refresh_statistics(services.database)
            if slice_s is not None and time.monotonic() - started > slice_s:
                services.runs.release(run_id, token)
                return 0.0
        job.state.counts["calls"] = {"spent": count_calls()}
        on_page(job.state)
        services.runs.set_counts(run_id, token, job.state.counts)
        services.runs.finish(run_id, token, message=job.closing())
        log.info("run.done", agreement=run.agreement, type=run.type, counts=job.state.counts)
    except LeaseLost as error:
        log.warning("run.lease_lost", error=str(error))
    except DatabaseAway:
        raise
    except TransientError as error:
        if isinstance(error, WrongAgreement):
            services.agreements.doubt(run.agreement)
        seconds = services.runs.wait(run_id, token, error)
        log.warning("run.waits", agreement=run.agreement, reason=error.reason, error=str(error), seconds=seconds)
        return seconds
    except DebitorError as error:
        services.runs.finish(run_id, token, state="failed", message=str(error))
        log.error("run.failed", agreement=run.agreement, error=str(error))
    except Exception as error:
        services.runs.finish(run_id, token, state="failed", message=f"Debitor failed: {error!r}; see the log")
        log.exception("run.bug", agreement=run.agreement)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        services.budget.give_back(run.agreement)
        structlog.contextvars.unbind_contextvars("run")
    return 0.0


def _calls_counter(services: Services, run: Run) -> Callable[[], int]:
    """Calls made for a run so far, earlier processes' included."""
    earlier = int(run.counts.get("calls", {}).get("spent", 0)) - services.budget.made[run.agreement]
    return lambda: earlier + services.budget.made[run.agreement]
