"""
Text made comparable: upper and lower case, accents, spellings of æ ø å and punctuation do not count.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 300
"""Characters of a field that are looked at; nobody's name is longer, and hostile input stays cheap."""

MOST_WORDS = 24
LONGEST_WORD = 40

_LETTERS = str.maketrans(
    {
        **dict.fromkeys("æä", "a"),
        **dict.fromkeys("øöœ", "o"),
        "å": "a",
        "ü": "u",
        "ß": "ss",
        "ð": "d",
        "þ": "th",
        "ł": "l",
        "đ": "d",
        "ı": "i",
        **dict.fromkeys("'’‘`´", None),
    }
)
_DIGRAPHS = (("ae", "a"), ("aa", "a"), ("oe", "o"), ("ue", "u"))
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> str:
    """
    Lower case without accents or apostrophes; Århus, Aarhus and Arhus are one, and so are Müller, Mueller and Muller.

    Digraphs lose their second letter everywhere, in words that never had an æ too: both sides are treated alike, and
    hardly any two names differ by that alone.
    """
    text = text[:LONGEST].casefold()
    if text.isascii():
        text = text.replace("'", "").replace("`", "")
    else:
        # Composed first: NFD input has "a" and a ring apart, which decomposition below would make "a" anyway, but "ø"
        # has no decomposition at all.
        text = unicodedata.normalize("NFC", text).translate(_LETTERS)
        if not text.isascii():
            decomposed = unicodedata.normalize("NFKD", text)
            text = "".join(c for c in decomposed if not unicodedata.combining(c))
    for pair, letter in _DIGRAPHS:
        text = text.replace(pair, letter)
    return text


def words(folded: str) -> list[str]:
    """The runs of letters and digits, at most 24 of at most 40 characters."""
    return [word[:LONGEST_WORD] for word in _WORD.findall(folded)[:MOST_WORDS]]


def plain_set(text: str) -> frozenset[str]:
    """A vocabulary that is compared as it stands."""
    return frozenset(text.split())


def folded_set(text: str) -> frozenset[str]:
    """A vocabulary written as plain words, in the form that `fold` gives them."""
    return frozenset(fold(word) for word in text.split())


def folded_map(text: str) -> dict[str, str]:
    """A vocabulary written as `short=long` pairs, in the form that `fold` gives them."""
    pairs = (pair.split("=") for pair in text.split())
    return {fold(short): fold(long) for short, long in pairs}
