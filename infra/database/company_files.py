"""
Files of companies being read in: where one that was cut short goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from infra.database.engine import Database
from infra.database.tables_companies import company_file

_file = company_file.c


class Begun(NamedTuple):
    """A file being read in; `rows_done` is the number of the last row whose company is stored, 0 = none."""

    id: int
    rows_done: int
    counts: dict[str, Any]


def begin(database: Database, firm: int, *, sha256: str, name: str, mode: str, who: str) -> Begun:
    """The unfinished reading of this very file, or a new one."""
    with database.write() as connection:
        row = connection.execute(
            sa.select(_file.id, _file.rows_done, _file.counts)
            .where(_file.firm_id == firm, _file.sha256 == sha256, _file.mode == mode, _file.finished_at.is_(None))
            .order_by(_file.id.desc())
            .limit(1)
        ).first()
        if row is not None:
            return Begun(row.id, row.rows_done, row.counts)
        created = connection.execute(
            sa.insert(company_file)
            .values(
                firm_id=firm,
                sha256=sha256,
                name=name[:300],
                mode=mode,
                who=who,
                rows_done=0,
                counts={},
                started_at=sa.text(database.sql.now),
            )
            .returning(_file.id)
        )
        return Begun(int(created.scalar_one()), 0, {})


def advance(connection: Connection, file_id: int, rows_done: int, counts: Mapping[str, int]) -> None:
    """So far the companies of a file are stored, in the transaction that stores them."""
    connection.execute(
        sa.update(company_file).where(_file.id == file_id).values(rows_done=rows_done, counts=dict(counts))
    )


def finish(database: Database, file_id: int) -> None:
    """The file was read to its end."""
    with database.write() as connection:
        connection.execute(
            sa.update(company_file).where(_file.id == file_id).values(finished_at=sa.text(database.sql.now))
        )
