"""`debitor agreement mail`, and what is said without a mail server."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from infra.database import tables
from infra.database.comparisons import PROPOSED, queue_run
from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor
from tests.integration.console.world import World
from tests.support.databases import AGREEMENT, add_agreement, rows


def test_whom_mails_go_to(debitor: Debitor, database: Database, quick_hashes: None) -> None:
    """To the address named, else to the admins; what is no address is refused."""
    add_agreement(database)
    assert debitor.json("agreement", "mail", AGREEMENT) == {"address": None, "goes_to": [], "mail_server": False}
    debitor("user", "add", "anna@fjordlys.example", "--role", "admin", "--password-stdin", stdin="a long password\n")

    named = debitor.json("agreement", "mail", AGREEMENT, "regnskab@fjordlys.example")
    assert (named["address"], named["goes_to"]) == ("regnskab@fjordlys.example", ["regnskab@fjordlys.example"])
    debitor("agreement", "mail", AGREEMENT, "regnskab", status=2)
    assert debitor.json("agreement", "mail", AGREEMENT, "--none")["goes_to"] == ["anna@fjordlys.example"]


def test_what_waits_shows_without_a_mail_server(
    debitor: Debitor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that waits for a person is in the status, with the command that shows it."""
    world = World(database)
    world.agreement(AGREEMENT, world.firm())
    with database.write() as connection:
        run = queue_run(connection, database.sql, AGREEMENT, "import", {}, {}, state=PROPOSED)
        counts = {"verdicts": {"waiting": 54}}
        connection.execute(sa.update(tables.run).where(tables.run.c.id == run).values(counts=counts))

    printed = debitor("status").stdout
    assert "none: mails about trouble are not sent" in printed
    assert f"waits for you: 54 debtors would be linked or made into companies; `debitor import {AGREEMENT}" in printed
    monkeypatch.setenv("DEBITOR_SMTP_URL", "smtp://debitor:hush@mail.fjordlys.example")
    monkeypatch.setenv("DEBITOR_MAIL_FROM", "debitor@fjordlys.example")
    assert debitor.json("status")["settings"]["mail_server"] is True
    assert "hush" not in debitor("status").output
    monkeypatch.setenv("DEBITOR_SMTP_URL", "mail.fjordlys.example")
    assert "DEBITOR_SMTP_URL must be smtp://" in debitor("status", status=1).stderr
    assert rows(database, "SELECT 1 FROM mail") == []
