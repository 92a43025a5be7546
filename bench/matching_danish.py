"""
Synthetic Danish companies, and debtors of which most are one of them: invented here, with a fixed seed.

Nothing is taken from a register. First and family names are common ones, everything else is made of syllables. The
vocabulary grows with the number of companies: words, streets and zips per company stay what they are in a country, so
names do not become denser as the register grows.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from domain.matching.records import RawRecord


def _words_of(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


_ONSETS = _words_of("b bl br d dr f fl fr g gl gr h hj j k kl kn kr l m n p pl pr r s sk sl sm sn sp st sv t tr v")
_VOWELS = _words_of("a e i o u y æ ø å")
_CODAS = _words_of("l n r s t d k g m nd rt lk sk ng ld st rk nt lt v")
_ENDINGS = _words_of("lund holm berg dal vig rup sted toft by vang skov kjær gaard bro mark bæk høj strup")
_STREETS = _words_of("vej gade allé stræde vænget parken engen torv bakken")
_TRADES = _words_of(
    "VVS El Byg Tømrer Murer Maler Smede Auto Transport Rengøring Rådgivning Revision Tandlæge Frisør Bageri "
    "Slagteri Maskinfabrik Handel Service Teknik Design Tryk Data Konsult Import Logistik Entreprise Anlæg "
    "Energi Fysioterapi"
)
_FIRST = _words_of(
    "Peter Michael Lars Thomas Jens Henrik Søren Christian Martin Jan Morten Jesper Anders Niels Hans Ole Anne "
    "Kirsten Mette Hanne Helle Susanne Lene Maria Marianne Lone Camilla Pia Louise Jette Karen Ida Emma Sofie "
    "Freja Alberte"
)
_LAST = _words_of(
    "Jensen Nielsen Hansen Pedersen Andersen Christensen Larsen Sørensen Rasmussen Jørgensen Petersen Madsen "
    "Kristensen Olsen Thomsen Poulsen Johansen Møller Mortensen Knudsen Lund Holm Schmidt Kjær Bach Friis Dahl "
    "Koch Skov Winther"
)
_COMMON_STREETS = _words_of("Hovedgaden Vestergade Østergade Nørregade Søndergade Industrivej Skolevej Møllevej")
_FORMS = ("ApS", "A/S", "I/S", "IVS", "", "")
_FREE_MAIL = ("gmail.com", "hotmail.com", "outlook.dk", "mail.dk")


class Debtor(NamedTuple):
    """A record to be matched; `company` is the position of the company it truly is, None for a stranger."""

    record: RawRecord
    company: int | None


class _Country:
    """The words, streets and numbers of a register of some size."""

    def __init__(self, companies: int, rng: random.Random) -> None:
        """The words depend on the number of companies alone; `rng` draws from them."""
        self._rng = random.Random(0)
        self.words = [self._word() for _ in range(max(400, companies // 4))]
        endings = ("sen", "gaard", "holm", "lund", "skov")
        self.families = [*_LAST, *(f"{self._word(1)}{self._rng.choice(endings)}" for _ in range(companies // 20))]
        zips = self._rng.sample(range(1000, 9990), min(1_100, max(40, companies // 100)))
        self.towns = [(str(code), f"{self._word(1)}{self._rng.choice(_ENDINGS)}".capitalize()) for code in zips]
        common = list(_COMMON_STREETS)
        self.streets = {
            code: common + [f"{self._word(1)}{self._rng.choice(_STREETS)}".capitalize() for _ in range(30)]
            for code, _ in self.towns
        }
        self._rng = rng

    def _word(self, most: int = 2) -> str:
        rng = self._rng
        count = rng.randint(1, most)
        return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(count))

    def place(self) -> tuple[str, str, str]:
        rng = self._rng
        code, town = rng.choice(self.towns)
        house = f"{rng.randint(1, 120)}{rng.choice('ABC') if rng.random() < 0.15 else ''}"
        return f"{rng.choice(self.streets[code])} {house}", code, town

    def phone(self) -> str:
        return str(self._rng.randint(20_000_000, 98_999_999))

    def name(self) -> tuple[str, str]:
        """Name without legal form, and the word a domain is made of."""
        rng = self._rng
        kind = rng.random()
        trade = rng.choice(_TRADES)
        word = rng.choice(self.words).capitalize()
        family = rng.choice(self.families).capitalize()
        if kind < 0.40:
            return f"{word} {trade}", word
        if kind < 0.60:
            return f"{word}{rng.choice(_ENDINGS)}", word
        if kind < 0.75:
            return f"{family} {trade}", f"{family}{trade}"
        if kind < 0.83:
            town = rng.choice(self.towns)[1]
            return f"{town} {trade}", f"{town}{trade}"
        if kind < 0.93:
            return f"{rng.choice(_FIRST)} {family}", family
        return f"{word} {trade} v/ {rng.choice(_FIRST)} {family}", word


def cvr(rng: random.Random) -> str:
    """An invented number whose check digit is right."""
    while True:
        digits = [rng.randint(1, 9), *(rng.randint(0, 9) for _ in range(6))]
        check = -sum(d * weight for d, weight in zip(digits, (2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
        if check < 10:
            return "".join(map(str, (*digits, check)))


def companies(count: int, seed: int = 1) -> list[RawRecord]:
    """Companies as a CRM holds them; among each hundred some four sister firms and four branches of others."""
    rng = random.Random(seed)
    country = _Country(count, rng)
    made: list[RawRecord] = []
    while len(made) < count:
        kind = rng.random()
        if kind < 0.04 and made and (parent := made[rng.randrange(len(made))]).cvr:
            made.append(_sister(rng, parent))
        elif kind < 0.08 and made and (parent := made[rng.randrange(len(made))]).p_number:
            made.append(_branch(rng, parent, country))
        else:
            made.append(_company(rng, country))
    return made


def _company(rng: random.Random, country: _Country) -> RawRecord:
    name, word = country.name()
    street, code, town = country.place()
    domain = f"{word.lower().replace(' ', '')}{rng.choice(('', '', '-as', 'dk', str(rng.randint(1, 99))))}.dk"
    own_mail = rng.random() < 0.7
    number = cvr(rng) if rng.random() < 0.8 else ""
    return RawRecord(
        name=f"{name} {rng.choice(_FORMS)}".strip(),
        street=street,
        zip=code,
        city=town,
        country="DK",
        cvr=number,
        p_number=_p_number(rng) if number and rng.random() < 0.6 else "",
        phones=(country.phone(),) if rng.random() < 0.85 else (),
        mail=f"info@{domain}" if own_mail else f"{word.lower()}{rng.randint(1, 999)}@{rng.choice(_FREE_MAIL)}",
        web=f"www.{domain}" if own_mail and rng.random() < 0.5 else "",
    )


def _changed(record: RawRecord, **values: str | tuple[str, ...]) -> RawRecord:
    fields = {name: getattr(record, name) for name in RawRecord.__slots__}
    return RawRecord(**{**fields, **values})


def _sister(rng: random.Random, parent: RawRecord) -> RawRecord:
    """Another firm of the same people in the same house: often the same phone and mail, never the same CVR."""
    core = parent.name.split(" v/")[0].rsplit(" ", 1)[0] if " " in parent.name else parent.name
    return _changed(
        parent,
        name=f"{core} {rng.choice(('Holding', 'Ejendomme', 'Invest', 'Leasing'))} {rng.choice(('ApS', 'A/S'))}",
        cvr=cvr(rng),
        phones=parent.phones if rng.random() < 0.5 else (),
    )


def _branch(rng: random.Random, parent: RawRecord, country: _Country) -> RawRecord:
    """A unit of the same firm at another place, with a P-number of its own, which its CRM keeps as a company."""
    street, code, town = country.place()
    phones = parent.phones if rng.random() < 0.3 else (country.phone(),)
    return _changed(parent, street=street, zip=code, city=town, p_number=_p_number(rng), phones=phones)


def _p_number(rng: random.Random) -> str:
    return str(rng.randint(1_000_000_000, 1_030_000_000))


def debtors(made: list[RawRecord], count: int, seed: int = 2, strangers: float = 0.25) -> list[Debtor]:
    """
    Debtors as an accounting system holds them: poor in keys, misspelt, abbreviated, some moved.

    Strangers are firms of the same country. Some three in ten of them are unknown sisters or branches of known
    companies; these branches keep their CVR and P-number, for without them nobody could say what they are.
    """
    rng = random.Random(seed)
    country = _Country(len(made), rng)
    found: list[Debtor] = []
    while len(found) < count:
        position = rng.randrange(len(made))
        company = made[position]
        if rng.random() >= strangers:
            found.append(Debtor(twin(rng, company, country), position))
        elif (kind := rng.random()) < 0.15 and company.cvr:
            found.append(Debtor(noisy(rng, _sister(rng, company)), None))
        elif kind < 0.3 and company.p_number:
            branch = _branch(rng, company, country)
            found.append(Debtor(_changed(noisy(rng, branch), cvr=branch.cvr, p_number=branch.p_number), None))
        else:
            found.append(Debtor(noisy(rng, _company(rng, country)), None))
    return found


def twin(rng: random.Random, company: RawRecord, country: _Country) -> RawRecord:
    """The company as somebody typed it years ago: one in twelve has moved, one in eight has another phone."""
    if rng.random() < 0.08:
        street, code, town = country.place()
        company = _changed(company, street=street, zip=code, city=town)
    if rng.random() < 0.12:
        company = _changed(company, phones=(country.phone(),))
    return noisy(rng, company)


def noisy(rng: random.Random, record: RawRecord) -> RawRecord:
    """Leaves out, abbreviates, misspells."""
    number = record.cvr
    if rng.random() < 0.55:
        number = ""  # registers are poor in CVR numbers (crm.md)
    elif rng.random() < 0.1:
        number = rng.choice(("Test", "0", "12345678", f"DK{number}"))
    mail = record.mail if rng.random() < 0.5 else ""
    return _changed(
        record,
        name=_noisy_name(rng, record.name),
        street=_noisy_street(rng, record.street) if rng.random() < 0.94 else "",
        zip="" if rng.random() < 0.04 else record.zip,
        city=record.city if rng.random() < 0.9 else "",
        cvr=number,
        p_number=record.p_number if rng.random() < 0.2 else "",
        phones=tuple(_spaced(rng, phone) for phone in record.phones) if rng.random() < 0.65 else (),
        mail=mail,
        web=record.web if rng.random() < 0.3 else "",
    )


def _spaced(rng: random.Random, phone: str) -> str:
    return rng.choice((phone, f"+45 {phone}", " ".join(phone[i : i + 2] for i in range(0, 8, 2)), f"0045{phone}"))


def _noisy_name(rng: random.Random, name: str) -> str:
    if rng.random() < 0.3:
        words = name.split()
        name = " ".join(words[:-1]) if len(words) > 1 and words[-1] in _FORMS else name
    if rng.random() < 0.15:
        name = name.split(" v/")[0]
    if rng.random() < 0.12:
        name = _slip(rng, name)
    if rng.random() < 0.15:
        name = name.replace("ø", "oe").replace("å", "aa").replace("æ", "ae").replace("Å", "Aa").replace("Ø", "Oe")
    return name.upper() if rng.random() < 0.15 else name


def _noisy_street(rng: random.Random, street: str) -> str:
    for full, short in (("vej ", "v. "), ("gade ", "g. "), ("allé ", "alle ")):
        if full in street and rng.random() < 0.25:
            street = street.replace(full, short)
    if rng.random() < 0.07:
        street = _slip(rng, street)
    if rng.random() < 0.1:
        street += rng.choice((", 1. tv", ", 2. sal", " st. th.", ", kl."))
    return street


def _slip(rng: random.Random, text: str) -> str:
    """One letter left out, doubled, swapped or mistaken; never the first, never a digit."""
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
    if not places:
        return text
    i = rng.choice(places)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:i] + text[i + 1 :]
    if kind == 1:
        return text[:i] + text[i] + text[i:]
    if kind == 2:
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return text[:i] + rng.choice("aeiorstn") + text[i + 1 :]
