"""companies are found by the keys of matching alone"""

from alembic import op

from infra.database.company_index import rekey
from infra.database.dialect import Sql

revision = "0026"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    rekey(op.get_bind(), Sql(op.get_bind().dialect.name))


def downgrade() -> None:
    raise NotImplementedError("Debitor's schema only goes forward: restore a backup instead")
