"""
When everything is compared although nobody asked: old hints become one full reading, and once a day by itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from domain.hints import Hint
from domain.ports import UnitOfWork
from domain.resync_state import ResyncOptions

FOLD_AFTER_S = 86_400.0
"""Hints of debtors that waited so long are folded into one comparison."""

DAILY = ResyncOptions(invoices=False, by_itself=True)
"""The debtors alone, in `ceil(debtors / 1000)` calls: it finds deletions and re-numberings that no webhook told."""

NIGHT = range(5)
"""Hours of UTC in which nobody is at work where e-conomic is used."""

_AT_NIGHT = dt.timedelta(hours=12)
_AT_ANY_TIME = dt.timedelta(hours=24)


def due_after(now: dt.datetime) -> dt.timedelta:
    """How long ago the last comparison must have begun: at night rather than by day, within 24 hours in any case."""
    return _AT_NIGHT if now.hour in NIGHT else _AT_ANY_TIME


def fold(uow: UnitOfWork, hints: Sequence[Hint]) -> list[Hint]:
    """
    Let one full comparison stand for hints that waited over a day; what is left is to be read as ever.

    After so long events may be missing as well, and a walk over everything finds what they would have told. The run
    is queued in the transaction that marks the hints handled. Re-numberings are left: no list tells of them. While a
    comparison has not ended nothing is folded, because it may have passed these numbers.
    """
    folded = [hint.id for hint in hints if len(hint.numbers()) < 2]
    if not folded or uow.comparisons.unfinished():
        return list(hints)
    uow.comparisons.begin(DAILY)
    uow.inbox.handled(folded)
    done = set(folded)
    return [hint for hint in hints if hint.id not in done]
