"""
Runs: jobs that are done a portion at a time, each portion one transaction with the note where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, Protocol

from domain.ports import UnitOfWork, WorkPort


class RunKind(StrEnum):
    """What a run does; the `type` of its row."""

    RESYNC = "resync"
    IMPORT = "import"  # e-conomic's debtors become companies, or are found to be known ones
    MATCH = "match"  # the same for the debtors of the mirror that have no company
    REVERT = "revert"  # of an import or match


class RunState(Protocol):
    """
    Where a run is; kept in its row.

    `read` of `total` records of the phase are done (`total` None: unknown); `counts` is what it did so far.
    """

    @property
    def phase(self) -> StrEnum: ...
    @property
    def read(self) -> int: ...
    @property
    def total(self) -> int | None: ...
    @property
    def counts(self) -> dict[str, dict[str, int]]: ...

    def as_json(self) -> dict[str, Any]: ...


class RunPort(WorkPort, Protocol):
    """
    A run's lease.

    What a dry run writes is rolled back, but for what `save` and `keep` were given.
    """

    @property
    def run_id(self) -> int: ...

    def look(self) -> AbstractContextManager[UnitOfWork]:
        """A transaction that only reads."""
        ...

    def save(self, uow: UnitOfWork, state: RunState) -> None:
        """Committed with the transaction that is open now."""
        ...

    def keep(self, write: Callable[[UnitOfWork], None]) -> None:
        """What the transaction that is open now does last, and commits, a dry run's too."""
        ...


class Job(Protocol):
    """A run on its way."""

    @property
    def state(self) -> RunState: ...

    def step(self) -> bool:
        """
        One portion; False when everything is done.

        Raises:
            TransientError: it has to wait; it goes on from the last portion stored.
            PermanentError: it can never be done; the message says why.
        """
        ...

    def closing(self) -> str | None:
        """What a person must know in the end."""
        ...
