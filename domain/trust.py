"""
What must be sure before e-conomic's answers take debtors away.

A swapped token, a lost role or a lagging filter makes many debtors look deleted, or turned into other firms, at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from domain.accounting_api import AccountingApi, Identity
from domain.errors import Blocked, PermanentError, WrongAgreement
from domain.ports import UnitOfWork, WorkPort

GUARD_COUNT = 20
GUARD_SHARE = 0.02
GUARD_WINDOW = dt.timedelta(hours=1)
"""Deletions of drains that follow one another count together."""


def confirmed(api: AccountingApi, agreement: int) -> Identity:
    """
    Who the tokens speak for: the agreement expected.

    Raises:
        WrongAgreement: they open another one; nothing it says may be stored.
        TransientError: /self could not be read.
    """
    try:
        identity = api.identity()
    except PermanentError as error:
        raise Blocked(f"e-conomic does not say which agreement this is: {error}") from error
    if identity.agreement != agreement:
        raise WrongAgreement(
            f"the grant token of agreement {agreement} opens agreement {identity.agreement}; nothing was stored"
        )
    return identity


class UnsureWhoAnswers(Exception):
    """What is about to be stored could be another agreement's: /self must be asked first."""


class TooManyGo(Exception):
    """So many debtors would become tombstones that a person must be asked; `numbers` are those of this answer."""

    def __init__(self, numbers: Collection[int]) -> None:
        super().__init__(f"{len(numbers)} debtors more would go")
        self.numbers = numbers


class DeletionGuard:
    """
    One pass's: debtors go only after /self named the agreement, now or shortly before, and only while they are few.

    Few: at most 20, or 2 % of those living, of all that went in the last hour; beyond that they stay, and a person is
    asked (`debitor resync NUMBER --allow-deletions`).

    Args:
        allowed: that person said yes.
    """

    def __init__(self, work: WorkPort, api: AccountingApi, *, allowed: bool = False) -> None:
        self._work = work
        self._api = api
        self._allowed = allowed
        self._confirmed = api.confirmed

    def confirm(self) -> None:
        """Ask who answers. Raises WrongAgreement."""
        confirmed(self._api, self._work.agreement)
        self._confirmed = True

    def check(self, uow: UnitOfWork, going: Collection[int], *, foreign: bool) -> None:
        """
        Called before anything is written.

        Args:
            going: numbers whose rows would become tombstones.
            foreign: the answer looks like another agreement's.

        Raises:
            UnsureWhoAnswers: call `confirm`, then try again.
            TooManyGo: leave these numbers out.
        """
        if (going or foreign) and not self._confirmed:
            raise UnsureWhoAnswers
        if going and not self.lets_go(uow, len(going)):
            raise TooManyGo(going)

    def lets_go(self, uow: UnitOfWork, count: int) -> bool:
        """Whether so many more may go."""
        gone = 0 if self._allowed else uow.debtors.count_gone(GUARD_WINDOW)
        return self._allowed or gone + count <= GUARD_COUNT or count <= _room(uow, gone)

    def room(self, uow: UnitOfWork) -> int:
        """How many more may go without a person's word."""
        return _room(uow, uow.debtors.count_gone(GUARD_WINDOW))


def _room(uow: UnitOfWork, gone: int) -> int:
    before = uow.debtors.count_living() + gone
    return max(0, max(GUARD_COUNT, int(before * GUARD_SHARE)) - gone)
