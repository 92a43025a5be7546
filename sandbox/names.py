"""Invented Danish-looking names and addresses; nothing here is anybody's."""

from random import Random

FIRST = (
    "Nord", "Vest", "Fjord", "Birke", "Hav", "Skov", "Kyst", "Sol", "Bakke", "Mølle", "Strand", "Eng", "Klint", "Lyng",
    "Ravn", "Grøn", "Sten", "Vind", "Søn", "Øster", "Sølv", "Kilde", "Ås", "Hede", "Brink", "Falke", "Tårn", "Lille",
    "Ege", "Elle", "Linde", "Hassel", "Rosen", "Ler", "Sand", "Torne", "Vinter", "Sommer", "Morgen", "Aften",
)  # fmt: skip
SECOND = (
    "vind", "dal", "lys", "gaard", "holm", "bro", "høj", "lund", "vang", "borg", "bæk", "mark", "toft", "rup", "sund",
    "næs", "kær", "vig", "bjerg", "skrænt", "hus", "have", "port", "stien", "torp", "bo", "sø", "flod", "spring", "rod",
)  # fmt: skip
TRADES = (
    "Service", "VVS", "El", "Tømrer", "Byg", "Energi", "Maskinfabrik", "Transport", "Data", "Rengøring", "Handel",
    "Ejendomme", "Smede", "Maler", "Køl", "Møbler", "Planteskole", "Bageri", "Auto", "Pumper", "Emballage", "Medico",
    "Trading", "Teknik", "Isolering", "Fiskeri", "Grafisk", "Rådgivning", "Stål", "Fødevarer",
)  # fmt: skip
FORMS = ("A/S", "ApS", "ApS", "ApS", "A/S", "I/S", "IVS", "K/S", "P/S", "Amba", "")
FOREIGN = {
    "EUR": (
        ("GmbH", "BV", "SARL"),
        (("10115", "Berlin", "Tyskland"), ("20095", "Hamburg", "Tyskland"), ("1011", "Amsterdam", "Holland")),
    ),
    "SEK": (
        ("AB",),
        (("111 22", "Stockholm", "Sverige"), ("211 34", "Malmö", "Sverige"), ("411 06", "Göteborg", "Sverige")),
    ),
    "NOK": (
        ("AS",),
        (("0150", "Oslo", "Norway"), ("5003", "Bergen", "Norge"), ("7010", "Trondheim", "Norge")),
    ),
}
STREETS = (
    "Industrivej", "Havnegade", "Rådhustorvet", "Nørregade", "Skolegade", "Vestergade", "Møllevej", "Fabriksvej",
    "Kongevejen", "Bredgade", "Strandvejen", "Søndergade", "Lærkevej", "Smedevej", "Teglværksvej", "Engvej",
    "Birkevej", "Jernbanegade", "Østre Havnevej", "Erhvervsparken", "Håndværkervej", "Kirkegade", "Toldbodgade",
)  # fmt: skip
TOWNS = (
    ("1050", "København K"), ("2100", "København Ø"), ("2600", "Glostrup"), ("2800", "Kongens Lyngby"),
    ("3400", "Hillerød"), ("4000", "Roskilde"), ("4700", "Næstved"), ("5000", "Odense C"), ("5700", "Svendborg"),
    ("6000", "Kolding"), ("6700", "Esbjerg"), ("7100", "Vejle"), ("7400", "Herning"), ("7620", "Lemvig"),
    ("8000", "Aarhus C"), ("8600", "Silkeborg"), ("8700", "Horsens"), ("8900", "Randers C"), ("9000", "Aalborg"),
    ("9800", "Hjørring"), ("9900", "Frederikshavn"),
)  # fmt: skip
GIVEN = ("Mette", "Anders", "Ida", "Lars", "Signe", "Jonas", "Freja", "Søren", "Ane", "Malthe", "Kirsten", "Emil")
FAMILY = ("Thorsager", "Lindvig", "Ravnkilde", "Bækholm", "Egelund", "Hedegren", "Klitmark", "Fjordbo", "Askov")
_CVR_WEIGHTS = (2, 7, 6, 5, 4, 3, 2)


