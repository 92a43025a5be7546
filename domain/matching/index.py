"""
Candidates for a record: the companies that share a key with it, the likeliest first.

A look-up asks twice, whatever the number of companies: for the ids under its keys, and for the normal forms of the few
likeliest. Both questions may be asked for many records at once; the answer for each is the same as alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from domain.matching.comparison import Crowds
from domain.matching.keys import MOST_PER_KEY, Key, KeyKind, asked_keys, keys_of
from domain.matching.records import Record

MOST_CANDIDATES = 24
"""Normal forms read per look-up: a twin shares two keys or a rare one, so it is among the first of them."""

_PULL = {
    KeyKind.OWN_ID: 60.0,
    KeyKind.CUSTOMER_NUMBER: 40.0,
    KeyKind.CVR: 40.0,
    KeyKind.P_NUMBER: 40.0,
    KeyKind.EAN: 30.0,
    KeyKind.PHONE: 20.0,
    KeyKind.MAIL: 20.0,
    KeyKind.DOMAIN: 15.0,
    KeyKind.NAME: 18.0,
    KeyKind.HOUSE: 10.0,
    KeyKind.STREET: 7.0,
    KeyKind.STREET_ALONE: 7.0,
    KeyKind.WORD: 7.0,
    KeyKind.PAIR: 7.0,
}
"""Order in which candidates are read: roughly the bits a shared key is worth, less those of the length of its list."""

STRONG_PULL = 10.0
"""
Whoever pulls less than this, and less than a quarter of what the best does, is not read: beside a company that shares a
number, phone, mail or name, one that shares a single word or street would hardly ever be as likely as not.
"""


class CompanyIndex(Protocol):
    """
    Where companies are found; a database table of (key, company) with one index over both answers `under`.

    Deleted and merged companies are in neither answer.
    """

    def under(self, keys: Collection[int], most: int) -> Mapping[int, Sequence[int]]:
        """
        Ids of the companies under each key; a key nobody has is left out.

        Of a longer list than `most`, any `most + 1` ids are given: enough to know that it is longer.
        """

    def records(self, ids: Collection[int]) -> Mapping[int, Record]:
        """Normal forms by company id."""


class Candidates(NamedTuple):
    """
    What one look-up found.

    Attributes:
        records: at most `MOST_CANDIDATES`, likeliest first.
        alone: kinds of key under which exactly one company stands, and its id.
        several: kinds of key under which more stand.
        crowds: how many places share a value of this record, see `comparison.Crowds`.
        capped: the keys whose list was too long to be read; what only they would have found is missed.
    """

    records: Mapping[int, Record]
    alone: Mapping[KeyKind, int]
    several: frozenset[KeyKind]
    crowds: Crowds
    capped: tuple[Key, ...]


def look_up(
    records: Sequence[Record],
    index: CompanyIndex,
    crowded: Collection[int] = (),
    *,
    kinds: Collection[KeyKind] | None = None,
    all_pairs: bool = False,
) -> list[Candidates]:
    """
    Candidates for each record, in order.

    Args:
        records: at most a few hundred at once.
        crowded: hashes of keys that more than five records on the asking side share, as a register of debtors knows
            them: such values are no evidence by themselves.
        kinds: ask for these keys only.
        all_pairs: read whoever is found, as `clusters` wants it: a record is its own best candidate there.
    """
    keys = [keys_to_ask(record, kinds) for record in records]
    hits = index.under({key.hash for of_one in keys for key in of_one}, MOST_PER_KEY)
    chosen = [likeliest(of_one, hits, all_pairs=all_pairs) for of_one in keys]
    found = index.records({company for ids in chosen for company in ids})
    return [
        _candidates(record, of_one, hits, {company: found[company] for company in ids if company in found}, crowded)
        for record, of_one, ids in zip(records, keys, chosen, strict=True)
    ]


def keys_to_ask(record: Record, kinds: Collection[KeyKind] | None) -> Sequence[Key]:
    """The keys a record is looked up by, or those of some kinds."""
    keys = asked_keys(record)
    return keys if kinds is None else [key for key in keys if key.kind in kinds]


def likeliest(keys: Iterable[Key], hits: Mapping[int, Sequence[int]], *, all_pairs: bool = False) -> list[int]:
    """The companies under these keys whose normal forms are worth reading, best first."""
    pull: dict[int, float] = {}
    for key in keys:
        ids = hits.get(key.hash)
        if ids and len(ids) <= MOST_PER_KEY:
            # A list of sixty is worth six bits less than a list of one.
            weight = _PULL[key.kind] - len(ids).bit_length()
            for company in ids:
                pull[company] = pull.get(company, 0.0) + weight
    if len(pull) < 2:
        return list(pull)
    least = 0.0 if all_pairs else min(STRONG_PULL, max(pull.values()) / 4)
    ordered = sorted((-weight, company) for company, weight in pull.items() if weight >= least)
    return [company for _, company in ordered[:MOST_CANDIDATES]]


def _candidates(
    record: Record,
    keys: Iterable[Key],
    hits: Mapping[int, Sequence[int]],
    found: Mapping[int, Record],
    crowded: Collection[int],
) -> Candidates:
    alone: dict[KeyKind, int] = {}
    several: set[KeyKind] = set()
    crowds: dict[tuple[str, str], int] = {}
    capped: list[Key] = []
    for key in keys:
        ids = hits.get(key.hash, ())
        if len(ids) > MOST_PER_KEY:
            capped.append(key)
        if len(ids) > 1:
            several.add(key.kind)
            if field := _SHARED.get(key.kind):
                _count_places(record, field, ids, found, crowds)
        elif ids and ids[0] in found and alone.setdefault(key.kind, ids[0]) != ids[0]:
            several.add(key.kind)  # two phones, of two companies
        if key.hash in crowded and (field := _SHARED.get(key.kind)):
            crowds.update(dict.fromkeys(((field, value) for value in _values(record, field)), MOST_PER_KEY))
    for kind in several:
        alone.pop(kind, None)
    return Candidates(found, alone, frozenset(several), crowds, tuple(capped))


CROWDING = (KeyKind.CVR, KeyKind.PHONE, KeyKind.MAIL, KeyKind.DOMAIN)
"""Keys whose value says nothing by itself when many debtors of a register share it (`look_up`, `crowded`)."""

_SHARED = {
    KeyKind.CVR: "cvr",
    KeyKind.PHONE: "phone",
    KeyKind.MAIL: "mail",
    KeyKind.DOMAIN: "domain",
    KeyKind.NAME: "name",
}


def _values(record: Record, field: str) -> Sequence[str]:
    if field == "phone":
        return record.phones.split()
    if field == "domain":
        return record.domains.split()
    return (getattr(record, field),)


def _count_places(
    record: Record, field: str, ids: Sequence[int], found: Mapping[int, Record], crowds: dict[tuple[str, str], int]
) -> None:
    """
    Count at how many places each value is held.

    Twins at one place are one; companies whose normal form was not read count as a place each.
    """
    unread = sum(company not in found for company in ids)
    for value in _values(record, field):
        places = {
            (other.street or other.name, other.house)
            for company in ids
            if (other := found.get(company)) and value in _values(other, field)
        }
        if len(places) + unread > 1:
            crowds[field, value] = max(crowds.get((field, value), 0), len(places) + unread)


class MemoryIndex:
    """A CompanyIndex in memory, for imports without a database, tests and benchmarks; 1 kB a company."""

    def __init__(self, records: Mapping[int, Record] | None = None) -> None:
        self._records: dict[int, Record] = {}
        self._ids: dict[int, int | array[int]] = {}
        for company, record in (records or {}).items():
            self.add(company, record)

    def add(self, company: int, record: Record) -> None:
        """Make a company known; it must not be known yet."""
        self._records[company] = record
        for key in keys_of(record):
            there = self._ids.get(key.hash)
            if there is None:
                self._ids[key.hash] = company
            elif isinstance(there, int):
                self._ids[key.hash] = array("q", (there, company))
            else:
                there.append(company)

    def under(self, keys: Collection[int], most: int) -> dict[int, Sequence[int]]:
        found: dict[int, Sequence[int]] = {}
        for key in keys:
            there = self._ids.get(key)
            if there is not None:
                found[key] = (there,) if isinstance(there, int) else there[: most + 1]
        return found

    def records(self, ids: Collection[int]) -> dict[int, Record]:
        return {company: self._records[company] for company in ids if company in self._records}
