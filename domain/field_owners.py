"""
Who owns which field of the companies linked to an agreement's debtors, as a person sets it.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.companies import DEFAULT_OWNERS, UNITS, Owner
from domain.errors import PermanentError


class NoSuchOwner(PermanentError):
    """A field or owner that there is not, or two owners for fields that belong together; the message says which."""

    reason = "no_such_owner"


def with_owners(own: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """
    What an agreement says of owners, changed; only what is not the default is kept.

    Fields that are decided on together (`UNITS`) get one owner, whichever of them is named.

    Args:
        own: field → owner, where that is not the default.
        changes: field → owner.

    Raises:
        NoSuchOwner: nothing is changed.
    """
    wanted: dict[tuple[str, ...], tuple[str, Owner]] = {}
    for field, name in changes.items():
        if field not in UNITS:
            raise NoSuchOwner(f"a company has no field {field!r}, only {', '.join(UNITS)}")
        if name not in list(Owner):
            raise NoSuchOwner(f"{field} cannot belong to {name!r}, only to {', '.join(Owner)}")
        other, owner = wanted.setdefault(UNITS[field], (field, Owner(name)))
        if owner != name:
            raise NoSuchOwner(f"{other} and {field} are decided on together: they have one owner")
    owners = {**own, **{field: owner.value for unit, (_, owner) in wanted.items() for field in unit}}
    return {field: owner for field, owner in owners.items() if owner != DEFAULT_OWNERS[field]}
