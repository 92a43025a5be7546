"""Answers kept for an hour under their `Idempotency-Key`."""

from collections import OrderedDict
from dataclasses import dataclass

from sandbox.errors import bad_request_problem, rest_error
from sandbox.http import Answer, Refused, Request

HOUR_S = 3600.0
VERBS = frozenset(("POST", "PUT", "PATCH", "DELETE"))


@dataclass(slots=True)
class _Kept:
    at: float
    url: str
    body: bytes
    answer: Answer


class Replays:
    """
    The keys of one agreement.

    Errors are kept like successes: a corrected request needs a new key.
    Answers made by injected faults never reach this store.
    """

    def __init__(self) -> None:
        self.window_s = HOUR_S
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def find(self, request: Request, now: float) -> Answer | None:
        """
        The first answer to this key, marked as a replay.

        Raises:
            Refused: 400 `PayloadChanged` or `URLChanged`.
        """
        while self._kept and next(iter(self._kept.values())).at + self.window_s <= now:
            self._kept.popitem(last=False)
        kept = self._kept.get(request.header(b"idempotency-key"))
        if kept is None:
            return None
        if kept.url != _url(request):
            raise _changed(request, "URLChanged", "The URL differs from the first request with this idempotency key.")
        if kept.body != request.body:
            raise _changed(
                request, "PayloadChanged", "The payload differs from the first request with this idempotency key."
            )
        first = kept.answer
        return Answer(first.status, first.body, first.content_type, [*first.headers, (b"x-resultfromcache", b"true")])

    def keep(self, request: Request, answer: Answer, now: float) -> None:
        """Remember the answer to a key seen for the first time, before anything is added to it."""
        first = Answer(answer.status, answer.body, answer.content_type, list(answer.headers))
        self._kept[request.header(b"idempotency-key")] = _Kept(now, _url(request), request.body, first)

    def clear(self) -> None:
        """Forget every key, as if the hour had passed."""
        self._kept.clear()


def _url(request: Request) -> str:
    return f"{request.method} {request.path}?{request.raw_query.decode('latin-1')}"


def _changed(request: Request, code: str, message: str) -> Refused:
    if request.is_openapi:
        return bad_request_problem(message, code)
    return Refused(rest_error(400, message, "Use a new key for a new request.", code))
