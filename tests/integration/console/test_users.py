"""Who may sign in, and which programs may call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from infra.database import tables
from infra.database.engine import Database
from infra.database.users import MAX_PASSWORD, SCOPES, ApiTokens, Role, UserError, Users, ensure_firm
from tests.integration.console.world import PASSWORD, QUICK, World


@pytest.fixture
def users(world: World) -> Users:
    return world.users


@pytest.fixture
def tokens(database: Database) -> ApiTokens:
    return ApiTokens(database)


def test_first_firm_is_made_once(users: Users, database: Database) -> None:
    """Starting twice finds the same firm."""
    assert users.ensure_firm() == users.ensure_firm() == ensure_firm(database)


def test_added_person_signs_in_whatever_the_case(users: Users) -> None:
    """Addresses are lower case everywhere; passwords are not touched."""
    added = users.add(" Mette@Fjordlys.example", PASSWORD, "admin")

    found = users.verify("METTE@fjordlys.example ", PASSWORD)
    assert found == added
    assert (added.email, added.role, added.firm_id) == ("mette@fjordlys.example", Role.ADMIN, users.ensure_firm())
    assert users.verify("mette@fjordlys.example", PASSWORD.upper()) is None


def test_passwords_are_stored_as_argon2(users: Users, database: Database) -> None:
    """The table holds a salted hash and nothing that reads like the password."""
    users.add("mette@fjordlys.example", PASSWORD, "admin")

    with database.read() as connection:
        stored = connection.execute(sa.select(tables.user.c.password_hash)).scalar_one()
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


@pytest.mark.parametrize(
    ("email", "password", "role", "problem"),
    [
        ("mette", PASSWORD, "admin", "mette is not an e-mail address"),
        ("me tte@x.example", PASSWORD, "admin", "is not an e-mail address"),
        ("", PASSWORD, "admin", "nothing is not an e-mail address"),
        ("a@x.example", "too short", "admin", "at least 10 characters"),
        ("a@x.example", "x" * (MAX_PASSWORD + 1), "admin", "at most"),
        ("a@x.example", PASSWORD, "boss", "boss is no role; there are admin, sales, ops"),
    ],
)
def test_unusable_people_are_refused(users: Users, email: str, password: str, role: str, problem: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(UserError, match=re.escape(problem)):
        users.add(email, password, role)


def test_an_address_has_one_account(users: Users) -> None:
    """A second person with the same address is refused, in other letters too."""
    users.add("a@x.example", PASSWORD, "ops")

    with pytest.raises(UserError, match="has an account already"):
        users.add("A@X.example", PASSWORD, "ops")


def test_list_is_sorted_and_of_one_firm(users: Users, world: World) -> None:
    """People of another firm are not listed with one's own."""
    mine, other = world.firm(), world.firm("Havgus")
    for email, firm in (("b@x.example", mine), ("a@x.example", mine), ("c@y.example", other)):
        users.add(email, PASSWORD, "ops", firm_id=firm)

    assert [user.email for user in users.list(firm_id=mine)] == ["a@x.example", "b@x.example"]
    assert len(users.list()) == 3


def test_new_password_ends_sessions(users: Users) -> None:
    """After a change the old password and every open session are worthless."""
    session = users.add("a@x.example", PASSWORD, "ops").session_id
    assert users.by_session(session) is not None

    users.set_password("A@x.example", "another password")

    assert users.by_session(session) is None
    assert users.verify("a@x.example", PASSWORD) is None
    assert users.verify("a@x.example", "another password") is not None


def test_disabled_people_are_out_at_once(users: Users) -> None:
    """Disabling ends the open sessions and refuses the right password."""
    session = users.add("a@x.example", PASSWORD, "ops").session_id

    users.disable("a@x.example")

    assert users.by_session(session) is None
    assert users.verify("a@x.example", PASSWORD) is None


def test_unknown_people_cannot_be_changed(users: Users) -> None:
    """A mistyped address is an error, not a silent success."""
    with pytest.raises(UserError, match=re.escape("there is no user no@x.example")):
        users.disable("no@x.example")
    with pytest.raises(UserError, match="there is no user"):
        users.set_password("no@x.example", PASSWORD)


