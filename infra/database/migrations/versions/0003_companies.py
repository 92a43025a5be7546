"""companies"""

import sqlalchemy as sa
from alembic import op

import infra.database.dialect

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "company_key",
        sa.Column("firm_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column(
            "company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("firm_id", "key", "company_id", name=op.f("pk_company_key")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("company_key", schema=None) as batch_op:
        batch_op.create_index("ix_company_key_company", ["company_id"], unique=False)

    op.create_table(
        "company",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("firm_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("crm_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("vat", sa.Text(), nullable=True),
        sa.Column("pno", sa.Text(), nullable=True),
        sa.Column("ean", sa.Text(), nullable=True),
        sa.Column("street", sa.Text(), nullable=True),
        sa.Column("zip", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("mail", sa.Text(), nullable=True),
        sa.Column("web", sa.Text(), nullable=True),
        sa.Column("relation", sa.Text(), nullable=True),
        sa.Column("customer_number", sa.Text(), nullable=True),
        sa.Column("other_key", sa.Text(), nullable=True),
        sa.Column("account_manager", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("billing_name", sa.Text(), nullable=True),
        sa.Column("billing_street", sa.Text(), nullable=True),
        sa.Column("billing_zip", sa.Text(), nullable=True),
        sa.Column("billing_city", sa.Text(), nullable=True),
        sa.Column("billing_country", sa.Text(), nullable=True),
        sa.Column("billing_mail", sa.Text(), nullable=True),
        sa.Column("crm_stamp", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("crm_apart", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("changed_by", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("normal", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("changed_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("deleted_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.Column("merged_into", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["firm_id"], ["firm.id"], name=op.f("fk_company_firm_id")),
        sa.ForeignKeyConstraint(["merged_into"], ["company.id"], name=op.f("fk_company_merged_into")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company")),
    )
    with op.batch_alter_table("company", schema=None) as batch_op:
        batch_op.create_index(
            "ix_company_customer_number",
            ["firm_id", "customer_number"],
            unique=False,
            postgresql_where=sa.text("customer_number IS NOT NULL"),
            sqlite_where=sa.text("customer_number IS NOT NULL"),
        )
        batch_op.create_index("ix_company_name", ["firm_id", sa.text("lower(name)"), "id"], unique=False)
        batch_op.create_index("ix_company_firm", ["firm_id", "id"], unique=False)
        batch_op.create_index(
            "ix_company_merged_into",
            ["merged_into"],
            unique=False,
            postgresql_where=sa.text("merged_into IS NOT NULL"),
            sqlite_where=sa.text("merged_into IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_company_crm_id",
            ["firm_id", "crm_id"],
            unique=True,
            postgresql_where=sa.text("crm_id IS NOT NULL"),
            sqlite_where=sa.text("crm_id IS NOT NULL"),
        )

    op.create_table(
        "company_file",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("firm_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.String(length=10), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("rows_done", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("started_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("finished_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["firm_id"], ["firm.id"], name=op.f("fk_company_file_firm_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company_file")),
    )
    with op.batch_alter_table("company_file", schema=None) as batch_op:
        batch_op.create_index("ix_company_file_sha256", ["firm_id", "sha256"], unique=False)

    op.create_table(
        "company_change",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("correlation_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_company_change_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company_change")),
    )
    with op.batch_alter_table("company_change", schema=None) as batch_op:
        batch_op.create_index("ix_company_change_company", ["company_id", "id"], unique=False)

    op.create_table(
        "company_difference",
        sa.Column(
            "company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column(
            "debtor_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("field", sa.String(length=20), nullable=False),
        sa.Column("theirs", sa.Text(), nullable=True),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("since", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_company_difference_company_id")),
        sa.PrimaryKeyConstraint("company_id", "debtor_id", "field", name=op.f("pk_company_difference")),
    )
    op.create_table(
        "debtor_link",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("agreement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("debtor_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("company_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("how", sa.String(length=20), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.Column("linked_by", sa.Text(), nullable=False),
        sa.Column("linked_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("cut_by", sa.Text(), nullable=True),
        sa.Column("cut_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.number"], name=op.f("fk_debtor_link_agreement")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_debtor_link_company_id")),
        sa.ForeignKeyConstraint(["debtor_id"], ["debtor.id"], name=op.f("fk_debtor_link_debtor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debtor_link")),
    )
    with op.batch_alter_table("debtor_link", schema=None) as batch_op:
        batch_op.create_index("ix_debtor_link_company", ["company_id"], unique=False)
        batch_op.create_index("ix_debtor_link_debtor", ["debtor_id"], unique=False)
        batch_op.create_index(
            "uq_debtor_link_living",
            ["debtor_id"],
            unique=True,
            postgresql_where=sa.text("cut_at IS NULL"),
            sqlite_where=sa.text("cut_at IS NULL"),
        )

    op.add_column("agreement", sa.Column("field_owners", sa.JSON(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
