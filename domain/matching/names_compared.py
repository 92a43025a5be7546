"""
What two names say: which words they share, how rare these are, and what is left over.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

from domain.matching import weights as w
from domain.matching.reasons import Reason
from domain.matching.records import Record
from domain.matching.vocabulary import COMMON_NAMES, GENERIC_WORDS, SISTER_WORDS, STRONG_SISTER_WORDS

SAME_NAME = "same name"
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6"}


class NameComparison(NamedTuple):
    """`agrees` and `differs` are both False in between."""

    reasons: tuple[Reason, ...]
    agrees: bool
    differs: bool
    conflict: bool


@lru_cache(maxsize=100_000)
def word_bits(word: str) -> float:
    """How much it says that two names share this word."""
    if word in GENERIC_WORDS or word in SISTER_WORDS:
        return w.GENERIC_WORD
    if word.isdigit() or word in _ROMAN:
        return w.NUMBER_WORD
    if len(word) < 3:
        return w.INITIALS
    return w.COMMON_NAME if word in COMMON_NAMES else w.OWN_WORD


_NAMELESS = NameComparison((), False, False, False)
_UNLIKE = NameComparison((Reason("different names", w.UNLIKE_NAME),), False, True, False)


def compare_names(a: Record, b: Record, same_place: bool) -> NameComparison:
    """
    Compare names word by word; an owner after "v/" stands in where the names themselves share nothing.

    Args:
        same_place: both are known to be in one house, where names may differ more.
    """
    if not a.name or not b.name:
        return _NAMELESS
    if a.name == b.name or a.name.replace(" ", "") == b.name.replace(" ", ""):
        bits = min(w.MOST_FOR_NAME, sum(word_bits(word) for word in set(a.name.split())) + w.WHOLE_NAME)
        return NameComparison((Reason(SAME_NAME, bits),), True, False, False)
    matched, left_a, left_b = align(a.name, b.name)
    if not matched:
        return _by_owner(a, b)
    return _weighed(a, b, matched, left_a, left_b, same_place)


def _by_owner(a: Record, b: Record) -> NameComparison:
    for owner, other in ((a.owner, b.name), (b.owner, a.name), (a.owner, b.owner)):
        if owner and other:
            matched, left, _ = align(owner, other)
            if matched and not left:
                bits = min(w.MOST_FOR_NAME, sum(matched.values()))
                return NameComparison((Reason("owner has that name", bits),), bits >= w.OWN_WORD, False, False)
    return _UNLIKE


def _weighed(
    a: Record, b: Record, matched: dict[str, float], left_a: list[str], left_b: list[str], same_place: bool
) -> NameComparison:
    places = {*a.street.split(), *b.street.split(), *a.city.split(), *b.city.split(), a.house, b.house, a.zip, b.zip}
    left_a = [word for word in left_a if word not in places]
    left_b = [word for word in left_b if word not in places]
    shared = sum(matched.values()) + (0.0 if left_a or left_b else w.NEARLY_WHOLE_NAME)
    bits_a, bits_b = sum(map(word_bits, left_a)), sum(map(word_bits, left_b))
    less, more = min(bits_a, bits_b), max(bits_a, bits_b)
    percent = round(100 * 2 * shared / (2 * shared + bits_a + bits_b))
    net = min(w.MOST_FOR_NAME, shared)
    if same_place:
        net += w.LEFT_AT_ONE_PLACE * less
    else:
        net += w.LEFT_ON_BOTH * less + max(-3.0, w.LEFT_ON_ONE * (more - less))
    reasons = [Reason("names %(percent)s %% alike", max(net, w.UNLIKE_NAME), (("percent", percent),))]
    conflict = False
    if against := _numbers_differ(left_a, left_b) or _sisters(left_a, left_b):
        reasons.append(against)
        conflict = True
    agrees = net >= w.COMMON_NAME and shared >= less and not conflict
    return NameComparison(tuple(reasons), agrees, net <= 0 or shared < less, conflict)


def _numbers_differ(left_a: list[str], left_b: list[str]) -> Reason | None:
    ours = {_ROMAN.get(word, word) for word in left_a if word.isdigit() or word in _ROMAN}
    theirs = {_ROMAN.get(word, word) for word in left_b if word.isdigit() or word in _ROMAN}
    return Reason("different numbers in the names", w.OTHER_NUMBER) if ours and theirs and not ours & theirs else None


def _sisters(left_a: list[str], left_b: list[str]) -> Reason | None:
    for word in (*left_a, *left_b):
        if _is_sister_word(word):
            return Reason("only one is called %(word)s", w.SISTER_FIRM, (("word", word),))
    return None


@lru_cache(maxsize=50_000)
def _is_sister_word(word: str) -> bool:
    """Mistyped ones too."""
    return word in STRONG_SISTER_WORDS or any(likeness(word, other) >= 0.85 for other in STRONG_SISTER_WORDS)


def align(a: str, b: str) -> tuple[dict[str, float], list[str], list[str]]:
    """
    Pair the words of two names, each once.

    Returns:
        Bits of each paired word of `a`, and the words left over on either side.
    """
    words_a, words_b = list(dict.fromkeys(a.split())), list(dict.fromkeys(b.split()))
    matched = {word: word_bits(word) for word in words_a if word in words_b}
    left_a = [word for word in words_a if word not in matched]
    left_b = [word for word in words_b if word not in matched]
    if left_a and left_b:
        _pair_alike(matched, left_a, left_b)
    if left_a and left_b:
        _pair_joined(matched, left_a, left_b)
        _pair_joined(matched, left_b, left_a)
    return matched, left_a, left_b


def _pair_alike(matched: dict[str, float], left_a: list[str], left_b: list[str]) -> None:
    for word in list(left_a):
        best, other = max((likeness(word, candidate), candidate) for candidate in left_b)
        if best > 0:
            matched[word] = best * min(word_bits(word), word_bits(other))
            left_a.remove(word)
            left_b.remove(other)
            if not left_b:
                return


def _pair_joined(matched: dict[str, float], ones: list[str], others: list[str]) -> None:
    """Sky View and Skyview; initials of three words and more."""
    for word in list(ones):
        for i in range(len(others) - 1):
            if word == others[i] + others[i + 1]:
                matched[word] = word_bits(word)
                ones.remove(word)
                del others[i : i + 2]
                return
        if len(word) >= 3 and len(others) >= len(word):
            initials = "".join(other[0] for other in others)
            if (at := initials.find(word)) >= 0:
                matched[word] = 0.7 * w.OWN_WORD
                ones.remove(word)
                del others[at : at + len(word)]
                return


@lru_cache(maxsize=200_000)
def likeness(one: str, other: str) -> float:
    """How far two words can be one: 1 the same … 0 not; mistyped, shortened, an initial."""
    short, full = (one, other) if len(one) <= len(other) else (other, one)
    if full.isdigit() or short.isdigit():
        return 0.0
    if full.startswith(short):
        return 0.5 if len(short) == 1 else 0.8 if len(short) >= 3 else 0.0
    if len(short) < 4:
        return 0.0
    slips = OSA.distance(short, full, score_cutoff=2)
    if slips == 1:
        return 0.85 if len(full) >= 5 else 0.5
    return 0.7 if slips == 2 and len(short) >= 8 else 0.0
