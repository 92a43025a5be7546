"""
Merges as people and programs ask for them, by the names that companies and fields go by outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection

from domain.merging import GROUPS, Keep, Wish, WrongWish
from infra.database import company_views


def wish(
    connection: Connection,
    firm: int,
    companies: Sequence[str],
    *,
    survivor: str | None = None,
    keep: Keep = Keep.LINKED,
    take: Mapping[str, str] | None = None,
    values: Mapping[str, str | None] | None = None,
) -> Wish:
    """
    A wish by our own ids.

    Args:
        companies: the CRM's ids, or # and ours, as `survivor` and the values of `take`, too.
        take: field, or group of fields, → the company it comes from; a field of its own says more than its group.

    Raises:
        WrongWish: one of the companies is not there.
    """

    def own(name: str, field: str) -> int:
        found = company_views.named(connection, firm, name)
        if found is None:
            raise WrongWish(f"there is no company {name}", field=field)
        return found

    wanted, given = take or {}, values or {}
    single = {field: name for field, name in wanted.items() if field not in GROUPS}
    for group in GROUPS.keys() & wanted.keys():
        single = {field: wanted[group] for field in GROUPS[group] if field not in given} | single
    return Wish(
        tuple(own(name, "companies") for name in companies),
        None if survivor is None else own(survivor, "survivor"),
        keep,
        {field: own(name, field) for field, name in single.items()},
        dict(given),
    )
