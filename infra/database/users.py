"""
Who may sign in, and which programs may call the API.

Passwords are stored as argon2 hashes, tokens as SHA-256: a token has 256 random bits, so a slow hash adds nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from domain.errors import PermanentError
from infra.database import tables
from infra.database.engine import Database

MIN_PASSWORD = 10
"""Characters a password needs at least; length is the only rule, as NIST SP 800-63B advises."""

MAX_PASSWORD = 1024  # hashing endless input would be a way to keep us busy

SCOPES = frozenset(
    {
        "companies:read",
        "companies:write",
        "accounting:read",
        "conversions:write",
        "operations",
        "lists:read",
        "campaigns:write",
    }
)
"""What an API token may be good for (design.md §5.5)."""

TOKEN_PREFIX = "debitor_"  # noqa: S105 - lets secret scanners recognise a leaked token

_user = tables.user
_token = tables.api_token


class UserError(PermanentError):
    """A user or token cannot be made or changed as asked; the message says why."""

    reason = "user"


class Role(StrEnum):
    """What a person does with Debitor (crm.md)."""

    ADMIN = "admin"
    SALES = "sales"
    OPS = "ops"


class User(NamedTuple):
    """A person who may sign in to one firm."""

    id: int
    firm_id: int
    email: str
    role: Role
    session_salt: str
    disabled_at: dt.datetime | None
    created_at: dt.datetime

    @property
    def session_id(self) -> str:
        """What a session cookie holds; another one after a change of password."""
        return f"{self.id}.{self.session_salt}"


class Users:
    """The people of all firms; e-mail addresses are unique and lower case."""

    def __init__(self, database: Database, *, hasher: PasswordHasher | None = None) -> None:
        self._database = database
        self._hasher = hasher or PasswordHasher()

    def ensure_firm(self, name: str = "Debitor") -> int:
        """The id of the first firm, made when there is none."""
        return ensure_firm(self._database, name)

    def add(self, email: str, password: str, role: str, *, firm_id: int | None = None) -> User:
        """
        Let a person sign in.

        Raises:
            UserError: no usable address, a short password, an unknown role, or the address is taken.
        """
        row = {
            "email": _address(email),
            "role": _role(role).value,
            "password_hash": self._hasher.hash(_password(password)),
            "session_salt": secrets.token_hex(16),
            "created_at": dt.datetime.now(dt.UTC),
            "firm_id": self.ensure_firm() if firm_id is None else firm_id,
        }
        try:
            with self._database.write() as connection:
                connection.execute(_user.insert(), row)
                return _one(connection, _user.c.email == row["email"])
        except IntegrityError:
            raise UserError(f"{row['email']} has an account already") from None

    def list(self, *, firm_id: int | None = None) -> Sequence[User]:
        """Everybody, disabled people included, sorted by address."""
        query = sa.select(*_USER_COLUMNS).order_by(_user.c.email)
        if firm_id is not None:
            query = query.where(_user.c.firm_id == firm_id)
        with self._database.read() as connection:
            return [_as_user(row) for row in connection.execute(query)]

    def set_password(self, email: str, password: str) -> None:
        """A new password; every open session of this person ends. Raises UserError."""
        changes = {
            "password_hash": self._hasher.hash(_password(password)),
            "session_salt": secrets.token_hex(16),
        }
        self._change(email, changes)

    def disable(self, email: str) -> None:
        """End every session and let this person sign in no more. Raises UserError."""
        self._change(email, {"disabled_at": dt.datetime.now(dt.UTC), "session_salt": secrets.token_hex(16)})

    def verify(self, email: str, password: str) -> User | None:
        """
        The person these belong to, or None.

        Unknown and disabled people cost one hash too, so that the time taken does not tell who has an account.
        """
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(_user.c.id, _user.c.password_hash, _user.c.disabled_at).where(_user.c.email == _fold(email))
            ).first()
        known = row is not None and row.disabled_at is None
        stored = row.password_hash if row is not None and known else _decoy(self._hasher)
        try:
            self._hasher.verify(stored, password[:MAX_PASSWORD])
        except (VerificationError, InvalidHashError):
            return None
        if row is None or not known:
            return None
        if self._hasher.check_needs_rehash(stored):
            self._rehash(row.id, stored, password)
        with self._database.read() as connection:
            return _one(connection, _user.c.id == row.id)

    def by_session(self, session_id: str) -> User | None:
        """Whose session this is; None once the password changed or the person was disabled."""
        number, _, salt = session_id.partition(".")
        if not (number.isascii() and number.isdigit()) or len(number) > 18:
            return None
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_USER_COLUMNS).where(_user.c.id == int(number))).first()
        if row is None or row.disabled_at is not None:
            return None
        return _as_user(row) if hmac.compare_digest(row.session_salt.encode(), salt.encode()) else None

    def _rehash(self, user_id: int, old_hash: str, password: str) -> None:
        """Raise an old hash to today's cost, unless the password was changed meanwhile."""
        with self._database.write() as connection:
            connection.execute(
                _user.update()
                .where(_user.c.id == user_id, _user.c.password_hash == old_hash)
                .values(password_hash=self._hasher.hash(password[:MAX_PASSWORD]))
            )

    def _change(self, email: str, changes: dict[str, Any]) -> None:
        with self._database.write() as connection:
            done = connection.execute(_user.update().where(_user.c.email == _fold(email)).values(changes))
        if not done.rowcount:
            raise UserError(f"there is no user {_fold(email)}")


