"""
Conversions of one agreement: what was asked for becomes rows at once, whatever e-conomic's trouble; then they are
worked on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from domain.conversion_requests import take_conversion_events
from domain.convert import WIDTH, convert
from domain.hints import Hint
from domain.ports import WorkPort
from domain.refresh_debtors import Refreshed
from infra.bootstrap import Services

AT_ONCE = 500
"""Events of one transaction: their companies stay locked until it ends."""


def convert_agreement(
    services: Services, work: WorkPort, hints: Sequence[Hint], *, more_time: Callable[[], bool]
) -> Refreshed:
    """Raises TransientError: the agreement's conversions wait."""
    for start in range(0, len(hints), AT_ONCE):
        with work.transaction() as uow:
            take_conversion_events(uow, work.agreement, hints[start : start + AT_ONCE])
    pool = ThreadPoolExecutor(WIDTH, thread_name_prefix="convert")
    try:
        done = convert(work, services.economic(work.agreement), services.office, pool=pool, more_time=more_time)
    finally:
        pool.shutdown(wait=False)
    done.hints = len(hints)
    return done
