"""conversions that were under way when companies were merged"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("company_merge", sa.Column("conversions", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
