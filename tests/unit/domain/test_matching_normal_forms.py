"""
The normal form of a record: what does not tell two firms apart is gone from it, what does is still there.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.matching import identifiers
from domain.matching.addresses import normal_address
from domain.matching.keys import KeyKind, keys_of
from domain.matching.names import normal_name
from domain.matching.records import RawRecord, Record, normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nordvind Service A/S", "NORDVIND SERVICE AS"),
        ("A/S Jensen & Søn", "Jensen og Soen ApS"),
        ("Århus Maskinværksted", "AARHUS MASKINVAERKSTED I/S"),
        ("A.P. Møller - Mærsk A/S", "AP Moller Maersk"),
        ("H C Andersen ApS", "H.C. Andersen"),
        ("Müller GmbH & Co. KG", "Mueller"),
        ("Children's Place", "Children’s Place, Inc."),
        ("Brdr. Christensen I / S", "Brødrene Christensen"),
        ("Café Æblet v/ Lone Holm", "Cafe Aeblet"),
    ],
)
def test_spellings_of_one_name_are_one(one: str, other: str) -> None:
    """Legal forms, accents, the spellings of æ ø å, small words and punctuation do not make another name."""
    assert normal_name(one).core == normal_name(other).core


def test_names_keep_what_they_need() -> None:
    """A name never loses everything: a mere legal form stays, ice cream is no I/S, the owner stands apart."""
    assert normal_name("A/S").core == "as"
    assert normal_name("Hansens Is").core == "hansens is"
    assert normal_name("v/Jens Hansen").core == "jens hansen"
    assert normal_name("Hansens Auto v/ Peter Hansen").owner == "peter hansen"
    assert normal_name("Hansen I/S").legal_form == "is"


@pytest.mark.parametrize(
    ("text", "street", "house"),
    [
        ("Industrivej 7, 2. tv", "industrivej", "7"),
        ("Industriv. 7 B st. th.", "industrivej", "7b"),
        ("Vesterg. 12-14\n8000 Aarhus C", "vestergade", "12"),
        ("Gl. Kongevej 12A, 3.", "gammelkongevej", "12a"),
        ("10. Februar Vej 5", "10februarvej", "5"),
        ("Straße des 17. Juni 135", "strassedes17juni", "135"),
        ("Bygning 5, Lundtoftevej 160", "lundtoftevej", "160"),
        ("c/o Jensen\nMøllevej 3", "mollevej", "3"),
        ("Postboks 123\n8000 Aarhus", "postbox", "123"),
        ("Hovedgaden", "hovedgaden", ""),
        ("221 East 51st Street, Suite 4", "51", "221"),
        ("27 Washington Oak Park IL 60302", "washington oak park", "27"),
        ("8938-40 S. Cottage Grove", "cottage grove", "8938"),
        ("Flat 2, 12 High Street", "high", "12"),
        ("Hayes Center\n4859 S. Wabash", "wabash", "4859"),
    ],
)
def test_street_and_house_are_found(text: str, street: str, house: str) -> None:
    """Number first or number last, floors and suites, abbreviations, several lines, building names."""
    address = normal_address(text)
    assert (address.street, address.house) == (street, house)


def test_zip_and_city_in_the_street_field() -> None:
    """What was written into the wrong field is found, but an own field goes first."""
    assert normal_address("Vestergade 12\n8000 Aarhus C")[-2:] == ("8000", "arhus")
    assert normal_address("27 Washington Oak Park IL 60302").zip == "60302"
    assert normal_address("Vestergade 12\n8000 Aarhus C", "8200", "Aarhus N")[-2:] == ("8200", "arhus")
    assert normal_address("Vestergade 12", "DK-8700", "Horsens").zip == "8700"


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("31313139", "DK", "31313139"),
        ("DK-31 31 31 39", "", "31313139"),
        ("0031313139", "DK", "31313139"),
        ("CVR-nr. 31313139", "DK", "31313139"),
        ("Test", "DK", ""),
        ("0", "DK", ""),
        ("31313138", "DK", ""),
        ("11111111", "DK", ""),
        ("010180-1234", "DK", ""),
        ("136695976", "DE", "DE136695976"),
        ("DE136695976", "DK", "DE136695976"),
        ("31313139", "??", ""),
    ],
)
def test_only_valid_company_numbers_count(text: str, country: str, number: str) -> None:
    """Junk and mistyped numbers are no evidence; prefix, blanks and leading zeros do not matter."""
    assert identifiers.cvr_number(text, country) == number


@pytest.mark.parametrize(
    ("text", "country", "numbers"),
    [
        ("76 00 00 00", "DK", ("+4576000000",)),
        ("0045 76000000", "DK", ("+4576000000",)),
        ("tlf. 76000000 / 20202020", "", ("+4576000000", "+4520202020")),
        ("76 00 00 00 lok. 12", "DK", ("+4576000000",)),
        ("(312) 386-5286", "US", ("+13123865286",)),
        ("3865286", "US", ("3865286",)),
        ("+46 8 123 456 78", "DK", ("+46812345678",)),
        ("00000000", "DK", ()),
        ("ring efter 12", "DK", ()),
    ],
)
def test_phones_become_international(text: str, country: str, numbers: tuple[str, ...]) -> None:
    """The record's country completes a number; one that cannot be completed stays as it is."""
    assert identifiers.phone_numbers(text, country) == numbers


