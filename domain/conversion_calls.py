"""
What conversions ask of e-conomic: to look, to create, and to look for what an unanswered call may have created.

Each runs on a thread of its own and only asks; what follows is decided and stored by whoever collects the answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.accounting_api import Accounting
from domain.companies import CompanyFields
from domain.conversions import LEASE_S, Conversion, name_key
from domain.debtor_traces import plain_name
from domain.debtors import Debtor, cvr_key
from domain.errors import NumberTaken, Rejected, Unavailable

SEND_WITHIN_S = LEASE_S / 4
"""A call that is not under way so soon after its lease was taken is not made: this process was asleep."""


@dataclass(slots=True)
class Answer:
    """
    What a call brought.

    `company` or `number`: what was looked for. `found`: debtors as they are now, `complete` = all that were asked for;
    `made`: what e-conomic says it created; `refused`: it will not, perhaps followed by a look; `error`: why there is no
    answer.
    """

    conversion: Conversion
    stamp: int
    company: CompanyFields | None = None
    number: int | None = None
    found: list[Debtor] = field(default_factory=list)
    complete: bool = True
    made: Debtor | None = None
    gone: bool = False  # it was created and is gone again
    sought: bool = False  # `found` is the look for what an earlier call may have created
    refused: Rejected | None = None
    error: Exception | None = None


def asking(call: Callable[[Answer], None], conversion: Conversion, stamp: int) -> Answer:
    """The answer to a call; an exception is an answer, too."""
    answer = Answer(conversion, stamp)
    try:
        call(answer)
    except Exception as error:  # noqa: BLE001 - whoever collects it decides
        answer.error = error
    return answer


def look(answer: Answer, api: Accounting, company: CompanyFields, number: int | None = None) -> None:
    """Find the debtors that may be the company, in one call; or this one, which is it or was chosen."""
    answer.company, answer.number = company, number
    if number is not None:
        debtor = api.debtor(number)
        answer.found = [] if debtor is None else [debtor]
        return
    page = api.find_debtors(cvr=cvr_key(company.vat) or None, name=plain_name(company.name))
    answer.found, answer.complete = page.items, not page.more and not page.unreadable


def send(answer: Answer, api: Accounting, claimed_at: float) -> None:
    """
    Have the debtor created. A refusal after a call without an answer is followed by a look: that one may have made it.

    Args:
        claimed_at: `boot_time` when the lease was taken.
    """
    conversion = answer.conversion
    assert conversion.body is not None
    assert conversion.key is not None
    if boot_time() - claimed_at > SEND_WITHIN_S:
        raise Unavailable("this process was asleep: nothing was sent, it is done anew")
    try:
        written = api.create_debtor(conversion.body, conversion.key)
    except NumberTaken as error:
        answer.refused = error
        seek(answer, api)
        return
    except Rejected as error:
        answer.refused = error
        if conversion.doubt or conversion.sends > 1:
            seek(answer, api)
        return
    answer.made = written.debtor
    if written.replayed:  # an answer of up to an hour ago
        answer.made = api.debtor(written.debtor.number)
        answer.gone = answer.made is None
        if answer.made is not None and name_key(answer.made.name) != name_key(written.debtor.name):
            answer.made, answer.gone = None, True  # the number is another firm's now


def seek(answer: Answer, api: Accounting) -> None:
    """Find what an earlier call may have created: by its number when it is ours, else by its name."""
    body = answer.conversion.body
    assert body is not None
    answer.sought = True
    number = body.get("number")
    if number is not None:
        debtor = api.debtor(int(number))
        answer.found = [] if debtor is None else [debtor]
        return
    page = api.find_debtors(name=str(body["name"]))
    answer.found = [debtor for debtor in page.items if name_key(debtor.name) == name_key(str(body["name"]))]
    answer.complete = not page.more and not page.unreadable


def boot_time() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
