"""
What each kind of run does.
"""

from __future__ import annotations

from domain.import_run import Import
from domain.imports import ImportOptions, ImportState, Phase
from domain.read_ahead import ReadAhead
from domain.resync import Resync
from domain.resync_state import ResyncOptions, ResyncState
from domain.reverting import Revert, RevertState
from domain.run_kinds import Job, RunKind, RunState
from infra.bootstrap import Services
from infra.database.runs import Run, RunWork


def job_of(services: Services, run: Run, token: str, ahead: ReadAhead | None = None) -> Job:
    """
    A run where it stopped, under the lease of this token.

    Raises:
        CredentialsMissing, WrongAgreement, TransientError: as `Services.economic`.
    """
    api = services.economic(run.agreement) if reads_economic(run) else None
    match RunKind(run.type):
        case RunKind.IMPORT | RunKind.MATCH:
            asked_for = ImportOptions.from_json(run.options)
            work = RunWork(services.database, run, token, ahead, dry=asked_for.test, matches=True)
            return Import(work, api, asked_for, ImportState.from_json(run.progress))
        case RunKind.REVERT:
            work = RunWork(services.database, run, token, ahead)
            return Revert(work, run.options["run"], run.options["who"], RevertState.from_json(run.progress))
        case RunKind.RESYNC:
            assert api is not None
            options = ResyncOptions.from_json(run.options)
            work = RunWork(services.database, run, token, ahead, dry=options.dry_run)
            return Resync(work, api, options, ResyncState.from_json(run.progress))


def place_of(run: Run) -> RunState:
    """Where a run is."""
    match RunKind(run.type):
        case RunKind.IMPORT | RunKind.MATCH:
            return ImportState.from_json(run.progress)
        case RunKind.REVERT:
            return RevertState.from_json(run.progress)
        case RunKind.RESYNC:
            return ResyncState.from_json(run.progress)


def reads_economic(run: Run) -> bool:
    """Whether what is left of a run needs e-conomic's answers."""
    if run.type == RunKind.RESYNC:
        return True
    return run.type == RunKind.IMPORT and run.progress["phase"] in (Phase.LIST, Phase.GONE)
