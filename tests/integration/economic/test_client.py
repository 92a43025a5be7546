"""The client against the stand-in e-conomic, over real connections."""

from __future__ import annotations

from typing import Any

import pytest

from domain.accounting_api import AccountingApi
from domain.debtors import Debtor
from domain.errors import Blocked, CredentialsRefused, RateLimited, Rejected, ServiceGone, Unavailable
from domain.invoices import Invoice, Line, lines_agree, lines_fingerprint
from infra.economic import EconomicClient, EconomicConfig, RateSeen
from tests.integration.economic.conftest import NUMBER, StandIn


def walk(step: Any) -> list[Any]:
    """Every record of a list that is walked by key."""
    found: list[Any] = []
    more = True
    while more:
        page = step(found[-1].number if found else 0)
        assert page.unreadable == []
        found += page.items
        more = page.more
    return found


def fill(stand_in: StandIn, **bulk: int) -> None:
    stand_in.control("POST", f"/agreements/{NUMBER}/bulk", bulk)


def test_identity(api: AccountingApi) -> None:
    """The tokens speak for the agreement they belong to."""
    assert api.identity().agreement == NUMBER


def test_walks_all_debtors(api: AccountingApi, stand_in: StandIn) -> None:
    """2,345 debtors take three calls, each comes once, and read singly or by number they are the same."""
    fill(stand_in, debtors=2_345)

    found: list[Debtor] = walk(api.debtors_after)

    assert stand_in.calls() == 3
    numbers = [debtor.number for debtor in found]
    assert len(numbers) == 2_345
    assert numbers == sorted(set(numbers))
    assert api.debtor(numbers[7]) == found[7]
    assert api.debtors(numbers[100:300]).items == found[100:300]
    assert api.debtors_after(0).total == 2_345


def test_largest_numbers_fit_one_call(api: AccountingApi, stand_in: StandIn) -> None:
    """Nine-digit numbers are asked for in as large a call as the stand-in takes."""
    fill(stand_in, debtors=1)
    numbers = list(range(999_999_700, 999_999_900))
    count = api.fits_one_call(numbers)

    assert 170 < count < 200
    assert api.debtors(numbers[:count]).items == []
    assert api.invoices(numbers[:count]).items == []
    assert api.lines(numbers[:count]).items == []


def test_missing_debtor(api: AccountingApi) -> None:
    """A number that is not in use reads as nothing, alone and among others."""
    assert api.debtor(4_711) is None
    assert api.invoice(4_711) is None
    assert api.debtors([4_711]).items == []


def test_invoices_agree_with_their_lines(api: AccountingApi, stand_in: StandIn) -> None:
    """Headers from one host and lines from the other belong together, and equal the invoice read singly."""
    fill(stand_in, debtors=30, invoices=1_200, lines_per_invoice=3)

    headers: list[Invoice] = walk(api.invoices_after)
    lines: dict[int, list[Line]] = {header.number: [] for header in headers}
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = api.lines_page(cursor)
        cursor, pages = page.cursor, pages + 1
        for line in page.items:
            lines[line.invoice].append(line)

    assert len(headers) == 1_200
    assert sum(map(len, lines.values())) == 3_600
    assert pages == 4
    assert all(lines_agree(header.net, lines[header.number]) for header in headers)
    some = [header.number for header in headers[:200]]
    assert api.lines(some).items == sorted(line for number in some for line in lines[number])
    assert api.invoices(some).items == headers[:200]
    dates = sorted(header.date for header in headers)
    recent = api.invoices_after(0, since=dates[600])
    assert recent.items == [header for header in headers if header.date >= dates[600]][:1_000]
    for header in headers[:20]:
        single = api.invoice(header.number)
        assert single is not None
        assert single.header == header
        assert lines_fingerprint(single.lines) == lines_fingerprint(lines[header.number])


def test_unpaid_invoices(api: AccountingApi, stand_in: StandIn) -> None:
    """The unpaid view holds what is open and lacks two columns."""
    fill(stand_in, debtors=5, invoices=50)

    unpaid = walk(api.unpaid_after)

    expected = [header for header in walk(api.invoices_after) if header.remainder]
    assert [header.number for header in unpaid] == [header.number for header in expected]
    assert unpaid
    assert {(header.exchange_rate, header.gross_base) for header in unpaid} == {(None, None)}


