"""Everything the server keeps: apps, grants, agreements, faults, deliveries, the log of calls."""

import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sandbox.agreement import Agreement, Clock
from sandbox.delivery import Delivery
from sandbox.faults import Faults
from sandbox.limits import Budget
from sandbox.seed import Bulk, fill

APP_SECRET = "sandbox-app-secret"  # noqa: S105 - the stand-in's well-known token
APP_PUBLIC = "sandbox-app-public"
DEMO = "demo"
AGREEMENT = 1442871
DEMO_AGREEMENT = 1111111
KEPT_CALLS = 500_000


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def today(self) -> int:
        """The ordinal of the local date."""
        return date.today().toordinal()  # noqa: DTZ011 - the books go by the local calendar


@dataclass(frozen=True, slots=True)
class Grant:
    """What a pair of tokens opens."""

    secret: str
    agreement: Agreement
    roles: tuple[str, ...] = ("SuperUser",)


@dataclass(frozen=True, slots=True)
class Call:
    """One call received by the e-conomic side."""

    id: int
    at: float
    method: str
    path: str
    query: str
    agreement: int | None
    status: int  # 0: the connection was cut
    cost: int
    idempotency_key: str | None


_NUMBER = re.compile(r"/\d+(?=/|$)")


@dataclass(slots=True)
class CallLog:
    """The calls in order, the newest 500,000 of them, and counts of all by path (numbers as `{n}`)."""

    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=KEPT_CALLS))
    by_path: Counter[str] = field(default_factory=Counter)
    last: int = 0

    def add(self, at: float, method: str, path: str, query: str, agreement: int | None, **more: Any) -> None:
        """Note a call."""
        self.last += 1
        self.calls.append(Call(self.last, at, method, path, query, agreement, **more))
        self.by_path[f"{method} {_NUMBER.sub('/{n}', path)}"] += 1

    def clear(self) -> None:
        """Forget the calls; their ids go on counting."""
        self.calls.clear()
        self.by_path.clear()


class World:
    """The state of the stand-in; `reset` brings it back to how it started."""

    def __init__(self, agreement: int = AGREEMENT, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.default = agreement
        self.delivery = Delivery(self.clock.now)
        self.reset()

    def reset(self) -> None:
        """One empty agreement, and the read-only demo agreement with a few records."""
        self.delivery.forget()
        self.delivery.settings = type(self.delivery.settings)()
        self.agreements: dict[int, Agreement] = {}
        self.grants: dict[str, Grant] = {}
        self.secrets: dict[str, str] = {APP_SECRET: APP_PUBLIC, DEMO: DEMO}
        self.faults = Faults()
        self.calls = CallLog()
        self.strangers = Budget()  # calls without a known agreement
        self.max_url = 2048
        self.add_agreement(self.default)
        demo = self.add_agreement(DEMO_AGREEMENT, grant=DEMO, secret=DEMO, name="Demo ApS", read_only=True)
        fill(demo, Bulk(debtors=40, invoices=120, seed=7))

    def add_agreement(
        self,
        number: int,
        *,
        grant: str | None = None,
        secret: str = APP_SECRET,
        roles: tuple[str, ...] = ("SuperUser",),
        **more: Any,
    ) -> Agreement:
        """A new agreement, or further tokens for one that exists."""
        agreement = self.agreements.get(number)
        if agreement is None:
            agreement = self.agreements[number] = Agreement(number, self.delivery, self.clock, **more)
        self.secrets.setdefault(secret, f"public-of-{len(self.secrets)}")
        self.grants[grant or f"sandbox-grant-{number}"] = Grant(secret, agreement, roles)
        return agreement

    def revoke(self, agreement: Agreement) -> None:
        """The customer withdraws every grant of an agreement."""
        self.grants = {token: grant for token, grant in self.grants.items() if grant.agreement is not agreement}
