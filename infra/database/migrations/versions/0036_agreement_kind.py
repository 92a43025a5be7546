"""the country an agreement was made for: it decides whether a debtor has a VAT number of its own"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agreement", sa.Column("kind", sa.Text(), nullable=True))
    # /self is asked once more, and says it.
    op.execute("UPDATE agreement SET identity_checked_at = NULL")


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
