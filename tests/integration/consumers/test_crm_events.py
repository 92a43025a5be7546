"""Signed events of the CRM, from the request to the row."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from werkzeug.test import Client

from cli.web import make_web
from consumers.drain import drain
from consumers.scheduler import Scheduler
from domain.crm_events import read_stored
from domain.hints import Kind
from infra.bootstrap import Services, connect, open_reception
from infra.database.engine import Database
from infra.health import not_found
from infra.intake.remembered import Remembered
from tests.integration.consumers.conftest import settings_for
from tests.support.brokers import waiting
from tests.support.databases import AGREEMENT, add_agreement, rows, scalar
from tests.support.network import Proxy
from tests.support.signed import signed
from tests.support.waiting import eventually
from webhooks.crm_path import CrmPath


def post(client: Client, secret: str, name: str, kind: str = "company.upserted", **data: str) -> int:
    body, headers = signed(secret, name, kind, data or None)
    return client.post(f"/webhooks/crm/{AGREEMENT}", data=body, headers=headers).status_code


def test_an_event_is_a_row(services: Services) -> None:
    """What was answered 202 is stored as it was sent, once; an unknown type becomes a failure that a person sees."""
    _, secret = services.crm_secrets.add(AGREEMENT)
    client = Client(make_web(services, hooks=True))

    assert post(client, secret, "msg_1") == 202
    assert post(client, secret, "msg_1") == 200
    assert post(client, secret, "msg_2", "prospect.converted", company="crm-17") == 400
    assert post(client, secret, "msg_3", "deal.lost", id="crm-17") == 202
    assert post(client, "whsec_" + "A" * 40, "msg_4") == 401
    drain(services, AGREEMENT, Kind.UNUSABLE)

    stored = rows(services.database, "SELECT kind, source, body, webhook_id, handled_at FROM inbox ORDER BY id")
    assert [(row.kind, row.source, row.webhook_id, row.handled_at is None) for row in stored] == [
        ("companies", "crm", "msg_1", True),
        ("unusable", "crm", "msg_3", False),
    ]
    event = read_stored(stored[0].body)
    assert (event.id, event.type, event.data["name"]) == ("msg_1", "company.upserted", "Nordvind Service A/S")
    (failure,) = rows(services.database, "SELECT subject_kind, reason, detail FROM failure")
    assert (failure.subject_kind, failure.reason) == ("crm event", "unknown_type")
    assert "deal.lost" in failure.detail


@pytest.fixture
def through(postgres: Database, postgres_through: str, rabbitmq_url: str) -> Iterator[Services]:
    """Services whose way to PostgreSQL can fail."""
    add_agreement(postgres)
    services = connect(settings_for(postgres_through, rabbitmq_url))
    yield services
    services.close()


@pytest.mark.parametrize("fail", [Proxy.refuse, Proxy.freeze], ids=["refused", "frozen"])
def test_the_database_is_away(
    through: Services,
    postgres: Database,
    postgres_proxy: Proxy,
    rabbitmq_url: str,
    fail: Callable[[Proxy], None],
) -> None:
    """The broker takes events, also of an agreement that was quiet so far; back in the inbox each is there once."""
    _, secret = through.crm_secrets.add(AGREEMENT)
    reception = open_reception(through)
    client = Client(CrmPath(not_found, reception.intake, reception.crm_keys))
    assert post(client, secret, "msg_1") == 202
    reception.crm_keys = Remembered(through.crm_secrets.keys, through.crm_secrets.all_keys())
    client = Client(CrmPath(not_found, reception.intake, reception.crm_keys))
    fail(postgres_proxy)

    assert post(client, secret, "msg_2") == 202
    assert post(client, secret, "msg_2") == 202, "nobody can look whether it came before"
    assert post(client, secret, "msg_1") == 202
    assert waiting(rabbitmq_url)["debitor.intake"] == 3

    postgres_proxy.restore()
    scheduler = Scheduler(through)
    eventually(lambda: _drained(scheduler, postgres), within_s=10)
    scheduler._drain.close()
    reception.intake.close()
    assert waiting(rabbitmq_url)["debitor.intake"] == 0
    assert [row.webhook_id for row in rows(postgres, "SELECT webhook_id FROM inbox ORDER BY id")] == ["msg_1", "msg_2"]


def _drained(scheduler: Scheduler, database: Database) -> bool:
    scheduler._tries.call("intake", scheduler.drain_intake)
    return bool(scalar(database, "SELECT count(*) FROM inbox") == 2)
