"""
Values that many debtors of a register share: a municipality's CVR, a switchboard, a bureau's mail address. They are no
evidence by themselves (crm.md §2). Imports and drains count by this one rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from domain.matching import weights
from domain.matching.index import CROWDING
from domain.matching.keys import Key, keys_of
from domain.normal_forms import debtor_form

COUNTED = ("country", "cvr", "vat_number", "phone", "mobile", "email", "website")
"""The columns of a debtor that such values stand in."""


def crowding_keys(values: Mapping[str, object]) -> list[Key]:
    """A debtor's values that count, each once, however often and in whatever way it is written."""
    return [key for key in keys_of(debtor_form(values)) if key.kind in CROWDING]


def crowded(register: Iterable[Mapping[str, object]], of: Collection[int] | None = None) -> frozenset[int]:
    """
    Hashes of the keys that more than five debtors share, as `domain.matching.index.look_up` takes them.

    Args:
        register: the values, by column, of the debtors in scope that live; each once.
        of: count these keys only, by hash.
    """
    counts: Counter[int] = Counter()
    for values in register:
        counts.update(key.hash for key in crowding_keys(values) if of is None or key.hash in of)
    return frozenset(key for key, count in counts.items() if count > weights.CROWD)
