"""
The tables of duplicate alerts: what a person is asked, what was answered, and what is not to be asked again.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.dialect import UtcDateTime
from infra.database.tables import Big, metadata, of_firm, row_id


def _one_of(debtor: str, company: str) -> list[sa.Column[object]]:
    """The record is a debtor or a company: exactly one of the two is there."""
    return [
        sa.Column(debtor, Big, sa.ForeignKey("debtor.id")),
        sa.Column(company, Big, sa.ForeignKey("company.id")),
    ]


# Answers that were given together: one, or all alerts of one reason.
alert_decision = sa.Table(
    "alert_decision",
    metadata,
    row_id(),
    of_firm(),
    sa.Column("answer", sa.String(15), nullable=False),  # domain.alerts.Answer
    sa.Column("reason", sa.String(20)),  # all alerts of this reason were answered
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime(), nullable=False),
    sa.Column("undone_by", sa.Text),
    sa.Column("undone_at", UtcDateTime()),
)

# One group of records that a person should look at together.
alert = sa.Table(
    "alert",
    metadata,
    row_id(),
    of_firm(),
    sa.Column("reason", sa.String(20), nullable=False),  # domain.alerts.AlertReason
    sa.Column("score", sa.Float, nullable=False),  # of the likeliest pair, 0-100
    sa.Column("raised_at", UtcDateTime(), nullable=False),
    sa.Column("changed_at", UtcDateTime(), nullable=False),
    sa.Column("closed_at", UtcDateTime()),  # none of its records is open any more
    sa.Column("joined_to", Big, sa.ForeignKey("alert.id")),  # its open records are part of this one now
    sa.Index("ix_alert_firm", "firm_id", "id"),
)
_open = alert.c.closed_at.is_(None)
sa.Index("ix_alert_open", alert.c.firm_id, alert.c.reason, alert.c.id, postgresql_where=_open, sqlite_where=_open)

# A record of a group for which a company is sought, and what became of it.
alert_record = sa.Table(
    "alert_record",
    metadata,
    row_id(),
    sa.Column("alert_id", Big, sa.ForeignKey("alert.id"), nullable=False),
    *_one_of("debtor_id", "company_id"),
    sa.Column("ending", sa.String(15)),  # domain.alerts.Ending; null while it is open
    sa.Column("ended_by", sa.Text),
    sa.Column("ended_at", UtcDateTime()),
    sa.Column("decision_id", Big, sa.ForeignKey("alert_decision.id")),  # the last one about it, undone or not
    sa.Column("done", sa.JSON(none_as_null=True)),  # what that decision changed, for its undoing
    sa.Index("ix_alert_record_alert", "alert_id"),
    sa.Index("ix_alert_record_decision", "decision_id"),
)
for _column in (alert_record.c.debtor_id, alert_record.c.company_id):
    _asked = sa.and_(alert_record.c.ending.is_(None), _column.is_not(None))
    sa.Index(
        f"uq_alert_record_{_column.name.removesuffix('_id')}",
        _column,
        unique=True,
        postgresql_where=_asked,
        sqlite_where=_asked,
    )

# The companies such a record may be.
alert_candidate = sa.Table(
    "alert_candidate",
    metadata,
    sa.Column("record_id", Big, sa.ForeignKey("alert_record.id"), primary_key=True, autoincrement=False),
    sa.Column("company_id", Big, sa.ForeignKey("company.id"), primary_key=True, autoincrement=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),  # [message, {parameter: value}] each, strongest first
    sa.Column("against", sa.JSON, nullable=False),
    sa.Index("ix_alert_candidate_company", "company_id"),
)

# Pairs that a person spoke of: not asked about again until one of the two changes in what decides.
not_duplicate = sa.Table(
    "not_duplicate",
    metadata,
    row_id(),
    *_one_of("debtor_id", "other_company_id"),
    sa.Column("company_id", Big, sa.ForeignKey("company.id"), nullable=False),
    sa.Column("left_open", sa.Boolean, nullable=False),  # nobody said that they differ: only not to ask again
    sa.Column("fingerprint", sa.String(32), nullable=False),  # of what decides, of both
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime(), nullable=False),
    sa.Index("ix_not_duplicate_company", "company_id"),
)
for _column in (not_duplicate.c.debtor_id, not_duplicate.c.other_company_id):
    sa.Index(
        f"uq_not_duplicate_{_column.name.removesuffix('_id')}",
        _column,
        not_duplicate.c.company_id,
        unique=True,
        postgresql_where=_column.is_not(None),
        sqlite_where=_column.is_not(None),
    )