@pytest.mark.parametrize("session", ["", "1", "1.", ".x", "x.y", "٣.x", "99999999999999999999.x", "1.wrong"])
def test_made_up_sessions_are_nobody(users: Users, session: str) -> None:
    """Whatever a cookie may say, it is refused without an error."""
    users.add("a@x.example", PASSWORD, "ops")

    assert users.by_session(session) is None


@contextmanager
def counted() -> Iterator[list[str]]:
    seen: list[str] = []
    verify = PasswordHasher.verify

    def count(self: PasswordHasher, stored: str, password: str) -> bool:
        seen.append(stored)
        return bool(verify(self, stored, password))

    with patch.object(PasswordHasher, "verify", count):
        yield seen


def test_unknown_people_cost_a_hash_too(users: Users) -> None:
    """The time of an answer does not tell who has an account: known, unknown and disabled each cost one hash."""
    users.add("a@x.example", PASSWORD, "ops")
    users.add("gone@x.example", PASSWORD, "ops")
    users.disable("gone@x.example")

    for email in ("a@x.example", "no@x.example", "gone@x.example"):
        with counted() as hashes:
            assert users.verify(email, "wrong password") is None
        assert len(hashes) == 1


def test_old_hashes_are_raised_to_todays_cost(users: Users, database: Database) -> None:
    """A successful sign-in replaces a hash made with less work, and ends no session."""
    session = users.add("a@x.example", PASSWORD, "ops").session_id
    stronger = Users(database, hasher=PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))

    assert stronger.verify("a@x.example", PASSWORD) is not None

    with database.read() as connection:
        stored = connection.execute(sa.select(tables.user.c.password_hash)).scalar_one()
    assert "m=16,t=2" in stored
    assert stronger.by_session(session) is not None
    assert QUICK.verify(stored, PASSWORD)


def test_token_is_good_for_its_scopes(tokens: ApiTokens, world: World) -> None:
    """The plain token is shown once and finds its firm and scopes."""
    firm = world.firm()
    plain = tokens.create("crm", ["operations", "accounting:read"], firm_id=firm)

    assert tokens.by_token(plain) == (firm, {"operations", "accounting:read"})
    assert tokens.by_token(plain + "x") is None
    assert tokens.by_token("") is None


def test_token_is_stored_as_a_hash(tokens: ApiTokens, database: Database) -> None:
    """Whoever reads the table cannot call the API."""
    plain = tokens.create("crm", SCOPES)

    with database.read() as connection:
        row = connection.execute(sa.select(tables.api_token)).one()
    assert plain not in {str(value) for value in row}


def test_revoked_token_is_refused_and_stays_listed(tokens: ApiTokens) -> None:
    """Revoking takes effect at once; the name may be used again."""
    plain = tokens.create("crm", ["operations"])
    tokens.revoke("crm")

    assert tokens.by_token(plain) is None
    tokens.create("crm", ["lists:read"])
    assert [(token.name, token.revoked_at is None) for token in tokens.list()] == [("crm", False), ("crm", True)]


@pytest.mark.parametrize(
    ("name", "scopes", "problem"),
    [
        ("", ("operations",), "needs a name"),
        ("crm", (), "at least one scope"),
        ("crm", ("operations", "everything"), "everything is no scope"),
    ],
)
def test_unusable_tokens_are_refused(tokens: ApiTokens, name: str, scopes: tuple[str, ...], problem: str) -> None:
    """The message names what is missing or unknown."""
    with pytest.raises(UserError, match=problem):
        tokens.create(name, scopes)


def test_token_names_are_unique_and_revoked_by_name(tokens: ApiTokens) -> None:
    """Two living tokens of one name could not be told apart when one has to go."""
    tokens.create("crm", ["operations"])

    with pytest.raises(UserError, match="already"):
        tokens.create("crm", ["operations"])
    with pytest.raises(UserError, match="no token named shop"):
        tokens.revoke("shop")
