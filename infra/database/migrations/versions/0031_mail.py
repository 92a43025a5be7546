"""mails, whom they go to, and whether a refused token was told of"""

import sqlalchemy as sa
from alembic import op

import infra.database.dialect

revision = "0031"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agreement", sa.Column("trouble_mail", sa.Text(), nullable=True))
    op.add_column("agreement", sa.Column("refusal_told_at", infra.database.dialect.UtcDateTime(), nullable=True))
    op.create_table(
        "mail",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("agreement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", infra.database.dialect.UtcDateTime(), nullable=False),
        sa.Column("ended_at", infra.database.dialect.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.number"], name=op.f("fk_mail_agreement")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
    )
    pending = sa.text("state = 'pending'")
    op.create_index("ix_mail_due", "mail", ["next_attempt_at"], postgresql_where=pending, sqlite_where=pending)


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
