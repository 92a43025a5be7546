"""
A small invented world to read: firms, agreements, debtors and invoices, written straight into the tables.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import console
from infra.conversion_desk import ConversionDesk
from infra.database import tables, tables_mirror
from infra.database.engine import Database
from infra.database.users import Users
from infra.form_links import FormLinks
from infra.settings import Settings

NOW = dt.datetime.now(dt.UTC)
PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class FakeServices:
    """What the console needs, with the questions to e-conomic written down."""

    settings: Settings
    keys: list[str]
    database: Database
    asked: list[tuple[int, int]] = field(default_factory=list)

    @property
    def forms(self) -> FormLinks:
        return FormLinks(self.keys, self.settings.public_url)

    @property
    def desk(self) -> ConversionDesk:
        return ConversionDesk(self.database, lambda *_: None, self.forms)

    def ask(self, agreement: int, debtor: int) -> str:
        self.asked.append((agreement, debtor))
        return "c0ffee"


class World:
    """Writes rows; every value a test does not care about has a default."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.users = Users(database, hasher=QUICK)

    def insert(self, table: sa.Table, **values: Any) -> None:
        with self.database.write() as connection:
            connection.execute(table.insert(), values)

    def firm(self, name: str = "Fjordlys") -> int:
        self.insert(tables.firm, name=name, created_at=NOW)
        with self.database.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(tables.firm.c.id))).scalar_one())

    def agreement(self, number: int, firm: int, **values: Any) -> int:
        row = {"name": f"Aftale {number}", "base_currency": "DKK", "ask_every_time": False, "hook_secret": "x"}
        self.insert(tables.agreement, number=number, firm_id=firm, created_at=NOW, **(row | values))
        for kind in ("debtors", "invoices", "payments", "reference", "unusable"):
            self.insert(tables.work, agreement=number, kind=kind, attempts=0)
        return number

    def debtor(self, agreement: int, number: int, name: str = "Nordvind Service A/S", **values: Any) -> int:
        row = {"barred": False, "e_invoicing_disabled": False, "fingerprint": "0" * 16, "first_seen_at": NOW}
        row |= {"changed_at": NOW} | values
        self.insert(tables_mirror.debtor, agreement=agreement, number=number, name=name, **row)
        with self.database.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(tables_mirror.debtor.c.id))).scalar_one())

    def read(self, agreement: int, number: int, at: dt.datetime = NOW) -> None:
        """Note that a debtor number was read."""
        self.insert(tables_mirror.reading, agreement=agreement, what="debtor", number=number, stamp=1, read_at=at)

    def invoice(self, agreement: int, number: int, debtor: int | None, net: str = "100", **values: Any) -> int:
        amount = Decimal(net)
        vat = amount / 4
        row = {"debtor_number": 1, "date": NOW.date(), "currency": "DKK", "vat": vat, "gross": amount + vat}
        row |= {"remainder": Decimal(0), "fingerprint": "0" * 16, "lines_state": "verified"}
        row |= {"first_seen_at": NOW, "changed_at": NOW, "net": amount, "debtor_id": debtor} | values
        self.insert(tables_mirror.invoice, agreement=agreement, number=number, **row)
        return number

    def line(self, agreement: int, invoice: int, number: int, **values: Any) -> None:
        row = {"position": number} | values
        self.insert(tables_mirror.invoice_line, agreement=agreement, invoice=invoice, number=number, **row)

    def name(self, agreement: int, which: str, key: object, name: str | None) -> None:
        self.insert(
            tables_mirror.reference_name, agreement=agreement, list=which, key=str(key), name=name, changed_at=NOW
        )

    def failure(self, agreement: int, subject: str, **values: Any) -> None:
        row = {"subject_kind": "debtor", "reason": "rejected", "message": "Refused", "advice": "Mend it"}
        row |= {"state": "open", "times": 1, "first_seen_at": NOW, "last_seen_at": NOW} | values
        self.insert(tables.failure, agreement=agreement, subject=subject, **row)

    def event(self, agreement: int, kind: str, source: str, **values: Any) -> None:
        row = {"correlation_id": "c", "received_at": NOW} | values
        self.insert(tables.inbox, agreement=agreement, kind=kind, source=source, **row)

    def person(self, email: str, firm: int, role: str = "sales") -> str:
        self.users.add(email, PASSWORD, role, firm_id=firm)
        return email


class Browser:
    """A person's browser without the window: follows redirects, fills in CSRF tokens."""

    def __init__(self, app: Flask, language: str = "en") -> None:
        self.client: FlaskClient = app.test_client()
        self.headers = {"Accept-Language": language}

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, headers=self.headers, buffered=True, **options)

    def post(self, path: str, token: str | None = None, **form: str) -> TestResponse:
        token = self.token() if token is None else token
        return self.client.post(path, data={"csrf_token": token, **form}, headers=self.headers)

    def token(self, path: str = "/login") -> str:
        text = self.client.get(path, follow_redirects=True).get_data(as_text=True)
        return text.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]

    def sign_in(self, email: str, password: str = PASSWORD) -> TestResponse:
        return self.post("/login", email=email, password=password)


def make_app(services: FakeServices) -> Flask:
    """An app as a web process makes it, with a machine's route beside the pages."""
    app = Flask("debitor", static_folder=None)
    app.add_url_rule("/api/v1/ping", view_func=lambda: {"pong": True}, methods=["POST"])
    app.config["TESTING"] = True
    # A hash that costs nothing: the real one takes longer than all the rest of a test.
    with patch("console.Users", partial(Users, hasher=QUICK)):
        console.register(app, services)
    return app


def services_for(database: Database, **settings: Any) -> FakeServices:
    return FakeServices(Settings(database_url=database.url, **settings), [secrets.token_hex(16)], database)
