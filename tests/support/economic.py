"""An e-conomic inside the process that debtors are created in: numbers, keys kept for an hour, and faults on demand."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.accounting_api import DebtorBody, Identity, Page, Written
from domain.debtors import Debtor
from domain.errors import AnswerLost, Complaint, NumberTaken, Rejected
from tests.support.databases import AGREEMENT

Fault = Callable[[str], None]
"""Called with the name of a call before it, and with `<name> done` after its effect; may raise."""


class Ledger:
    """Debtors by number; safe for threads."""

    def __init__(self, *debtors: Debtor) -> None:
        self.books = {debtor.number: debtor for debtor in debtors}
        self.calls: list[str] = []
        self.beside: dict[int, Mapping[str, Any]] = {}  # what a debtor has that Debitor does not know
        self.refuse: str | None = None
        self.faults: list[Fault] = []
        self._kept: dict[str, tuple[Mapping[str, Any], int]] = {}
        self._lock = threading.RLock()

    def forget_keys(self) -> None:
        """As if an hour had passed."""
        self._kept.clear()

    confirmed = True

    def identity(self) -> Identity:
        return Identity(AGREEMENT, "user", "Havnens Revision", "DKK")

    def debtor(self, number: int, *, bulk: bool = False) -> Debtor | None:
        with self._called("debtor"):
            return self.books.get(number)

    def debtors(self, numbers: Sequence[int]) -> Page[Debtor]:
        found = [self.books[number] for number in sorted(numbers) if number in self.books]
        return Page(found, [], len(self.books), False)

    def fits_one_call(self, numbers: Sequence[int]) -> int:
        return min(len(numbers), 200)

    def find_debtors(self, *, cvr: str | None = None, name: str | None = None) -> Page[Debtor]:
        with self._called("find"):
            found = [
                debtor
                for _, debtor in sorted(self.books.items())
                if (cvr and cvr in (debtor.cvr or "")) or (name and name.casefold() in debtor.name.casefold())
            ]
            return Page(found, [], len(self.books), False)

    def create_debtor(self, body: Mapping[str, Any], key: str) -> Written:
        with self._called("create"):
            if key in self._kept:
                first, number = self._kept[key]
                assert first == body, "another body under the same key"
                return Written(self.books[number], created=True, replayed=True)
            if self.refuse is not None:
                raise Rejected("refused", status=400, complaints=[Complaint("zip", self.refuse)])
            number = body.get("number") or max(self.books, default=0) + 1
            if number in self.books:
                raise NumberTaken("taken", status=400)
            self.books[number] = Debtor(
                **{**body, "number": number}, last_updated=dt.datetime.now(dt.UTC).replace(microsecond=0)
            )
            self._kept[key] = body, number
            return Written(self.books[number], created=True, replayed=False)

    def debtor_body(self, number: int) -> DebtorBody | None:
        with self._called("body"):
            debtor = self.books.get(number)
            return None if debtor is None else DebtorBody(debtor, self.beside.get(number, {}))

    def replacement(self, body: DebtorBody, changes: Mapping[str, Any]) -> str:
        kept = {name: value for name, value in body.debtor._asdict().items() if name not in ("number", "last_updated")}
        return json.dumps({**kept, **changes, "beside": body.properties})

    def replace_debtor(self, number: int, replacement: str, key: str) -> Written:
        with self._called("replace"):
            if key in self._kept:
                first, _ = self._kept[key]
                assert first == {"replacement": replacement}, "another body under the same key"
                return Written(Debtor(number, "as it was"), created=False, replayed=True)
            if self.refuse is not None:
                raise Rejected("refused", status=400, complaints=[Complaint("zip", self.refuse)])
            fields = json.loads(replacement)
            self.beside[number] = fields.pop("beside")
            new = number not in self.books
            self.books[number] = Debtor(number, **fields)
            self._kept[key] = {"replacement": replacement}, number
            return Written(self.books[number], created=new, replayed=False)

    def __getattr__(self, name: str) -> Callable[..., object]:
        raise AssertionError(f"these tests do not expect a call of {name}")

    def _called(self, name: str) -> _Called:
        return _Called(self, name)

    def fault(self, moment: str) -> None:
        for each in list(self.faults):
            each(moment)


class _Called:
    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger, self._name = ledger, name

    def __enter__(self) -> None:
        self._ledger.calls.append(self._name)
        self._ledger.fault(self._name)
        self._ledger._lock.acquire()

    def __exit__(self, kind: object, *_: object) -> None:
        self._ledger._lock.release()
        if kind is None:
            self._ledger.fault(f"{self._name} done")


def once(moment: str, error: Exception, *, ledger: Ledger) -> None:
    """The next time the ledger comes to this moment the error happens."""

    def happen(now: str) -> None:
        if now == moment:
            ledger.faults.remove(happen)
            raise error

    ledger.faults.append(happen)


def lost() -> AnswerLost:
    return AnswerLost("the connection broke")
