"""
Queue and actor names, and which kind of work goes where.
"""

from __future__ import annotations

from typing import NamedTuple

import pika.exceptions
from dramatiq.common import xq_name
from dramatiq.errors import BrokerError
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from domain.hints import Kind

BROKER_AWAY = (BrokerError, pika.exceptions.AMQPError, AMQPConnectorException, OSError)
"""What a broker that refuses, is frozen or has broken the connection raises, by way of Dramatiq or of pika alone."""

INTAKE_QUEUE = "debitor.intake"
"""Events accepted while the database was away (quorum, durable, no TTL)."""

INTAKE_DEAD_LETTERS = xq_name(INTAKE_QUEUE)
"""What came out of that queue and is no event, or none that the database takes; as durable, for a person to look at."""

EVENTS_EXCHANGE = "debitor.events"
"""Everything Debitor tells (topic, durable); the routing key is the event's type."""


class Route(NamedTuple):
    """Where a wake-up goes."""

    queue: str
    actor: str


RESYNC = Route("runs", "runs.advance")

ROUTES: dict[Kind, Route] = {
    Kind.DEBTORS: Route("debtors", "debtors.refresh"),
    Kind.INVOICES: Route("invoices", "invoices.refresh"),
    Kind.PAYMENTS: Route("invoices", "payments.refresh"),
    Kind.POLL: Route("polls", "changes.poll"),
    Kind.COMPANIES: Route("companies", "companies.refresh"),
    Kind.LINKS: Route("companies", "links.follow"),
    Kind.CONVERSIONS: Route("conversions", "conversions.advance"),
    Kind.EDITS: Route("conversions", "edits.write"),
    Kind.REFERENCE: Route("polls", "names.read"),
    Kind.UNUSABLE: Route("alerts", "hooks.explain"),
}

QUEUES = sorted({route.queue for route in (*ROUTES.values(), RESYNC)})
