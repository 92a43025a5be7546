"""What the client asks for: addresses, filters, headers."""

from __future__ import annotations

import datetime as dt

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError, CredentialsMissing, CredentialsRefused
from infra.economic import Q2C_URL, REST_URL, EconomicConfig
from tests.unit.economic.support import (
    CONFIG,
    GRANT,
    NUMBER,
    SECRET,
    Answers,
    agreement,
    client,
    lines_page,
    listed,
)

EMPTY = listed([])
PRODUCTION = EconomicConfig(app_secret_token=SECRET)


def asked(body: bytes, method: str, *args: object, **kwargs: object) -> str:
    """The address one method calls, as it goes over the wire."""
    answers = Answers(body)
    getattr(agreement(answers), method)(*args, **kwargs)
    (request,) = answers.requests
    return f"{request.url.scheme}://{request.url.host}{request.url.raw_path.decode()}"


@pytest.mark.parametrize(
    ("method", "args", "url"),
    [
        ("debtors_after", (4711,), "customers?filter=customerNumber$gt:4711&sort=customerNumber"),
        ("debtors", ((3, 1),), "customers?filter=customerNumber$in:%5B1,3%5D&sort=customerNumber"),
        ("invoices_after", (0,), "invoices/booked?filter=bookedInvoiceNumber$gt:0&sort=bookedInvoiceNumber"),
        ("invoices", ((5,),), "invoices/booked?filter=bookedInvoiceNumber$in:%5B5%5D&sort=bookedInvoiceNumber"),
        ("unpaid_after", (7,), "invoices/unpaid?filter=bookedInvoiceNumber$gt:7&sort=bookedInvoiceNumber"),
    ],
)
def test_rest_lists(method: str, args: tuple[object, ...], url: str) -> None:
    """Lists are walked by key, sorted, in pages of 1,000, and never by offset."""
    assert asked(EMPTY, method, *args) == f"http://rest.example/{url}&pagesize=1000"


def test_invoices_since_a_date() -> None:
    """A walk may be limited to a date and later ones, still by key."""
    url = asked(EMPTY, "invoices_after", 31, since=dt.date(2026, 5, 4))

    assert "?filter=bookedInvoiceNumber$gt:31$and:date$gte:2026-05-04&sort=bookedInvoiceNumber&" in url


@pytest.mark.parametrize(
    ("cursor", "after", "query"),
    [
        (None, 0, ""),
        ("20433", 0, "?cursor=20433"),
        (None, 31, "?filter=documentId$gt:31"),
        ("a&b", 31, "?filter=documentId$gt:31&cursor=a%26b"),
    ],
)
def test_line_lists(cursor: str | None, after: int, query: str) -> None:
    """The first page of everything has no query; a cursor is carried as it is."""
    url = asked(lines_page([]), "lines_page", cursor, after=after)

    assert url == f"http://q2c.example/v5/invoices/booked/lines{query}"


def test_headers() -> None:
    """Both tokens and JSON both ways, on every call."""
    answers = Answers(EMPTY)
    agreement(answers).debtors_after(0)

    headers = answers.requests[0].headers
    assert headers["X-AppSecretToken"] == SECRET
    assert headers["X-AgreementGrantToken"] == GRANT
    assert headers["Accept"] == headers["Content-Type"] == "application/json"


def test_agreements_share_nothing_but_the_pool() -> None:
    """Each agreement sends its own grant, and no cookie of another."""
    answers = Answers(httpx.Response(200, headers={"Set-Cookie": "session=1"}, content=EMPTY))
    with client(answers) as shared:
        shared.agreement(1, "first").debtors_after(0)
        shared.agreement(2, " second\n").debtors_after(0)

    assert [request.headers["X-AgreementGrantToken"] for request in answers.requests] == ["first", "second"]
    assert all("cookie" not in request.headers for request in answers.requests)


def test_base_with_prefix() -> None:
    """All services may live on one host below a path, with or without a slash at the end."""
    config = EconomicConfig("http://127.0.0.1:8900/rest/", "http://127.0.0.1:8900/q2c", "http://h", SECRET)
    answers = Answers(EMPTY, lines_page([]))
    api = agreement(answers, config=config)
    api.debtors_after(0)
    api.lines([1])

    assert [httpx.URL(url).path for url in answers.urls] == ["/rest/customers", "/q2c/invoices/booked/lines"]


def test_defaults_are_production() -> None:
    """Without settings the client talks to e-conomic itself."""
    assert (PRODUCTION.rest_url, PRODUCTION.q2c_url) == (REST_URL, Q2C_URL)
    assert REST_URL == "https://restapi.e-conomic.com"
    assert Q2C_URL == "https://apis.e-conomic.com/q2capi/v5.3.0"


@pytest.mark.parametrize("url", ["", "restapi.e-conomic.com", "ftp://h", "http://", "http://h:x", "http://h/?a=1"])
def test_bad_address_is_a_setting_to_change(url: str) -> None:
    """An address nobody can call is refused at start, naming the setting."""
    with pytest.raises(ConfigurationError, match="DEBITOR_ECONOMIC_REST_URL"):
        EconomicConfig(rest_url=url)


@pytest.mark.parametrize("token", ["", "  "])
def test_empty_tokens(token: str) -> None:
    """An agreement without tokens waits for a person."""
    with pytest.raises(CredentialsMissing):
        client(Answers(EMPTY)).agreement(NUMBER, token)
    with pytest.raises(CredentialsMissing, match="APP_SECRET_TOKEN"):
        client(Answers(EMPTY), config=EconomicConfig(app_secret_token=token)).agreement(NUMBER, GRANT)


@pytest.mark.parametrize("token", ["a b", "a\nb", "nøgle", "a\x00"])
def test_impossible_tokens(token: str) -> None:
    """What cannot go into a header is refused without being quoted or sent."""
    with pytest.raises(CredentialsRefused) as caught:
        client(Answers(EMPTY)).agreement(NUMBER, token)
    assert token not in str(caught.value)


@given(st.lists(st.integers(1, 999_999_999), max_size=400, unique=True))
def test_what_fits_one_call(numbers: list[int]) -> None:
    """As many as 2,000 characters hold are asked for at once, with room for the cursor of a line list."""
    answers = Answers(EMPTY, EMPTY, lines_page([], cursor="1" * 50), lines_page([]))
    api = agreement(answers, config=PRODUCTION)
    count = api.fits_one_call(numbers)
    if not numbers:
        assert count == 0
        return

    api.debtors(numbers[:count])
    api.invoices(numbers[:count])
    api.lines(numbers[:count])

    longest = max(map(len, answers.urls))
    assert longest < 2_000
    assert count in (200, len(numbers)) or longest + len(f",{numbers[count]}") >= 2_000


def test_too_many_numbers_are_our_bug() -> None:
    """More numbers than fit are never sent, nor silently cut."""
    answers = Answers(EMPTY)
    with pytest.raises(ValueError, match="fits_one_call"):
        agreement(answers).debtors(range(1, 202))
    assert answers.requests == []
    assert agreement(answers).fits_one_call(range(1, 500)) == 200


def test_secrets_are_not_in_any_repr() -> None:
    """What a log line or a traceback prints of these objects holds no token."""
    with client(Answers(EMPTY)) as shared:
        api = shared.agreement(NUMBER, GRANT)
        shown = f"{CONFIG!r} {shared!r} {api!r} {api._grant!r} {vars(shared)!r} {vars(api)!r}"  # type: ignore[attr-defined]

    assert SECRET not in shown
    assert GRANT not in shown
    assert str(NUMBER) in repr(api)
