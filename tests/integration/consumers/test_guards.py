"""Guards: what the parts have agreed on, held together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dramatiq.brokers.stub import StubBroker
from werkzeug.test import Client

from cli.web import make_web
from consumers.actors import declare_actors
from consumers.drain import PEOPLES, REFRESH, TAKE
from consumers.processes import start_consumers
from domain.hints import Kind
from infra.bootstrap import Services, connect, open_reception
from infra.broker import topology
from infra.broker.brokers import make_broker
from infra.database import tables
from infra.database.engine import Database
from tests.integration.consumers.conftest import settings_for
from tests.support.databases import AGREEMENT, HOOK_SECRET, KEY, add_agreement
from tests.support.waiting import eventually

EMBEDDED = pytest.mark.parametrize("form", ["embedded"], indirect=True)
ROUTES = [*topology.ROUTES.values(), topology.RESYNC]


def test_every_kind_of_event_has_a_way() -> None:
    """Each kind is routed, and each but the unusable ones, which become failures, has a use case or waits for one."""
    assert set(topology.ROUTES) == set(Kind)
    assert {*REFRESH, *TAKE} == set(Kind) - {Kind.UNUSABLE, *PEOPLES}


def test_actors_have_names_of_their_own() -> None:
    """No two routes share an actor; queues have names that Dramatiq takes."""
    assert len({route.actor for route in ROUTES}) == len(ROUTES)
    assert topology.INTAKE_QUEUE not in topology.QUEUES


@EMBEDDED
def test_every_routed_actor_is_declared_and_every_queue_consumed(services: Services) -> None:
    """What wake-ups are addressed to exists under that name on that queue, and a worker consumes each queue."""
    worker = start_consumers(services, threads=1)
    try:
        for route in ROUTES:
            assert services.broker.get_actor(route.actor).queue_name == route.queue
            assert services.broker.get_actor(route.actor).options["max_retries"] == 0
        assert {actor.queue_name for actor in services.broker.actors.values()} == set(topology.QUEUES)
        eventually(lambda: set(topology.QUEUES) <= set(worker.consumers))
    finally:
        worker.stop(timeout=10_000)


@EMBEDDED
def test_actors_belong_to_their_broker(services: Services) -> None:
    """Actors are declared on the broker given, as often as a test needs."""
    other = make_broker("memory://")
    assert isinstance(other, StubBroker)
    declare_actors(services.broker, services)
    declare_actors(other, services)

    assert set(other.actors) == {route.actor for route in ROUTES}
    other.close()


# -- secrets ------------------------------------------------------------------------------


@pytest.fixture
def printed(database: Database) -> Iterator[dict[str, str]]:
    """What a log line would show of settings, services and what they are made of."""
    secret = add_agreement(database)
    services = connect(settings_for(database.url, "memory://"))
    services.granted[AGREEMENT] = "grant-for-this-run-only"
    reception = open_reception(services)
    assert reception.keys.accepts(AGREEMENT, secret)
    things = {
        "settings": services.settings,
        "services": services,
        "reception": reception,
        "client": (services.client, services.client.config),
        "secrets": services.secrets,
        "agreement": services.agreements.get(AGREEMENT),
        "api": services.client.agreement(AGREEMENT, services.agreements.grant_token(AGREEMENT)),
    }
    yield {name: f"{thing!r} {thing}" for name, thing in things.items()}
    reception.intake.close()
    services.close()


HIDDEN = (KEY, f"{HOOK_SECRET}-{AGREEMENT}", "grant-of-the-tests", "app-secret-of-the-tests", "grant-for-this-run-only")


def test_secrets_do_not_show(printed: dict[str, str]) -> None:
    """Neither settings nor the parts of services and intake show a secret when they are printed or logged."""
    del printed["services"]
    assert [(name, hidden) for name, shown in printed.items() for hidden in HIDDEN if hidden in shown] == []


def test_services_show_no_secret(printed: dict[str, str]) -> None:
    """Services as a whole may be printed, too."""
    assert [hidden for hidden in HIDDEN if hidden in printed["services"]] == []


def test_secrets_are_encrypted_at_rest(database: Database) -> None:
    """No table holds a webhook secret or a grant token in the clear."""
    secret = add_agreement(database)
    with database.read() as connection:
        everything = "".join(
            str(row) for table in tables.metadata.sorted_tables for row in connection.execute(table.select())
        )
    assert secret not in everything
    assert "grant-of-the-tests" not in everything
    assert str(AGREEMENT) in everything


@EMBEDDED
def test_the_whole_web_app_wires(services: Services) -> None:
    """Pages, API, health and hooks hang together: each part's guard answers."""
    client = Client(make_web(services, hooks=True))

    assert client.get("/health/live").status_code == 200
    assert client.get("/api/v1/failures").status_code == 401
    assert client.post("/webhooks/e-conomic/1/secret/customer").status_code == 404
    assert client.get("/").status_code == 302
