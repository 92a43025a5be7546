"""
The table of mails.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.dialect import UtcDateTime
from infra.database.tables import metadata, of_agreement, row_id

# A mail to one person, written in the transaction of what it tells.
mail = sa.Table(
    "mail",
    metadata,
    row_id(),
    of_agreement(),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("message_id", sa.Text, nullable=False),  # the same over all attempts
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),  # pending, sent, given_up
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime(), nullable=False),
    sa.Column("last_error", sa.Text),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("ended_at", UtcDateTime()),
)
_pending = mail.c.state == "pending"
sa.Index("ix_mail_due", mail.c.next_attempt_at, postgresql_where=_pending, sqlite_where=_pending)
