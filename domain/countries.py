"""
Countries as people write them.
"""

from __future__ import annotations

from phonenumbers import SUPPORTED_REGIONS

_NAMES = {
    "DK": "danmark denmark dnk dänemark",
    "SE": "sverige sweden swe schweden",
    "NO": "norge norway nor norwegen",
    "FI": "finland fin suomi",
    "IS": "island iceland isl",
    "FO": "færøerne faroe_islands fro føroyar",
    "GL": "grønland greenland grl kalaallit_nunaat",
    "DE": "tyskland germany deu deutschland",
    "NL": "holland nederlandene netherlands the_netherlands nld nederland",
    "BE": "belgien belgium bel belgique",
    "LU": "luxembourg luxemburg lux",
    "FR": "frankrig france fra",
    "GB": "storbritannien england skotland wales uk gbr united_kingdom great_britain",
    "IE": "irland ireland irl",
    "PL": "polen poland pol polska",
    "CZ": "tjekkiet czechia czech_republic cze",
    "EE": "estland estonia est",
    "LV": "letland latvia lva",
    "LT": "litauen lithuania ltu",
    "ES": "spanien spain esp españa",
    "PT": "portugal prt",
    "IT": "italien italy ita italia",
    "AT": "østrig austria aut österreich",
    "CH": "schweiz switzerland che",
    "HU": "ungarn hungary hun",
    "RO": "rumænien romania rou",
    "BG": "bulgarien bulgaria bgr",
    "GR": "grækenland greece grc",
    "US": "usa united_states united_states_of_america",
    "CA": "canada can",
    "CN": "kina china chn",
    "IN": "indien india ind",
    "AU": "australien australia aus",
}
_CODES = {name.replace("_", " "): code for code, names in _NAMES.items() for name in names.split()}


def country_code(text: str | None) -> str:
    """The ISO 3166 code of two letters, of a code or a name in Danish or English; "" where it cannot be told."""
    plain = " ".join((text or "").split()).casefold()
    if len(plain) == 2 and plain.isascii() and plain.isalpha() and plain != "uk":
        return plain.upper()
    return _CODES.get(plain, "")


_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EU = frozenset(_EU.split())
"""Countries of the European Union, whose firms account for VAT themselves when they buy from one another."""

_SHOWN = {"NL": "Holland", "US": "USA", "GB": "Storbritannien"}


def is_country(code: str) -> bool:
    """Whether two letters are the ISO 3166 code of a country there is."""
    return code in SUPPORTED_REGIONS


def country_name(code: str) -> str:
    """The Danish name, as it stands on a Danish invoice; the code itself where none is known."""
    names = _NAMES.get(code)
    return _SHOWN.get(code) or (names.split()[0].title() if names else code)
