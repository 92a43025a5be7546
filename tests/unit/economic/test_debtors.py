"""Debtors and the identity: what is read from recorded and from damaged bodies."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import httpx
import pytest

from domain.accounting_api import Identity
from domain.debtors import Debtor
from domain.errors import PermanentError, Unavailable
from tests.unit.economic.support import Answers, agreement, debtor, edited, listed, samples


def read(body: bytes, number: int) -> Debtor:
    """The single debtor a body holds."""
    found = agreement(Answers(body)).debtor(number)
    assert found is not None
    return found


def test_recorded_debtor() -> None:
    """Every property of the recorded debtor arrives where it belongs."""
    assert read(samples("debtors")[0], 4711) == Debtor(
        number=4711,
        name="Nordvind Service A/S",
        currency="DKK",
        debtor_group=1,
        payment_terms=1,
        vat_zone=1,
        layout=19,
        address="Industrivej 7\nBygning B",
        zip="8700",
        city="Horsens",
        country="Danmark",
        cvr="31313139",
        email="faktura@nordvind.example",
        phone="76000000",
        balance=Decimal(12500),
        due_amount=Decimal(0),
        last_updated=dt.datetime(2026, 5, 4, 9, 12, 31, tzinfo=dt.UTC),
    )


def test_other_recorded_debtors() -> None:
    """A barred one, one with two addresses and a foreign CVR, and one whose CVR is 0: all as given."""
    _, barred, foreign, duck = samples("debtors")

    assert read(barred, 902)[:2] == (902, "Vestkyst Kommune")
    assert read(barred, 902).barred
    assert read(barred, 902).public_entry_number == "Kto 4"
    assert read(foreign, 4802).email == "faktura@fjell.example okonomi@fjell.example"
    assert read(foreign, 4802).cvr == "NO 912 345 678 MVA"
    assert read(duck, 974994345).cvr == "0"
    assert read(duck, 974994345).email is None


def test_recorded_identities() -> None:
    """Who the tokens speak for; missing parts are None."""
    danish, trading, swedish = (agreement(Answers(body)).identity() for body in samples("self"))

    assert danish == Identity(1442871, "MLJ", "Fjordlys Energi ApS", "DKK", ("SuperUser",), "denmark")
    assert trading.base_currency == "EUR"
    assert (swedish.roles, swedish.kind) == (("Sales",), "sweden")
    assert agreement(Answers(b'{"agreementNumber":7,"userName":"EK"}')).identity() == Identity(7, "EK", None, None)


def test_identity_of_nobody_is_no_identity() -> None:
    """An answer without an agreement number may be anything, such as a sign-in page."""
    with pytest.raises(Unavailable):
        agreement(Answers(b'{"message":"please sign in"}')).identity()


def test_trailing_zeros_make_no_difference() -> None:
    """60, 60.0, 60.00 and -0.0 and 0 are each one content, whatever text e-conomic writes."""
    texts = [b"60", b"60.0", b"60.00", b"6e1", b'"60.000000"']
    zeros = [b"0", b"-0.00", b"0.0000000", b"0e5"]

    for group in (texts, zeros):
        bodies = [b'{"customerNumber":1,"balance":%s}' % text for text in group]
        assert len({read(body, 1).fingerprint() for body in bodies}) == 1
        assert len({repr(read(body, 1).balance) for body in bodies}) == 1


@pytest.mark.parametrize("text", [b"1e400", b"1e30", b'"NaN"', b'"sNaN"', b'"Infinity"', b"9" * 5000, b"null"])
def test_amounts_nobody_can_store_are_absent(text: bytes) -> None:
    """An optional amount that fits no column is left out, the debtor is not lost."""
    assert read(b'{"customerNumber":1,"creditLimit":%s}' % text, 1).credit_limit is None


def test_reference_by_link_only() -> None:
    """A reference without its number is read from the link's last segment."""
    body = debtor(
        1,
        paymentTerms={"self": "https://restapi.e-conomic.com/payment-terms/14"},
        layout={"self": "…/layouts/19/?demo=true"},
        vatZone={"self": "https://restapi.e-conomic.com/vat-zones/"},
        salesPerson={"self": None},
    )

    found = read(body, 1)

    assert (found.payment_terms, found.layout, found.vat_zone, found.sales_person) == (14, 19, None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-04T09:12:31Z", dt.datetime(2026, 5, 4, 9, 12, 31, tzinfo=dt.UTC)),
        ("2026-05-04T09:12:31", dt.datetime(2026, 5, 4, 9, 12, 31, tzinfo=dt.UTC)),
        ("2026-05-04T11:12:31+02:00", dt.datetime(2026, 5, 4, 9, 12, 31, tzinfo=dt.UTC)),
        ("2026-05-04", dt.datetime(2026, 5, 4, tzinfo=dt.UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_last_updated(text: str, expected: dt.datetime | None) -> None:
    """A change time is aware UTC or absent, never an error."""
    assert read(debtor(1, lastUpdated=text), 1).last_updated == expected


def test_characters_a_database_refuses() -> None:
    """NUL is dropped, text cut inside a character is mended, and neighbours are untouched."""
    nul, cut, fine = rb'"a\u0000b\\u0000"', rb'"a\ud83d"', rb'"\ud83d\ude00"'
    texts = [nul, cut, fine, b'"a\xff"', rb'"a\ud83d\u00e6"', rb'"\\ud83d"']
    page = listed([b'{"customerNumber":%d,"name":%s}' % (n, text) for n, text in enumerate(texts, 1)])

    answer = agreement(Answers(page)).debtors_after(0)

    names = ["ab\\u0000", "a\ufffd", "😀", "a\ufffd", "a\ufffdæ", "\\ud83d"]
    assert [item.name for item in answer.items] == names
    for number, text in enumerate(texts, 1):
        assert read(b'{"customerNumber":%d,"name":%s}' % (number, text), number).name == names[number - 1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("email", '{"address":"a@b.example"}'),
        ("balance", '"much"'),
        ("barred", '"perhaps"'),
        ("vatZone", "3"),
        ("lastUpdated", "20260504"),
        ("paymentTerms", '{"paymentTermsNumber":"many"}'),
    ],
)
def test_optional_junk_costs_the_property_only(name: str, text: str) -> None:
    """A property of the wrong type is left out; the debtor is read, in a page and alone."""
    body = debtor(5, **{name: json.loads(text)})

    answer = agreement(Answers(listed([debtor(4), body]))).debtors_after(0)

    assert [item.number for item in answer.items] == [4, 5]
    assert read(body, 5) == answer.items[1] == read(edited(body, name), 5)


def test_quoted_number_is_read() -> None:
    """A number in quotes still identifies its debtor."""
    assert agreement(Answers(listed([debtor("5")]))).debtors_after(0).items[0].number == 5


def test_absent_and_null_are_the_same() -> None:
    """REST omits, OpenAPI says null: both are absent, and a missing name is empty."""
    body = b'{"customerNumber":1,"name":null,"barred":null,"vatZone":null,"layout":null,"email":null,"balance":null}'

    assert read(body, 1) == read(b'{"customerNumber":1}', 1) == Debtor(1, "")


def test_missing_debtor_is_none() -> None:
    """Only e-conomic's own 404 says that a number is not in use."""
    body = samples("errors_rest")[0]
    deleted = b'{"message":"gone","errorCode":"E06000"}'

    assert agreement(Answers(httpx.Response(404, content=body))).debtor(1) is None
    assert agreement(Answers(httpx.Response(404, content=deleted))).debtor(1) is None


@pytest.mark.parametrize("body", [b"", b"<html>not found</html>", b"[]", b'{"status":404}', b'{"message":"no route"}'])
def test_foreign_404_buries_nobody(body: bytes) -> None:
    """A 404 of a proxy or a wrong address is trouble on the way, not a missing debtor."""
    with pytest.raises(Unavailable, match="not e-conomic's own"):
        agreement(Answers(httpx.Response(404, content=body))).debtor(1)


@pytest.mark.parametrize("body", [debtor(2), b"[]", b'{"ok":true}', b'{"collection":[]}', b"<html>", b""])
def test_single_answer_about_something_else(body: bytes) -> None:
    """An answer that is not the debtor asked for is never stored under its number."""
    with pytest.raises(Unavailable):
        agreement(Answers(body)).debtor(1)


def test_single_answer_without_a_number() -> None:
    """A record whose number cannot be read is one failure; it does not hold up all other debtors."""
    with pytest.raises(PermanentError, match="no number"):
        agreement(Answers(debtor(0))).debtor(1)


def test_unreadable_single_is_permanent() -> None:
    """The right invoice without a date cannot be stored, and trying again changes nothing."""
    body = edited(samples("invoices")[0], "date")

    with pytest.raises(PermanentError, match="date is missing"):
        agreement(Answers(body)).invoice(20417)
