"""
Reasons in words: message ids with parameters, to be translated where they are shown.
"""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """`message` is English and takes `parameters` by name; `bits` below zero speak against."""

    message: str
    bits: float
    parameters: tuple[tuple[str, str | int], ...] = ()

    def text(self) -> str:
        """In English."""
        return self.message % dict(self.parameters)
