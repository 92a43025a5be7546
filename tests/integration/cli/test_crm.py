"""`debitor crm`."""

from __future__ import annotations

import pytest

from infra.crm.signatures import key_of, new_secret
from infra.database.crm_secrets import CrmSecrets
from infra.database.engine import Database
from infra.database.sealed import SEALED
from infra.encryption import SecretBox
from tests.integration.cli.conftest import Debitor
from tests.support.databases import AGREEMENT, KEY, add_agreement, rows


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
