"""Something happens in e-conomic; a webhook comes; the rows say the same."""

from __future__ import annotations

import json
from decimal import Decimal

from domain.events import EventType, NewEvent, company_subject
from infra.database.outbox import SqlOutbox
from tests.support.forms import Agreement, Form
from tests.support.mirror import becomes_equal
from tests.support.receiver import receiver
from tests.support.signed import signed
from tests.support.waiting import eventually


def test_an_edited_debtor_is_a_row(agreement: Agreement) -> None:
    """A debtor made and edited in e-conomic is stored within seconds, as it is there."""
    agreement.books.create(100, name="Nordvind Service A/S", email="faktura@nordvind.example")
    eventually(lambda: agreement.debtor(100))
    assert agreement.debtor(100).name == "Nordvind Service A/S"

    agreement.books.edit(100, name="Nordvind Energi A/S", city="Horsens")
    eventually(lambda: agreement.debtor(100).name == "Nordvind Energi A/S")
    becomes_equal(agreement.form.database, agreement.books)
    assert agreement.failures() == []


def test_a_booked_invoice_brings_lines_and_balance(agreement: Agreement) -> None:
    """A booked invoice is stored with its lines, and its debtor's balance follows without an event of its own."""
    agreement.books.create(100, name="Nordvind Service A/S")
    eventually(lambda: agreement.debtor(100))
    number = agreement.books.book(
        100, lines=[{"description": "Montage", "quantity": 2, "unitNetPrice": 100}, {"description": "Tak for ordren"}]
    )

    eventually(lambda: agreement.debtor(100).balance)
    becomes_equal(agreement.form.database, agreement.books)
    (row,) = agreement.rows("SELECT number, lines_state FROM invoice WHERE agreement = :agreement")
    assert (row.number, row.lines_state) == (number, "complete")
    assert len(agreement.rows("SELECT 1 FROM invoice_line WHERE agreement = :agreement")) == 2


def test_an_invoice_before_its_debtor(form: Form) -> None:
    """An invoice whose debtor was never announced is stored, brings its debtor in, and belongs to it."""
    agreement = form.agreement(hooks=False)
    agreement.books.create(100, name="Nordvind Service A/S")
    number = agreement.books.book(100)

    assert agreement.hook("invoice", invoiceno=number).status_code == 202

    eventually(lambda: agreement.debtor(100))
    becomes_equal(form.database, agreement.books)
    (owner,) = agreement.rows("SELECT debtor_id FROM invoice WHERE agreement = :agreement")
    assert owner.debtor_id == agreement.debtor(100).id


def test_a_renumbered_debtor_keeps_its_row(agreement: Agreement) -> None:
    """A new number is the same row, and its invoices are still its own."""
    agreement.books.create(100, name="Nordvind Service A/S", corporateIdentificationNumber="31313139")
    eventually(lambda: agreement.debtor(100))
    row_id = agreement.debtor(100).id
    agreement.books.book(100)
    eventually(lambda: agreement.rows("SELECT 1 FROM invoice WHERE agreement = :agreement"))

    agreement.books.renumber(100, 4711)

    eventually(lambda: agreement.debtor(4711))
    assert (agreement.debtor(4711).id, agreement.debtor(100)) == (row_id, None)
    becomes_equal(agreement.form.database, agreement.books)
    assert [
        tuple(row) for row in agreement.rows("SELECT DISTINCT debtor_id FROM invoice WHERE agreement = :agreement")
    ] == [(row_id,)]


def test_a_deleted_debtor_is_a_tombstone(agreement: Agreement) -> None:
    """A debtor deleted in e-conomic stays, dated, with what it was called."""
    agreement.books.create(100, name="Nordvind Service A/S")
    eventually(lambda: agreement.debtor(100))

    agreement.books.delete(100)

    eventually(lambda: agreement.debtor(100) is None)
    (row,) = agreement.rows("SELECT name, gone_at FROM debtor WHERE agreement = :agreement")
    assert (row.name, row.gone_at is not None) == ("Nordvind Service A/S", True)


def test_a_daybook_brings_payments(agreement: Agreement) -> None:
    """No webhook tells of a payment; a booked daybook makes Debitor look."""
    agreement.books.create(100, name="Nordvind Service A/S")
    number = agreement.books.book(100)
    eventually(lambda: agreement.rows("SELECT 1 FROM invoice WHERE agreement = :agreement"))
    agreement.books.pay(number)

    agreement.books("POST", "daybook", {"DAYBOOKNO": 1})

    becomes_equal(agreement.form.database, agreement.books)
    (row,) = agreement.rows("SELECT remainder FROM invoice WHERE agreement = :agreement")
    assert row.remainder == Decimal(0)


def test_a_crowd_of_events_is_few_calls(form: Form) -> None:
    """Five hundred events about a hundred debtors are stored completely with far fewer calls than events."""
    agreement = form.agreement(debtors=100)
    agreement.books("POST", "storm", {"count": 500, "shuffle": True})

    becomes_equal(form.database, agreement.books)
    eventually(lambda: agreement.outstanding() == 0)
    assert len(agreement.books.calls()) < 120


def test_agreements_do_not_mix(form: Form) -> None:
    """Two agreements with the same numbers each get their own records."""
    one, other = form.agreement(), form.agreement()
    one.books.create(100, name="Nordvind Service A/S")
    other.books.create(100, name="Sydhavnens Smedje ApS")

    becomes_equal(form.database, one.books)
    becomes_equal(form.database, other.books)


