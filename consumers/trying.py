"""
Work that goes on for ever: the surroundings' trouble is said once in a while, a mistake of ours every time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from infra.broker.topology import BROKER_AWAY
from infra.database.engine import DatabaseAway

log = structlog.get_logger()

QUIET_LOG_S = 30.0

T = TypeVar("T")


class Tries:
    """Calls actions by name and remembers which of them are in trouble."""

    def __init__(self) -> None:
        self._complained: dict[str, float] = {}

    def call(self, name: str, action: Callable[[], T]) -> T | None:
        """What the action returned; None when it failed: `<name>.failed` for a server away, else `<name>.bug`."""
        try:
            result = action()
        except (DatabaseAway, *BROKER_AWAY) as error:
            now = time.monotonic()
            if now - self._complained.get(name, -QUIET_LOG_S) >= QUIET_LOG_S:
                self._complained[name] = now
                log.warning(f"{name}.failed", error=repr(error)[:200])
        except Exception:
            log.exception(f"{name}.bug")
        else:
            if self._complained.pop(name, None) is not None:
                log.info(f"{name}.recovered")
            return result
        return None
