"""A load of hooks, and which of them were acknowledged."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.support.forms import Agreement
from tests.support.mirror import becomes_equal
from tests.support.waiting import eventually

SEED = int(os.environ.get("DEBITOR_TEST_SEED", "0")) or random.randrange(1, 10_000)
SENDERS = 6


@dataclass
class Load:
    """Edits debtors and books invoices without e-conomic's own webhooks, and sends a hook for each change itself."""

    agreement: Agreement
    debtors: int
    acknowledged: int = 0
    refused: int = 0
    versions: dict[int, int] = field(default_factory=dict)  # the last acknowledged version of each debtor
    invoices: set[int] = field(default_factory=set)  # acknowledged
    unsure: list[tuple[str, int]] = field(default_factory=list)  # sent, not acknowledged: the sender tries again
    answers: list[tuple[int, float]] = field(default_factory=list)  # each hook's status and seconds
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _version: int = 0

    def one(self, chance: random.Random, http: httpx.Client) -> bool:
        """One change and its hook; whether it was acknowledged."""
        number = chance.randint(1, self.debtors)
        if chance.random() < 0.15:
            invoice = self.agreement.books.book(number, hook=False)
            return self._send(http, "invoice", invoice, 0)
        with self._lock:
            self._version += 1
            version = self._version
            self.agreement.books.edit(number, name=f"Firma {number} ApS", city=f"By {version}")
        return self._send(http, "customer", number, version)

    def _send(self, http: httpx.Client, kind: str, number: int, version: int) -> bool:
        field = "invoiceno" if kind == "invoice" else "new"
        started = time.monotonic()
        try:
            status = http.post(f"{self.agreement.address}/{kind}", data={field: str(number)}).status_code
        except httpx.HTTPError:
            status = 0
        with self._lock:
            self.answers.append((status, time.monotonic() - started))
            if status != 202:
                assert status in (0, 503, 502), f"answered {status}"
                self.refused += 1
                self.unsure.append((kind, number))
                return False
            self.acknowledged += 1
            if kind == "invoice":
                self.invoices.add(number)
            else:
                self.versions[number] = max(version, self.versions.get(number, 0))
        return True

    def missing(self) -> list[str]:
        """Acknowledged changes that are not in the rows."""
        found = {
            row.number: int((row.city or "By 0").removeprefix("By ") or 0)
            for row in self.agreement.rows(
                "SELECT number, city FROM debtor WHERE agreement = :agreement AND gone_at IS NULL AND city LIKE 'By %'"
            )
        }
        booked = {row.number for row in self.agreement.rows("SELECT number FROM invoice WHERE agreement = :agreement")}
        late = [f"debtor {n}: {found.get(n)} < {v}" for n, v in self.versions.items() if found.get(n, 0) < v]
        return late + [f"invoice {n}" for n in self.invoices - booked]

    def send_again(self, *, and_untouched: bool = True) -> None:
        """What was not acknowledged is sent until it is, and so are the debtors nothing has happened to."""
        debtors = range(1, self.debtors + 1) if and_untouched else ()
        untouched = [("customer", number) for number in debtors if number not in self.versions]
        with httpx.Client(timeout=10, trust_env=False) as http:
            for kind, number in dict.fromkeys([*self.unsure, *untouched]):
                field = "invoiceno" if kind == "invoice" else "new"

                def sent(kind: str = kind, number: int = number, field: str = field) -> bool:
                    try:
                        answer = http.post(f"{self.agreement.address}/{kind}", data={field: str(number)})
                    except httpx.HTTPError:
                        return False
                    return answer.status_code == 202

                eventually(sent, within_s=30)


@contextmanager
def answered(load: Load, *statuses: int) -> Iterator[None]:
    """Hooks are answered with one of these while the block runs, 99 of 100 within 3 s."""
    before = len(load.answers)
    yield
    meanwhile = load.answers[before:]
    unlike = [answer for answer in meanwhile if answer[0] not in statuses]
    assert not unlike, f"{len(unlike)} of {len(meanwhile)} hooks were answered otherwise, such as {unlike[0]}"
    slow = sorted(seconds for _, seconds in meanwhile)
    p99 = slow[int(len(slow) * 0.99)]
    assert p99 < 3.0, f"p99 of {len(slow)} hooks is {p99:.1f} s"


@contextmanager
def under_load(agreement: Agreement, *, debtors: int = 60, seed: int = 1, pause_s: float = 0.005) -> Iterator[Load]:
    """
    Hooks come from several senders while the block runs; a failed sender fails the test.

    Args:
        pause_s: between two hooks of a sender; above 0.06 they come slowly enough to be handled one by one.
    """
    load, stop, failed = Load(agreement, debtors), threading.Event(), list[BaseException]()

    def send(place: int) -> None:
        chance = random.Random(seed * 100 + place)
        try:
            with httpx.Client(timeout=5, trust_env=False) as http:
                while not stop.is_set():
                    stop.wait(pause_s if load.one(chance, http) else 0.1)
        except BaseException as error:  # noqa: BLE001 - raised again at the end
            failed.append(error)

    threads = [threading.Thread(target=send, args=(place,), daemon=True) for place in range(SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=20)
    if failed:
        raise failed[0]


def acknowledged_more(load: Load, count: int, *, within_s: float = 60.0) -> None:
    """Until so many further hooks were acknowledged."""
    goal = load.acknowledged + count
    eventually(lambda: load.acknowledged >= goal, within_s=within_s, why=lambda: f"{load.refused} refused")


def random_moment(chance: random.Random, load: Load) -> None:
    """A moment at which the load runs, which nobody has chosen."""
    acknowledged_more(load, chance.randint(20, 60))
    deadline = time.monotonic() + chance.random() * 0.3
    while time.monotonic() < deadline:
        time.sleep(0.001)


def everything_arrives(load: Load, *, by_itself: bool = False) -> None:
    """
    Every acknowledged change is in the rows; with the others sent again both sides are the same, nothing failed.

    Args:
        by_itself: nobody was killed, so no lease has to run out.
    """
    agreement = load.agreement
    if not by_itself:
        agreement.form.let_leases_pass()
    eventually(lambda: not load.missing(), within_s=40, why=lambda: f"seed {SEED}: {load.missing()[:5]}")
    load.send_again()
    becomes_equal(agreement.form.database, agreement.books, within_s=30)
    eventually(lambda: agreement.outstanding() == 0, within_s=30)
    assert agreement.failures() == []
    numbers = [row.number for row in agreement.rows("SELECT number FROM debtor WHERE agreement = :agreement")]
    assert len(numbers) == len(set(numbers)), "a debtor was stored twice"
