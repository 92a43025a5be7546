"""which agreements' debtors become companies"""

import sqlalchemy as sa
from alembic import op

import infra.database.dialect

revision = "0006"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agreement", sa.Column("companies_since", infra.database.dialect.UtcDateTime(), nullable=True))
    op.add_column("agreement", sa.Column("create_companies", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("agreement", sa.Column("most_at_once", sa.Integer(), server_default="50", nullable=False))
    op.create_index("ix_debtor_link_made", "debtor_link", ["agreement", "linked_at"])


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
