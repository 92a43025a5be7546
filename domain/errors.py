"""
What can go wrong, by what has to happen next.

    DebitorError
    ├── TransientError            the agreement's work waits and is tried again by itself
    │   ├── RateLimited           429: wait `retry_after_s`
    │   ├── Unavailable           down, slow, 5xx, cut connection, unreadable answer
    │   ├── AnswerLost            a write that may have taken effect or not: look, or send the very same again
    │   ├── CredentialsRefused    401: tokens wrong or grant revoked
    │   ├── CredentialsMissing    the grant token is not stored; a person must give it
    │   ├── WrongAgreement        the tokens open another agreement than the one named
    │   ├── Blocked               e-conomic refuses what the work needs: a lost role, a retired service
    │   └── LeaseLost             somebody else holds the work now; nothing was written
    ├── PermanentError            a failure of one thing; its neighbours go on
    │   ├── Rejected              400, 403, 405 …: e-conomic understood and refused
    │   │   └── NumberTaken       E06010: a debtor with the number exists already
    │   ├── ServiceGone           404 or 410 of a whole service: its version was retired
    │   └── PoisonMessage         an event nobody can use; never replayed unchanged
    ├── NotStored                 neither store took an event: answer 503
    └── ConfigurationError        the operator must change a setting or run a command

`reason` is a stable word for columns, metrics and JSON; the message is for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Complaint(NamedTuple):
    """What e-conomic holds against one field. `field` is ours where it is known, "" where none is named."""

    field: str
    reason: str
    code: str = ""


class DebitorError(Exception):
    """Anything Debitor raises on purpose."""

    reason = "error"


class TransientError(DebitorError):
    """The surroundings are at fault; the work waits."""

    reason = "transient"


class RateLimited(TransientError):
    """e-conomic answered 429; `retry_after_s` seconds must pass (None: it did not say)."""

    reason = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(TransientError):
    """e-conomic, or the way to it, is down or too slow."""

    reason = "unavailable"


class AnswerLost(TransientError):
    """
    A write was sent and no answer tells whether it took effect.

    The very same request under the same key may be sent again within the hour that e-conomic remembers keys for;
    later only a look tells.
    """

    reason = "answer_lost"


class CredentialsRefused(TransientError):
    """e-conomic answered 401: the grant was revoked or the tokens do not belong together."""

    reason = "credentials_refused"


class CredentialsMissing(TransientError):
    """No grant token is stored for the agreement."""

    reason = "credentials_missing"


class WrongAgreement(TransientError):
    """The tokens belong to another agreement: nothing it says may be stored under this one."""

    reason = "wrong_agreement"


class Blocked(TransientError):
    """e-conomic refuses a list the work cannot do without; no single record is at fault, a person must mend it."""

    reason = "blocked"


class LeaseLost(TransientError):
    """The lease ran out and somebody else took the work; this transaction writes nothing."""

    reason = "lease_lost"


class PermanentError(DebitorError):
    """Trying the same again ends the same way."""

    reason = "permanent"


class Rejected(PermanentError):
    """
    e-conomic refused a request; `status` is the HTTP status, `body` its explanation (at most 2,000 characters).

    `complaints` are what it holds against single fields, in plain words.
    """

    reason = "rejected"

    def __init__(self, message: str, *, status: int = 0, body: str = "", complaints: Sequence[Complaint] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.complaints = tuple(complaints)


class NumberTaken(Rejected):
    """A debtor with the number asked for exists already: perhaps the one that an unanswered call made."""

    reason = "number_taken"


class ServiceGone(PermanentError):
    """A whole e-conomic service answers 404 or 410: its version was retired, the base URL must be raised."""

    reason = "service_gone"


class PoisonMessage(PermanentError):
    """An event that names nothing usable."""

    reason = "unusable"


class NotStored(DebitorError):
    """No durable store took the event; the sender must try again after `retry_after_s` seconds."""

    reason = "not_stored"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ConfigurationError(DebitorError):
    """A setting or the schema is not as it must be; the message says what to do."""

    reason = "configuration"
