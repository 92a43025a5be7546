"""debtors are changed in e-conomic"""

import sqlalchemy as sa
from alembic import op

from infra.database.dialect import UtcDateTime

revision = "0034"
down_revision = "0031"
branch_labels = None
depends_on = None


def _big() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _index(name: str, columns: list[str], where: str) -> None:
    text = sa.text(where)
    op.create_index(name, "debtor_edit", columns, postgresql_where=text, sqlite_where=text)


def upgrade() -> None:
    op.create_table(
        "debtor_edit",
        sa.Column("id", _big(), sa.Identity(always=False), nullable=False),
        sa.Column("agreement", _big(), nullable=False),
        sa.Column("debtor_id", _big(), nullable=False),
        sa.Column("number", _big(), nullable=False),
        sa.Column("wishes", sa.JSON(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("by_crm", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("read", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("found", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("first_sent_at", UtcDateTime(), nullable=True),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("correlation_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.number"], name=op.f("fk_debtor_edit_agreement")),
        sa.ForeignKeyConstraint(["debtor_id"], ["debtor.id"], name=op.f("fk_debtor_edit_debtor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debtor_edit")),
    )
    op.create_index("ix_debtor_edit_debtor", "debtor_edit", ["debtor_id", "id"])
    _index("ix_debtor_edit_due", ["agreement", "next_at"], "next_at IS NOT NULL")
    _index("ix_debtor_edit_running", ["debtor_id", "state"], "state IN ('requested', 'writing')")
    op.execute("INSERT INTO work (agreement, kind, attempts) SELECT number, 'edits', 0 FROM agreement WHERE true")


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
