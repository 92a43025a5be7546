"""settings of new debtors, and whether the CRM may change those that exist"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agreement", sa.Column("new_debtors", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("agreement", sa.Column("debtor_edits", sa.Boolean(), nullable=False, server_default=sa.text("false")))
