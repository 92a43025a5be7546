"""`debitor status`."""

from __future__ import annotations

import datetime as dt

import pytest

from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor
from tests.integration.console.world import NOW, World
from tests.support.databases import AGREEMENT, do
from tests.support.network import Proxy


def test_nothing_connected(debitor: Debitor) -> None:
    """A fresh installation says what to do first."""
    assert "debitor agreement add" in debitor("status").stdout
    assert debitor.json("status")["agreements"] == []


def test_agreement(debitor: Debitor, database: Database) -> None:
    """What waits and why, what came last, what failed and what was spent."""
    world = World(database)
    world.agreement(AGREEMENT, world.firm(), name="Fjordlys Energi ApS")
    earlier = NOW - dt.timedelta(hours=1)
    world.event(AGREEMENT, "debtors", "hook", new_number=1, received_at=earlier)
    world.event(AGREEMENT, "debtors", "poll", new_number=2, handled_at=NOW)
    world.failure(AGREEMENT, "4711")
    do(
        database,
        "UPDATE work SET reason = 'credentials_refused', message = 'e-conomic refuses the tokens',"
        " waiting_since = drained_at WHERE kind = 'debtors'",
    )

    [found] = debitor.json("status")["agreements"]

    assert (found["unhandled_events"], found["open_failures"], found["calls_spent"]) == (1, 1, 0)
    assert (found["calls_allowed"], found["calls_left"], found["calls_run_out_at"]) == (50_000, 50_000, None)
    assert found["oldest_unhandled_at"] == found["last_events"]["hook"]
    assert set(found["last_events"]) == {"hook", "poll"}
    assert [(wait["kind"], wait["reason"]) for wait in found["waits"]] == [("debtors", "credentials_refused")]
    printed = debitor("status").stdout
    assert "debtors wait until -: e-conomic refuses the tokens (credentials_refused)" in printed
    assert "0 of 50,000" in printed


def test_how_far_the_calls_go(debitor: Debitor, database: Database) -> None:
    """What is left, until when at this pace, and that events are spread."""
    world = World(database)
    world.agreement(AGREEMENT, world.firm())
    do(
        database,
        f"INSERT INTO calls (agreement, hour, spent) VALUES ({AGREEMENT}, {database.sql.after('ago')}, 30000)",
        ago=-3_600,
    )

    [found] = debitor.json("status")["agreements"]

    assert found["calls_left"] == 20_000
    assert 29_000 < found["calls_per_hour"] <= 30_000
    hours = dt.datetime.fromisoformat(found["calls_run_out_at"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(minutes=35) < hours < dt.timedelta(minutes=38)
    assert found["drains_every_s"] == 8.6
    printed = debitor("status").stdout
    assert "30,000 of 50,000 in 24 hours, 20,000 calls left" in printed
    assert "an hour they last until" in printed
    assert "events are read every 8.6 s" in printed


def test_no_secrets(debitor: Debitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are shown without a single secret."""
    monkeypatch.setenv("DEBITOR_ECONOMIC_APP_SECRET_TOKEN", "the-app-secret")
    debitor("agreement", "add", AGREEMENT, "--webhook-secret", "kept-secret-1", "--grant-token", "-", stdin="the-grant")

    printed = debitor("status").output + debitor("status", "--json").output

    for secret in ("the-app-secret", "kept-secret-1", "the-grant", "key for tests"):
        assert secret not in printed


def test_database_away(
    debitor: Debitor, postgres_through: str, postgres_proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the database away the rest is still said, and the exit code is 1."""
    monkeypatch.setenv("DEBITOR_DATABASE_URL", postgres_through)
    postgres_proxy.refuse()

    assert debitor.json("status", status=1)["database"] == "away"
    assert "the database does not answer" in debitor("status", status=1).stderr
    assert "the database does not answer" in debitor("agreement", "list", status=1).stderr


def test_no_schema(debitor: Debitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty database is refused, naming the command, by status and everything else."""
    monkeypatch.setenv("DEBITOR_DATABASE_URL", "sqlite:///empty.db")

    for command in (["status"], ["agreement", "list"], ["user", "list"], ["failures", "list"], ["resync", "1"]):
        assert "run `debitor migrate`" in debitor(*command, status=1).stderr


def test_broker(debitor: Debitor, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether RabbitMQ answers is said; when it does not, the exit code is 1."""
    monkeypatch.setenv("DEBITOR_BROKER_URL", rabbitmq_url)
    assert debitor.json("status")["broker"] == "up"

    monkeypatch.setenv("DEBITOR_BROKER_URL", "amqp://guest:guest@127.0.0.1:1/")
    assert debitor.json("status", status=1)["broker"] == "away"


def test_unknown_setting(debitor: Debitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt setting stops every command and names the right one."""
    monkeypatch.setenv("DEBITOR_DATABSE_URL", "sqlite://")

    assert "DEBITOR_DATABASE_URL" in debitor("status", status=1).stderr
