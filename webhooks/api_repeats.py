"""
Requests that may be sent again: what was done and its answer are one commit, under the sender's Idempotency-Key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from flask import Response, request
from sqlalchemy.engine import Connection

from infra.bootstrap import Services
from infra.database.answers import Answer, Answers
from webhooks.api_requests import Problem, answer

_LONGEST_KEY = 255


class Done(NamedTuple):
    """What a request did: the answer's body, its status, and where what it made is found."""

    body: object
    status: int = 200
    location: str | None = None


def once(services: Services, firm: int, act: Callable[[Connection], Done]) -> Response:
    """
    Act in one transaction, unless the request was answered before: then answer as before.

    What is refused is not remembered: the same request again is looked at anew.

    Args:
        act: does what is asked; what it raises takes everything back.

    Raises:
        Problem: 422 when the key came with another request before, 400 when it is no key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Problem(400, f"an Idempotency-Key has 1 to {_LONGEST_KEY} printable ASCII characters")
    with services.database.write() as connection:
        if key is None:
            return _response(_answer(act(connection)))
        answers = Answers(connection, services.database.sql, firm)
        asked = sha256(b"\0".join((request.method.encode(), request.path.encode(), request.get_data()))).hexdigest()
        before = answers.begin(key, asked)
        if before is None:
            given = _answer(act(connection))
            answers.answered(key, given)
            return _response(given)
    known, given = before
    if known != asked:
        raise Problem(422, "this Idempotency-Key came with another request before: take a new one")
    return _response(given)


def _answer(done: Done) -> Answer:
    return Answer(done.status, json.dumps(done.body, ensure_ascii=False), done.location)


def _response(given: Answer) -> Response:
    return answer(
        json.loads(given.body), given.status, headers={"Location": given.location} if given.location else None
    )
