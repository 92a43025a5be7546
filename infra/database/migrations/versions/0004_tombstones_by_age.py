"""tombstones are found by their age"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    gone = sa.text("gone_at IS NOT NULL")
    op.create_index("ix_debtor_gone", "debtor", ["agreement", "gone_at"], postgresql_where=gone, sqlite_where=gone)


def downgrade() -> None:
    op.drop_index("ix_debtor_gone", "debtor")
