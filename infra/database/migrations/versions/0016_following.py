"""companies follow debtors"""

from alembic import op

revision = "0016"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("INSERT INTO work (agreement, kind, attempts) SELECT number, 'links', 0 FROM agreement WHERE true")


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
