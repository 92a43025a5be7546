"""
The tables of conversions: deals won, on their way to a debtor.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.dialect import UtcDateTime
from infra.database.tables import Big, metadata, of_agreement, row_id

_Json = sa.JSON(none_as_null=True)

RUNNING = "state IN ('requested', 'needs_input', 'waiting_approval', 'creating')"

conversion = sa.Table(
    "conversion",
    metadata,
    row_id(),
    of_agreement(),
    sa.Column("company_id", Big, sa.ForeignKey("company.id")),  # NULL until the CRM has told us of it
    sa.Column("crm_id", sa.Text),
    sa.Column("state", sa.String(20), nullable=False),  # domain.conversions.State
    sa.Column("deal", sa.Text),
    sa.Column("second", sa.Boolean, nullable=False),
    sa.Column("said", sa.JSON, nullable=False),
    sa.Column("key", sa.String(64)),  # the request under way, committed before it is sent
    sa.Column("body", _Json),
    sa.Column("known", _Json),  # numbers of the debtors of that name before
    sa.Column("first_sent_at", UtcDateTime()),  # under this key
    sa.Column("sends", sa.Integer, nullable=False),
    sa.Column("doubt", sa.Boolean, nullable=False),  # a call got no answer
    sa.Column("debtor_number", Big),
    sa.Column("name_key", sa.Text),
    sa.Column("needs", _Json),
    sa.Column("reason", sa.String(30)),
    sa.Column("message", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcDateTime()),  # NULL: settled, or a person's turn
    sa.Column("lease_until", UtcDateTime()),  # longer than a call may take
    sa.Column("told", sa.Boolean, nullable=False),  # that it is not settled yet
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.String(32)),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("requested_at", UtcDateTime(), nullable=False),  # for the last time
    sa.Column("changed_at", UtcDateTime(), nullable=False),
    sa.Index("ix_conversion_company", "company_id"),
)
c = conversion.c


def _index(name: str, *columns: sa.ColumnElement[object], where: str, unique: bool = False) -> None:
    text = sa.text(where)
    sa.Index(name, *columns, unique=unique, postgresql_where=text, sqlite_where=text)


_index("uq_conversion_running", c.agreement, c.company_id, where=f"company_id IS NOT NULL AND {RUNNING}", unique=True)
_index("uq_conversion_unknown", c.agreement, c.crm_id, where=f"company_id IS NULL AND {RUNNING}", unique=True)
_index("ix_conversion_due", c.agreement, c.next_at, where="next_at IS NOT NULL")
_index("ix_conversion_creating", c.agreement, c.name_key, where="state = 'creating'")
_index("ix_conversion_untold", c.requested_at, where=f"NOT told AND {RUNNING}")

# What happened to each, step by step. Only ever appended.
conversion_step = sa.Table(
    "conversion_step",
    metadata,
    row_id(),
    sa.Column("conversion_id", Big, sa.ForeignKey("conversion.id"), nullable=False),
    sa.Column("at", UtcDateTime(), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),  # after the step
    sa.Column("what", sa.String(30), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("ix_conversion_step_conversion", "conversion_id", "id"),
)
