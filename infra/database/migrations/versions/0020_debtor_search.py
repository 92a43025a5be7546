"""debtors are found by phone and mail"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None

DIGITS = (
    "replace(replace(replace(replace(replace(replace(phone, ' ', ''), '-', ''), '.', ''), '+', ''), '(', ''), ')', '')"
)


def upgrade() -> None:
    for name, column, value in (("phone", "phone", DIGITS), ("email", "email", "lower(email)")):
        given = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_debtor_{name}",
            "debtor",
            ["agreement", sa.text(value)],
            postgresql_where=given,
            sqlite_where=given,
        )


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
