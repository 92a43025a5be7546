"""e-conomic in trouble: the work waits with its reason, fails nothing, and catches up by itself."""

from __future__ import annotations

import pytest

from infra.database.agreements import Agreements
from infra.encryption import SecretBox
from tests.support.databases import KEY, do
from tests.support.forms import Agreement, Form
from tests.support.mirror import becomes_equal
from tests.support.waiting import eventually, stays


def waits_for(agreement: Agreement, reason: str) -> None:
    """Until the row of its debtors says so."""
    eventually(lambda: agreement.work().reason == reason, why=lambda: agreement.work())


def let_the_wait_pass(agreement: Agreement) -> None:
    """As if the time had passed that a person needs to mend something."""
    do(
        agreement.form.database,
        "UPDATE work SET not_before = NULL WHERE agreement = :agreement AND reason IS NOT NULL",
        agreement=agreement.number,
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"body": "broken"},
        {"cut": "before"},
        {"body": "cut"},
        {"status": 502, "body": "broken"},
    ],
    ids=["503", "broken JSON", "cut", "cut in the middle", "an HTML page"],
)
def test_a_service_in_trouble(form: Form, fault: dict[str, object]) -> None:
    """Down, cut or talking nonsense: the event waits as `unavailable` and is handled without anybody's help."""
    agreement = form.agreement(hooks=False)
    agreement.books.create(100, name="Nordvind Service A/S")
    with agreement.books.fault(path="/customers", **fault):
        assert agreement.hook(new=100).status_code == 202
        waits_for(agreement, "unavailable")
        assert agreement.outstanding() == 1
        assert agreement.failures() == []
    let_the_wait_pass(agreement)

    becomes_equal(form.database, agreement.books)
    eventually(lambda: agreement.work().reason is None)
    assert agreement.failures() == []


def test_catching_up_by_itself(form: Form) -> None:
    """After a short outage nobody does anything: the next try comes within seconds."""
    agreement = form.agreement(hooks=False)
    agreement.books.create(100, name="Nordvind Service A/S")
    with agreement.books.fault(path="/customers", status=503, times=3):
        agreement.hook(new=100)
        waits_for(agreement, "unavailable")

    becomes_equal(form.database, agreement.books)


def test_a_service_down_for_hours(form: Form) -> None:
    """After hours events still wait, tried for every ten minutes, with nothing failed; then all are handled."""
    agreement = form.agreement(hooks=False)
    for number in (100, 101, 102):
        agreement.books.create(number, name=f"Firma {number} ApS")
    with agreement.books.fault(path="/", status=503):
        agreement.hook(new=100)
        waits_for(agreement, "unavailable")
        ago = agreement.form.database.sql.after("ago")
        seven_hours = {"agreement": agreement.number, "ago": -7 * 3600}
        do(form.database, f"UPDATE inbox SET received_at = {ago} WHERE agreement = :agreement", **seven_hours)
        do(
            form.database,
            f"UPDATE work SET attempts = 45, waiting_since = {ago}, not_before = NULL"
            " WHERE agreement = :agreement AND kind = 'debtors'",
            **seven_hours,
        )
        eventually(lambda: agreement.work().attempts == 46, within_s=20)
        left = f"SELECT -{form.database.sql.seconds_since('not_before')} FROM work WHERE agreement = :agreement"
        assert 300 < float(agreement.rows(f"{left} AND kind = 'debtors'")[0][0]) <= 600
        calls = len(agreement.books.calls())
        for number in (101, 102):
            assert agreement.hook(new=number).status_code == 202
        stays(lambda: len(agreement.books.calls()) == calls, for_s=1.5)
        assert agreement.outstanding() == 3
        assert agreement.failures() == []
    let_the_wait_pass(agreement)

    becomes_equal(form.database, agreement.books)
    eventually(lambda: agreement.work().reason is None)
    assert agreement.failures() == []


def test_a_429_is_obeyed(form: Form) -> None:
    """Retry-After pauses the whole agreement, invoices too, and nobody calls before it has passed."""
    agreement = form.agreement(hooks=False)
    agreement.books.create(100, name="Nordvind Service A/S")
    agreement.books.create(200, name="Sydhavnens Smedje ApS")
    invoice = agreement.books.book(200)
    agreement.hook(new=100)  # /self is asked for once
    eventually(lambda: agreement.outstanding() == 0)
    with agreement.books.fault(path="/", status=429, retry_after="3", times=1):
        agreement.hook(new=100)
        waits_for(agreement, "rate_limited")
        calls = len(agreement.books.calls())
        agreement.hook("invoice", invoiceno=invoice)
        eventually(lambda: agreement.work("invoices").reason == "rate_limited")
        stays(lambda: len(agreement.books.calls()) == calls, for_s=1)
        assert agreement.failures() == []

    becomes_equal(form.database, agreement.books)
    assert agreement.work().reason is None


def test_a_revoked_grant_waits_for_a_person(form: Form) -> None:
    """401 waits as refused credentials; with new ones everything that waited is handled at once."""
    agreement = form.agreement(hooks=False)
    agreement.books.create(100, name="Nordvind Service A/S")
    agreement.books("DELETE", "grants")
    agreement.hook(new=100)
    waits_for(agreement, "credentials_refused")
    assert agreement.failures() == []

    form.sandbox("POST", "agreements", {"number": agreement.number, "grant": "another-grant-of-this-agreement"})
    form.secrets.append("another-grant-of-this-agreement")
    Agreements(form.database, SecretBox([KEY])).set_credentials(
        agreement.number, grant_token="another-grant-of-this-agreement", ask_every_time=False
    )
    becomes_equal(form.database, agreement.books)
    assert agreement.work().reason is None


def test_one_bad_record(form: Form) -> None:
    """A debtor e-conomic cannot show is one failure; those named with it are stored, and it closes by itself."""
    agreement = form.agreement(hooks=False, debtors=5)
    with agreement.books.fault(path="/customers/3", status=400):
        agreement.hook(new=3)
        eventually(lambda: agreement.failures() == [("debtor", "3", "open")])
        for number in (1, 2, 4, 5):
            agreement.hook(new=number)
        eventually(lambda: agreement.outstanding() == 0)
        assert [agreement.debtor(number) is not None for number in range(1, 6)] == [True, True, False, True, True]
    agreement.hook(new=3)
    eventually(lambda: agreement.failures() == [("debtor", "3", "resolved")])
    becomes_equal(form.database, agreement.books)


def test_other_agreements_go_on(form: Form) -> None:
    """While one agreement's e-conomic is down another's events are handled as ever."""
    broken, well = form.agreement(hooks=False), form.agreement()
    with broken.books.fault(path="/", status=503):
        broken.hook(new=100)
        eventually(lambda: broken.work().reason == "unavailable")
        well.books.create(100, name="Sydhavnens Smedje ApS")
        becomes_equal(form.database, well.books)


def test_nothing_secret_is_in_the_logs(form: Form) -> None:
    """After all that no log of any process holds a hook's secret, a token or the key."""
    agreement = form.agreement(hooks=False)
    form.http.post(f"{agreement.address}/nonsense/customer")
    form.http.get(f"{agreement.address}?key={agreement.secret}")
    form.http.post(f"{agreement.address}/customer?key={agreement.secret}", content="nothing")
    eventually(agreement.failures)

    assert "refreshed" in form.logs()
    assert form.leaked() == []
