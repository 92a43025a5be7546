"""Hints, and a place where wake-ups are noted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.hints import Kind, NewHint, Source
from infra.database.engine import Database
from infra.intake.wake_ups import WakeUps
from tests.support.databases import AGREEMENT, add_agreement


def hint(number: int, *, body: str | None = None, agreement: int = AGREEMENT) -> NewHint:
    return NewHint(agreement, Kind.DEBTORS, Source.HOOK, f"cause-{number}", number, number, body)


class Published(list[tuple[int, Kind, list[int]]]):
    """Wake-ups as they were published."""

    def __call__(self, agreement: int, kind: Kind, ids: list[int]) -> None:
        self.append((agreement, kind, list(ids)))


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def wake_ups(published: Published) -> Iterator[WakeUps]:
    wake_ups = WakeUps(published)
    yield wake_ups
    wake_ups.close()


@pytest.fixture
def store(database: Database) -> Database:
    """Each database with one connected agreement."""
    add_agreement(database)
    return database
