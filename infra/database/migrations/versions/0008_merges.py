"""merges of companies, and answers to requests with an idempotency key"""

import sqlalchemy as sa
from alembic import op

import infra.database.dialect

revision = "0008"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "company_merge",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("firm_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("survivor_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("differences", sa.JSON(), nullable=False),
        sa.Column("alerts", sa.JSON(), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.Column("kept", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["firm_id"], ["firm.id"], name=op.f("fk_company_merge_firm_id")),
        sa.ForeignKeyConstraint(["survivor_id"], ["company.id"], name=op.f("fk_company_merge_survivor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company_merge")),
    )
    with op.batch_alter_table("company_merge", schema=None) as batch_op:
        batch_op.create_index("ix_company_merge_firm", ["firm_id", "id"], unique=False)
        batch_op.create_index("ix_company_merge_survivor", ["survivor_id"], unique=False)

    op.create_table(
        "company_merge_part",
        sa.Column(
            "merge_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column(
            "company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("crm_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_company_merge_part_company_id")),
        sa.ForeignKeyConstraint(["merge_id"], ["company_merge.id"], name=op.f("fk_company_merge_part_merge_id")),
        sa.PrimaryKeyConstraint("merge_id", "company_id", name=op.f("pk_company_merge_part")),
    )
    with op.batch_alter_table("company_merge_part", schema=None) as batch_op:
        batch_op.create_index("ix_company_merge_part_company", ["company_id"], unique=False)

    op.create_table(
        "company_merge_link",
        sa.Column(
            "merge_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("link_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("living", sa.Boolean(), nullable=False),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_company_merge_link_company_id")),
        sa.ForeignKeyConstraint(["link_id"], ["debtor_link.id"], name=op.f("fk_company_merge_link_link_id")),
        sa.ForeignKeyConstraint(["merge_id"], ["company_merge.id"], name=op.f("fk_company_merge_link_merge_id")),
        sa.PrimaryKeyConstraint("merge_id", "link_id", name=op.f("pk_company_merge_link")),
    )
    with op.batch_alter_table("company_merge_link", schema=None) as batch_op:
        batch_op.create_index("ix_company_merge_link_company", ["company_id"], unique=False)

    op.create_table(
        "api_answer",
        sa.Column("firm_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["firm_id"], ["firm.id"], name=op.f("fk_api_answer_firm_id")),
        sa.PrimaryKeyConstraint("firm_id", "key", name=op.f("pk_api_answer")),
    )
    with op.batch_alter_table("api_answer", schema=None) as batch_op:
        batch_op.create_index("ix_api_answer_created", ["created_at"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
