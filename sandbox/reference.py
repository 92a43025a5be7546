"""What every agreement has: groups, terms, VAT zones, layouts, currencies, units, products, employees."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from sandbox.filters import Kind, Property, Schema
from sandbox.http import REST_HOST, encode


@dataclass(slots=True)
class Item:
    """One record of a reference list; its number may be a string (products, currencies)."""

    number: Any
    fields: dict[str, Any]
    body: bytes
    raw: msgspec.Raw  # the same, for embedding


@dataclass(slots=True)
class Listing:
    """One reference collection, such as /payment-terms."""

    path: str
    key: str
    items: dict[Any, Item] = field(default_factory=dict)

    def put(self, fields: dict[str, Any]) -> Item:
        """Add or replace an item."""
        number = fields[self.key]
        whole = fields | {"self": f"{REST_HOST}/{self.path}/{number}"}
        body = encode(whole)
        item = self.items[number] = Item(number, whole, body, msgspec.Raw(body))
        return item

    @property
    def schema(self) -> Schema:
        """Reference lists are filtered by number and name."""
        sample = next(iter(self.items.values()), None)
        kind = Kind.TEXT if sample and isinstance(sample.number, str) else Kind.NUMBER
        return {
            self.key: Property(kind, lambda item: item.number),
            "name": Property(Kind.TEXT, lambda item: item.fields.get("name")),
        }


def _link(path: str, key: str, number: Any) -> dict[str, Any]:
    return {key: number, "self": f"{REST_HOST}/{path}/{number}"}


TERMS = (
    (1, "Netto 8 dage", 8, "net"),
    (2, "Netto 14 dage", 14, "net"),
    (3, "Netto kontant", 0, "net"),
    (4, "Lb. md. 30 dage", 30, "invoiceMonth"),
    (5, "Netto 30 dage", 30, "net"),
    (6, "Kontant", None, "paidInCash"),
    (7, "Forfaldsdato", None, "dueDate"),
    (8, "Forudbetalt", None, "prepaid"),
)
ZONES = ((1, "Domestic"), (2, "EU"), (3, "Abroad"), (4, "Domestic exempt VAT"))
GROUPS = ((1, "Indenlandske debitorer"), (2, "Udenlandske debitorer"), (3, "Offentlige"), (4, "Private"))
LAYOUTS = ((15, "Dansk std."), (19, "Dansk std. m. betalingskort"), (20, "English std."), (21, "Kreditnota"))
CURRENCIES = {
    "DKK": ("Danske kroner", 100_000000),
    "EUR": ("Euro", 746_150000),
    "SEK": ("Svenske kroner", 65_400000),
    "NOK": ("Norske kroner", 63_100000),
    "USD": ("Amerikanske dollar", 688_200000),
    "GBP": ("Britiske pund", 871_900000),
}
"""Name, and Danish kroner for 100 units, in millionths."""

UNITS = ((1, "stk."), (2, "timer"), (3, "kg"), (4, "m"))
EMPLOYEES = ((1, "Jonas Thorup"), (2, "Signe Ravn"), (3, "Malthe Frost"), (4, "Ane Lykke"))

PRODUCT_GROUPS = ((1, "Ydelser"), (2, "Varer"), (3, "Reservedele"))
PRODUCTS = (
    # number, name, unit, price and cost in hundredths, product group
    ("SRV-1", "Serviceeftersyn", 1, 10000, 4000, 1),
    ("SRV-2", "Montørtimer", 2, 64500, 31000, 1),
    ("SRV-3", "Kørsel, zone 1", 1, 37500, 12000, 1),
    ("SRV-4", "Hastetillæg", 1, 95000, 0, 1),
    ("SRV-5", "Projektledelse", 2, 89500, 42000, 1),
    ("SRV-6", "Kursusdag", 1, 725000, 210000, 1),
    ("SRV-7", "Supportaftale, måned", 1, 149900, 30000, 1),
    ("2001", "Pumpe P12", 1, 418000, 262500, 2),
    ("2002", "Pumpe P20", 1, 689500, 441000, 2),
    ("2003", "Styring S4", 1, 1249000, 798000, 2),
    ("2004", "Frekvensomformer 4 kW", 1, 524900, 339000, 2),
    ("2005", "Varmeveksler 25", 1, 312500, 187000, 2),
    ("2006", "Målerskab", 1, 219900, 124000, 2),
    ("2007", "LED-panel 60x60", 1, 42900, 21500, 2),
    ("2008", "Solcellemodul 410 W", 1, 98900, 61200, 2),
    ("3001", "Pakningssæt", 1, 8950, 3100, 3),
    ("3002", "Filterindsats", 1, 12450, 5200, 3),
    ("3003", "Kuglehane 3/4", 1, 15900, 7300, 3),
    ("3004", "Kabel 3x1,5", 4, 795, 310, 3),
    ("3005", "Glykol", 3, 4250, 2100, 3),
    ("3006", "Termostat", 1, 22900, 11800, 3),
    ("3007", "Trykmåler", 1, 17450, 8200, 3),
    ("3097", "Flaske", 1, 500, 300, 3),
    ("3098", "Kasse", 1, 5000, 3000, 3),
)


class Reference:
    """The reference lists of one agreement."""

    def __init__(self, base_currency: str = "DKK") -> None:
        groups = Listing("customer-groups", "customerGroupNumber")
        terms = Listing("payment-terms", "paymentTermsNumber")
        zones = Listing("vat-zones", "vatZoneNumber")
        layouts = Listing("layouts", "layoutNumber")
        currencies = Listing("currencies", "code")
        units = Listing("units", "unitNumber")
        products = Listing("products", "productNumber")
        product_groups = Listing("product-groups", "productGroupNumber")
        employees = Listing("employees", "employeeNumber")
        for number, name in GROUPS:
            account = {"accountNumber": 5600, "self": f"{REST_HOST}/accounts/5600"}
            groups.put({"customerGroupNumber": number, "name": name, "account": account})
        for number, name, days, kind in TERMS:
            fields = {"paymentTermsNumber": number, "daysOfCredit": days, "description": name, "name": name}
            terms.put({k: v for k, v in fields.items() if v is not None} | {"paymentTermsType": kind})
        for number, name in ZONES:
            zones.put({"name": name, "vatZoneNumber": number, "enabledForCustomer": True, "enabledForSupplier": True})
        for number, name in LAYOUTS:
            layouts.put({"layoutNumber": number, "name": name, "deleted": False})
        for code, (name, _) in CURRENCIES.items():
            currencies.put({"code": code, "isoNumber": code, "name": name})
        for number, name in UNITS:
            units.put({"unitNumber": number, "name": name, "products": f"{REST_HOST}/units/{number}/products"})
        for number, name in PRODUCT_GROUPS:
            product_groups.put({"productGroupNumber": number, "name": name})
        for code, name, unit, price, cost, group in PRODUCTS:
            products.put(
                {
                    "productNumber": code,
                    "name": name,
                    "costPrice": Decimal(cost).scaleb(-2),
                    "salesPrice": Decimal(price).scaleb(-2),
                    "barred": False,
                    "lastUpdated": "2026-01-15T08:00:00Z",
                    "productGroup": _link("product-groups", "productGroupNumber", group),
                    "unit": units.items[unit].fields,
                }
            )
        for number, name in EMPLOYEES:
            employees.put({"employeeNumber": number, "name": name, "barred": False})
        self.groups, self.terms, self.zones, self.layouts, self.currencies = groups, terms, zones, layouts, currencies
        self.units, self.products, self.product_groups, self.employees = units, products, product_groups, employees
        self.listings = {
            listing.path: listing
            for listing in (
                groups,
                terms,
                zones,
                layouts,
                currencies,
                units,
                products,
                product_groups,
                employees,
            )
        }
        base = CURRENCIES.get(base_currency, ("", 100_000000))[1]
        self.rates = {code: rate * 100_000000 // base for code, (_, rate) in CURRENCIES.items()}
        """Base currency for 100 units, in millionths."""
