"""
Queue and actor names, and which kind of work goes where.
"""

from __future__ import annotations

from typing import NamedTuple

from domain.hints import Kind

INTAKE_QUEUE = "debitor.intake"
"""Events accepted while the database was away (quorum, durable, no TTL)."""


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
    Kind.CONVERSIONS: Route("conversions", "conversions.advance"),
    Kind.REFERENCE: Route("polls", "names.read"),
    Kind.UNUSABLE: Route("alerts", "hooks.explain"),
}

QUEUES = sorted({route.queue for route in (*ROUTES.values(), RESYNC)})
