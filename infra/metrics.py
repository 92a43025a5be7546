"""
Counters and histograms, summed over processes by prometheus_client's multiprocess mode.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

HOOKS = Counter("debitor_hooks_total", "Webhooks answered", ["kind", "status"])
INTAKE_EVENTS = Counter("debitor_intake_events_total", "Events made durable", ["store"])
WAKE_UPS = Counter("debitor_wake_ups_total", "Wake-ups published to consumers", ["outcome"])
DRAINS = Counter("debitor_drains_total", "Slices of work", ["kind", "outcome"])
RECORDS = Counter("debitor_records_total", "Records read from e-conomic, by what became of them", ["kind", "outcome"])
CALLS = Counter("debitor_economic_calls_total", "Calls to e-conomic", ["status"])
EVENTS_PUBLISHED = Counter("debitor_events_published_total", "Events handed to the exchange", ["outcome"])
DELIVERIES = Counter("debitor_deliveries_total", "Attempts to deliver an event to an endpoint", ["outcome"])
MAILS = Counter("debitor_mails_total", "Attempts to send a mail", ["outcome"])
DRAIN_SECONDS = Histogram(
    "debitor_drain_seconds", "Duration of a slice", ["kind"], buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
)
