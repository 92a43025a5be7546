"""
What a transaction may skip: learnt by the statement that checks its lease, which is needed anyway.

Nearly always nobody listens to an agreement's events, nothing of it has failed and no invoice waits for its debtor;
a look at each would be a third of the statements that a lone event takes (docs/decisions/0014).
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Standing(NamedTuple):
    """How an agreement stands when a transaction begins. Whatever is not known counts as so."""

    follows_companies: bool = False  # its first import was started
    failed: bool = True  # a failure is open
    listened_to: bool = True  # an endpoint takes its firm's events
    orphaned: bool = True  # an invoice was stored before its debtor


def standing(table: str) -> str:
    """The columns of `Standing` for a row of `table`, which has an agreement."""
    return (
        f"(SELECT companies_since IS NOT NULL FROM agreement WHERE number = {table}.agreement),"
        f" EXISTS (SELECT 1 FROM failure WHERE failure.agreement = {table}.agreement AND failure.state = 'open'),"
        " EXISTS (SELECT 1 FROM endpoint WHERE disabled_at IS NULL AND firm_id ="
        f" (SELECT firm_id FROM agreement WHERE number = {table}.agreement)),"
        f" EXISTS (SELECT 1 FROM invoice WHERE invoice.agreement = {table}.agreement AND invoice.debtor_id IS NULL)"
    )


def read_standing(columns: Any) -> Standing:
    """Either database's answer to `standing`."""
    return Standing._make(bool(value) for value in columns)
