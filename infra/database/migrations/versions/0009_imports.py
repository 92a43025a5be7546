"""what an import says and did about each debtor"""

import sqlalchemy as sa
from alembic import op

import infra.database.dialect

revision = "0009"
down_revision = "0016"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SAMPLED = sa.text("sample IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "import_row",
        sa.Column("run_id", _BIG, autoincrement=False, nullable=False),
        sa.Column("number", _BIG, autoincrement=False, nullable=False),
        sa.Column("debtor_id", _BIG, nullable=True),
        sa.Column("content", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("verdict", sa.String(length=10), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=True),
        sa.Column("company_id", _BIG, nullable=True),
        sa.Column("joins", _BIG, nullable=True),
        sa.Column("rung", sa.Text(), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("candidates", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("changed", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("refused", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=True),
        sa.Column("outcome_note", sa.Text(), nullable=True),
        sa.Column("reverted", sa.String(length=10), nullable=True),
        sa.Column("revert_note", sa.Text(), nullable=True),
        sa.Column("sample", sa.String(length=10), nullable=True),
        sa.Column("is_right", sa.Boolean(), nullable=True),
        sa.Column("ticked_by", sa.Text(), nullable=True),
        sa.Column("ticked_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_import_row_run_id")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_import_row")),
    )
    op.create_index("ix_import_row_sample", "import_row", ["run_id"], postgresql_where=_SAMPLED, sqlite_where=_SAMPLED)


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
