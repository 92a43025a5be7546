"""Killed before and after each commit of a conversion: it goes on, and there is one debtor, one link, one event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import pytest
from stdnum.dk import cvr  # type: ignore[import-untyped]

from domain.conversions import Said
from domain.debtors import Debtor
from tests.integration.conversions.conftest import Firm, Killed
from tests.support.databases import rows
from tests.support.economic import lost, once

MOST_COMMITS = 12
CVRS = [str(n) for n in range(20_000_000, 20_000_500) if cvr.is_valid(str(n))]


class Story(NamedTuple):
    """What happens to a conversion; `then` is what a person does once it stops, `ends` the state it comes to."""

    before: Callable[[Firm, int], None] = lambda firm, n: None
    then: Callable[[Firm, int], None] = lambda firm, n: None
    ends: str = "created"
    zip: str | None = "8700"
    allowed: str = "at-once"


def _exists(firm: Firm, n: int) -> None:
    firm.ledger.books[900 + n] = Debtor(900 + n, f"Firma {n} ApS", cvr=CVRS[n], zip="8700")


def _loses(firm: Firm, n: int) -> None:
    once("create done", lost(), ledger=firm.ledger)


def _refuses(firm: Firm, n: int) -> None:
    firm.ledger.refuse = "zip is not known"


def _mends(firm: Firm, n: int) -> None:
    firm.ledger.refuse = None
    firm.ask(f"crm-{n}")


def _an_hour_later(firm: Firm, n: int) -> None:
    firm.an_hour_passes()


STORIES = {
    "created": Story(),
    "linked": Story(before=_exists, ends="linked"),
    "answer lost": Story(before=_loses),
    "answer lost for an hour": Story(before=_loses, then=_an_hour_later),
    "refused, then mended": Story(before=_refuses, then=_mends),
    "something missing": Story(then=lambda firm, n: _supply(firm, n, Said({"zip": "8700"})), zip=None),
    "to be approved": Story(then=lambda firm, n: _supply(firm, n, Said(approved=True)), allowed="approval"),
}


def _supply(firm: Firm, n: int, said: Said) -> None:
    firm.supply(n, said=said)


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_killed_at_every_commit(sqlite_firm: Firm, story: Story, after: bool) -> None:
    """For each commit in turn, in the first part of the story and in what follows a person's word."""
    lived_through(sqlite_firm, story, after)


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
def test_killed_on_postgresql(postgresql_firm: Firm, after: bool) -> None:
    """The story with the most commits."""
    lived_through(postgresql_firm, STORIES["answer lost for an hour"], after)


def lived_through(firm: Firm, story: Story, after: bool) -> None:
    """One conversion for each commit; each becomes one debtor, whatever happened."""
    firm.office.allowed = story.allowed
    number = 0
    for part in (0, 1):
        for kill_at in range(1, MOST_COMMITS):
            number += 1
            if not _killed(firm, story, number, part, kill_at, after):
                break
        else:
            raise AssertionError("the work never ends")

    assert firm.states() == [story.ends] * number
    assert len(firm.links()) == len({crm_id for crm_id, _ in firm.links()}) == number
    assert len(firm.ledger.books) == number
    told = [
        json.loads(row.data)["conversion"]
        for row in rows(firm.database, "SELECT data FROM outbox WHERE type = 'debtor.created'")
    ]
    assert Counter(told) == {str(n): 1 for n in range(1, number + 1)}
    assert not rows(firm.database, "SELECT 1 FROM failure WHERE state = 'open'")


def _killed(firm: Firm, story: Story, n: int, part: int, kill_at: int, after: bool) -> bool:
    """One conversion, whose worker is killed once; whether it was."""
    firm.has(f"crm-{n}", name=f"Firma {n} ApS", vat=CVRS[n], phone=None, mail=None, street=f"Vej {n}", zip=story.zip)
    story.before(firm, n)
    firm.ask(f"crm-{n}")
    killed = _work(firm, kill_at if part == 0 else 0, after)
    story.then(firm, n)
    killed |= _work(firm, kill_at if part == 1 else 0, after)
    return killed


def _work(firm: Firm, kill_at: int, after: bool) -> bool:
    """Work until nothing is due, the first time with a worker that is killed; whether it was."""
    killed = False
    if kill_at:
        try:
            firm.work(kill_at=kill_at, after=after)
        except Killed:
            killed = True
    for _ in range(3):
        firm.time_passes()
        firm.work()
    return killed
