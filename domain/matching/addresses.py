"""
Addresses in a form that can be compared: street, its direction and kind, house number, zip and city.

Two ways of writing are told apart by where the house number stands: "Industrivej 7, 2. tv" and "7 W. Industrial Ave,
Suite 200". Floors, doors and suites do not count: firms move within their house, and registers leave them out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from domain.matching import vocabulary
from domain.matching.text import LONGEST, fold

_SEPARATORS = re.compile(r"[\n\r,;\t]+")
_CARE_OF = re.compile(r"^\s*(?:c/o|att\.?|attn\.?|co)[\s:]")
_BOX = re.compile(r"\b(?:p\.?\s?o\.?\s?box|post\s?boks|postbox|boks|box|postfach)\s*(?P<number>\d+)")
_HOUSE_FIRST = re.compile(
    r"^\W*(?P<house>\d+)(?P<letter>[a-z](?![a-z]))?(?:\s?(?:-|–|/|&|\?\s?-)\s?(?P<end>\d+)(?![a-z\d]))?"
    r"(?:\s(?P<end2>\d+)(?=\s[nsew]\b))?[\s.\-]+(?P<street>.*)"
)
_HOUSE_LATER = re.compile(
    r"(?<=[\s.])(?:nr\.?\s?)?(?P<house>\d+)(?!\d)(?!\.?\s*(?:sal|th|tv|etage)\b)(?!\.\s*[^\W\d])"
    r"(?:\s?(?P<letter>[a-z])(?![a-z0-9]))?(?:\s?-\s?(?P<end>\d+))?"
)
_ZIP_AT_END = re.compile(r"(?:^|[\s,])(?:(?P<state>[a-z]{2})[\s,.]+)?(?P<zip>\d{5})(?:-\d{4})?\s*(?:usa)?\s*$")
_ZIP_FIRST = re.compile(r"^\s*(?:[a-z]{1,2}\s?-\s?)?(?P<zip>\d{3}\s?\d{2}|\d{4})\s+(?P<city>[^\W\d].*)$")
_WORD = re.compile(r"[^\W_]+")
_ORDINAL_FIRST = re.compile(r"^\d+\.\s*[^\W\d].*\s\d")
_ORDINAL = re.compile(r"^(\d+)(?:st|nd|rd|th)$")
_LOOSE_ORDINAL = re.compile(r"\b(\d+)\s(st|nd|rd|th)\b(?=\s*(?:st|str|street|ave|pl|$))")
_CITY_DISTRICT = re.compile(r"\s(?:c|k|v|n|s|o|nv|sv|so|no|sydhavn|centrum)$")


class Address(NamedTuple):
    """
    Absent parts are "".

    Attributes:
        street: its name, without kind where that is a word of its own ("ohio"), with it where not ("industrivej").
        direction: n, s, e, w or two of them.
        kind: st, ave, pl … in English addresses.
        house: the number with its letter; of a range the first.
        house_end: the last number of a range, in full.
    """

    street: str = ""
    direction: str = ""
    kind: str = ""
    house: str = ""
    house_end: str = ""
    zip: str = ""
    city: str = ""


def normal_address(street: str, zip_code: str = "", city: str = "", country: str = "") -> Address:
    """Take an address apart; a zip and a city written into the street are found there when they have no own field."""
    folded = fold(street[:LONGEST])
    zip_found, city_found = normal_zip(zip_code), normal_city(city)
    parts: list[str] = []
    for part in _SEPARATORS.split(folded):
        part = part.strip(" .")
        if not part or _CARE_OF.match(part):
            continue
        if at_end := _ZIP_AT_END.search(part):
            zip_found = zip_found or at_end["zip"]
            part = part[: at_end.start()].strip(" ,.")
        elif any(c.isdigit() for c in "".join(parts)) and (first := _ZIP_FIRST.match(part)):
            zip_found = zip_found or first["zip"].replace(" ", "")
            city_found = city_found or normal_city(first["city"])
            continue
        if part:
            parts.append(part)
    best = Address()
    for part in parts:
        read = _read(part, country)
        if read is None:
            continue
        if read.house:
            best = read
            break
        if not best.street:
            best = read
    return best._replace(zip=zip_found, city=city_found)


def normal_zip(text: str) -> str:
    """Letters and digits of a zip; without country prefix ("DK-8700") and the four digits after a US one."""
    zip_code = re.sub(r"^[a-z]{1,2}\s?-\s?(?=\d)", "", text[:40].casefold().strip())
    zip_code = re.sub(r"^(\d{5})-\d{4}$", r"\1", zip_code)
    return "".join(_WORD.findall(zip_code))[:10]


def normal_city(text: str) -> str:
    """Without postal district letters: København K, København NV."""
    return _CITY_DISTRICT.sub("", " ".join(_WORD.findall(fold(text[:100]))))[:40]


def _read(part: str, country: str) -> Address | None:
    """One line as an address; None if it is a floor or a suite only."""
    if box := _BOX.search(part):
        return Address(street="postbox", house=box["number"].lstrip("0"))
    part = _LOOSE_ORDINAL.sub(r"\1\2", part)
    first = None if _ORDINAL_FIRST.match(part) else _HOUSE_FIRST.match(part)  # "10. Februar Vej 5"
    if first and re.search(r"[^\W_]", first["street"]):
        return _house_first(first)
    tokens = _WORD.findall(part)
    if not any(c.isalpha() for c in part) or tokens[0] in vocabulary.UNIT_WORDS - {"st"}:
        return None
    for found in _HOUSE_LATER.finditer(part):
        street = _WORD.findall(part[: found.start()])
        if any(not word.isdigit() for word in street):
            house = found["house"].lstrip("0") + (found["letter"] or "")
            end = _range_end(found["house"], found["end"])
            return Address(street=_danish(street, country), house=house[:8], house_end=end)
    return _english(tokens, "", "") if _looks_english(tokens, country) else Address(street=_danish(tokens, country))


def _house_first(found: re.Match[str]) -> Address:
    house = found["house"].lstrip("0") + (found["letter"] or "")
    return _english(
        _WORD.findall(found["street"]), house[:8], _range_end(found["house"], found["end"] or found["end2"])
    )


def _looks_english(tokens: list[str], country: str) -> bool:
    return country in ("US", "GB", "CA", "AU", "IE") or any(token in vocabulary.STREET_KINDS for token in tokens[1:])


def _english(tokens: list[str], house: str, house_end: str) -> Address:
    """Direction, name, kind; what follows the kind is a suite or a city."""
    direction = kind = ""
    if len(tokens) > 1 and tokens[0] in vocabulary.DIRECTIONS:
        direction, tokens = vocabulary.DIRECTIONS[tokens[0]], tokens[1:]
    name: list[str] = []
    for position, word in enumerate(tokens):
        if position and word in vocabulary.STREET_KINDS:
            kind = vocabulary.STREET_KINDS[word]
            after = tokens[position + 1 : position + 2]
            if after and not direction and after[0] in vocabulary.DIRECTIONS:
                direction = vocabulary.DIRECTIONS[after[0]]
            break
        if position and word in vocabulary.UNIT_WORDS:
            break
        if not position and word in vocabulary.STREET_KINDS:
            word = vocabulary.STREET_KINDS[word]
        name.append("st" if word == "saint" else _ORDINAL.sub(r"\1", word))
    return Address(street=" ".join(name[:5])[:40], direction=direction, kind=kind, house=house, house_end=house_end)


def _danish(tokens: list[str], country: str) -> str:
    """Abbreviations in full, endings too: Vesterg., Industriv."""
    if country in ("", "DK"):
        tokens = [
            vocabulary.DANISH_STREET_SHORT_FORMS.get(t, t) if i < len(tokens) - 1 else t for i, t in enumerate(tokens)
        ]
    if len(tokens) > 1 and tokens[-1] in vocabulary.DANISH_STREET_ENDINGS:
        tokens = [*tokens[:-1], vocabulary.DANISH_STREET_ENDINGS[tokens[-1]]]
    street = "".join(tokens)[:40]
    for short, full in (("vj", "vej"), ("gd", "gade"), ("str", "strasse")):
        if street.endswith(short):
            return street[: -len(short)] + full
    if len(street) > 5 and street[-1] == "v" and not street.endswith(("ev", "av", "ov")):
        return street + "ej"
    if len(street) > 5 and street[-1] == "g" and street[-2] in "rdt":
        return street[:-1] + "gade"
    return street


def _range_end(first: str, last: str | None) -> str:
    """The end of 8938-40 is 8940; anything that does not go upwards within a hundred houses is no range."""
    if not last or len(last) > len(first):
        return ""
    end = first[: len(first) - len(last)] + last
    return end.lstrip("0") if len(end) < 9 and int(first) < int(end) <= int(first) + 100 else ""
