"""
One embedded process per `var/`: a lock file says who runs.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import TextIO

from domain.errors import ConfigurationError
from infra.settings import Settings

WAIT_S = 5.0
"""A process whose parent was killed needs a moment to notice and end."""


def lock_path(settings: Settings) -> Path:
    """Beside the SQLite file: whoever uses the file is who must be alone."""
    return Path(settings.database_url.removeprefix("sqlite:///")).resolve().with_suffix(".lock")


def hold(settings: Settings) -> TextIO:
    """
    Take the lock and keep it while the returned file is open; the system gives it back however the process ends.

    Raises:
        ConfigurationError: another process holds it, named by its id.
    """
    path = lock_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    deadline = time.monotonic() + WAIT_S
    while not _try(file):
        if time.monotonic() > deadline:
            pid = holder(settings)
            file.close()
            raise ConfigurationError(
                f"Debitor is running here already (process {pid}, {path}); stop it, or set DEBITOR_DATABASE_URL to"
                " another file"
            )
        time.sleep(0.05)
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def holder(settings: Settings) -> int | None:
    """The id of the embedded process that runs on this database, or None."""
    if not settings.sqlite:
        return None
    path = lock_path(settings)
    if not path.exists():
        return None
    with path.open("a+") as file:
        if _try(file):
            fcntl.flock(file, fcntl.LOCK_UN)
            return None
        file.seek(0)
        text = file.read().strip()
    return int(text) if text.isdigit() else 0


def _try(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
