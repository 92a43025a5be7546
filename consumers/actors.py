"""
The actors: wake-ups in, slices of work out. Losing or doubling a wake-up costs time, never an event.
"""

from __future__ import annotations

from collections.abc import Callable

import dramatiq
from dramatiq import Broker

from consumers.drain import drain
from consumers.runs import advance
from domain.hints import Kind
from infra.bootstrap import Services
from infra.broker import topology


def declare_actors(broker: Broker, services: Services) -> None:
    """Declare every routed actor on this broker; `max_retries=0`: all waiting lives in the database."""
    for kind, route in topology.ROUTES.items():
        declared = dramatiq.actor(broker=broker, actor_name=route.actor, queue_name=route.queue, max_retries=0)
        declared(_drain_of(services, kind))

    @dramatiq.actor(broker=broker, actor_name=topology.RESYNC.actor, queue_name=topology.RESYNC.queue, max_retries=0)
    def runs_advance(run_id: int, events: list[int]) -> None:
        """Wake-up: a run is due."""
        advance(services, run_id)


def _drain_of(services: Services, kind: Kind) -> Callable[[int, list[int]], None]:
    def wake_up(agreement: int, events: list[int]) -> None:
        drain(services, agreement, kind)

    return wake_up
