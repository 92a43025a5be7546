"""
The tables of what goes to the CRM, and of the secrets that what comes from it is signed with.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.dialect import UtcDateTime
from infra.database.tables import Big, metadata, of_firm, row_id

# What a CRM signs its events with; several are valid at a time, for rotation.
crm_secret = sa.Table(
    "crm_secret",
    metadata,
    row_id(),
    sa.Column("agreement", Big, sa.ForeignKey("agreement.number"), nullable=False, index=True),
    sa.Column("secret", sa.Text),  # encrypted; NULL once retired
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("retired_at", UtcDateTime()),
)

# Events to publish, written in the transaction of the data they follow from.
outbox = sa.Table(
    "outbox",
    metadata,
    row_id(),
    sa.Column("event_id", sa.String(40), nullable=False, unique=True),  # what receivers know it by, over all retries
    of_firm(),
    sa.Column("agreement", Big),
    sa.Column("type", sa.String(40), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),  # "company 17": what `sequence` counts for
    sa.Column("sequence", Big, nullable=False),
    sa.Column("data", sa.Text, nullable=False),  # JSON, as it is sent
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("published_at", UtcDateTime()),  # the exchange confirmed it, or there is none
)
_unpublished = outbox.c.published_at.is_(None)
sa.Index("ix_outbox_unpublished", outbox.c.id, postgresql_where=_unpublished, sqlite_where=_unpublished)
sa.Index("ix_outbox_created", outbox.c.firm_id, outbox.c.created_at)

# The last sequence of each subject; its row is locked until the event's transaction ends.
outbox_subject = sa.Table(
    "outbox_subject",
    metadata,
    of_firm(primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("sequence", Big, nullable=False),
)

# Addresses of the CRM that events are delivered to.
endpoint = sa.Table(
    "endpoint",
    metadata,
    row_id(),
    of_firm(),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("types", sa.Text),  # separated by spaces; NULL = all
    sa.Column("internal", sa.Boolean, nullable=False),  # may be a private, link-local or loopback address
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("disabled_at", UtcDateTime()),
    sa.Column("disabled_reason", sa.String(20)),  # gone (it answered 410), person
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # attempts in a row
    sa.Column("paused_at", UtcDateTime()),  # it keeps failing: one attempt now and then until one succeeds
    sa.Column("paused_until", UtcDateTime()),
    sa.Column("last_error", sa.Text),
    sa.Column("last_attempt_at", UtcDateTime()),
    sa.Column("last_success_at", UtcDateTime()),
)

endpoint_secret = sa.Table(
    "endpoint_secret",
    metadata,
    row_id(),
    sa.Column("endpoint_id", Big, sa.ForeignKey("endpoint.id"), nullable=False, index=True),
    sa.Column("secret", sa.Text),  # encrypted; NULL once retired
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("retired_at", UtcDateTime()),
)

# One event to one endpoint, written with the event.
delivery = sa.Table(
    "delivery",
    metadata,
    row_id(),
    sa.Column("outbox_id", Big, sa.ForeignKey("outbox.id"), nullable=False),
    sa.Column("endpoint_id", Big, sa.ForeignKey("endpoint.id"), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),  # the event's: later ones of a subject wait for its first retry
    sa.Column("state", sa.String(10), nullable=False),  # pending, delivered, given_up, cancelled
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_attempt_at", UtcDateTime(), nullable=False),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", sa.Text),
    sa.Column("ended_at", UtcDateTime()),
    sa.UniqueConstraint("outbox_id", "endpoint_id"),
)
_pending = delivery.c.state == "pending"
sa.Index(
    "ix_delivery_due",
    delivery.c.endpoint_id,
    delivery.c.next_attempt_at,
    postgresql_where=_pending,
    sqlite_where=_pending,
)
sa.Index(
    "ix_delivery_subject",
    delivery.c.endpoint_id,
    delivery.c.subject,
    delivery.c.outbox_id,
    postgresql_where=_pending,
    sqlite_where=_pending,
)
