"""what is known of an invoice's lines is written into its row in place"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_invoice_open_lines", "invoice")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE invoice SET (fillfactor = 50)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE invoice RESET (fillfactor)")
    still_open = sa.text("lines_state IN ('pending', 'unverified')")
    op.create_index(
        "ix_invoice_open_lines",
        "invoice",
        ["agreement", "number"],
        postgresql_where=still_open,
        sqlite_where=still_open,
    )
