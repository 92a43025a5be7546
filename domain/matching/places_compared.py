"""
What two addresses say.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

from domain.matching import weights as w
from domain.matching.reasons import Reason
from domain.matching.records import Record


class Place(Enum):
    """SAME and OTHER are known to be; UNKNOWN is whatever too little is known of."""

    SAME = 1
    OTHER = 2
    UNKNOWN = 3


class PlaceComparison(NamedTuple):
    place: Place
    reason: Reason | None


_NOTHING = PlaceComparison(Place.UNKNOWN, None)


def _made(place: Place, message: str, bits: float) -> PlaceComparison:
    return PlaceComparison(place, Reason(message, bits))


_SAME = _made(Place.SAME, "same address", w.SAME_HOUSE)
_SAME_NO_ZIP = _made(Place.SAME, "same street and house number", w.SAME_HOUSE_NO_ZIP)
_SAME_OTHER_ZIP = _made(Place.UNKNOWN, "same street and house number, different zip", w.SAME_HOUSE_OTHER_ZIP)
_NEAR = _made(Place.UNKNOWN, "nearly the same address", w.NEAR_HOUSE)
_ZIP_ONLY = _made(Place.UNKNOWN, "same zip", w.SAME_ZIP_ONLY)
_CITY_ONLY = _made(Place.UNKNOWN, "same city", w.SAME_CITY_ONLY)
_OTHER_TOWN = _made(Place.OTHER, "different towns", w.OTHER_PLACE)
_HOUSE = _made(Place.OTHER, "different house numbers", w.OTHER_PLACE)
_OTHER = _made(Place.OTHER, "different addresses", w.OTHER_PLACE)


def compare_places(a: Record, b: Record) -> PlaceComparison:
    """Compare street, house number, zip and city, whatever of it is known."""
    zips = bool(a.zip and b.zip)
    same_zip = zips and a.zip == b.zip
    if a.street and b.street:
        if not same_street(a, b):
            return _NEAR if _near_street(a, b) and (same_zip or not zips) else _OTHER
        if a.house and b.house:
            return _on_one_street(a, b, zips, same_zip)
    if zips:
        return _ZIP_ONLY if same_zip else _OTHER_TOWN
    if a.city and b.city:
        return _CITY_ONLY if a.city == b.city else _OTHER_TOWN
    return _NOTHING


def _on_one_street(a: Record, b: Record, zips: bool, same_zip: bool) -> PlaceComparison:
    if same_house(a, b):
        if not zips:
            return _SAME_NO_ZIP
        return _SAME if same_zip or _zip_slip(a, b) else _SAME_OTHER_ZIP
    if zips and not same_zip:
        return _OTHER
    return _NEAR if _near_house(a, b) else _HOUSE


def same_street(a: Record, b: Record) -> bool:
    """One street: typing slips, a missing direction or kind, and a longer form of the name do not count."""
    if a.direction != b.direction and a.direction and b.direction:
        return False
    if a.street == b.street:
        return a.kind == b.kind or not a.kind or not b.kind or not a.street.isdigit()
    return _alike(a.street, b.street) or (a.house == b.house != "" and _is_short_for(a.street, b.street))


def _is_short_for(one: str, other: str) -> bool:
    """King Drive, Dr Martin Luther King Drive: believed when the house number agrees as well."""
    short, full = sorted((one.split(), other.split()), key=len)
    return all(word in full for word in short) and any(len(word) > 3 for word in short)


def _near_street(a: Record, b: Record) -> bool:
    """Two kinds of one street name (21st Street, 21st Place), and the same house number: a slip, or the next street."""
    return a.house == b.house != "" and a.street == b.street and a.direction == b.direction


@lru_cache(maxsize=50_000)
def _alike(one: str, other: str) -> bool:
    a, b = one.replace(" ", ""), other.replace(" ", "")
    short, full = (a, b) if len(a) <= len(b) else (b, a)
    if short == full:
        return True
    if short.isdigit() or full.isdigit() or len(short) < 4:
        return False
    if full.startswith(short):
        return True
    slips = OSA.distance(short, full, score_cutoff=3)
    return slips <= (1 if len(full) < 8 else 2 if len(full) < 14 else 3)


def _number(house: str) -> int:
    digits = house.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) if digits else 0


def same_house(a: Record, b: Record) -> bool:
    """The same number, a letter on one side only, or a number within the other's range."""
    if a.house == b.house:
        return True
    one, other = _number(a.house), _number(b.house)
    if one == other:
        return a.house[-1:].isdigit() or b.house[-1:].isdigit()
    return bool(
        (a.house_end and one <= other <= int(a.house_end)) or (b.house_end and other <= one <= int(b.house_end))
    )


def _near_house(a: Record, b: Record) -> bool:
    """Neighbours of a block, or long numbers that differ by one slip of the fingers."""
    one, other = _number(a.house), _number(b.house)
    if abs(one - other) <= 4:
        return True
    return min(len(a.house), len(b.house)) >= 3 and OSA.distance(a.house, b.house, score_cutoff=1) == 1


def _zip_slip(a: Record, b: Record) -> bool:
    """Zips one slip apart, in a town of the same name or of none."""
    return (not a.city or not b.city or a.city == b.city) and OSA.distance(a.zip, b.zip, score_cutoff=1) == 1
