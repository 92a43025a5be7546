"""A fresh stand-in per test."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.unit.sandbox.support import Caller, Receiver


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for a whole test."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def call(runner: asyncio.Runner) -> Iterator[Caller]:
    """An empty agreement 1442871."""
    caller = Caller(runner)
    yield caller
    caller.world.delivery.forget()


@pytest.fixture
def receiver(runner: asyncio.Runner) -> Iterator[Receiver]:
    """A webhook receiver that has not been started."""
    receiver = Receiver()
    yield receiver
    runner.run(receiver.stop())
