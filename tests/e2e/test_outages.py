"""The grown form loses its database, its broker, or both; senders are answered all the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy.engine import make_url

from infra.database.engine import Database
from tests.support.brokers import purge, through
from tests.support.databases import add_agreement
from tests.support.forms import Form, grown
from tests.support.mirror import becomes_equal
from tests.support.network import Proxy, proxied
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

HOW = pytest.mark.parametrize("fail", [Proxy.refuse, Proxy.freeze], ids=["refused", "frozen"])


@pytest.fixture(scope="module")
def database_proxy(module_database: Database) -> Iterator[Proxy]:
    url = make_url(module_database.url)
    with proxied(url.host or "127.0.0.1", url.port or 5432) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def broker_proxy(rabbitmq_server: str) -> Iterator[Proxy]:
    parts = urlsplit(rabbitmq_server)
    with proxied(parts.hostname or "127.0.0.1", parts.port or 5672) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def remote(
    module_database: Database,
    database_proxy: Proxy,
    broker_proxy: Proxy,
    rabbitmq_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Form]:
    """Debitor behind ways to database and broker that can fail; the test sees the database directly."""
    purge(rabbitmq_server)
    url = make_url(module_database.url).set(host="127.0.0.1", port=database_proxy.port)
    with grown(
        tmp_path_factory.mktemp("remote"),
        url.render_as_string(hide_password=False),
        through(rabbitmq_server, broker_proxy),
        direct_url=module_database.url,
        workers=1,
    ) as form:
        yield form
        assert form.leaked() == []


@pytest.fixture
def form(remote: Form, database_proxy: Proxy, broker_proxy: Proxy) -> Iterator[Form]:
    """All is well before and after each test."""
    yield remote
    database_proxy.restore()
    broker_proxy.restore()
    eventually(lambda: remote.http.get(remote.ready_url()).json()["database"] == "up", within_s=30)


@HOW
def test_hooks_go_on_without_the_database(form: Form, database_proxy: Proxy, fail: Callable[[Proxy], None]) -> None:
    """Hooks of a known agreement are taken while the database is away, quickly, and are rows soon after it is back."""
    agreement = form.agreement(hooks=False, debtors=20)
    for _ in range(10):  # every web process has heard of it
        agreement.hook(new=1)
    eventually(lambda: agreement.debtor(1))
    fail(database_proxy)
    for number in range(1, 21):
        agreement.books.edit(number, city=f"By {number}")

    for number in range(1, 21):
        started = time.monotonic()
        assert agreement.hook(new=number).status_code == 202
        assert time.monotonic() - started < 3.5
    started = time.monotonic()
    ready = form.http.get(form.ready_url())
    assert (ready.status_code, ready.json()["database"] == "up") == (200, False)
    assert "debitor_database_up 0.0" in form.http.get(f"{form.address}/metrics").text
    assert time.monotonic() - started < 5
    database_proxy.restore()

    becomes_equal(form.database, agreement.books, within_s=40)
    assert agreement.failures() == []


@HOW
def test_an_agreement_nobody_knows_yet(form: Form, database_proxy: Proxy, fail: Callable[[Proxy], None]) -> None:
    """Whether an agreement exists nobody can say without the database: 503 and Retry-After, never 404."""
    form.agreement(hooks=False).hook(new=1)
    fail(database_proxy)
    number = 8_000_001 if fail is Proxy.refuse else 8_000_002
    secret = add_agreement(form.database, number)
    form.secrets.append(secret)

    started = time.monotonic()
    answer = form.http.post(f"{form.address}/webhooks/e-conomic/{number}/{secret}/customer", data={"new": "1"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert time.monotonic() - started < 3.5


@HOW
def test_neither_store(form: Form, database_proxy: Proxy, broker_proxy: Proxy, fail: Callable[[Proxy], None]) -> None:
    """With neither store a sender is told to try again within seconds, ready says so, and afterwards all is well."""
    agreement = form.agreement(hooks=False, debtors=3)
    for _ in range(10):
        agreement.hook(new=1)
    fail(database_proxy)
    fail(broker_proxy)

    for _ in range(4):
        started = time.monotonic()
        answer = agreement.hook(new=2)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert time.monotonic() - started < 3.5
    assert form.http.get(form.ready_url()).status_code == 503
    assert form.http.get(f"{form.address}/health/live").status_code == 200
    database_proxy.restore()
    broker_proxy.restore()

    eventually(lambda: agreement.hook(new=2).status_code == 202, within_s=20)
    agreement.hook(new=3)
    becomes_equal(form.database, agreement.books, within_s=40)


def test_without_the_broker(form: Form, broker_proxy: Proxy) -> None:
    """Without the broker events are stored; they are handled once it is back."""
    agreement = form.agreement(hooks=False, debtors=3)
    broker_proxy.refuse()
    for number in (1, 2, 3):
        assert agreement.hook(new=number).status_code == 202
    assert agreement.outstanding() == 3
    broker_proxy.restore()

    becomes_equal(form.database, agreement.books, within_s=40)
