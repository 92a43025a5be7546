"""Waiting with a deadline, never a bare sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STEP_S = 0.02


def eventually(look: Callable[[], T], *, within_s: float = 10.0, why: str | Callable[[], object] = "") -> T:
    """Look until it is true and return it; AssertionError with what was seen last once `within_s` have passed."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {within_s} s, last seen: {seen!r} {why() if callable(why) else why}".strip()
            )
        time.sleep(STEP_S)
    return seen


def stays(look: Callable[[], object], *, for_s: float) -> None:
    """Look again and again for so long; AssertionError as soon as it is not true."""
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        seen = look()
        assert seen, f"changed to {seen!r}"
        time.sleep(STEP_S)
