"""
How far a run is, on a terminal: one bar for each phase, with a forecast.
"""

from __future__ import annotations

from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Forecast

from domain.run_kinds import RunState

_SAID = {
    "debtors": "Debtors",
    "gone": "Debtors gone",
    "invoices": "Invoices",
    "lines": "Lines",
    "repair": "Lines once more",
    "load": "Debtors of the mirror",
    "judge": "Which company each one is",
    "carry_out": "Links and companies",
    "revert": "Taken back",
}
"""By the phase of a run."""


class Display:
    """Shows progress on stderr where a person watches; elsewhere only a wait is said, once for each reason."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            Forecast(),
            TextColumn("{task.fields[waits]}"),
            console=Console(stderr=True),
            disable=not shown,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said = ""

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, state: RunState) -> None:
        """The state after a page."""
        now = state.phase.value
        for phase, task in self._tasks.items():
            if phase != now:
                self._progress.stop_task(task)
        if now not in _SAID:
            return
        if now not in self._tasks:
            self._tasks[now] = self._progress.add_task(_SAID[now], total=None, waits="")
        self._progress.update(self._tasks[now], completed=state.read, total=state.total, waits="")

    def wait(self, why: str, seconds: float | None = None) -> None:
        """Nothing happens just now."""
        said = f"{why}; again in {seconds:,.0f} s" if seconds else why
        if self._shown:
            for task in self._tasks.values():
                self._progress.update(task, waits=said)
        elif why != self._said:
            click.echo(f"Waiting: {said}", err=True)
        self._said = why