def test_an_unusable_hook_is_a_failure(agreement: Agreement) -> None:
    """An authenticated hook that names nothing is accepted, and becomes a failure a person sees, secrets masked."""
    answer = agreement.form.http.post(f"{agreement.address}/customer?key=very-secret", content="old=&new=[NEWNUMBER]")

    assert answer.status_code == 202
    eventually(agreement.failures)
    ((kind, _, state),) = agreement.failures()
    assert (kind, state) == ("hook", "open")
    (row,) = agreement.rows("SELECT detail FROM failure WHERE agreement = :agreement")
    assert "[NEWNUMBER]" in row.detail
    assert "very-secret" not in row.detail


def test_the_trail_of_an_event(agreement: Agreement) -> None:
    """The correlation id of the answer stands in the row it led to and in the log of the process that did it."""
    agreement.books.create(100, name="Nordvind Service A/S")
    eventually(lambda: agreement.debtor(100) and agreement.outstanding() == 0)
    agreement.books("DELETE", "webhooks/CUSTOMER_UPDATED")
    agreement.books.edit(100, name="Nordvind Energi A/S")

    answer = agreement.hook(old=100, new=100)

    correlation_id = answer.headers["X-Correlation-Id"]
    eventually(lambda: agreement.debtor(100).correlation_id == correlation_id)
    eventually(lambda: any(correlation_id in line for line in agreement.form.logs().splitlines()))
    lines = [line for line in agreement.form.logs().splitlines() if correlation_id in line]
    entries = [json.loads(line[line.index("{") :]) for line in lines]
    (entry,) = [entry for entry in entries if entry["event"] == "debtors.refreshed"]
    assert "webhook.accepted" in {entry["event"] for entry in entries}
    assert entry["agreement"] == agreement.number
    assert entry["process"] in ("worker", "embedded")


def test_a_balance_follows_an_invoice_that_a_resync_stored_first(form: Form) -> None:
    """A resync that reads an invoice between its booking and its webhook does not swallow the debtor's new balance."""
    agreement = form.agreement(hooks=False)
    agreement.books.create(100, name="Nordvind Service A/S")
    agreement.hook(new=100)
    eventually(lambda: agreement.debtor(100) and agreement.outstanding() == 0)
    number = agreement.books.book(100, hook=False)
    code, text = form.debitor("resync", str(agreement.number), "--invoices")
    assert code == 0, text

    agreement.hook("invoice", invoiceno=number)

    becomes_equal(form.database, agreement.books, within_s=5)


def test_what_no_webhook_told_is_found(form: Form) -> None:
    """Without a single webhook a changed debtor is found by the poller."""
    agreement = form.agreement(hooks=False, polled=True)
    agreement.books.create(100, name="Nordvind Service A/S")

    becomes_equal(form.database, agreement.books, within_s=15)


def test_a_new_products_name_appears(agreement: Agreement) -> None:
    """An invoice with a product nobody has heard of brings its name in, without anybody asking."""
    agreement.books("PUT", "reference/products", {"productNumber": "VP-9", "name": "Varmepumpe 9 kW"})
    agreement.books.create(100, name="Nordvind Service A/S")
    agreement.books.book(100, lines=[{"product": "VP-9", "quantity": 1, "unitNetPrice": 100}])

    def names() -> dict[str, str]:
        query = "SELECT key, name FROM reference_name WHERE agreement = :agreement AND list = 'products'"
        return {row.key: row.name for row in agreement.rows(query)}

    eventually(lambda: names().get("VP-9") == "Varmepumpe 9 kW")
    assert agreement.failures() == []


def test_the_crm_tells_and_is_told(form: Form) -> None:
    """
    A signed company of the CRM is a company, once; an event that is committed is told to an endpoint, signed; both by
    the running processes alone.
    """
    agreement = form.agreement(hooks=False)
    into = _printed(form, "secret", "crm", "secret", "add", str(agreement.number))
    with receiver() as crm:
        out = _printed(form, "secret", "crm", "endpoint", "add", crm.address, "--internal")
        company = {"id": f"crm-{agreement.number}", "name": "Nordvind Service A/S"}
        body, headers = signed(into, "msg_1", data=company)
        url = f"{form.address}/webhooks/crm/{agreement.number}"
        assert form.http.post(url, content=body, headers=headers).status_code == 202
        assert form.http.post(url, content=body, headers=headers).status_code == 200
        eventually(lambda: agreement.rows("SELECT 1 FROM company WHERE crm_id = :id", id=company["id"]))

        with form.database.write() as connection:
            event = NewEvent(EventType.COMPANY_UPDATED, company_subject(1), {"company": company})
            SqlOutbox(connection, form.database.sql, agreement=agreement.number).add([event])
        eventually(lambda: crm.got)
        assert crm.got[0].event["type"] == "company.updated"
        assert crm.got[0].event["data"]["company"] == company
        crm.got[0].checked_with(out)
        form.debitor("crm", "endpoint", "disable", "1")


def _printed(form: Form, name: str, *command: str) -> str:
    """A secret that a command shows this once; it must never be in a log."""
    status, said = form.debitor(*command, "--json")
    assert status == 0, said
    secret = str(json.loads(said[said.index("{") : said.rindex("}") + 1])[name])
    form.secrets.append(secret)
    return secret
