"""Alembic's entry: runs on the connection that infra.database.schema opened."""

from alembic import context

from infra.database import (  # noqa: F401 - their tables belong to the metadata
    tables_alerts,
    tables_companies,
    tables_conversions,
    tables_imports,
    tables_mail,
    tables_merges,
    tables_mirror,
    tables_outbox,
)
from infra.database.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