def test_revoked_grant(api: AccountingApi, stand_in: StandIn) -> None:
    """A withdrawn grant is refused on both hosts, without another try."""
    stand_in.control("DELETE", f"/agreements/{NUMBER}/grants")

    with pytest.raises(CredentialsRefused):
        api.debtors_after(0)
    with pytest.raises(CredentialsRefused):
        api.lines([1])
    assert stand_in.calls() == 2


class Ledger:
    """Keeps the limits that were seen."""

    def __init__(self) -> None:
        self.rates: list[RateSeen | None] = []

    def admit(self, agreement: int, bulk: bool) -> None:
        pass

    def seen(self, agreement: int, status: int, rate: RateSeen | None, retry_after_s: float | None) -> None:
        self.rates.append(rate)


def test_spent_budget(stand_in: StandIn) -> None:
    """A spent bucket says how long to wait, and every answer says what is left."""
    stand_in.control("PUT", f"/agreements/{NUMBER}/limits", {"bucket": 4, "window_s": 60, "refill_per_s": 0.01})
    ledger = Ledger()
    with EconomicClient(stand_in.config(), meter=ledger, retry_wait_s=0) as client:
        api = client.agreement(NUMBER, f"sandbox-grant-{NUMBER}")
        api.debtors_after(0)
        with pytest.raises(RateLimited) as caught:
            api.debtors_after(0)

    assert caught.value.retry_after_s is not None
    assert 0 < caught.value.retry_after_s <= 300
    assert [rate and (rate.limit, rate.window_s, rate.cost) for rate in ledger.rates] == [(4, 60, 3)] * 2


@pytest.mark.parametrize(("kind", "value"), [("status", 503), ("cut", "before"), ("cut", "after"), ("body", "cut")])
def test_blips_heal(api: AccountingApi, stand_in: StandIn, kind: str, value: object) -> None:
    """Two failures in a row, connections cut or half an answer, cost the caller nothing; three are an outage."""
    fill(stand_in, debtors=3)
    stand_in.control("POST", "/faults", {kind: value, "path": "/customers", "times": 2})
    assert len(api.debtors_after(0).items) == 3

    stand_in.control("POST", "/faults", {kind: value, "path": "/customers"})
    with pytest.raises(Unavailable):
        api.debtors_after(0)


def test_broken_answer(api: AccountingApi, stand_in: StandIn) -> None:
    """Half a JSON text is never taken for a short list."""
    fill(stand_in, debtors=3)
    stand_in.control("POST", "/faults", {"body": "broken"})

    with pytest.raises(Unavailable):
        api.debtors_after(0)
    with pytest.raises(Unavailable):
        api.debtor(1)


def test_missing_role(api: AccountingApi, stand_in: StandIn) -> None:
    """A 403 is a refusal with e-conomic's own words."""
    stand_in.control("POST", "/faults", {"status": 403})

    with pytest.raises(Rejected, match="403") as caught:
        api.lines([1])
    assert caught.value.status == 403
    with pytest.raises(Blocked, match="403"):  # no debtor is at fault
        api.debtor(1)


def test_retired_service(stand_in: StandIn) -> None:
    """An old version in the address is named as what it is; the other host goes on."""
    config = EconomicConfig(stand_in.url, f"{stand_in.url}/q2capi/v4.0.0", app_secret_token="sandbox-app-secret")
    with EconomicClient(config) as client:
        api = client.agreement(NUMBER, f"sandbox-grant-{NUMBER}")
        with pytest.raises(ServiceGone, match=r"v4\.0\.0"):
            api.lines([1])
        assert api.debtors_after(0).items == []


def test_nobody_listens() -> None:
    """A host that is away is trouble that passes."""
    config = EconomicConfig("http://127.0.0.1:9", app_secret_token="sandbox-app-secret")
    with EconomicClient(config, retry_wait_s=0) as client, pytest.raises(Unavailable, match="ConnectError"):
        client.agreement(NUMBER, "g").debtors_after(0)
