"""An agreement on each database."""

from __future__ import annotations

import pytest

from infra.database.engine import Database
from tests.support import databases


@pytest.fixture
def store(database: Database) -> Database:
    """Each database with one connected agreement."""
    databases.add_agreement(database)
    return database
