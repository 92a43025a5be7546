"""
Which stored company a record of the CRM or a file is, by keys that point at exactly one (crm.md §2).

The rungs are ChannelCRM's own, strongest first. Each is stored as one key of the company, so that a look-up costs the
same however many companies there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from domain.matching.records import Record


class Rung(NamedTuple):
    """One rung of the ladder: what it is called, and the key it is found under (signed, 64 bits)."""

    name: str
    key: int


@lru_cache(maxsize=8_192)
def rungs(record: Record) -> tuple[Rung, ...]:
    """The rungs a record has what it takes for, strongest first."""
    name = f"{record.name}\x1f{record.legal_form}\x1f{record.department}" if record.name else ""
    house = f"{record.street}{record.kind}{record.direction} {record.house}" if record.street else ""
    steps = (
        ("customer number", record.customer_number),
        ("customer number and zip", record.customer_number, record.zip),
        ("CVR and P-number", record.cvr, record.p_number),
        ("CVR", record.cvr),
        *(("phone", phone) for phone in record.phones.split()),
        ("name, zip and street", name, record.zip, house),
        ("name and zip", name, record.zip),
        # A record that knows nothing but its name is only ever the one that knows nothing else either.
        ("name alone", name if not (record.zip or record.city or record.street) else ""),
    )
    return tuple(Rung(step[0], _key(*step)) for step in steps if all(step))


def _key(*parts: str) -> int:
    text = "\x1f".join(("rung", *parts))
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


class Found(NamedTuple):
    """
    What the ladder says: the one company and the rung that points at it, or none.

    `doubtful` are companies that a rung points at without being believed: several, or one that is somebody else.
    """

    company: int | None
    rung: str | None
    doubtful: tuple[int, ...] = ()


def climb(record: Record, hits: Mapping[int, Sequence[int]], others: Mapping[int, Record]) -> Found:
    """
    The first rung that points at exactly one company which nothing speaks against.

    Args:
        hits: key → the companies under it; two are as good as more.
        others: the normal forms of the companies that stand alone under a key.
    """
    doubtful: dict[int, None] = {}
    for rung in rungs(record):
        companies = hits.get(rung.key, ())
        if len(companies) == 1 and not contradicts(record, others[companies[0]]):
            return Found(companies[0], rung.name)
        doubtful.update(dict.fromkeys(companies))
    return Found(None, None, tuple(doubtful))


def contradicts(a: Record, b: Record) -> bool:
    """
    Whether two records cannot be one company: another CVR or P-number, EAN or department, or name *and* address.

    Units of one CVR number are sisters, not duplicates.
    """
    if any(
        x and y and x != y
        for x, y in ((a.cvr, b.cvr), (a.p_number, b.p_number), (a.ean, b.ean), (a.department, b.department))
    ):
        return True
    other_name = bool(a.name and b.name and a.name != b.name)
    other_place = any(x and y and x != y for x, y in ((a.zip, b.zip), (a.street, b.street), (a.house, b.house)))
    return other_name and other_place
