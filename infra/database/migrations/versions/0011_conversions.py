"""conversions"""

import sqlalchemy as sa
from alembic import op

from infra.database.dialect import UtcDateTime

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

_RUNNING = "state IN ('requested', 'needs_input', 'waiting_approval', 'creating')"


def _big() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _json() -> sa.JSON:
    return sa.JSON(none_as_null=True)


def _id() -> sa.Column[int]:
    return sa.Column("id", _big(), sa.Identity(always=False), nullable=False)


def _index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    text = sa.text(where)
    op.create_index(name, "conversion", columns, unique=unique, postgresql_where=text, sqlite_where=text)


def upgrade() -> None:
    op.create_table(
        "conversion",
        _id(),
        sa.Column("agreement", _big(), nullable=False),
        sa.Column("company_id", _big(), nullable=True),
        sa.Column("crm_id", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("deal", sa.Text(), nullable=True),
        sa.Column("second", sa.Boolean(), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("body", _json(), nullable=True),
        sa.Column("known", _json(), nullable=True),
        sa.Column("first_sent_at", UtcDateTime(), nullable=True),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("doubt", sa.Boolean(), nullable=False),
        sa.Column("debtor_number", _big(), nullable=True),
        sa.Column("name_key", sa.Text(), nullable=True),
        sa.Column("needs", _json(), nullable=True),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.number"], name=op.f("fk_conversion_agreement")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_conversion_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversion")),
    )
    op.create_index("ix_conversion_company", "conversion", ["company_id"])
    known, unknown = f"company_id IS NOT NULL AND {_RUNNING}", f"company_id IS NULL AND {_RUNNING}"
    _index("uq_conversion_running", ["agreement", "company_id"], known, unique=True)
    _index("uq_conversion_unknown", ["agreement", "crm_id"], unknown, unique=True)
    _index("ix_conversion_due", ["agreement", "next_at"], "next_at IS NOT NULL")
    _index("ix_conversion_creating", ["agreement", "name_key"], "state = 'creating'")
    _index("ix_conversion_untold", ["requested_at"], f"NOT told AND {_RUNNING}")
    op.create_table(
        "conversion_step",
        _id(),
        sa.Column("conversion_id", _big(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("what", sa.String(length=30), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["conversion_id"], ["conversion.id"], name=op.f("fk_conversion_step_conversion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversion_step")),
    )
    op.create_index("ix_conversion_step_conversion", "conversion_step", ["conversion_id", "id"])


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
