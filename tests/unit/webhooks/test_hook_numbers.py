"""The numbers in a webhook, in every shape that was seen on the wire, and in shapes nobody should send."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.debtors import MAX_NUMBER
from webhooks.hook_numbers import Numbers, read_numbers

NOTHING = Numbers(None, None)


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        # (a) a form
        ("", "old=4711&new=4811", (4711, 4811)),
        ("", "old=&new=4811", (None, 4811)),
        ("", "old=4711&new=", (4711, None)),
        ("", "old=0&new=4811", (None, 4811)),
        # (b) the query, with a secret beside it
        ("invoiceno=20417&key=9f0c", "", (None, 20417)),
        ("key=12345&invoiceno=20417", "", (None, 20417)),
        # (c) JSON
        ("", '{"type":"CUSTOMER_UPDATED","old":"","new":"4811"}', (None, 4811)),
        ("", '{"type":"CUSTOMER_UPDATED","old":4711,"new":4811}', (4711, 4811)),
        ("", ' {\n "old" : "4711",\r\n "new" : "4811" } \n', (4711, 4811)),
        # (d) no names
        ("", "4711&4811", (4711, 4811)),
        ("", "&4711", (None, 4711)),
        ("", "4711&", (4711, None)),
        ("4711&4811", "", (4711, 4811)),
        # (e) an unreplaced merge field
        ("old=4711&new=4711&number=[NUMBER]", "", (4711, 4711)),
        ("number=[NUMBER]", "", (None, None)),
        ("old=[OLDNUMBER]&new=[NEWNUMBER]", "", (None, None)),
        ("", "[OLDNUMBER]&4711", (None, 4711)),
        ("", "4711&[newnumber]", (4711, None)),
        ("", "[OLDNUMBER]&[NEWNUMBER]", (None, None)),
        ("", "[INVOICENO]", (None, None)),
        # (f) a day book names no debtor
        ("", "book=2&from=301&to=318", (None, None)),
        # (g) GET
        ("invoiceno=20417", "", (None, 20417)),
        ("number=20417", "", (None, 20417)),
    ],
)
def test_what_real_set_ups_send(query: str, body: str, expected: tuple[int | None, int | None]) -> None:
    """e-conomic.md §1.4, (a) to (g), and what §1.3 leaves empty."""
    assert read_numbers(query, body) == expected


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ("OLD=4711&New=4811", "", (4711, 4811)),
        ("", "OldNumber=4711&NEWNUMBER=4811", (4711, 4811)),
        ("", '{"Old":"4711","NEW":"4811"}', (4711, 4811)),
        ("", "InvoiceNo=20417", (None, 20417)),
        ("", "INVOICENUMBER=20417", (None, 20417)),
        ("old=1&new=2", "old=3&new=4", (1, 2)),
        ("old=&new=", "old=3&new=4", (3, 4)),
        ("key=1", "old=3&new=4", (3, 4)),
        ("old=1&old=2", "", (1, None)),
        ("old=x&old=2", "", (2, None)),
        ("old=1&new=1&number=9", "", (1, 1)),
        ("old=&new=&number=9", "", (None, 9)),
    ],
)
def test_names_in_any_case_and_the_query_first(query: str, body: str, expected: tuple[int | None, int | None]) -> None:
    """The first usable value of a name counts, from the query before the body; old and new before a lone number."""
    assert read_numbers(query, body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"old":,"new":4811}', (None, 4811)),
        ('{"old":4711,"new":}', (4711, None)),
        ('{"type":"X","old": ,"new": 4811 }', (None, 4811)),
        ('{"old":[OLDNUMBER],"new":4811}', (None, 4811)),
        ('{"old":"4711","new":"4811",}', (4711, 4811)),
        ('{"old":"4711","new":"48', (4711, None)),  # cut off: 48 may be half a number
        ('{"OLD":,"Number":20417}', (None, 20417)),
        ("{}", (None, None)),
        ("{", (None, None)),
        ('{"old":null,"new":true}', (None, None)),
        ('{"old":4711.0}', (None, None)),
        ('{"data":{"old":4711,"new":{"x":1}},"new":4811}', (4711, 4811)),
        ('[{"old":4711,"new":4811}]', (4711, 4811)),
        ("[4711,4811]", (4711, 4811)),
        ('["4711", "4811"]', (4711, 4811)),
        ("[4711]", (None, 4711)),
        ("[,4811]", (None, 4811)),
        ("[]", (None, None)),
        ('"4711"', (None, 4711)),
        ('"old=4711&new=4811"', (4711, 4811)),
    ],
)
def test_json_whole_and_broken(body: str, expected: tuple[int | None, int | None]) -> None:
    """An unquoted merge field that was empty breaks JSON: the rest is read all the same."""
    assert read_numbers("", body) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4711", (None, 4711)),
        (" 4711\r\n", (None, 4711)),
        ("\ufeff4711", (None, 4711)),
        ("\ufeffold=4711&new=4811", (4711, 4811)),
        ('\ufeff{"old":4711,"new":4811}', (4711, 4811)),
        ("\x004711\x00", (None, 4711)),
        ("4711;4811", (4711, 4811)),
        ("4711, 4811", (4711, 4811)),
        ("4711\r\n4811", (4711, 4811)),
        ("4711 4811", (4711, 4811)),
        ("4711&4811&4911", (4711, 4811)),
        ("%34711&4811", (4711, 4811)),
        ("%5BOLDNUMBER%5D&4811", (None, 4811)),
        ("4711&4811&key=9f0c", (4711, 4811)),
        ("0&4811", (None, 4811)),
        ("0", (None, None)),
        ("", (None, None)),
        ("&", (None, None)),
        (str(MAX_NUMBER + 1), (None, None)),
        ("9" * 5_000, (None, None)),
        ("٤٧١١", (None, None)),
        ("4711.0", (None, None)),
        ("-4711", (None, None)),
    ],
)
def test_bare_digits(text: str, expected: tuple[int | None, int | None]) -> None:
    """Digits without names: two are old and new, one is new; in the query as in the body."""
    assert read_numbers("", text) == expected
    if text.isascii() and text == text.strip() and "\0" not in text:
        assert read_numbers(text, "") == expected


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("key=12345", ""),
        ("KEY=12345", ""),
        ("", "key=12345"),
        ("", '{"key":12345}'),
        ("", '{"key": 12345 }'),
        ("", '{ "key" : "12345" }'),
        ("", '{"key":12345,}'),
        ("", '[{"key": 12345}]'),
        ("", "key 12345"),
        ("", "key: 12345"),
        ("", "key, 12345"),
        ("key&12345", ""),
        ("secret=12345&token=67890", "agreement=1442871"),
        ("", "CUSTOMER_UPDATED 12345"),
        ("", "<old>4711</old>"),
        ("", "agreement 1442871 customer 4711"),
    ],
)
def test_a_key_is_never_a_number(query: str, body: str) -> None:
    """Digits that belong to something else say nothing, also when they are the only ones."""
    assert not read_numbers(query, body)


def test_a_named_value_is_not_overruled_by_bare_digits() -> None:
    """Something is named, if unusable: digits that stand about are not taken for it."""
    assert not read_numbers("old=&new=", "4711&4811")


@pytest.mark.parametrize(
    "body",
    [
        "&" * 65_536,
        "a=1&" * 16_384,
        "old=&" * 13_107,
        " " * 65_536,
        "1 " * 32_768,
        '{"' * 32_768,
        "[" * 65_536,
        '{"a":' * 13_107,
        '"a"' + " " * 65_000,
        '{"a"' * 16_384,
        '{"' + "a" * 65_000,
        '{"old":' + " " * 65_000,
        '{"old":"' + "1" * 65_000,
        "%" * 65_536,
        "%34" * 21_845,
        '{"old":' + "9" * 65_000 + "}",
        "\ufeff" * 21_845,
        "é" * 32_768,
    ],
)
def test_the_largest_bodies_are_read_fast(body: str) -> None:
    """64 KiB of anything costs no more than a few milliseconds a piece."""
    started = time.process_time()

    read_numbers(body, body)

    assert time.process_time() - started < 3


MEANT = st.one_of(st.none(), st.integers(1, MAX_NUMBER))


@given(st.text(), st.text())
@example("", "[" * 100_000)
@example("", "\ud800")
def test_it_never_raises(query: str, body: str) -> None:
    """Whatever is sent, there is an answer, and it holds usable numbers only."""
    for number in read_numbers(query, body):
        assert number is None or 1 <= number <= MAX_NUMBER


@given(
    st.text(alphabet='{}[]":,=&;%+ \n\t0123456789oldnewumbrkyinvc\x00\ufeff', max_size=200),
    st.text(alphabet='{}[]":,=&;%+ \n\t0123456789oldnewumbrkyinvc\x00\ufeff', max_size=200),
)
def test_it_never_raises_on_what_looks_like_a_hook(query: str, body: str) -> None:
    """Made of the pieces that hooks are made of."""
    for number in read_numbers(query, body):
        assert number is None or 1 <= number <= MAX_NUMBER


@given(
    MEANT, MEANT, st.sampled_from(["form", "json", "unquoted", "bare", "query", "bare query"]), st.sampled_from("lUt")
)
def test_every_shape_says_the_same(old: int | None, new: int | None, shape: str, case: str) -> None:
    """The same template filled in the same way is read the same, however it is written."""
    a, b = "" if old is None else str(old), "" if new is None else str(new)
    names = {"l": ("old", "new"), "U": ("OLD", "NEW"), "t": ("OldNumber", "NewNumber")}[case]
    form = f"{names[0]}={a}&{names[1]}={b}"
    query, body = {
        "form": ("", form),
        "json": ("", f'{{"{names[0]}":"{a}","{names[1]}":"{b}"}}'),
        "unquoted": ("", f'{{"{names[0]}":{a},"{names[1]}":{b}}}'),
        "bare": ("", f"{a}&{b}"),
        "query": (f"{form}&key=77", ""),
        "bare query": (f"{a}&{b}&key=77", ""),
    }[shape]

    assert read_numbers(query, body) == (old, new)


def test_multipart_forms_are_read_too() -> None:
    """A form sent as multipart names its numbers like any other."""
    body = '--x\r\nContent-Disposition: form-data; name="old"\r\n\r\n4711\r\n--x\r\n'
    body += 'Content-Disposition: form-data; name="new"\r\n\r\n4811\r\n--x--\r\n'

    assert read_numbers("", body) == (4711, 4811)