def test_domains_of_mail_providers_count_for_nothing() -> None:
    """Only a domain of the firm's own is kept, without host names; the whole address of a free mail is."""
    record = normalise(RawRecord(name="X", mail="Jens@GMail.com", web="https://www.shop.nordvind.dk/kontakt"))
    assert (record.mail, record.domains) == ("jens@gmail.com", "nordvind.dk")
    assert normalise(RawRecord(mail="a@nordvind.dk", web="facebook.com/nordvind")).domains == "nordvind.dk"


def test_address_lines_under_a_name_move() -> None:
    """A name field of several lines that holds the address gives it to the address, unless there is one."""
    record = normalise(RawRecord(name="Nordvind Service A/S\nIndustrivej 7\n8700 Horsens"))
    assert (record.name, record.street, record.house, record.zip) == ("nordvind service", "industrivej", "7", "8700")


def test_packed_record_comes_back() -> None:
    """What is stored is what was normalised."""
    record = normalise(RawRecord(name="Nordvind A/S", cvr="31313139", phones=("76000000",), street="Industrivej 7"))
    assert Record.unpacked(record.packed()) == record


def test_records_of_one_firm_share_keys() -> None:
    """A misspelt twin without CVR is still found: by house, phone, word and zip."""
    ours = normalise(RawRecord(name="Nordvind Service A/S", street="Industrivej 7", zip="8700", phones=("76000000",)))
    twin = normalise(RawRecord(name="Nordvind Servise", street="Industriv. 7B", zip="8700", phones=("+45 76000000",)))
    kinds = {key.kind for key in set(keys_of(ours)) & set(keys_of(twin))}
    assert kinds == {KeyKind.HOUSE, KeyKind.STREET, KeyKind.PHONE, KeyKind.WORD}


def test_an_empty_record_has_no_keys() -> None:
    """Nothing is nobody's."""
    assert keys_of(normalise(RawRecord())) == ()


_LONG = ("a" * 10_000, "." * 10_000, "a. " * 4_000, "1 " * 5_000, "v/" * 5_000, "\n7 a" * 3_000, "a@" * 5_000)
_HOSTILE = st.text(st.characters(), max_size=60) | st.sampled_from((*_LONG, "\x00\x1f\ud800", "\u202e٣"))


@settings(max_examples=100, deadline=None)
@given(st.lists(_HOSTILE, min_size=9, max_size=9))
def test_any_text_is_accepted(texts: list[str]) -> None:
    """Nothing crashes, and what is stored is one line of text that every database takes."""
    name, street, zip_code, city, country, number, phone, mail, web = texts
    raw = RawRecord(
        name, web, street, zip_code, city, country, number, number, number, (phone, web), mail, web, name, street
    )
    record = normalise(raw)
    packed = record.packed()
    assert Record.unpacked(packed) == record
    assert len(packed.encode()) < 6_000
    assert "\x00" not in packed
    assert len(keys_of(record)) <= 32


def test_long_input_costs_no_more_than_short() -> None:
    """Ten kilobytes of anything in every field are normalised in milliseconds."""
    for text in (*_LONG, "7 a, " * 2_000, "a 1" * 3_000):
        raw = RawRecord(text, text, text, text, text, "DK", text, text, text, (text,) * 3, text, text, text, text)
        started = time.process_time()
        keys_of(normalise(raw))
        assert time.process_time() - started < 0.1
