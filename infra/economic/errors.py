"""
What each HTTP status means to us: the one place that says so.

Source: e-conomic.md §§2.9, 3.4, 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from domain.errors import (
    AnswerLost,
    Blocked,
    Complaint,
    CredentialsRefused,
    DebitorError,
    NumberTaken,
    RateLimited,
    Rejected,
    ServiceGone,
    Unavailable,
)
from infra.economic.bodies import mended
from infra.economic.mapping import OUR_NAMES

MAX_EXPLANATION = 2_000
_MAX_PARTS = 100
_MAX_DEPTH = 20


class Blip(Unavailable):
    """No answer, or a 500, 502, 503, 504: a read is worth another try at once."""


def error_for(status: int, body: bytes, *, path: str, retry_after_s: float | None) -> DebitorError:
    """The error an answer other than 200 stands for."""
    if status == 401:  # its body is not confirmed: the status alone decides
        return CredentialsRefused("e-conomic refused the tokens: the grant was revoked, or it belongs to another app")
    if status == 429:
        wait = "" if retry_after_s is None else f"; try again in {retry_after_s:.0f} s"
        return RateLimited(f"e-conomic's rate limit is reached{wait}", retry_after_s=retry_after_s)
    if status in (404, 410):
        return ServiceGone(f"e-conomic has nothing at {path} ({status}): was this version of the service retired?")
    if status in (500, 502, 503, 504):
        return Blip(f"e-conomic answered {status} at {path}")
    if (400 <= status < 500 and status not in (408, 425)) or status == 501:
        explanation = explain(body)
        kind = NumberTaken if b"E06010" in body else Rejected  # where in the body is not confirmed (e-conomic.md §2.9)
        return kind(
            f"e-conomic refused the request ({status}): {explanation or 'no reason given'}",
            status=status,
            body=explanation,
            complaints=complaints(body),
        )
    return Unavailable(f"e-conomic answered {status} at {path}")


def write_error_for(status: int, body: bytes, *, path: str, retry_after_s: float | None) -> DebitorError:
    """
    The error an answer other than 200 and 201 to a write stands for.

    A server's error does not say whether the write took effect; neither does a conflict, which a call with the same
    key may be in that is still on its way.
    """
    error = error_for(status, body, path=path, retry_after_s=retry_after_s)
    if isinstance(error, NumberTaken) or missing(status, body):
        return error if isinstance(error, Rejected) else Rejected(f"e-conomic has no {path} any more", status=status)
    if isinstance(error, ServiceGone) or status in (402, 403):
        return Blocked(str(error))
    if isinstance(error, Unavailable) or status == 409:
        return AnswerLost(str(error))
    return error


def missing(status: int, body: bytes) -> bool:
    """
    Whether e-conomic itself says that the one resource asked for does not exist.

    A 404 of something in between (a proxy, a wrong address) must never bury a debtor.
    """
    said = _json(body) if status == 404 else None
    return isinstance(said, dict) and (said.get("httpStatusCode") == 404 or said.get("errorCode") == "E06000")


def explain(body: bytes) -> str:
    """
    One readable line from an error body of either host, whatever kind of `errors` it has; "" if it is no JSON object.

    Values are left out: they may be personal.
    """
    said = _json(body)
    if not isinstance(said, dict):
        return ""
    parts = [text for key in ("message", "title", "detail") if (text := _text(said.get(key)))]
    if code := _text(said.get("errorCode")):
        parts.append(f"[{code}]")
    parts += [_line(*found) for found in islice(_complaints(said.get("errors"), "", 0), _MAX_PARTS)]
    allowed = said.get("allowedFilteringFields")
    if isinstance(allowed, list) and allowed:
        parts.append("allowed: " + ", ".join(filter(None, map(_text, allowed[:_MAX_PARTS]))))
    line = "; ".join(dict.fromkeys(parts))
    log_id = (_text(said.get("logId")) or _text(said.get("traceId")))[:100]
    suffix = f" (log id {log_id})" if log_id else ""
    room = MAX_EXPLANATION - len(suffix)
    return (line if len(line) <= room else line[: room - 1] + "…") + suffix


_MEANINGS = {
    "E06000": "e-conomic has no such entry any more",
    "E07140": "e-conomic has no such debtor group any more",
    "E07080": "e-conomic has no such payment terms any more",
    "E07180": "e-conomic has no such VAT zone any more",
    "E06010": "a debtor with this number exists already",
    "E04740": "the amount has more than two decimals",
}
"""Codes met on debtors (e-conomic.md §§2.9, 8), where e-conomic's own message is of little help."""


def complaints(body: bytes) -> list[Complaint]:
    """What an error body holds against single fields, each once, in plain words where the code is known."""
    said = _json(body)
    found = _complaints(said.get("errors") if isinstance(said, dict) else None, "", 0)
    return list(
        dict.fromkeys(
            Complaint(_our_name(where), _MEANINGS.get(code) or message or f"refused with {code}", code)
            for where, message, code in islice(found, _MAX_PARTS)
        )
    )


def _our_name(where: str) -> str:
    """e-conomic's path of a property, nested or with another first letter, as the field it is here."""
    first = where.partition(".")[0]
    return OUR_NAMES.get(first[:1].lower() + first[1:], first)


def _complaints(errors: Any, where: str, depth: int) -> Iterator[tuple[str, str, str]]:
    """Property, message and code of each: `errors` is absent, strings, objects, or an object that mirrors a request."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(errors, str):
        if text := _text(errors):
            yield where, text, ""
    elif isinstance(errors, list):
        for error in errors:
            index = error.get("arrayIndex") if isinstance(error, dict) else None
            yield from _complaints(error, where if index is None else f"{where}[{_text(index)}]", depth + 1)
    elif isinstance(errors, dict):
        name = _text(errors.get("propertyName")) or _text(errors.get("property"))
        message = _text(errors.get("message")) or _text(errors.get("errorMessage"))
        code = _text(errors.get("errorCode"))
        if message or code:
            yield name or where, message, code
        for key, value in errors.items():
            if isinstance(value, dict | list):
                inner = where if key == "errors" else f"{where}.{_text(key)}".lstrip(".")
                yield from _complaints(value, inner, depth + 1)


def _line(where: str, message: str, code: str) -> str:
    text = " ".join(filter(None, (message, code and f"[{code}]")))
    return f"{where}: {text}" if where else text


def _text(value: Any) -> str:
    """One line without control characters; "" for anything but text and numbers."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)[:MAX_EXPLANATION]).split())


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(mended(body))
    except (ValueError, RecursionError):
        return None
