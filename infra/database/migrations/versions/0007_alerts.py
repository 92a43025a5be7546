"""duplicate alerts"""

import sqlalchemy as sa
from alembic import op

import infra.database.dialect

revision = "0007"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("firm_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("raised_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("changed_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("closed_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.Column("joined_to", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["firm_id"], ["firm.id"], name=op.f("fk_alert_firm_id")),
        sa.ForeignKeyConstraint(["joined_to"], ["alert.id"], name=op.f("fk_alert_joined_to")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.create_index("ix_alert_firm", ["firm_id", "id"], unique=False)
        batch_op.create_index(
            "ix_alert_open",
            ["firm_id", "reason", "id"],
            unique=False,
            postgresql_where=sa.text("closed_at IS NULL"),
            sqlite_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "alert_decision",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("firm_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("answer", sa.String(length=15), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["firm_id"], ["firm.id"], name=op.f("fk_alert_decision_firm_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_decision")),
    )
    op.create_table(
        "alert_record",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("alert_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("debtor_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("ending", sa.String(length=15), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.Column("decision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("done", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_record_alert_id")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_alert_record_company_id")),
        sa.ForeignKeyConstraint(["debtor_id"], ["debtor.id"], name=op.f("fk_alert_record_debtor_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["alert_decision.id"], name=op.f("fk_alert_record_decision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_record")),
    )
    with op.batch_alter_table("alert_record", schema=None) as batch_op:
        batch_op.create_index("ix_alert_record_alert", ["alert_id"], unique=False)
        batch_op.create_index("ix_alert_record_decision", ["decision_id"], unique=False)
        batch_op.create_index(
            "uq_alert_record_company",
            ["company_id"],
            unique=True,
            postgresql_where=sa.text("ending IS NULL AND company_id IS NOT NULL"),
            sqlite_where=sa.text("ending IS NULL AND company_id IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_alert_record_debtor",
            ["debtor_id"],
            unique=True,
            postgresql_where=sa.text("ending IS NULL AND debtor_id IS NOT NULL"),
            sqlite_where=sa.text("ending IS NULL AND debtor_id IS NOT NULL"),
        )

    op.create_table(
        "not_duplicate",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("debtor_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("other_company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("left_open", sa.Boolean(), nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_not_duplicate_company_id")),
        sa.ForeignKeyConstraint(["debtor_id"], ["debtor.id"], name=op.f("fk_not_duplicate_debtor_id")),
        sa.ForeignKeyConstraint(["other_company_id"], ["company.id"], name=op.f("fk_not_duplicate_other_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_not_duplicate")),
    )
    with op.batch_alter_table("not_duplicate", schema=None) as batch_op:
        batch_op.create_index("ix_not_duplicate_company", ["company_id"], unique=False)
        batch_op.create_index(
            "uq_not_duplicate_debtor",
            ["debtor_id", "company_id"],
            unique=True,
            postgresql_where=sa.text("debtor_id IS NOT NULL"),
            sqlite_where=sa.text("debtor_id IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_not_duplicate_other_company",
            ["other_company_id", "company_id"],
            unique=True,
            postgresql_where=sa.text("other_company_id IS NOT NULL"),
            sqlite_where=sa.text("other_company_id IS NOT NULL"),
        )

    op.create_table(
        "alert_candidate",
        sa.Column(
            "record_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column(
            "company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("against", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_alert_candidate_company_id")),
        sa.ForeignKeyConstraint(["record_id"], ["alert_record.id"], name=op.f("fk_alert_candidate_record_id")),
        sa.PrimaryKeyConstraint("record_id", "company_id", name=op.f("pk_alert_candidate")),
    )
    with op.batch_alter_table("alert_candidate", schema=None) as batch_op:
        batch_op.create_index("ix_alert_candidate_company", ["company_id"], unique=False)

    # ### end Alembic commands ###


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
