"""Killed before and after each commit of an edit: it goes on, is written once, and told once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from infra.database import failure_list
from tests.integration.edits.conftest import NORDVIND, Firm, Killed
from tests.support.companies import companies, crm, take
from tests.support.databases import rows
from tests.support.economic import lost, once

MOST_COMMITS = 12


class Story(NamedTuple):
    """What happens to an edit; `then` is what follows once it stops, `ends` the state it comes to."""

    before: Callable[[Firm, int], None] = lambda firm, number: None
    then: Callable[[Firm], None] = lambda firm: None
    ends: str = "written"


def _somebody_writes(firm: Firm, number: int) -> None:
    firm.ledger.books[number] = firm.ledger.books[number]._replace(phone="76999999")


def _loses(firm: Firm, number: int) -> None:
    once("replace done", lost(), ledger=firm.ledger)


def _refuses(firm: Firm, number: int) -> None:
    firm.ledger.refuse = "zip is not known"


def _mends(firm: Firm) -> None:
    firm.ledger.refuse = None
    failure_list.replay(firm.database, [row.id for row in rows(firm.database, "SELECT id FROM failure")])


STORIES = {
    "written": Story(),
    "refused": Story(before=_somebody_writes, ends="refused"),
    "answer lost": Story(before=_loses),
    "answer lost for an hour": Story(before=_loses, then=lambda firm: firm.an_hour_passes()),
    "rejected, then mended": Story(before=_refuses, then=_mends),
}


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_killed_at_every_commit(sqlite_firm: Firm, story: Story, after: bool) -> None:
    """For each commit in turn, in the first part of the story and in what follows."""
    lived_through(sqlite_firm, story, after)


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
def test_killed_on_postgresql(postgresql_firm: Firm, after: bool) -> None:
    """The story with the most commits."""
    lived_through(postgresql_firm, STORIES["answer lost for an hour"], after)


def lived_through(firm: Firm, story: Story, after: bool) -> None:
    """One debtor, company and edit for each commit; whatever happened, each is written once and told once."""
    firm.listens("debtor.updated")
    number = 4711
    for part in (0, 1):
        for kill_at in range(1, MOST_COMMITS):
            number += 1
            if not _killed(firm, story, number, part, kill_at, after):
                break
        else:
            raise AssertionError("the work never ends")
    count = number - 4711

    assert firm.states() == [story.ends] * count
    wanted = "76000001" if story.ends == "written" else "76999999"
    assert {firm.ledger.books[4711 + n].phone for n in range(1, count + 1)} == {wanted}
    told = [row.type for row in rows(firm.database, "SELECT type FROM outbox WHERE type LIKE 'debtor%'")]
    assert told == ["debtor.updated"] * count
    if story.ends == "written":
        assert {company.phone for company in companies(firm.database)} == {wanted}
        assert not rows(firm.database, "SELECT 1 FROM failure WHERE state = 'open'")
    else:
        assert len(rows(firm.database, "SELECT 1 FROM failure WHERE state = 'open'")) == count


def _killed(firm: Firm, story: Story, number: int, part: int, kill_at: int, after: bool) -> bool:
    """One edit, whose worker is killed once; whether it was."""
    firm.ledger.books[number] = NORDVIND._replace(number=number, name=f"Firma {number}", cvr=None)
    firm.knows(firm.ledger.books[number])
    if story.ends == "written":
        take(firm.database, crm(f"crm-{number}", name=f"Firma {number}", vat=None, mail=None, phone="76000000"))
        firm.links(companies(firm.database)[-1].id, number)
    firm.ask(number, phone="76000001")
    story.before(firm, number)
    killed = _work(firm, kill_at if part == 0 else 0, after)
    story.then(firm)
    killed |= _work(firm, kill_at if part == 1 else 0, after)
    assert story.ends != "written" or "company.updated" not in firm.events()
    return killed


def _work(firm: Firm, kill_at: int, after: bool) -> bool:
    """Work until nothing is due, the first time with a worker that is killed; whether it was."""
    killed = False
    if kill_at:
        try:
            firm.work(kill_at=kill_at, after=after)
        except Killed:
            killed = True
    for _ in range(2):
        firm.time_passes()
        firm.work()
    return killed
