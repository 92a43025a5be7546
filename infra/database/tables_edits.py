"""
The table of edits: debtors to be changed in e-conomic.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.dialect import UtcDateTime
from infra.database.tables import Big, metadata, of_agreement, row_id

RUNNING = "state IN ('requested', 'writing')"

debtor_edit = sa.Table(
    "debtor_edit",
    metadata,
    row_id(),
    of_agreement(),
    sa.Column("debtor_id", Big, sa.ForeignKey("debtor.id"), nullable=False),
    sa.Column("number", Big, nullable=False),  # the debtor's, when it was last looked at
    sa.Column("wishes", sa.JSON, nullable=False),  # field → value, and what was seen
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("by_crm", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),  # domain.debtor_edits.State
    sa.Column("read", sa.JSON(none_as_null=True)),  # field → value right before the call under way
    sa.Column("found", sa.JSON(none_as_null=True)),  # field → what stood there when it was refused
    sa.Column("key", sa.String(64)),  # the request under way, committed before it is sent
    sa.Column("body", sa.Text),  # the whole of it; emptied at the end
    sa.Column("first_sent_at", UtcDateTime()),  # under this key
    sa.Column("sends", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(30)),
    sa.Column("message", sa.Text),
    sa.Column("next_at", UtcDateTime()),  # NULL: ended
    sa.Column("correlation_id", sa.String(32)),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("changed_at", UtcDateTime(), nullable=False),
    sa.Index("ix_debtor_edit_debtor", "debtor_id", "id"),
)
c = debtor_edit.c


def _index(name: str, *columns: sa.ColumnElement[object], where: str) -> None:
    text = sa.text(where)
    sa.Index(name, *columns, postgresql_where=text, sqlite_where=text)


_index("ix_debtor_edit_due", c.agreement, c.next_at, where="next_at IS NOT NULL")
_index("ix_debtor_edit_running", c.debtor_id, c.state, where=RUNNING)
