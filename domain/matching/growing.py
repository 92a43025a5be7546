"""
An index for many records in turn: asked once for a portion of them, and told of the companies that come and go.

A portion's answers are those of its records one by one: a company that an earlier record makes is found by a later one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from domain.matching.index import CompanyIndex, MemoryIndex, keys_to_ask, likeliest
from domain.matching.keys import MOST_PER_KEY, KeyKind
from domain.matching.records import Record


class GrowingIndex:
    """
    A `CompanyIndex` over another one.

    Args:
        base: what is stored; None until `over` names it.
    """

    def __init__(self, base: CompanyIndex | None = None) -> None:
        self._base: CompanyIndex = base if base is not None else MemoryIndex()
        self._new = MemoryIndex()
        self._hits: dict[int, Sequence[int]] = {}
        self._records: dict[int, Record | None] = {}
        self._without: Collection[int] = ()
        self._moved: dict[int, int] = {}

    def over(self, base: CompanyIndex) -> None:
        """From now on this is what is stored: another transaction's view of it. What was added stays."""
        self._base = base
        self._hits, self._records = {}, {}

    def read_ahead(self, records: Sequence[Record], *, kinds: Collection[KeyKind] | None = None) -> None:
        """Ask for all of a portion at once; what an earlier portion asked for is forgotten."""
        keys = [keys_to_ask(record, kinds) for record in records]
        self._hits, self._records = {}, {}
        self._ask({key.hash for of_one in keys for key in of_one}, MOST_PER_KEY)
        self.records({company for of_one in keys for company in likeliest(of_one, self._hits)})

    def add(self, company: int, record: Record) -> None:
        """A company that is not stored yet. Ids added later are larger."""
        self._new.add(company, record)

    def put(self, company: int, record: Record | None, *, now: int | None = None) -> None:
        """What a company is now that it is locked; None = it is not there any more, or is `now` another one."""
        self._records[company] = record
        if now is not None:
            self._moved[company] = now

    def without(self, companies: Collection[int]) -> GrowingIndex:
        """These are in no answer until it is called again: somebody said that the record asked for is not they."""
        self._without = companies
        return self

    def under(self, keys: Collection[int], most: int) -> dict[int, Sequence[int]]:
        self._ask([key for key in keys if key not in self._hits], most)
        found: dict[int, Sequence[int]] = {}
        new = self._new.under(keys, most)
        for key in keys:
            stored = self._hits[key]
            if len(stored) <= most:  # a longer list stays longer: what is left out may not be all of the rest
                ids = dict.fromkeys(self._moved.get(company, company) for company in (*stored, *new.get(key, ())))
                stored = [company for company in ids if self._counts(company)]
            if stored:
                found[key] = stored[: most + 1]
        return found

    def _counts(self, company: int) -> bool:
        return company not in self._without and self._records.get(company, _THERE) is not None

    def _ask(self, keys: Collection[int], most: int) -> None:
        if keys:
            self._hits.update(dict.fromkeys(keys, ()))
            self._hits.update(self._base.under(keys, most))

    def records(self, ids: Collection[int]) -> Mapping[int, Record]:
        found = self._new.records(ids)
        if missing := [company for company in ids if company not in found and company not in self._records]:
            stored = self._base.records(missing)
            self._records.update({company: stored.get(company) for company in missing})
        for company in ids:
            if company not in found and (record := self._records.get(company)) is not None:
                found[company] = record
        return found


_THERE = Record()
