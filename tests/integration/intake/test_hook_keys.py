"""Who may send hooks, also while the database is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.errors import NotStored
from infra.database.agreements import Agreements
from infra.database.engine import Database
from infra.encryption import SecretBox
from infra.intake import remembered
from infra.intake.hook_keys import HookKeys
from tests.support.databases import AGREEMENT, KEY, add_agreement, do
from tests.support.network import Proxy
from tests.support.waiting import eventually

HOW = pytest.mark.parametrize("fail", [Proxy.refuse, Proxy.freeze], ids=["refused", "frozen"])


@pytest.fixture
def away_soon(postgres: Database, postgres_through: str) -> Iterator[Agreements]:
    """Agreements read over a way that can fail."""
    add_agreement(postgres)
    database = Database(postgres_through)
    yield Agreements(database, SecretBox([KEY]))
    database.close()


def secret(agreement: int = AGREEMENT) -> str:
    return f"hook-secret-of-the-tests-{agreement}"


def test_only_the_right_secret_of_a_connected_agreement(store: Database) -> None:
    """A wrong secret, another agreement's secret, no secret and an unknown agreement look the same."""
    add_agreement(store, 7)
    keys = HookKeys(Agreements(store, SecretBox([KEY])).hook_secret)

    assert keys.accepts(AGREEMENT, secret())
    assert keys.accepts(7, secret(7))
    for agreement, said in ((AGREEMENT, secret(7)), (AGREEMENT, ""), (AGREEMENT, "ÆØÅ\udcff"), (8, secret(8))):
        assert not keys.accepts(agreement, said)


def test_a_hook_costs_no_query(store: Database) -> None:
    """A known agreement is answered from memory; an unknown one is asked for once a second at most."""
    asked: list[int] = []

    def secret_of(agreement: int) -> str | None:
        asked.append(agreement)
        return secret() if agreement == AGREEMENT else None

    keys = HookKeys(secret_of)
    for _ in range(50):
        assert keys.accepts(AGREEMENT, secret())
        assert not keys.accepts(8, secret())
    assert sorted(asked) == [8, AGREEMENT]


def test_changes_are_noticed(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new secret, a removed agreement and a new one are noticed once what is known is no longer fresh."""
    monkeypatch.setattr(remembered, "FRESH_S", 0.0)
    monkeypatch.setattr(remembered, "UNKNOWN_S", 0.0)
    agreements = Agreements(store, SecretBox([KEY]))
    keys = HookKeys(agreements.hook_secret)
    assert keys.accepts(AGREEMENT, secret())
    assert not keys.accepts(7, secret(7))

    do(store, "UPDATE agreement SET hook_secret = :sealed", sealed=SecretBox([KEY]).seal("another-secret"))
    add_agreement(store, 7)

    eventually(lambda: keys.accepts(AGREEMENT, "another-secret") and not keys.accepts(AGREEMENT, secret()))
    eventually(lambda: keys.accepts(7, secret(7)))
    agreements.remove(AGREEMENT)
    eventually(lambda: not keys.accepts(AGREEMENT, "another-secret"))


@HOW
def test_what_was_connected_at_the_start_is_known(
    away_soon: Agreements, postgres: Database, postgres_proxy: Proxy, fail: Callable[[Proxy], None]
) -> None:
    """An agreement whose very first hook finds the database away is accepted; a removed one was never known."""
    add_agreement(postgres, 7)
    away_soon.remove(7)
    keys = HookKeys(away_soon.hook_secret, away_soon.hook_secrets())
    fail(postgres_proxy)

    assert keys.accepts(AGREEMENT, secret())
    assert not keys.accepts(AGREEMENT, secret(7))
    with pytest.raises(NotStored):
        keys.accepts(7, secret(7))


@HOW
def test_the_database_is_away(
    away_soon: Agreements, postgres_proxy: Proxy, fail: Callable[[Proxy], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A known agreement's hooks are taken at once, stale or not; one that is not in memory is told to try again, within
    two seconds, however many ask; nobody is answered that it does not exist.
    """
    monkeypatch.setattr(remembered, "FRESH_S", 0.0)
    keys = HookKeys(away_soon.hook_secret)
    assert keys.accepts(AGREEMENT, secret())
    fail(postgres_proxy)

    started = time.monotonic()
    for _ in range(20):
        assert keys.accepts(AGREEMENT, secret())
        assert not keys.accepts(AGREEMENT, "wrong")
    assert time.monotonic() - started < 0.5

    def ask(_: int) -> float:
        begun = time.monotonic()
        with pytest.raises(NotStored):
            keys.accepts(7, secret(7))
        return time.monotonic() - begun

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(ask, range(16))) < 2.5

    postgres_proxy.restore()
    eventually(lambda: _answers(keys), within_s=10)


def _answers(keys: HookKeys) -> bool:
    try:
        return not keys.accepts(7, secret(7))
    except NotStored:
        return False


def test_once_unknown_is_not_unknown_for_ever(
    away_soon: Agreements, postgres_proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agreement that was unknown a while ago may be connected now: while the database is away nobody can say."""
    monkeypatch.setattr(remembered, "UNKNOWN_S", 0.0)
    keys = HookKeys(away_soon.hook_secret)
    assert not keys.accepts(7, secret(7))
    postgres_proxy.refuse()

    with pytest.raises(NotStored):
        keys.accepts(7, secret(7))
