"""
Firm names in a form that can be compared: without legal form, small words, abbreviations and owners.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from domain.matching import vocabulary
from domain.matching.text import LONGEST, fold, words

_STROKE_FORM = re.compile(r"\b([aikp])\s?/\s?(s)\b")
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.\s?){2,}")
_CARE_OF = re.compile(r"(?:^|\s)(?:c/o|att\.?:?|attn\.?:?)\s.*", re.DOTALL)
_OWNER = re.compile(r"(?:^|[\s,(])v(?:\s?/\s?|\.\s|ed\s(?=\S+\s\S))(?P<owner>[^,()]{3,})")


class Name(NamedTuple):
    """Words joined by single spaces; `owner` is the person after "v/", "" when there is none."""

    core: str
    legal_form: str
    owner: str


def normal_name(text: str) -> Name:
    """
    Take a name apart.

    A name of nothing but a legal form or an owner keeps it as its core: better than being nameless.
    """
    folded = fold(_CARE_OF.sub("", text[:LONGEST]) or text)
    owner = ""
    if found := _OWNER.search(folded):
        owner = " ".join(_meaningful(_without_legal_form(words(found["owner"]), set())[0]))
        folded = f"{folded[: found.start()]} {folded[found.end() :]}"
    folded = _STROKE_FORM.sub(r" \1\2#", folded)
    folded = _DOTTED.sub(lambda run: "".join(c for c in run[0] if c.isalnum()) + " ", folded)
    stroked = {match[0] for match in re.finditer(r"\b[aikp]s(?=#)", folded)}
    tokens = words(folded)
    core, legal_form = _without_legal_form(tokens, stroked)
    meaningful = _meaningful(core) or core or tokens
    return Name(" ".join(meaningful) or owner, legal_form, owner if meaningful else "")


def _without_legal_form(tokens: list[str], stroked: set[str]) -> tuple[list[str], str]:
    """Legal forms at either end; `is`, `ks` and `ps` only when written with a stroke (ice is sold by Hansens Is)."""
    accepted = vocabulary.LEGAL_FORMS | stroked
    first, last = 0, len(tokens)
    form = ""
    while last - first > 1 and tokens[last - 1] in accepted:
        last -= 1
        form = tokens[last]
    if last - first > 1 and (tokens[first] in stroked or tokens[first] in ("aps", "gmbh")):
        form = form or tokens[first]
        first += 1
    rest = [token for token in tokens[first:last] if token not in stroked]
    return (rest or tokens[first:last]), form


def _meaningful(tokens: list[str]) -> list[str]:
    """Without small words; single letters that follow one another become one word: H C Andersen, HC Andersen."""
    result: list[str] = []
    letters = ""
    for token in tokens:
        if len(token) == 1 and token.isalpha():
            letters += token
            continue
        if letters:
            result.append(letters)
            letters = ""
        if token not in vocabulary.FUNCTION_WORDS:
            result.append(vocabulary.NAME_SHORT_FORMS.get(token, token))
    if letters:
        result.append(letters)
    return result
