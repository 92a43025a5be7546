"""`debitor user`, `debitor api-token`, `debitor secrets`."""

from __future__ import annotations

import pytest

from infra.database.agreements import Agreements
from infra.database.engine import Database
from infra.database.users import ApiTokens, Users
from infra.encryption import SecretBox
from tests.integration.cli.conftest import Debitor
from tests.integration.console.world import QUICK
from tests.support.databases import AGREEMENT, KEY, scalar

PASSWORD = "correct horse battery"


@pytest.fixture
def users(database: Database) -> Users:
    return Users(database, hasher=QUICK)


@pytest.mark.usefixtures("quick_hashes")
def test_users(debitor: Debitor, users: Users) -> None:
    """People come, change their password and leave."""
    debitor("user", "add", "Ops@Havgus.example", "--role", "ops", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert users.verify("ops@havgus.example", PASSWORD)

    debitor("user", "passwd", "ops@havgus.example", stdin=f"{PASSWORD} 2\n{PASSWORD} 2\n")
    assert users.verify("ops@havgus.example", f"{PASSWORD} 2")

    debitor("user", "disable", "ops@havgus.example")
    assert not users.verify("ops@havgus.example", f"{PASSWORD} 2")
    [listed] = debitor.json("user", "list")
    assert (listed["email"], listed["role"]) == ("ops@havgus.example", "ops")
    assert listed["disabled_at"] is not None
    assert "password_hash" not in listed
    assert "ops@havgus.example" in debitor("user", "list").stdout


@pytest.mark.usefixtures("quick_hashes")
@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("add", "nobody", "--role", "ops", "--password-stdin"), PASSWORD, "no"),
        (("add", "a@havgus.example", "--role", "ops", "--password-stdin"), "short", "characters"),
        (("add", "a@havgus.example", "--role", "ops", "--password-stdin"), "", "standard input"),
        (("passwd", "a@havgus.example", "--password-stdin"), PASSWORD, "no user"),
        (("disable", "a@havgus.example"), "", "no user"),
    ],
)
def test_user_trouble(debitor: Debitor, arguments: tuple[str, ...], stdin: str, said: str) -> None:
    """What cannot be done is said in one line."""
    assert said in debitor("user", *arguments, stdin=stdin, status=1).stderr
    assert debitor.json("user", "list") == []


def test_unknown_role(debitor: Debitor) -> None:
    """A role there is not is wrong usage."""
    assert "admin" in debitor("user", "add", "a@havgus.example", "--role", "boss", status=2).stderr


def test_api_tokens(debitor: Debitor, database: Database) -> None:
    """A token is printed once, works, and is refused after it was revoked."""
    token = debitor("api-token", "create", "reports", "--scope", "accounting:read", "--scope", "operations").stdout

    bearer = ApiTokens(database).by_token(token.strip())
    assert bearer is not None
    assert bearer.scopes == {"accounting:read", "operations"}
    [listed] = debitor.json("api-token", "list")
    assert listed["scopes"] == ["accounting:read", "operations"]
    assert token.strip() not in debitor("api-token", "list").stdout

    debitor("api-token", "revoke", "reports")
    assert ApiTokens(database).by_token(token.strip()) is None
    debitor("api-token", "revoke", "reports", status=1)


def test_nameless_token(debitor: Debitor) -> None:
    """A token without a name gets one, so that it can be revoked."""
    made = debitor.json("api-token", "create", "--scope", "operations")

    debitor("api-token", "revoke", made["name"])


@pytest.mark.parametrize("options", [(), ("--scope", "everything")])
def test_token_scopes(debitor: Debitor, options: tuple[str, ...]) -> None:
    """A token needs scopes there are."""
    assert "scope" in debitor("api-token", "create", "reports", *options, status=2).stderr


def test_rotate(debitor: Debitor, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rotation the old key is needed no more."""
    new = "another key for tests of more than 16"
    debitor("agreement", "add", AGREEMENT, "--grant-token", "-", stdin="the-grant\n")
    monkeypatch.setenv("DEBITOR_SECRET_KEY", f"{new},{KEY}")

    assert debitor("secrets", "rotate").stdout.startswith("2 secrets")

    assert Agreements(database, SecretBox([new])).grant_token(AGREEMENT) == "the-grant"
    assert scalar(database, "SELECT count(*) FROM agreement") == 1
    monkeypatch.setenv("DEBITOR_SECRET_KEY", "a third key that decrypts nothing")
    assert "DEBITOR_SECRET_KEY" in debitor("secrets", "rotate", status=1).stderr
