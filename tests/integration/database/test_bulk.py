"""Many rows at once: what goes in comes out, whatever the text."""

from __future__ import annotations

import pytest

from infra.database import bulk
from infra.database.engine import Database
from tests.support.databases import AGREEMENT, rows

TEXTS = (
    "None",
    "\\N",
    "\\.",
    "\\",
    "a\tb",
    "a\nb\n",
    "\r\n",
    "%s %d",
    "\x1f",
    "Nonesuch ApS",
    "",
    " ",
    "æøå €",
    "'\"",
    None,
)


@pytest.mark.parametrize("blocks", [1, 3])
def test_every_text_is_stored_as_it_is(store: Database, blocks: int) -> None:
    """Whatever COPY takes for a mark (tabs, line ends, backslashes, the word for NULL), beside plain rows and alone."""
    plain = [f"line {number}" for number in range(1_100 * (blocks - 1))]
    given = [*plain, *TEXTS, *plain]

    with store.write() as connection:
        bulk.insert_rows(
            connection,
            store.sql,
            "invoice_line",
            ("agreement", "invoice", "number", "position", "product", "description"),
            ((AGREEMENT, 1, place, place, text, text and text * 2) for place, text in enumerate(given)),
        )

    stored = rows(store, "SELECT product, description FROM invoice_line ORDER BY number")
    assert [row.product for row in stored] == given
    assert [row.description for row in stored] == [text and text * 2 for text in given]
