"""
One HTTP call, and the few tries a read gets (a write gets one): metered, timed, logged, bounded.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
)

from domain.errors import AnswerLost, Unavailable
from infra.economic.errors import Blip, error_for, missing, write_error_for
from infra.economic.rates import Meter, RateSeen, rate_seen, retry_after_s

log = structlog.get_logger(__name__)

TRIES = 3
NO_TRY_AFTER_S = 10.0
"""A try that ends later than this is the last one: with the time-out it bounds how long a call holds its thread."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""A page of 1,000 invoices is about 2 MB."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
"""Failures before a connection stood."""

_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=30)


class Grant(httpx.Auth):
    """The two tokens of one agreement; no repr, log line or traceback shows them."""

    def __init__(self, app_secret_token: str, grant_token: str) -> None:
        self._headers = {"X-AppSecretToken": app_secret_token, "X-AgreementGrantToken": grant_token}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grant) and self._headers == other._headers

    __hash__ = None  # type: ignore[assignment]  # equal ones are compared, never looked up

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(self._headers)
        yield request


class Call(NamedTuple):
    """
    A request, a GET unless it says otherwise.

    `bulk`: a page of a list; `item`: a 404 may say that this one resource does not exist; `key`: under which e-conomic
    remembers its answer to a write.
    """

    agreement: int
    grant: Grant
    url: str
    bulk: bool
    item: bool = False
    method: str = "GET"
    content: bytes | None = None
    key: str = ""

    @property
    def path(self) -> str:
        """For logs and messages: without the query, whose values may be personal."""
        return urlsplit(self.url).path


class Answer(NamedTuple):
    """
    What came back; `status` is 0 when nothing did, and `failure` says why.

    `sent`: the request may have reached e-conomic; `replayed`: the answer is the first one to this key.
    """

    status: int
    body: bytes
    retry_after_s: float | None
    replayed: bool = False
    failure: str = ""
    sent: bool = True


class Calls:
    """Every agreement's calls over one connection pool; safe for threads."""

    def __init__(
        self, *, timeout_s: float, meter: Meter, transport: httpx.BaseTransport | None, retry_wait_s: float
    ) -> None:
        self._timeout_s = timeout_s
        self._meter = meter
        self._http = httpx.Client(
            transport=transport,
            limits=_LIMITS,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0), pool=min(timeout_s, 5.0)),
            headers={"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "debitor"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # agreements share nothing but the pool
        )
        self._tries = Retrying(
            stop=stop_after_attempt(TRIES) | stop_after_delay(NO_TRY_AFTER_S),
            wait=wait_exponential_jitter(
                multiplier=retry_wait_s, max=5 * retry_wait_s, exp_base=3, jitter=retry_wait_s / 2
            ),
            retry=retry_if_exception_type(Blip),
            before_sleep=_log_retry,
            reraise=True,
        )

    def close(self) -> None:
        self._http.close()

    def get(self, call: Call) -> bytes | None:
        """The body of a 200; None when an item is missing. Raises what `error_for` says."""
        return self._tries(self._read, call)

    def write(self, call: Call) -> Answer:
        """
        A 200 or 201; sent once, whatever comes of it.

        Raises:
            AnswerLost: it may have taken effect.
            TransientError: it did not, the agreement's work has to wait.
            Rejected: it did not and never will.
        """
        try:
            answer = self._exchange(call)
        except Unavailable as error:  # an answer, too large to be read
            raise AnswerLost(str(error)) from error
        if answer.status in (200, 201):
            return answer
        if not answer.sent:
            raise Unavailable(f"e-conomic cannot be reached at {call.path}: {answer.failure}")
        if answer.status == 0:
            raise AnswerLost(f"e-conomic gave no answer at {call.path}: {answer.failure}")
        raise write_error_for(answer.status, answer.body, path=call.path, retry_after_s=answer.retry_after_s)

    def _read(self, call: Call) -> bytes | None:
        answer = self._exchange(call)
        if answer.status == 200:
            return answer.body
        if answer.status == 0:
            raise Blip(f"e-conomic gave no answer at {call.path}: {answer.failure}")
        if call.item and answer.status == 404:
            if missing(answer.status, answer.body):
                return None
            raise Unavailable(f"a 404 at {call.path} that is not e-conomic's own: check the address of the service")
        raise error_for(answer.status, answer.body, path=call.path, retry_after_s=answer.retry_after_s)

    def _exchange(self, call: Call) -> Answer:
        """One request and whatever comes back. Raises RateLimited when the budget holds it back."""
        self._meter.admit(call.agreement, call.bulk)
        started = time.monotonic()
        status, rate, wait = 0, None, None
        try:
            status, headers, body = self._send(call, started + self._timeout_s)
            rate, wait = rate_seen(headers), retry_after_s(headers)
            return Answer(status, body, wait, headers.get("x-resultfromcache", "").lower() == "true")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # its message may quote what was sent
            return Answer(0, b"", None, failure=type(error).__name__, sent=not isinstance(error, _NEVER_SENT))
        finally:
            self._meter.seen(call.agreement, status, rate, wait)
            _log_call(call, status, started, rate)

    def _send(self, call: Call, deadline: float) -> tuple[int, httpx.Headers, bytes]:
        """Read the whole answer; httpx's own time-outs bound single reads only."""
        headers = {"Idempotency-Key": call.key} if call.key else None
        with self._http.stream(
            call.method, call.url, auth=call.grant, content=call.content, headers=headers
        ) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer as a whole took too long")
                if len(body) > MAX_BODY_BYTES:
                    raise Unavailable(f"e-conomic's answer at {call.path} is larger than {MAX_BODY_BYTES} bytes")
            return response.status_code, response.headers, bytes(body)


def _log_call(call: Call, status: int, started: float, rate: RateSeen | None) -> None:
    log.debug(
        "economic.call",
        agreement=call.agreement,
        method=call.method,
        path=call.path,
        status=status,
        duration_ms=round((time.monotonic() - started) * 1000, 1),
        cost=rate.cost if rate else None,
    )


def _log_retry(state: RetryCallState) -> None:
    call: Call = state.args[0]
    log.warning(
        "economic.retry",
        agreement=call.agreement,
        path=call.path,
        attempt=state.attempt_number,
        wait_ms=round(state.upcoming_sleep * 1000),
        error=str(state.outcome.exception()) if state.outcome else None,
    )
