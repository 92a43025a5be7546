"""the calls an agreement may make come back steadily"""

import sqlalchemy as sa
from alembic import op

import infra.database.dialect

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("budget", "window_left")
    op.drop_column("budget", "window_ends")
    op.add_column("budget", sa.Column("window_s", sa.Integer(), nullable=True))
    op.add_column("budget", sa.Column("full_at", infra.database.dialect.UtcDateTime(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
