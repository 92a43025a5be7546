"""Lists: what is believed, what is refused, and where a walk ends."""

from __future__ import annotations

import pytest

from domain.accounting_api import Unreadable
from domain.debtors import MAX_NUMBER
from domain.errors import Unavailable
from tests.unit.economic.support import Answers, agreement, debtor, edited, listed, samples

PAGE = samples("debtor_pages")


@pytest.mark.parametrize(
    ("page", "numbers", "total", "more"),
    [
        (PAGE[0], (4711, 4802), 3684, True),
        (PAGE[1], (1,), 3684, True),
        (PAGE[2], (974994345,), 3684, False),
        (PAGE[3], (), 3684, False),
    ],
    ids=["middle", "first", "last", "past the end"],
)
def test_recorded_pages(page: bytes, numbers: tuple[int, ...], total: int, more: bool) -> None:
    """A next page is announced by its link; the total is the one without the filter."""
    answer = agreement(Answers(page)).debtors_after(0)

    assert tuple(item.number for item in answer.items) == numbers
    assert (answer.unreadable, answer.total, answer.more) == ([], total, more)


def test_full_page_without_links_goes_on() -> None:
    """A page of 1,000 is never taken for the last one."""
    answer = agreement(Answers(listed(map(debtor, range(1, 1001))))).debtors_after(0)

    assert (len(answer.items), answer.more) == (1000, True)


@pytest.mark.parametrize(
    ("record", "number"),
    [
        (debtor("x"), None),
        (debtor(0), None),
        (debtor(-3), None),
        (debtor(MAX_NUMBER + 1), None),
        (debtor(10**18), None),
        (debtor(True), None),
        (b'{"name":"no number"}', None),
        (b"17", None),
        (b"null", None),
        (b"[]", None),
    ],
)
def test_unreadable_record_costs_no_neighbour(record: bytes, number: int | None) -> None:
    """A record without a usable number is reported; those before and after it are read."""
    answer = agreement(Answers(listed([debtor(1), record, debtor(9)]))).debtors_after(0)

    assert [item.number for item in answer.items] == [1, 9]
    assert [bad.number for bad in answer.unreadable] == [number]
    assert answer.unreadable[0].problem


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b'{"collection":[{"customerNumber":1',
        b"{}",
        b'{"collection":null}',
        b'{"collection":{"customerNumber":1}}',
        b'{"items":[]}',
        b"[]",
        b'"ok"',
        b'{"collection":[]}junk',
        b"\xff\xfe",
    ],
)
def test_broken_list_is_never_empty(body: bytes) -> None:
    """Whatever is no list is trouble on the way; an empty page would look like deletions."""
    with pytest.raises(Unavailable):
        agreement(Answers(body)).debtors_after(0)


def test_junk_pagination_costs_no_record() -> None:
    """The records count; without a readable pagination the total is unknown."""
    page = b'{"collection":[{"customerNumber":3}],"pagination":{"resultsWithoutFilter":"all"}}'

    answer = agreement(Answers(page)).debtors_after(0)

    assert ([item.number for item in answer.items], answer.total, answer.more) == ([3], None, False)


@pytest.mark.parametrize(
    ("after", "numbers"), [(0, (1, 3, 2)), (0, (1, 1)), (7, (7, 8))], ids=["unsorted", "repeated", "not above"]
)
def test_walk_that_is_no_walk(after: int, numbers: tuple[int, ...]) -> None:
    """A server that ignores filter or order would send a walker in circles, or past records."""
    with pytest.raises(Unavailable, match="in order"):
        agreement(Answers(listed(map(debtor, numbers)))).debtors_after(after)


def test_full_page_of_nothing_ends_the_walk() -> None:
    """A page that goes on but names no number gives the walker no next step."""
    page = listed([b"{}"], nextPage="…")

    with pytest.raises(Unavailable):
        agreement(Answers(page)).debtors_after(0)


def test_filtered_page_holds_what_was_asked_for() -> None:
    """Records nobody asked for are dropped, the others come once and sorted; missing ones are just not there."""
    page = listed(map(debtor, [9, 3, 3, 5]))

    answer = agreement(Answers(page)).debtors([3, 9, 11, 3])

    assert [item.number for item in answer.items] == [3, 9]


def test_asking_for_nothing_costs_nothing() -> None:
    """No numbers, no call: e-conomic refuses an empty list."""
    answers = Answers(b"{}")
    api = agreement(answers)

    assert api.debtors([]) == api.invoices([]) == ([], [], None, False)
    assert api.lines([]).items == []
    assert answers.requests == []


def test_unreadable_is_named_when_its_number_is_readable() -> None:
    """An invoice that cannot be read is reported under its number."""
    bad = edited(samples("invoices")[1], "lines", netAmount=None)

    answer = agreement(Answers(listed([bad]))).invoices_after(0)

    assert answer.items == []
    assert [bad.number for bad in answer.unreadable] == [20418]
    assert isinstance(answer.unreadable[0], Unreadable)
