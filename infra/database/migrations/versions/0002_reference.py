"""names for numbers, and the debtor groups an agreement synchronises"""

import sqlalchemy as sa
from alembic import op

import infra.database.dialect

revision = "0002"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reference_list",
        sa.Column("agreement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("list", sa.String(length=20), nullable=False),
        sa.Column("tried_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("read_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.number"], name=op.f("fk_reference_list_agreement")),
        sa.PrimaryKeyConstraint("agreement", "list", name=op.f("pk_reference_list")),
    )
    op.create_table(
        "reference_name",
        sa.Column("agreement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("list", sa.String(length=20), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("gone_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.Column("changed_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.number"], name=op.f("fk_reference_name_agreement")),
        sa.PrimaryKeyConstraint("agreement", "list", "key", name=op.f("pk_reference_name")),
    )
    op.create_table(
        "scope_group",
        sa.Column("agreement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "debtor_group", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.number"], name=op.f("fk_scope_group_agreement")),
        sa.PrimaryKeyConstraint("agreement", "debtor_group", name=op.f("pk_scope_group")),
    )
    op.execute(
        "INSERT INTO work (agreement, kind, attempts) SELECT number, 'reference', 0 FROM agreement WHERE true"
        " ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
