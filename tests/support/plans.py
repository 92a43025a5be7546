"""How a database goes about what is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from infra.database.engine import Database


def plans(database: Database, read: Callable[[Connection], object], *, nearly_empty: bool = False) -> str:
    """
    The plans of the statements that `read` makes.

    Args:
        nearly_empty: the tables are; PostgreSQL then scans them only where it has no index.
    """
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any) -> None:
        statements.append((statement, parameters))

    explain = "EXPLAIN" if database.sql.postgresql else "EXPLAIN QUERY PLAN"
    with database.read() as connection:
        if database.sql.postgresql and nearly_empty:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        sa.event.listen(connection, "before_cursor_execute", note)
        read(connection)
        sa.event.remove(connection, "before_cursor_execute", note)
        rows = [row for text, values in statements for row in connection.exec_driver_sql(f"{explain} {text}", values)]
    return "\n".join(str(row) for row in rows)
