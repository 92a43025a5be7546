"""
The tables of companies: the CRM's records, which debtors they are, and what happened to them. A company belongs to a
firm; debtors belong to an agreement of it.
"""

from __future__ import annotations

import sqlalchemy as sa

from domain.companies import CompanyFields
from infra.database.dialect import UtcDateTime
from infra.database.tables import Big, metadata, of_agreement, of_firm, row_id


def _company(name: str = "company_id", *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, Big, sa.ForeignKey("company.id"), nullable=nullable)


_Json = sa.JSON(none_as_null=True)

company = sa.Table(
    "company",
    metadata,
    row_id(),
    of_firm(),
    sa.Column("crm_id", sa.Text),  # the CRM's own; a merged company keeps its, so it resolves for ever
    sa.Column("name", sa.Text, nullable=False),
    *(sa.Column(name, sa.Text) for name in CompanyFields._fields[1:]),
    sa.Column("crm_stamp", Big),  # microseconds since 1970 of the newest CRM event applied, `timestamp` of its body
    sa.Column("crm_apart", _Json),  # field → what the CRM said last, where the company's value is another
    sa.Column("changed_by", _Json),  # field → the side whose change came last, until both sides agree again
    sa.Column("normal", sa.Text),  # domain.matching.records.Record, packed when the row is written
    sa.Column("correlation_id", sa.String(32)),  # of the event that changed it last
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("changed_at", UtcDateTime(), nullable=False),
    sa.Column("deleted_at", UtcDateTime()),  # tombstone: deleted in the CRM
    _company("merged_into", nullable=True),  # this one's row is then the CRM's snapshot of the merged record
)
sa.Index(
    "uq_company_crm_id",
    company.c.firm_id,
    company.c.crm_id,
    unique=True,
    postgresql_where=company.c.crm_id.is_not(None),
    sqlite_where=company.c.crm_id.is_not(None),
)
sa.Index("ix_company_firm", company.c.firm_id, company.c.id)
sa.Index("ix_company_name", company.c.firm_id, sa.func.lower(company.c.name), company.c.id)
sa.Index(
    "ix_company_customer_number",
    company.c.firm_id,
    company.c.customer_number,
    postgresql_where=company.c.customer_number.is_not(None),
    sqlite_where=company.c.customer_number.is_not(None),
)
sa.Index(
    "ix_company_merged_into",
    company.c.merged_into,
    postgresql_where=company.c.merged_into.is_not(None),
    sqlite_where=company.c.merged_into.is_not(None),
)

# Under which keys a living company is found; kept by the transaction that changes the company.
company_key = sa.Table(
    "company_key",
    metadata,
    sa.Column("firm_id", Big, primary_key=True, autoincrement=False),
    sa.Column("key", Big, primary_key=True, autoincrement=False),  # a hash of 64 bits
    sa.Column("company_id", Big, primary_key=True, autoincrement=False),
    sa.Index("ix_company_key_company", "company_id"),
    sqlite_with_rowid=False,
)

# Which company a debtor is. A link that was cut stays: with `refused` it says "not this company".
debtor_link = sa.Table(
    "debtor_link",
    metadata,
    row_id(),
    of_agreement(),
    sa.Column("debtor_id", Big, sa.ForeignKey("debtor.id"), nullable=False),
    _company(),
    sa.Column("how", sa.String(20), nullable=False),  # domain.companies.LinkedHow
    sa.Column("score", sa.Float),  # 0-100, where a score decided
    sa.Column("reasons", sa.JSON, nullable=False),  # in words, strongest first
    sa.Column("seen", sa.JSON, nullable=False),  # field → the debtor's value the company was last held against
    sa.Column("linked_by", sa.Text, nullable=False),
    sa.Column("linked_at", UtcDateTime(), nullable=False),
    sa.Column("run_id", Big),  # of the import that made it
    sa.Column("cut_by", sa.Text),
    sa.Column("cut_at", UtcDateTime()),
    sa.Column("refused", sa.Boolean, nullable=False, default=False),
    sa.Index("ix_debtor_link_company", "company_id"),
    sa.Index("ix_debtor_link_debtor", "debtor_id"),
    sa.Index("ix_debtor_link_made", "agreement", "linked_at"),
)
_living_link = debtor_link.c.cut_at.is_(None)
sa.Index(
    "uq_debtor_link_living",
    debtor_link.c.debtor_id,
    unique=True,
    postgresql_where=_living_link,
    sqlite_where=_living_link,
)

# A change that was refused, until somebody decides or both sides agree; `debtor_id` 0 = the CRM's value.
company_difference = sa.Table(
    "company_difference",
    metadata,
    sa.Column("company_id", Big, sa.ForeignKey("company.id"), primary_key=True, autoincrement=False),
    sa.Column("debtor_id", Big, primary_key=True, autoincrement=False),
    sa.Column("field", sa.String(20), primary_key=True),
    sa.Column("theirs", sa.Text),
    sa.Column("why", sa.String(20), nullable=False),  # domain.companies.Refusal
    sa.Column("since", UtcDateTime(), nullable=False),
)

# Who did what, when. Only ever appended.
company_change = sa.Table(
    "company_change",
    metadata,
    row_id(),
    _company(),
    sa.Column("at", UtcDateTime(), nullable=False),
    sa.Column("who", sa.Text, nullable=False),  # a person's mail address, or crm, api, file, e-conomic, debitor
    sa.Column("what", sa.String(20), nullable=False),  # domain.companies.What
    sa.Column("detail", sa.JSON, nullable=False),  # field → [before, after], or what the kind of change needs
    sa.Column("run_id", Big),
    sa.Column("correlation_id", sa.String(32)),
    sa.Index("ix_company_change_company", "company_id", "id"),
)

# A file of companies being read in: where one that was cut short goes on.
company_file = sa.Table(
    "company_file",
    metadata,
    row_id(),
    of_firm(),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("mode", sa.String(10), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("rows_done", Big, nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("started_at", UtcDateTime(), nullable=False),
    sa.Column("finished_at", UtcDateTime()),
    sa.Index("ix_company_file_sha256", "firm_id", "sha256"),
)
