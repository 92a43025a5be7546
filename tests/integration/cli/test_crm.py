"""`debitor crm`."""

from __future__ import annotations

import pytest

from domain.events import EventType, NewEvent
from infra.crm.signatures import key_of, new_secret
from infra.database.crm_secrets import CrmSecrets
from infra.database.endpoints import Endpoints
from infra.database.engine import Database
from infra.database.outbox import SqlOutbox
from infra.database.sealed import SEALED
from infra.encryption import SecretBox
from tests.integration.cli.conftest import Debitor
from tests.support.databases import AGREEMENT, KEY, add_agreement, rows, scalar


@pytest.fixture
def secrets(database: Database) -> CrmSecrets:
    add_agreement(database)
    return CrmSecrets(database, SecretBox([KEY]))


def test_secrets_come_and_go(debitor: Debitor, secrets: CrmSecrets, database: Database) -> None:
    """A new secret is shown once and never again; one of the CRM's counts as well; a retired one is gone."""
    made = debitor.json("crm", "secret", "add", AGREEMENT)
    given = new_secret()
    assert given not in debitor("crm", "secret", "add", AGREEMENT, "--stdin", stdin=f"{given}\n").output
    assert made["address"] == f"http://127.0.0.1:8000/webhooks/crm/{AGREEMENT}"
    assert secrets.keys(AGREEMENT) == (key_of(made["secret"]), key_of(given))

    debitor("crm", "secret", "retire", AGREEMENT, made["id"])
    assert secrets.keys(AGREEMENT) == (key_of(given),)
    assert secrets.all_keys() == {AGREEMENT: (key_of(given),)}
    listed = debitor.json("crm", "secret", "list", AGREEMENT)
    assert [(each["id"], each["retired_at"] is None) for each in listed] == [(1, False), (2, True)]
    shown = debitor("crm", "secret", "list", AGREEMENT).output
    stored = str(rows(database, "SELECT * FROM crm_secret"))
    assert all(secret not in text for secret in (made["secret"], given) for text in (shown, str(listed), stored))


def test_secret_trouble(debitor: Debitor, secrets: CrmSecrets) -> None:
    """What cannot be done is said in one line."""
    assert "not connected" in debitor("crm", "secret", "add", 8, status=1).stderr
    assert "not connected" in debitor("crm", "secret", "list", 8, status=1).stderr
    assert "whsec_" in debitor("crm", "secret", "add", AGREEMENT, "--stdin", stdin="hunter2", status=1).stderr
    assert "no secret 7" in debitor("crm", "secret", "retire", AGREEMENT, 7, status=1).stderr
    assert secrets.keys(AGREEMENT) == ()
    assert secrets.keys(8) is None


def test_the_key_changes(debitor: Debitor, secrets: CrmSecrets, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `secrets rotate` the CRM's secrets are read with the new key alone, like every other."""
    made = debitor.json("crm", "secret", "add", AGREEMENT)["secret"]
    new = "another key of more than 16 characters"
    monkeypatch.setenv("DEBITOR_SECRET_KEY", f"{new},{KEY}")
    assert "3 secrets" in debitor("secrets", "rotate").stdout

    assert CrmSecrets(secrets._database, SecretBox([new])).keys(AGREEMENT) == (key_of(made),)
    assert {column.table.name for column in SEALED} == {"agreement", "crm_secret", "endpoint_secret"}


def test_endpoints_come_and_go(debitor: Debitor, secrets: CrmSecrets, database: Database) -> None:
    """An endpoint is added with a secret shown once, listed without it, signed for with a second one, disabled."""
    endpoints = Endpoints(database, SecretBox([KEY]))
    made = debitor.json(
        "crm", "endpoint", "add", "http://127.0.0.1:9/h?key=k1", "--internal", "--type", "invoice.booked"
    )
    assert endpoints.keys(made["id"]) == (key_of(made["secret"]),)
    second = debitor("crm", "endpoint", "rotate", made["id"]).stdout.strip()
    assert endpoints.keys(made["id"]) == (key_of(second), key_of(made["secret"]))
    assert "1 secret retired" in debitor("crm", "endpoint", "rotate", made["id"], "--finish").output
    assert endpoints.keys(made["id"]) == (key_of(second),)

    (listed,) = debitor.json("crm", "endpoint", "list")
    assert (listed["url"], listed["types"], listed["state"]) == ("http://127.0.0.1:9/h", ["invoice.booked"], "active")
    said = str(listed) + debitor("crm", "endpoint", "list").output + debitor("status").output
    assert all(hidden not in said for hidden in (made["secret"], second, "k1"))
    assert "Endpoint 1 http://127.0.0.1:9/h" in said

    debitor("crm", "endpoint", "disable", made["id"])
    assert debitor.json("crm", "endpoint", "list")[0]["state"] == "disabled"
    assert debitor.json("status")["endpoints"] == []


def test_endpoint_trouble(debitor: Debitor, secrets: CrmSecrets) -> None:
    """What cannot be done is said in one line; an address nothing will be sent to is warned of at once."""
    add = ("crm", "endpoint", "add")
    assert "https://" in debitor(*add, "http://crm.example/", status=1).stderr
    assert "password" in debitor(*add, "https://a:b@crm.example/", status=1).stderr
    assert "invoice.eaten" in debitor(*add, "https://crm.example/", "--type", "invoice.eaten", status=2).stderr
    assert "whsec_" in debitor(*add, "https://crm.example/", "--stdin", stdin="hunter2", status=1).stderr
    assert debitor.json("crm", "endpoint", "list") == []

    assert "--internal" in debitor(*add, "https://127.0.0.1/").stderr
    for command in (("disable", 7), ("rotate", 7), ("rotate", 7, "--finish"), ("resend", 7, "--given-up")):
        assert "no endpoint 7" in debitor("crm", "endpoint", *command, status=1).stderr


def test_events_are_resent(debitor: Debitor, secrets: CrmSecrets, database: Database) -> None:
    """One event, a range, or what was given up; never without saying which."""
    with database.write() as connection:
        events = [
            NewEvent(EventType.INVOICE_BOOKED, "debtor 1", {}),
            NewEvent(EventType.DUPLICATE_FOUND, "company 1", {}),
        ]
        SqlOutbox(connection, database.sql, agreement=AGREEMENT).add(events)
    debitor("crm", "endpoint", "add", "https://127.0.0.1/")
    first = scalar(database, "SELECT event_id FROM outbox WHERE id = 1")

    resend = ("crm", "endpoint", "resend", 1)
    assert "1 event will" in debitor(*resend, "--event", first).output
    assert "2 events will" in debitor(*resend, "--since", "2026-01-01").output
    assert "0 events will" in debitor(*resend, "--until", "2026-01-01").output
    assert "0 events will" in debitor(*resend, "--given-up").output
    assert "not there" in debitor(*resend, "--event", first, "--event", "evt_none", status=1).stderr
    debitor(*resend, status=2)
    debitor(*resend, "--event", first, "--given-up", status=2)
    debitor("crm", "endpoint", "disable", 1)
    assert "disabled" in debitor(*resend, "--given-up", status=1).stderr
