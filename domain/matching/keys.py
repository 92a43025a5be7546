"""
Blocking keys: two records that share one are worth comparing.

Exact keys first (numbers, phone, mail, domain, name), then combinations of two or three parts, so that a list of the
companies under one key stays short however many companies there are. A key is a signed 64-bit hash that fits a
database's BIGINT. Which words are rare need not be known: every word is combined with the zip and with its neighbours,
and a list that grew past `MOST_PER_KEY` is not read (it says as little as a word that everybody uses), but counted.

Sum behind the figures: a firm has about nine keys, so 1,000,000 companies make nine million rows of (key, company).
Under zip + house + street's first letters lie the firms of about one house. Under word + zip: a Danish zip holds
about 1,000 of 1,000,000 firms; a family name borne by one firm in a hundred gives ten. Words of a trade, borne by one
in thirty and more, would bring strangers only: they are paired with the name's own words.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from domain.matching.records import Record
from domain.matching.vocabulary import GENERIC_WORDS

MOST_PER_KEY = 60
"""A longer list is not read: sixty candidates cost about a millisecond, and a value of so many firms says nothing."""

MOST_NAME_WORDS = 5
MOST_PAIRED = 4


class KeyKind(StrEnum):
    """What a key was made of."""

    OWN_ID = "id"
    CUSTOMER_NUMBER = "no"
    CVR = "cvr"
    P_NUMBER = "p"
    EAN = "ean"
    PHONE = "tel"
    MAIL = "mail"
    DOMAIN = "web"
    NAME = "name"
    HOUSE = "house"  # zip, house number and the street's first letters
    STREET = "street"  # street and house number; only records without zip are looked up by it
    STREET_ALONE = "streetalone"  # the same of records without zip: what those with a zip are looked up by
    WORD = "word"  # one word of the name, and the zip
    PAIR = "pair"  # two words of the name


class Key(NamedTuple):
    """`hash` is what is stored and looked up."""

    kind: KeyKind
    hash: int


def _key(kind: KeyKind, *parts: str) -> Key:
    text = "\x1f".join((kind.value, *parts))
    return Key(
        kind, int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)
    )


def keys_of(record: Record) -> tuple[Key, ...]:
    """At most 33 keys that a record is found under, each once; those of the last portion are remembered."""
    return tuple(key for key in _keys(record) if key.kind is not KeyKind.STREET_ALONE or not record.zip)


def asked_keys(record: Record) -> tuple[Key, ...]:
    """
    The keys that a record is looked up by.

    A street without its town is in every other town: it is asked for only where one side has no zip.
    """
    dropped = KeyKind.STREET if record.zip else KeyKind.STREET_ALONE
    return tuple(key for key in _keys(record) if key.kind is not dropped)


@lru_cache(maxsize=4_096)
def _keys(record: Record) -> tuple[Key, ...]:
    keys: list[Key] = []
    for kind, value in (
        (KeyKind.OWN_ID, record.own_id),
        (KeyKind.CUSTOMER_NUMBER, record.customer_number),
        (KeyKind.CVR, record.cvr),
        (KeyKind.P_NUMBER, record.p_number),
        (KeyKind.EAN, record.ean),
        (KeyKind.MAIL, record.mail),
        (KeyKind.NAME, record.name.replace(" ", "")),
    ):
        if value:
            keys.append(_key(kind, value))
    for phone in record.phones.split():
        keys.append(_key(KeyKind.PHONE, phone[-7:]))  # numbers with and without area or country code meet
    for domain in record.domains.split():
        keys.append(_key(KeyKind.DOMAIN, domain))
    if record.street and record.house:
        number = record.house.rstrip("abcdefghijklmnopqrstuvwxyz")
        if record.zip:
            keys.append(_key(KeyKind.HOUSE, record.zip, number, record.street[:2]))
        street = record.street.replace(" ", "")
        keys.append(_key(KeyKind.STREET, street, number))
        keys.append(_key(KeyKind.STREET_ALONE, street, number))
    keys += _name_keys(record)
    return tuple(dict.fromkeys(keys))


def _name_keys(record: Record) -> list[Key]:
    """Own words with the zip, and pairs of words; common words only make pairs, unless a name has nothing else."""
    words = list(dict.fromkeys(word for word in record.name.split() if len(word) > 1))
    own = [word for word in words if word not in GENERIC_WORDS]
    common = [word for word in words if word in GENERIC_WORDS]
    alone = dict.fromkeys(skeleton(word) for word in (own or common)[:MOST_NAME_WORDS])
    paired = sorted({skeleton(word) for word in (own + common)[:MOST_PAIRED]})
    keys = [_key(KeyKind.WORD, record.zip, word) for word in alone] if record.zip else []
    keys += [_key(KeyKind.PAIR, a, b) for i, a in enumerate(paired) for b in paired[i + 1 :]]
    return keys


def skeleton(word: str) -> str:
    """A word without doubled letters and inner vowels: Hansen, Hanssen and Hannsen are one, and so are Niels, Neils."""
    result = word[0]
    for letter in word[1:]:
        if letter != result[-1] and letter not in "aeiouy":
            result += letter
    return result
