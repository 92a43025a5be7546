"""
The tables of merges: which companies became one, what that changed, and so what undoing it brings back.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.dialect import UtcDateTime
from infra.database.tables import Big, metadata, of_firm, row_id

company_merge = sa.Table(
    "company_merge",
    metadata,
    row_id(),
    of_firm(),
    sa.Column("survivor_id", Big, sa.ForeignKey("company.id"), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime(), nullable=False),
    sa.Column("fields", sa.JSON, nullable=False),  # field → [before, after] of the survivor
    sa.Column("before", sa.JSON, nullable=False),  # domain.merge_companies.Before of the survivor
    sa.Column("differences", sa.JSON, nullable=False),  # those that went: domain.merge_companies.Shown
    sa.Column("alerts", sa.JSON, nullable=False),  # what moved of them
    sa.Column("conversions", sa.JSON(none_as_null=True)),  # [conversion, company] of those that ran
    sa.Column("undone_by", sa.Text),
    sa.Column("undone_at", UtcDateTime()),
    sa.Column("kept", sa.JSON(none_as_null=True)),  # what stayed with the survivor when it was undone
    sa.Index("ix_company_merge_firm", "firm_id", "id"),
    sa.Index("ix_company_merge_survivor", "survivor_id"),
)

# The companies that became part of the survivor.
company_merge_part = sa.Table(
    "company_merge_part",
    metadata,
    sa.Column("merge_id", Big, sa.ForeignKey("company_merge.id"), primary_key=True, autoincrement=False),
    sa.Column("company_id", Big, sa.ForeignKey("company.id"), primary_key=True, autoincrement=False),
    sa.Column("crm_id", sa.Text),  # as it was: a survivor without one takes it over
    sa.Index("ix_company_merge_part_company", "company_id"),
)

# Every link the companies had, and whose it was.
company_merge_link = sa.Table(
    "company_merge_link",
    metadata,
    sa.Column("merge_id", Big, sa.ForeignKey("company_merge.id"), primary_key=True, autoincrement=False),
    sa.Column("link_id", Big, sa.ForeignKey("debtor_link.id"), primary_key=True, autoincrement=False),
    sa.Column("company_id", Big, sa.ForeignKey("company.id"), nullable=False),
    sa.Column("living", sa.Boolean, nullable=False),  # not one that says "not this company"
    sa.Column("seen", sa.JSON, nullable=False),  # the debtor's values the company had been held against
    sa.Index("ix_company_merge_link_company", "company_id"),
)
