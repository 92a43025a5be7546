"""
What pages, API and command line show of names: read-only queries.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.reference import Keys, Listing
from infra.database import tables_mirror

_name, _list = tables_mirror.reference_name, tables_mirror.reference_list


class ListState(NamedTuple):
    """One list of an agreement: how many names it has, when it was read as a whole, why not since."""

    agreement: int
    which: Listing
    names: int
    unnamed: int  # numbers that records carry and the list does not name
    read_at: dt.datetime | None
    tried_at: dt.datetime | None
    problem: str | None


def list_states(connection: Connection, agreements: Collection[int]) -> list[ListState]:
    """Every list of these agreements, in the order of agreement and `Listing`; never read ones included."""
    living = sa.and_(_name.c.name.is_not(None), _name.c.gone_at.is_(None))
    counted = connection.execute(
        sa.select(
            _name.c.agreement,
            _name.c.list,
            sa.func.count().filter(living),
            sa.func.count().filter(_name.c.name.is_(None)),
        )
        .where(_name.c.agreement.in_(agreements))
        .group_by(_name.c.agreement, _name.c.list)
    )
    counts = {(row[0], row[1]): (row[2], row[3]) for row in counted}
    tries = {
        (row.agreement, row.list): row
        for row in connection.execute(sa.select(_list).where(_list.c.agreement.in_(agreements)))
    }
    states = []
    for agreement in sorted(agreements):
        for which in Listing:
            names, unnamed = counts.get((agreement, which.value), (0, 0))
            row = tries.get((agreement, which.value))
            times = (row.read_at, row.tried_at, row.problem) if row else (None, None, None)
            states.append(ListState(agreement, which, names, unnamed, *times))
    return states


def all_read_at(states: Collection[ListState]) -> dt.datetime | None:
    """Since when the names are no older: the oldest whole reading of these lists; None while one was never read."""
    moments = [state.read_at for state in states if state.read_at is not None]
    return min(moments) if moments and len(moments) == len(states) else None


class Names:
    """Names by list and number, or code."""

    def __init__(self, found: Mapping[tuple[str, str], str]) -> None:
        self._found = found

    def of(self, which: str, key: object) -> str | None:
        """What a number is called; None when nobody knows, or there is no number."""
        return self._found.get((which, str(key))) or None

    def shown(self, which: str, key: object) -> object:
        """What people read: the name, or else the number itself."""
        return self.of(which, key) or key


def names(connection: Connection, agreement: int, carried: Keys) -> Names:
    """The names of these numbers, also of those that e-conomic's list no longer holds."""
    wanted = [
        sa.and_(_name.c.list == which.value, _name.c.key.in_(sorted(keys))) for which, keys in carried.items() if keys
    ]
    if not wanted:
        return Names({})
    rows = connection.execute(
        sa.select(_name.c.list, _name.c.key, _name.c.name).where(
            _name.c.agreement == agreement, _name.c.name.is_not(None), sa.or_(*wanted)
        )
    )
    return Names({(row[0], row[1]): row[2] for row in rows})


def chosen_from(connection: Connection, agreement: int, which: Listing) -> dict[str, str]:
    """Key → name of what e-conomic's list holds, sorted as people count: 2 before 10."""
    rows = connection.execute(
        sa.select(_name.c.key, _name.c.name).where(
            _name.c.agreement == agreement,
            _name.c.list == which.value,
            _name.c.name.is_not(None),
            _name.c.gone_at.is_(None),
        )
    )
    return dict(sorted((tuple(row) for row in rows), key=lambda row: (len(row[0]) if row[0].isdigit() else 99, row[0])))
