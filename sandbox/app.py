"""The front door: who calls, what it costs, what goes wrong, and which service answers."""

import asyncio
import logging
import math
import random
from dataclasses import dataclass
from typing import Any

from sandbox import approval, control, quote_to_cash, rest, webhooks_api
from sandbox.connections import cut
from sandbox.errors import problem, problem_not_found, rest_error
from sandbox.faults import Fault
from sandbox.http import Answer, Receive, Refused, Request, Scope, Send
from sandbox.idempotency import VERBS
from sandbox.life import Life
from sandbox.limits import Budget
from sandbox.world import DEMO, Grant, World

SELF_COST = 10
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Cut:
    """Instead of an answer: close the connection, after this much of the answer if there is one."""

    answer: Answer | None = None


class Sandbox:
    """The ASGI application."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.life = Life(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or start and stop."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        request = await Request.read(scope, receive)
        try:
            outcome = await self._dispatch(request)
        except Exception:
            log.exception("sandbox.failed: %s %s", request.method, request.path)
            raise
        if isinstance(outcome, Cut):
            await _cut(outcome, scope, send)
        else:
            await _reply(outcome, send, outcome.body)

    async def _dispatch(self, request: Request) -> Answer | Cut:
        if request.path.startswith("/_control/"):
            return await control.route(request, self.world, self.life)
        if request.path == approval.PATH:
            return approval.answer(request, self.world)
        return await self._serve(request)

    async def _serve(self, request: Request) -> Answer | Cut:
        world = self.world
        at = world.clock.now()
        caller = self._authenticate(request)
        agreement = caller.agreement if isinstance(caller, Grant) else None
        fault = world.faults.match(request.method, request.path, agreement.number if agreement else None)
        if fault and fault.delay_ms:
            await asyncio.sleep(fault.delay_ms / 1000)
        cost = _cost(request)
        budget = agreement.budget if agreement else world.strangers
        outcome: Answer | Cut
        if fault and fault.cut == "before":
            outcome = Cut()
        elif fault and fault.status:
            outcome = _faulty(request, fault, fault.status)
        elif isinstance(caller, Answer):
            outcome = caller
        else:
            outcome = self._answer(request, caller, budget, cost)
            if fault and fault.cut == "after":
                outcome = Cut()
            elif fault and fault.body:
                outcome = _spoilt(request, fault, outcome)
        status = 0
        answer = outcome.answer if isinstance(outcome, Cut) else outcome
        if answer is not None:
            status = answer.status
            answer.headers = [
                *answer.headers,
                (b"x-requestid", b"%016x" % random.getrandbits(64)),
                (b"x-callcost", b"%d" % cost),
                (b"x-ratelimiting", budget.header()),
            ]
        world.calls.add(
            at,
            request.method,
            request.path,
            request.raw_query.decode("latin-1"),
            agreement.number if agreement else None,
            status=status,
            cost=cost,
            idempotency_key=request.header(b"idempotency-key") or None,
        )
        return outcome

    def _authenticate(self, request: Request) -> Grant | Answer:
        """What the tokens open, or the 401."""
        secret, token = request.header(b"x-appsecrettoken"), request.header(b"x-agreementgranttoken")
        if not secret and not token and request.query.get("demo") == "true":
            secret = token = DEMO
        grant = self.world.grants.get(token)
        if secret not in self.world.secrets or grant is None:
            return _unauthorized(request, None)
        if grant.secret != secret:
            return _unauthorized(request, "E02250")
        return grant

    def _answer(self, request: Request, grant: Grant, budget: Budget, cost: int) -> Answer:
        now = self.world.clock.now()
        wait = budget.spend(cost, now)
        if wait:
            answer = _refusal(request, 429, "Too many requests.", "TooManyRequests")
            answer.headers.append((b"retry-after", b"%d" % max(1, math.ceil(wait))))
            return answer
        if len(request.path) + len(request.raw_query) > self.world.max_url:
            return _refusal(request, 414, "The URL is too long.", "UriTooLong")
        if grant.agreement.read_only and request.method != "GET":
            return _refusal(request, 403, "The demo agreement is read-only.", "AccessDenied")
        try:
            return self._once(request, grant, now)
        except Refused as refused:
            return refused.answer

    def _once(self, request: Request, grant: Grant, now: float) -> Answer:
        """A key seen before gets its first answer again; otherwise the service is asked."""
        agreement = grant.agreement
        if b"idempotency-key" not in request.headers or request.method not in VERBS:
            return self._route(request, grant)
        if replay := agreement.replays.find(request, now):
            return replay
        try:
            answer = self._route(request, grant)
        except Refused as refused:
            answer = refused.answer
        if answer.status < 400 or agreement.conventions.cache_errors:
            agreement.replays.keep(request, answer, now)
        return answer

    def _route(self, request: Request, grant: Grant) -> Answer:
        parts = request.segments
        if parts[:4] == quote_to_cash.PREFIX and request.method == "GET":
            return quote_to_cash.route(request, grant.agreement, parts[4:])
        if parts[:2] == webhooks_api.PREFIX:
            return webhooks_api.route(request, grant, parts[2:])
        if request.is_openapi:
            raise problem_not_found()
        return rest.route(request, grant, self.world.secrets[grant.secret])


def _cost(request: Request) -> int:
    if request.path == "/self":
        return SELF_COST
    if request.method != "GET":
        return 1
    size = request.query.get("pagesize", "20")
    if request.path.endswith("/lines"):
        return 3
    return 1 + int(size) // 500 if size.isdecimal() and len(size) < 5 else 1


def _refusal(request: Request, status: int, message: str, code: str) -> Answer:
    """An error in the shape of the host that was asked."""
    return problem(status, message, code) if request.is_openapi else rest_error(status, message)


def _unauthorized(request: Request, code: str | None) -> Answer:
    if code:
        message = "The app secret token and the agreement grant token do not belong together."
    else:
        message = "Invalid or missing tokens."
    if request.is_openapi:
        return problem(401, message, code or "Unauthorized")
    return rest_error(401, message, "Check the headers X-AppSecretToken and X-AgreementGrantToken.", code)


def _faulty(request: Request, fault: Fault, status: int) -> Answer:
    answer = _refusal(request, status, f"Fault {fault.id}.", "InjectedFault") if status >= 400 else Answer(status)
    if fault.body == "broken":
        answer.body = b"<html>Service unavailable</html>"
        answer.content_type = b"text/html"
    if fault.retry_after is not None:
        answer.headers.append((b"retry-after", fault.retry_after.encode()))
    return answer


def _spoilt(request: Request, fault: Fault, answer: Answer) -> Answer | Cut:
    if fault.body == "cut":
        return Cut(answer)
    if fault.body == "broken":
        answer.body = answer.body[: len(answer.body) // 2]
    elif request.is_openapi:
        answer.status, answer.body = 200, b'{"items":[]}'
    else:
        url = b"https://restapi.e-conomic.com" + request.path.encode()
        answer.status = 200
        answer.body = (
            b'{"collection":[],"pagination":{"maxPageSizeAllowed":1000,"skipPages":0,"pageSize":20,"results":0,'
            b'"resultsWithoutFilter":0,"firstPage":"%s","lastPage":"%s"},"self":"%s"}' % (url, url, url)
        )
    return answer


async def _reply(answer: Answer, send: Send, body: bytes) -> None:
    headers: list[Any] = [(b"content-length", b"%d" % len(answer.body)), *answer.headers]
    if answer.status != 204:
        headers.append((b"content-type", answer.content_type))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": body is not answer.body})


async def _cut(outcome: Cut, scope: Scope, send: Send) -> None:
    """Half an answer ends when the application fails in it; none at all needs the socket itself."""
    if outcome.answer:
        await _reply(outcome.answer, send, outcome.answer.body[: len(outcome.answer.body) // 2])
    elif cut(scope.get("client")):
        return
    raise ConnectionAbortedError("cut on demand")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
