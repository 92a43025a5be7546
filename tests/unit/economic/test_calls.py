"""Tries, time, threads and log lines."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import tenacity
from structlog.testing import capture_logs

from domain.errors import CredentialsRefused, DebitorError, Unavailable
from infra.economic import EconomicClient, EconomicConfig, calls
from tests.unit.economic.support import (
    CONFIG,
    GRANT,
    NUMBER,
    SECRET,
    Answers,
    agreement,
    client,
    debtor,
    listed,
)

PAGE = listed([debtor(4711)])


@pytest.mark.parametrize(
    "blip",
    [
        *(httpx.Response(status) for status in (500, 502, 503, 504)),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("slow"),
        httpx.PoolTimeout("busy"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    ],
    ids=repr,
)
def test_blip_is_tried_three_times(blip: httpx.Response | Exception) -> None:
    """Two blips cost the caller nothing, three are an outage."""
    healed, dead = Answers(blip, blip, PAGE), Answers(blip)

    assert [item.number for item in agreement(healed).debtors_after(0).items] == [4711]
    with pytest.raises(Unavailable):
        agreement(dead).debtors_after(0)
    assert len(dead.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 501, 505, 302])
def test_answers_that_are_not_tried_again(status: int) -> None:
    """What e-conomic said on purpose is not asked twice."""
    answers = Answers(httpx.Response(status))

    with pytest.raises(DebitorError):
        agreement(answers).debtors_after(0)
    assert len(answers.requests) == 1


def test_unreadable_answer_is_not_tried_again() -> None:
    """A page that is no list may have cost a lot; the work waits instead."""
    answers = Answers(b"<html>")

    with pytest.raises(Unavailable):
        agreement(answers).debtors_after(0)
    assert len(answers.requests) == 1


def test_waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """About 0.2 s, then about 0.6 s."""
    waits: list[float] = []
    monkeypatch.setattr(tenacity.nap.time, "sleep", waits.append)
    transport = httpx.MockTransport(Answers(httpx.Response(503)))
    with EconomicClient(CONFIG, transport) as real, pytest.raises(Unavailable):
        real.agreement(NUMBER, GRANT).debtors_after(0)

    first, second = waits
    assert 0.2 <= first <= 0.3
    assert 0.6 <= second <= 0.7


def test_slow_failures_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try that ends after ten seconds was the last one: a call must not hold its thread for minutes."""
    monkeypatch.setattr(calls, "NO_TRY_AFTER_S", 0.0)
    answers = Answers(httpx.ReadTimeout("slow"))

    with pytest.raises(Unavailable, match="ReadTimeout"):
        agreement(answers).debtors_after(0)
    assert len(answers.requests) == 1


class Drip(httpx.SyncByteStream):
    """A body that never ends and never stalls."""

    def __iter__(self) -> Iterator[bytes]:
        return itertools.repeat(b" ")


def test_dripping_answer_ends() -> None:
    """The time-out bounds the whole answer, not only the silence between two bytes."""
    config = EconomicConfig(CONFIG.rest_url, app_secret_token=SECRET, timeout_s=0.01)
    api = agreement(lambda request: httpx.Response(200, stream=Drip()), config=config)

    with pytest.raises(Unavailable, match="ReadTimeout"):
        api.debtors_after(0)


def test_broken_compression() -> None:
    """A body that cannot be unpacked is trouble on the way; one that can is read."""
    headers = {"Content-Encoding": "gzip"}

    def answer(content: bytes) -> Any:
        return lambda request: httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))

    packed = gzip.compress(PAGE)
    assert agreement(answer(packed)).debtors_after(0).items[0].number == 4711
    with pytest.raises(Unavailable, match="DecodingError"):
        agreement(answer(b"plain")).debtors_after(0)
    with pytest.raises(Unavailable):
        agreement(answer(packed[:-20])).debtors_after(0)


def test_one_client_serves_threads() -> None:
    """Agreements in many threads share one client without mixing their grants."""

    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b'{"agreementNumber":%d}' % int(request.headers["X-AgreementGrantToken"]))

    with client(echo) as shared, ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda number: shared.agreement(number, str(number)).identity().agreement, range(1, 200))

        assert list(found) == list(range(1, 200))


def test_call_is_logged_without_its_query() -> None:
    """One DEBUG line per call: what, how long, what it cost; no values, no tokens."""
    headers = {"X-CallCost": "2"}
    with capture_logs() as lines:
        agreement(Answers(httpx.Response(200, headers=headers, content=PAGE))).debtors_after(70)

    (entry,) = lines
    assert entry.pop("duration_ms") >= 0
    assert entry == {
        "event": "economic.call",
        "log_level": "debug",
        "agreement": NUMBER,
        "method": "GET",
        "path": "/customers",
        "status": 200,
        "cost": 2,
    }


def test_retry_is_logged_as_a_warning() -> None:
    """Another try is worth a line that says why."""
    with capture_logs() as lines:
        agreement(Answers(httpx.ConnectError("refused"), PAGE)).debtors_after(0)

    assert [(entry["event"], entry["log_level"]) for entry in lines] == [
        ("economic.call", "debug"),
        ("economic.retry", "warning"),
        ("economic.call", "debug"),
    ]
    assert lines[1]["attempt"] == 1
    assert "ConnectError" in lines[1]["error"]


def test_no_token_in_logs_or_messages() -> None:
    """Whatever goes wrong, neither token is written anywhere."""
    scripts: list[httpx.Response | Exception] = [
        httpx.ConnectError(f"cannot send {SECRET} {GRANT}"),
        httpx.LocalProtocolError(f"Illegal header value {GRANT}"),
        httpx.Response(401, content=GRANT.encode()),
        httpx.Response(503, content=GRANT.encode()),
    ]
    for script in scripts:
        with capture_logs() as lines, pytest.raises((Unavailable, CredentialsRefused)) as caught:
            agreement(Answers(script)).debtors_after(0)
        said = f"{lines} {caught.value!r} {caught.value}"
        assert SECRET not in said
        assert GRANT not in said