class ApiToken(NamedTuple):
    """A program's token; the token itself is shown once and not stored."""

    id: int
    firm_id: int
    name: str
    scopes: frozenset[str]
    created_at: dt.datetime
    revoked_at: dt.datetime | None


class Bearer(NamedTuple):
    """What a presented token is good for."""

    firm_id: int
    scopes: frozenset[str]


class ApiTokens:
    """The programs that may call the API; names are unique among a firm's living tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, scopes: Collection[str], *, firm_id: int | None = None) -> str:
        """
        A new token, in plain text for this once.

        Raises:
            UserError: no name, a name in use, no scope, or an unknown one.
        """
        name, wanted = name.strip(), frozenset(scopes)
        if not name:
            raise UserError("a token needs a name, so that it can be told apart and revoked")
        if not wanted:
            raise UserError(f"a token needs at least one scope: {', '.join(sorted(SCOPES))}")
        if unknown := sorted(wanted - SCOPES):
            raise UserError(f"{', '.join(unknown)} is no scope; there are {', '.join(sorted(SCOPES))}")
        firm = ensure_firm(self._database) if firm_id is None else firm_id
        plain = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._database.write() as connection:
            if connection.execute(sa.select(_token.c.id).where(_living(name, firm))).first():
                raise UserError(f"there is a token named {name} already: revoke it or choose another name")
            connection.execute(
                _token.insert(),
                {
                    "firm_id": firm,
                    "name": name,
                    "token_hash": _token_hash(plain),
                    "scopes": " ".join(sorted(wanted)),
                    "created_at": dt.datetime.now(dt.UTC),
                },
            )
        return plain

    def list(self, *, firm_id: int | None = None) -> Sequence[ApiToken]:
        """Every token, revoked ones included, sorted by name and age."""
        query = sa.select(*_TOKEN_COLUMNS).order_by(_token.c.name, _token.c.id)
        if firm_id is not None:
            query = query.where(_token.c.firm_id == firm_id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [ApiToken(**{**row._asdict(), "scopes": frozenset(row.scopes.split())}) for row in rows]

    def revoke(self, name: str, *, firm_id: int | None = None) -> None:
        """The token is refused from now on. Raises UserError when there is none of this name."""
        firm = ensure_firm(self._database) if firm_id is None else firm_id
        with self._database.write() as connection:
            done = connection.execute(
                _token.update().where(_living(name.strip(), firm)).values(revoked_at=dt.datetime.now(dt.UTC))
            )
        if not done.rowcount:
            raise UserError(f"there is no token named {name.strip()}")

    def by_token(self, plain: str) -> Bearer | None:
        """What this token is good for; None when unknown or revoked. One indexed look-up."""
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(_token.c.firm_id, _token.c.scopes).where(
                    _token.c.token_hash == _token_hash(plain), _token.c.revoked_at.is_(None)
                )
            ).first()
        return Bearer(row.firm_id, frozenset(row.scopes.split())) if row else None


def ensure_firm(database: Database, name: str = "Debitor") -> int:
    """The id of the first firm, made when there is none; safe beside other processes starting."""
    with database.read() as connection:
        if (found := _first_firm(connection)) is not None:
            return found
    with database.write() as connection:
        if database.sql.postgresql:  # SQLite's writers queue by themselves
            connection.execute(sa.text("LOCK TABLE firm IN SHARE ROW EXCLUSIVE MODE"))
        if (found := _first_firm(connection)) is not None:
            return found
        connection.execute(tables.firm.insert(), {"name": name, "created_at": dt.datetime.now(dt.UTC)})
        made = _first_firm(connection)
        assert made is not None
        return made


_USER_COLUMNS = tuple(_user.c[name] for name in User._fields)
_TOKEN_COLUMNS = tuple(_token.c[name] for name in ApiToken._fields)


def _first_firm(connection: Connection) -> int | None:
    return connection.execute(sa.select(sa.func.min(tables.firm.c.id))).scalar()


def _one(connection: Connection, condition: sa.ColumnElement[bool]) -> User:
    return _as_user(connection.execute(sa.select(*_USER_COLUMNS).where(condition)).one())


def _as_user(row: sa.Row[Any]) -> User:
    return User(**{**row._asdict(), "role": Role(row.role)})


def _living(name: str, firm_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(_token.c.name == name, _token.c.firm_id == firm_id, _token.c.revoked_at.is_(None))


def _token_hash(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


def _fold(email: str) -> str:
    return email.strip().lower()


def _address(email: str) -> str:
    address = _fold(email)
    local, at, domain = address.rpartition("@")
    if not (at and local and domain) or any(char.isspace() for char in address) or len(address) > 254:
        raise UserError(f"{email.strip() or 'nothing'} is not an e-mail address")
    return address


def _password(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise UserError(f"a password needs at least {MIN_PASSWORD} characters")
    if len(password) > MAX_PASSWORD:
        raise UserError(f"a password has at most {MAX_PASSWORD} characters")
    return password


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise UserError(f"{role} is no role; there are {', '.join(Role)}") from None


@cache
def _decoy(hasher: PasswordHasher) -> str:
    """A hash nobody knows the password of, at the same cost as real ones."""
    return hasher.hash(secrets.token_urlsafe(16))
