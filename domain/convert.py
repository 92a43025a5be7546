"""
Use case: bring an agreement's conversions to their end, many at a time.

Calls run beside one another, and whatever has been answered meanwhile is decided and stored together: one transaction
settles what ended, freezes what is about to be created, and takes up what is due. A call under way is never waited for
by the others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import partial

from domain.accounting_api import Accounting
from domain.conversion_calls import Answer, asking, boot_time, look, seek, send
from domain.conversion_ends import Office
from domain.conversion_turn import Start, Turn
from domain.conversions import Conversion
from domain.errors import AnswerLost, DebitorError, RateLimited, TransientError, Unavailable
from domain.ports import WorkPort
from domain.refresh_debtors import Refreshed

WIDTH = 16
"""Calls at the same time: e-conomic answers within tens of milliseconds, so more would only queue."""

GATHER_S = 0.02
"""So long an answer waits for the others under way: about what the transaction costs that they share then."""

TROUBLES = 4
"""So many calls in a row without an answer are e-conomic's trouble, not a single debtor's: everything waits."""


def convert(
    work: WorkPort,
    api: Accounting,
    office: Office,
    *,
    pool: Executor,
    more_time: Callable[[], bool],
) -> Refreshed:
    """
    Work on the conversions that are due until none is, or the time is over; the last transaction releases the lease.

    Raises:
        TransientError: e-conomic, or the way to it, is in trouble: the agreement's conversions wait. What was answered
            until then is stored.
    """
    return _Converting(work, api, office, pool, more_time).run()


class _Converting:
    """One slice."""

    def __init__(
        self, work: WorkPort, api: Accounting, office: Office, pool: Executor, more_time: Callable[[], bool]
    ) -> None:
        self._work = work
        self._api = api
        self._office = office
        self._pool = pool
        self._more_time = more_time
        self._under_way: dict[Future[Answer], Conversion] = {}
        self._troubles = 0
        self._stop: TransientError | None = None
        self._stop_ends = math.inf
        self._done = Refreshed()

    def run(self) -> Refreshed:
        answers: list[Answer] = []
        while True:
            self._look_for_trouble(answers)
            room = WIDTH - len(self._under_way) if self._goes_on() else 0
            self._begin(self._turn(answers, room))
            if self._under_way:
                answers = self._ended()
            elif self._stop is not None:
                raise self._stop
            elif not answers or not room:
                self._done.finished = bool(room)
                if room:  # nothing was due
                    with self._work.transaction(release=True):
                        return self._done
                return self._done
            else:
                answers = []  # what ended may have freed others of its name

    def _goes_on(self) -> bool:
        """New ones are begun until the time is over, and while others must be waited for anyway."""
        if self._under_way and time.monotonic() >= self._stop_ends:
            self._stop, self._stop_ends = None, math.inf
        return self._stop is None and (self._more_time() or bool(self._under_way))

    def _look_for_trouble(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            error = answer.error
            if isinstance(error, AnswerLost | Unavailable):
                self._troubles += 1
                if self._troubles >= TROUBLES:
                    self._stop = error
            elif isinstance(error, TransientError):
                self._stop = error
                if isinstance(error, RateLimited):  # a call that hangs must not make its pause longer for all others
                    self._stop_ends = time.monotonic() + (1.0 if error.retry_after_s is None else error.retry_after_s)
            else:
                self._troubles = 0

    def _turn(self, answers: list[Answer], room: int) -> list[Start]:
        """
        One transaction; a conversion that makes it fail is set aside, so that the others go on.

        Raises:
            DatabaseAway, LeaseLost: nothing of it is stored.
        """
        try:
            return self._transact(answers, room)
        except DebitorError:
            raise
        except Exception as error:
            if len(answers) > 1:
                return [start for answer in answers for start in self._turn([answer], 0)]
            if not answers or answers[0].error is error:
                raise
            answers[0].error = error  # our own mistake: this one waits and is shown
            return self._turn(answers, room)

    def _transact(self, answers: Sequence[Answer], room: int) -> list[Start]:
        busy = list(self._under_way.values())
        with self._work.transaction() as uow:
            turn = Turn(uow, self._work.agreement, self._office, answers)
            starts = turn.taken(room, busy)
        self._done.outcomes.update(turn.outcomes)
        return starts

    def _begin(self, starts: Sequence[Start]) -> None:
        """Make these calls; one stamp, drawn before any of them, dates the answers of all."""
        if not starts:
            return
        stamp, claimed_at = self._work.stamp(), boot_time()
        for start in starts:
            call: Callable[[Answer], None]
            if start.company is not None:
                call = partial(look, api=self._api, company=start.company, number=start.number)
            elif start.seek:
                call = partial(seek, api=self._api)
            else:
                call = partial(send, api=self._api, claimed_at=claimed_at)
            self._under_way[self._pool.submit(asking, call, start.conversion, stamp)] = start.conversion

    def _ended(self) -> list[Answer]:
        """
        What has been answered: the first one, and whatever follows on its heels shares its transaction.

        Nothing, when a pause is over that e-conomic asked for.
        """
        pause_s = None if self._stop_ends == math.inf else max(0.0, self._stop_ends - time.monotonic())
        wait(self._under_way, timeout=pause_s, return_when=FIRST_COMPLETED)
        ended, _ = wait(self._under_way, timeout=GATHER_S)
        for future in ended:
            del self._under_way[future]
        return [future.result() for future in ended]
