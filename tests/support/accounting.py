"""A stand-in for e-conomic inside the process, for moments that must be held still."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from domain.accounting_api import Accounting, Identity, Page
from domain.debtors import Debtor
from domain.errors import PermanentError
from domain.invoices import Invoice
from domain.reference import Listing, Name
from tests.support.databases import AGREEMENT

PATIENCE_S = 20.0


@dataclass
class Moment:
    """A call that has read its answer and does not return yet."""

    reached: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def pass_through(self) -> None:
        self.reached.set()
        if not self.goes_on.wait(PATIENCE_S):
            raise AssertionError("nobody let the call go on")

    def wait(self) -> None:
        assert self.reached.wait(PATIENCE_S), "the call was never made"


class HeldAccounting:
    """Debtors by number; a single read of a number may be held after it has read its answer."""

    def __init__(self, *debtors: Debtor, agreement: int = AGREEMENT) -> None:
        self.agreement = agreement
        self.books: dict[int, Debtor | PermanentError] = {debtor.number: debtor for debtor in debtors}
        self.asked: list[int] = []
        self._moments: dict[int, list[Moment]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, number: int) -> Iterator[Moment]:
        """The next single read of this number stops until it is told to go on, at the latest on leaving."""
        moment = Moment()
        with self._lock:
            self._moments.setdefault(number, []).append(moment)
        try:
            yield moment
        finally:
            moment.goes_on.set()

    def __getattr__(self, name: str) -> Callable[..., object]:
        raise AssertionError(f"these tests do not expect a call of {name}")

    confirmed = False

    def identity(self) -> Identity:
        return Identity(self.agreement, "user", "Havnens Revision", "DKK")

    def debtor(self, number: int, *, bulk: bool = False) -> Debtor | None:
        answer = self.books.get(number)
        with self._lock:
            self.asked.append(number)
            waiting = self._moments.get(number)
            moment = waiting.pop(0) if waiting else None
        if moment is not None:
            moment.pass_through()
        if isinstance(answer, PermanentError):
            raise answer
        return answer

    def debtors(self, numbers: Sequence[int]) -> Page[Debtor]:
        found = [self.books[number] for number in sorted(numbers) if number in self.books]
        return Page([one for one in found if isinstance(one, Debtor)], [], len(self.books), False)

    def unpaid_after(self, _number: int) -> Page[Invoice]:
        return Page([], [], 0, False)

    def debtors_after(self, number: int, *, changed_since: dt.datetime | None = None) -> Page[Debtor]:
        if changed_since is not None:  # nothing changes by itself
            return Page([], [], len(self.books), False)
        numbers = sorted(one for one in self.books if one > number)
        return Page(self.debtors(numbers).items, [], len(self.books), False)

    def names(self, _which: Listing, _page: int) -> Page[Name]:
        return Page([], [], 0, False)

    def fits_one_call(self, numbers: Sequence[int]) -> int:
        return min(len(numbers), 200)


class OneClient:
    """Opens the same accounting for every agreement."""

    def __init__(self, accounting: object) -> None:
        self._accounting = accounting

    def agreement(self, _number: int, _token: str) -> Accounting:
        return self._accounting  # type: ignore[return-value]

    def close(self) -> None:
        pass
