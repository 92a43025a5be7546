"""
The table of imports: what a run says, and did, about each debtor.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.dialect import UtcDateTime
from infra.database.tables import Big, metadata

_Json = sa.JSON(none_as_null=True)

import_row = sa.Table(
    "import_row",
    metadata,
    sa.Column("run_id", Big, sa.ForeignKey("run.id"), primary_key=True, autoincrement=False),
    sa.Column("number", Big, primary_key=True, autoincrement=False),  # the debtor's, when the run began
    sa.Column("debtor_id", Big),  # null: a test, and the mirror does not have it yet
    sa.Column("content", _Json),  # the debtor's values that were judged
    # What is to be done: domain.import_rows.Judgement.
    sa.Column("verdict", sa.String(10)),  # domain.import_rows.Verdict; null until it is judged
    sa.Column("turn", sa.Integer),  # doubts are looked at again when all others are judged: carried out in this order
    sa.Column("company_id", Big),  # the company it is linked to, or made into
    sa.Column("joins", Big),  # number of the debtor whose new company this one is
    sa.Column("rung", sa.Text),  # domain.matching.verdicts.Rung, where one decided
    sa.Column("score", sa.Float),  # 0-100, of the company, or of the likeliest one
    sa.Column("candidates", _Json),  # domain.import_rows.candidates_as_json
    sa.Column("form", sa.Text),  # the company's normal form when it was judged, packed
    sa.Column("changed", _Json),  # field → [before, after]: what changes of the company
    sa.Column("refused", _Json),  # field → [theirs, why not]
    sa.Column("note", sa.Text),  # why it is left, or cannot be read
    # What was done.
    sa.Column("outcome", sa.String(10)),  # domain.import_rows.Outcome; null until it is carried out
    sa.Column("outcome_note", sa.Text),
    sa.Column("reverted", sa.String(10)),  # domain.import_rows.Reverted
    sa.Column("revert_note", sa.Text),
    # Links a person is asked to look at, for this register's own precision.
    sa.Column("sample", sa.String(10)),  # domain.precision.Sample
    sa.Column("is_right", sa.Boolean),
    sa.Column("ticked_by", sa.Text),
    sa.Column("ticked_at", UtcDateTime()),
)
sa.Index(
    "ix_import_row_sample",
    import_row.c.run_id,
    postgresql_where=import_row.c.sample.is_not(None),
    sqlite_where=import_row.c.sample.is_not(None),
)