def cvr_number(index: int) -> str:
    """
    The index-th made-up CVR number: passes modulus 11, from the range 90-99 million, which is not in use.

    About one in eleven candidates has no check digit; the one after it is taken then,
    so two neighbouring indices can share a number. Real registers have such pairs too.
    """
    stem = 9_000_000 + index % 1_000_000
    while True:
        rest = sum(int(digit) * weight for digit, weight in zip(str(stem), _CVR_WEIGHTS, strict=True)) % 11
        check = (11 - rest) % 11
        if check < 10:
            return f"{stem}{check}"
        stem += 1


def ascii_name(name: str) -> str:
    """A name as it would stand in a domain."""
    spelled = name.lower().replace("æ", "ae").replace("ø", "oe").replace("å", "aa").replace("ö", "oe")
    return "".join(char for char in spelled if "a" <= char <= "z")


def company(random: Random, number: int) -> dict[str, object]:
    """
    The fields of one made-up debtor.

    Registers are untidy: about a seventh has no CVR number or a junk one, a few
    are private people or public bodies, some are barred, some abroad.
    """
    pick = random.random
    root = FIRST[int(pick() * len(FIRST))] + SECOND[int(pick() * len(SECOND))]
    trade = TRADES[int(pick() * len(TRADES))]
    share = pick()
    if share < 0.06:
        return _foreign(random, number, f"{root} {trade}")
    zip_code, city = TOWNS[int(pick() * len(TOWNS))]
    street = f"{STREETS[int(pick() * len(STREETS))]} {1 + int(pick() * 180)}"
    fields: dict[str, object] = {"currency": "DKK", "vatZone": 1, "layout": 19}
    fields |= {"address": street, "zip": zip_code, "city": city, "country": "Danmark"}
    fields["telephoneAndFaxNumber"] = f"{70_000_000 + number * 37 % 9_999_999}"
    if share < 0.10:  # a private person
        name = f"{GIVEN[int(pick() * len(GIVEN))]} {FAMILY[int(pick() * len(FAMILY))]}"
        fields |= {"name": name, "customerGroup": 4, "paymentTerms": 1, "email": f"{ascii_name(name)}@post.example"}
        return fields
    if share < 0.13:  # a public body
        fields |= {
            "name": f"{root} Kommune",
            "customerGroup": 3,
            "paymentTerms": 5,
            "ean": f"57900{number % 10**8:08d}",
        }
        fields["publicEntryNumber"] = f"Kto {number % 90}"
        return fields
    form = FORMS[int(pick() * len(FORMS))]
    domain = ascii_name(root + trade)
    fields |= {"name": f"{root} {trade} {form}".strip(), "customerGroup": 1, "paymentTerms": 1 + int(pick() * 5)}
    fields["email"] = f"faktura@{domain}.example"
    junk = pick()
    if junk < 0.86:
        fields["corporateIdentificationNumber"] = cvr_number(number)
    elif junk < 0.92:
        fields["corporateIdentificationNumber"] = ("0", "Test", f"DK {cvr_number(number)}", "12345678")[number % 4]
    if pick() < 0.4:
        fields["website"] = f"www.{domain}.example"
    if pick() < 0.1:
        fields["salesPerson"] = 1 + number % 4
    if pick() < 0.03:
        fields["barred"] = True
    return fields


def _foreign(random: Random, number: int, name: str) -> dict[str, object]:
    currency = ("EUR", "SEK", "NOK")[number % 3]
    forms, towns = FOREIGN[currency]
    zip_code, city, country = towns[int(random.random() * len(towns))]
    return {
        "name": f"{name} {forms[number % len(forms)]}",
        "currency": currency,
        "vatZone": 3 if currency == "NOK" else 2,
        "customerGroup": 2,
        "paymentTerms": 5,
        "layout": 20,
        "address": f"Storgatan {1 + number % 90}" if currency == "SEK" else f"Hafenweg {1 + number % 90}",
        "zip": zip_code,
        "city": city,
        "country": country,
        "email": f"invoice@{ascii_name(name)}.example",
    }


def near_copy(fields: dict[str, object], random: Random) -> dict[str, object]:
    """The same firm entered twice, as happens: another legal form, no CVR number, a typing error."""
    name = str(fields["name"])
    copy = {k: v for k, v in fields.items() if k not in ("corporateIdentificationNumber", "website", "barred")}
    match int(random.random() * 3):
        case 0:
            copy["name"] = name.replace(" ApS", "").replace(" A/S", "")
        case 1 if len(name) > 6:
            copy["name"] = name[:4] + name[5:]
        case _:
            copy["name"] = name.upper()
            copy.pop("email", None)
    return copy
