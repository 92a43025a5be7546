"""What the answers say about limits, and what the meter is told."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RateLimited, Rejected, Unavailable
from infra.economic import RateSeen
from infra.economic.rates import MAX_RETRY_AFTER_S, rate_seen, retry_after_s
from tests.unit.economic.support import NUMBER, Answers, agreement, debtor, lines_page, listed

LIMITING = "token-limit-10000-per-60-seconds: 147/10000"


class Seen(NamedTuple):
    status: int
    rate: RateSeen | None
    retry_after_s: float | None


class Ledger:
    """A meter that keeps what it is told, and admits `allowed` calls."""

    def __init__(self, allowed: int = 100) -> None:
        self.allowed = allowed
        self.admitted: list[tuple[int, bool]] = []
        self.seen_: list[Seen] = []

    def admit(self, agreement: int, bulk: bool) -> None:
        if len(self.admitted) >= self.allowed:
            raise RateLimited("the budget is spent", retry_after_s=7)
        self.admitted.append((agreement, bulk))

    def seen(self, agreement: int, status: int, rate: RateSeen | None, retry_after_s: float | None) -> None:
        self.seen_.append(Seen(status, rate, retry_after_s))


@pytest.mark.parametrize(
    ("limiting", "cost", "expected"),
    [
        (LIMITING, "3", RateSeen(10_000, 60, 147, 3)),
        ("Token-Limit-2000-per-1-seconds:2000/2000", "", RateSeen(2_000, 1, 2_000, None)),
        ("", "1", RateSeen(None, None, None, 1)),
        ("unlimited", "cheap", None),
        ("token-limit-0-per-60-seconds: 0/0", "-1", None),
        (f"token-limit-{'9' * 40}-per-60-seconds: 1/{'9' * 40}", "9" * 40, None),
        ("token-limit-٣-per-60-seconds: 1/٣", "٣", None),
    ],
)
def test_rate_headers(limiting: str, cost: str, expected: RateSeen | None) -> None:
    """Limit, window, used and cost are read; nonsense is nothing."""
    assert rate_seen({"x-ratelimiting": limiting, "x-callcost": cost}) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30", 30.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("-5", 0.0),
        ("86401", MAX_RETRY_AFTER_S),
        ("9" * 400, MAX_RETRY_AFTER_S),
        ("Mon, 04 May 2026 09:00:30 GMT", 30.0),
        ("Mon, 04 May 2026 08:00:00 GMT", 0.0),
        ("Fri, 04 May 2096 08:00:00 GMT", MAX_RETRY_AFTER_S),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("Mon, 99 May 2026 09:00:30 GMT", None),
    ],
)
def test_retry_after(value: str, expected: float | None) -> None:
    """Seconds or a date, held against the answer's own; never negative, a day at most."""
    assert retry_after_s({"retry-after": value, "date": "Mon, 04 May 2026 09:00:00 GMT"}) == expected


def test_retry_after_without_a_date() -> None:
    """Without the answer's date our own clock has to do."""
    wait = retry_after_s(
        {"retry-after": (dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)).strftime("%a, %d %b %Y %T GMT")}
    )

    assert wait is not None
    assert 7_000 < wait <= 7_200


@given(st.text(), st.text(), st.text(), st.text())
def test_headers_are_never_trusted(limiting: str, cost: str, wait: str, date: str) -> None:
    """No header can raise, and no wait leaves its bounds."""
    rate_seen({"x-ratelimiting": limiting, "x-callcost": cost})
    seconds = retry_after_s({"retry-after": wait, "date": date})

    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S


def test_pages_are_bulk_and_single_reads_are_not() -> None:
    """The meter can keep a reserve for people: it is told which calls are pages."""
    ledger = Ledger()
    page = agreement(Answers(listed([])), meter=ledger)
    page.debtors([1]), page.debtors_after(0), page.invoices([1]), page.invoices_after(0), page.unpaid_after(0)
    lines = agreement(Answers(lines_page([])), meter=ledger)
    lines.lines([1]), lines.lines_page(None)
    bulk = len(ledger.admitted)
    agreement(Answers(debtor(1)), meter=ledger).debtor(1)
    agreement(Answers(b'{"agreementNumber":1}'), meter=ledger).identity()

    assert ledger.admitted == [(NUMBER, True)] * bulk + [(NUMBER, False)] * 2
    assert bulk == 7
    assert len(ledger.seen_) == 9


def test_every_answer_is_metered() -> None:
    """Failures and silence count too, each try for itself."""
    ledger = Ledger()
    headers = {"X-RateLimiting": LIMITING, "X-CallCost": "2"}
    answers = Answers(
        httpx.Response(503, headers=headers), httpx.ConnectError("refused"), httpx.Response(400, headers=headers)
    )

    with pytest.raises(Rejected):
        agreement(answers, meter=ledger).debtors_after(0)

    rate = RateSeen(10_000, 60, 147, 2)
    assert ledger.seen_ == [Seen(503, rate, None), Seen(0, None, None), Seen(400, rate, None)]
    assert len(ledger.admitted) == 3


def test_meter_holds_a_call_back() -> None:
    """A spent budget stops the call before it is made, and is not tried again."""
    ledger, answers = Ledger(allowed=1), Answers(httpx.Response(503))

    with pytest.raises(RateLimited) as caught:
        agreement(answers, meter=ledger).debtors_after(0)

    assert caught.value.retry_after_s == 7
    assert len(answers.requests) == 1


def test_too_many_requests() -> None:
    """A 429 says how long to wait, to the caller and to the meter, and is not tried again."""
    ledger, answers = Ledger(), Answers(httpx.Response(429, headers={"Retry-After": "30"}))

    with pytest.raises(RateLimited, match="30 s") as caught:
        agreement(answers, meter=ledger).debtors_after(0)

    assert caught.value.retry_after_s == 30
    assert ledger.seen_ == [Seen(429, None, 30)]
    with pytest.raises(RateLimited) as silent:
        agreement(Answers(httpx.Response(429))).debtors_after(0)
    assert silent.value.retry_after_s is None


def test_oversized_answer_is_metered() -> None:
    """An answer that is given up half-way has been paid for all the same."""
    ledger = Ledger()
    answers = Answers(httpx.Response(200, content=b" " * (65 * 1024 * 1024)))

    with pytest.raises(Unavailable, match="larger than"):
        agreement(answers, meter=ledger).debtors_after(0)

    assert len(ledger.seen_) == 1
