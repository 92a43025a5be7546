"""What a sender of hooks is answered (design.md §5.2)."""

from __future__ import annotations

import pytest

from tests.support.forms import Agreement, Form
from tests.support.waiting import eventually


def numbers_of(agreement: Agreement) -> list[tuple[int | None, int | None]]:
    found = agreement.rows(
        "SELECT old_number, new_number FROM inbox WHERE agreement = :agreement AND source = 'hook' ORDER BY id"
    )
    return [tuple(row) for row in found]


@pytest.fixture
def quiet(form: Form) -> Agreement:
    """An agreement from which no hook comes by itself."""
    return form.agreement(hooks=False)


def test_every_way_to_say_a_number(quiet: Agreement) -> None:
    """Query, form, JSON, bare digits, any case, whatever the content type claims; GET as well as POST."""
    http, address = quiet.form.http, quiet.address
    keyless = address.removesuffix(f"/{quiet.secret}")
    for answer in (
        http.get(f"{address}/customer?old=1&new=2"),
        http.post(f"{address}/customer", data={"OLD": "3", "New": "4"}),
        http.post(f"{address}/customer", content='{"old": "5", "new": 6}', headers={"Content-Type": "text/plain"}),
        http.post(f"{address}/customer", content="old=7&new=8", headers={"Content-Type": "application/json"}),
        http.post(f"{address}/invoice", content="9"),
        http.post(f"{address}/invoice?invoiceNo=10"),
        http.post(f"{keyless}/customer?number=11", headers={"X-Hook-Key": quiet.secret}),
    ):
        assert (answer.status_code, answer.content) == (202, b"")
        assert len(answer.headers["X-Correlation-Id"]) == 16

    assert numbers_of(quiet) == [(1, 2), (3, 4), (5, 6), (7, 8), (None, 9), (None, 10), (None, 11)]


def test_nobody_learns_which_agreements_there_are(quiet: Agreement) -> None:
    """A wrong secret, an unknown agreement and a strange path get one and the same answer."""
    form = quiet.form
    base = f"{form.address}/webhooks/e-conomic"
    answers = [
        form.http.post(f"{base}/{path}", data={"new": "1"})
        for path in (
            f"{quiet.number}/wrong-secret/customer",
            f"{quiet.number}//customer",
            f"{quiet.number}/customer",
            f"9999999/{quiet.secret}/customer",
            f"{quiet.number}/{quiet.secret}/supplier",
            f"{quiet.number}/{quiet.secret}/customer/more",
            f"-1/{quiet.secret}/customer",
            f"12345678901234567890/{quiet.secret}/customer",
            "",
        )
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, b"")}
    assert numbers_of(quiet) == []


@pytest.mark.parametrize("number", ["0", "-5", "1000000000", "99999999999999999999", "1e3", "1.5", "[NUMBER]", "", "٣"])
def test_a_number_that_cannot_be_is_none(quiet: Agreement, number: str) -> None:
    """A number out of range or no number at all is accepted and becomes an unusable event, never an error."""
    assert quiet.hook("invoice", invoiceno=number).status_code == 202

    eventually(quiet.failures)
    assert [state for _, _, state in quiet.failures()] == ["open"]
    assert (
        quiet.rows("SELECT 1 FROM inbox WHERE agreement = :agreement AND source = 'hook' AND kind <> 'unusable'") == []
    )


@pytest.mark.parametrize(
    "body", [b"\x00\xff\xfe", b'{"old": ', b"[" * 10_000, b"%%%=%%%&=&", '{"å": "ø"}'.encode("latin-1"), b" " * 65_536]
)
def test_a_misshapen_body_is_kept(quiet: Agreement, body: bytes) -> None:
    """Whatever comes with the right secret is taken: an error would get the webhook switched off."""
    assert quiet.form.http.post(f"{quiet.address}/customer", content=body).status_code == 202

    eventually(quiet.failures)


def test_too_much_is_refused(quiet: Agreement) -> None:
    """More than 64 KiB is 413, announced or not; other methods are 405."""
    http = quiet.form.http
    assert http.post(f"{quiet.address}/customer", content=b"x" * 65_537).status_code == 413
    assert http.post(f"{quiet.address}/customer", content=iter([b"x" * 40_000] * 2)).status_code == 413
    refused = http.put(f"{quiet.address}/customer", content=b"1")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, POST")
    assert numbers_of(quiet) == []


def test_health_and_metrics(form: Form) -> None:
    """Live and ready are 200 with what waits in the body; metrics count hooks; neither is kept by a cache."""
    agreement = form.agreement(hooks=False)
    agreement.hook("daybook")
    assert form.http.get(f"{form.address}/health/live").json() == {"live": True}
    ready = form.http.get(f"{form.address}/health/ready")
    assert (ready.status_code, ready.json()["ready"], ready.json()["database"]) == (200, True, "up")
    assert "outstanding" in ready.json()["backlog"]

    metrics = form.http.get(f"{form.address}/metrics")
    assert 'debitor_hooks_total{kind="daybook",status="202"}' in metrics.text
    assert "debitor_database_up 1.0" in metrics.text
