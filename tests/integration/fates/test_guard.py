"""Answers that would take debtors away wrongly, from the stand-in: nothing is deleted, a person is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.errors import Blocked, TransientError, Unavailable, WrongAgreement
from infra.economic import EconomicClient
from tests.integration.fates.conftest import Mirrored, SandboxBooks
from tests.support.fates import Firm

Connect = Callable[[], tuple[SandboxBooks, Mirrored]]

MANY = range(1, 41)
GUARDED = ["deletions deletion_guard"]


@pytest.fixture
def mirrored(connect: Connect) -> tuple[SandboxBooks, Mirrored]:
    """Forty debtors on both sides."""
    books, mirror = connect()
    books.books.fill(debtors=len(MANY))
    mirror.compare_all()
    assert len(mirror.rows()) == len(MANY)
    return books, mirror


def ask_for_all(mirror: Mirrored) -> None:
    for number, _ in list(mirror.rows().values()):
        mirror.hint((number, number))


def test_an_empty_page(mirrored: tuple[SandboxBooks, Mirrored]) -> None:
    """200 and nothing in it, for events and for a comparison: everybody stays, and the question closes by itself."""
    books, mirror = mirrored
    ask_for_all(mirror)
    with books.books.fault(path="/customers", body="empty_page", times=1):
        mirror.drain()
    with books.books.fault(path="/customers", body="empty_page", times=1):
        mirror.compare_all()

    assert mirror.failures() == GUARDED
    assert mirror.differences() == []
    assert mirror.outstanding() == []

    mirror.compare_all()
    assert mirror.failures() == []


@pytest.mark.parametrize(
    ("fault", "error"), [({"body": "cut"}, Unavailable), ({"body": "broken"}, Unavailable), ({"status": 403}, Blocked)]
)
def test_an_answer_that_is_none(
    mirrored: tuple[SandboxBooks, Mirrored], fault: dict[str, object], error: type[TransientError]
) -> None:
    """Half a list, no list, a lost role: the work waits, the events stay outstanding, nothing is a failure."""
    books, mirror = mirrored
    ask_for_all(mirror)
    with books.books.fault(path="/customers", **fault):
        with pytest.raises(error):
            mirror.drain()
        with pytest.raises(error):
            mirror.compare_all()

    assert len(mirror.outstanding()) == len(MANY)
    assert (mirror.failures(), mirror.differences()) == ([], [])
    mirror.drain()
    assert mirror.outstanding() == []


def test_a_lost_role_and_a_lone_event(mirrored: tuple[SandboxBooks, Mirrored]) -> None:
    """A single read that is refused is no failure of its debtor."""
    books, mirror = mirrored
    number = next(iter(mirror.rows().values()))[0]
    mirror.hint((number, None))
    with books.books.fault(path="/customers", status=403), pytest.raises(Blocked):
        mirror.drain()

    assert (mirror.failures(), len(mirror.outstanding())) == ([], 1)


def test_a_swapped_token(connect: Connect, client: EconomicClient) -> None:
    """The token opens another agreement by now: neither a lone deletion nor a comparison is believed."""
    (books, mirror), (others, _) = connect(), connect()
    for number in range(1, 4):
        books.put(number, Firm(f"Vor {number} ApS", f"1000000{number}"))
        others.put(number + 1, Firm(f"Deres {number} ApS", f"2000000{number}"))
    mirror.compare_all()
    right, mirror.api = mirror.api, client.agreement(mirror.agreement, others.books.grant)

    for event in ((1, None), (2, 2), (None, 3)):
        mirror.hint(event)
        with pytest.raises(WrongAgreement):
            mirror.drain()
    with pytest.raises(WrongAgreement):
        mirror.compare_all()
    assert (mirror.differences(), mirror.graves(), mirror.failures()) == ([], [], [])

    mirror.api = client.agreement(mirror.agreement, books.books.grant)
    assert right is not mirror.api
    mirror.drain()
    assert (mirror.differences(), mirror.outstanding()) == ([], [])


def test_deletions_that_are_true(mirrored: tuple[SandboxBooks, Mirrored]) -> None:
    """Thirty debtors really deleted, an event each: twenty go, the rest with the next hour's comparison."""
    books, mirror = mirrored
    numbers = sorted(number for number, _ in mirror.rows().values())[:30]
    for number in numbers:
        books.books.delete(number)
        mirror.hint((number, None))
        mirror.drain()

    assert mirror.graves() == numbers[:20]
    assert mirror.failures() == GUARDED

    mirror.an_hour_passes()
    mirror.compare_all()
    assert (mirror.differences(), mirror.graves(), mirror.failures()) == ([], numbers, [])
