"""`/customers`: what the API accepts from a caller, and what it answers."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from sandbox.agreement import MAX_NUMBER, Agreement
from sandbox.errors import VALIDATION_HINT, not_found, rest_error
from sandbox.filters import Kind, Property, Schema
from sandbox.http import REST_HOST, Answer, Refused, Request
from sandbox.pages import Collection, rest_page
from sandbox.records import REFERENCES, TEXTS, Customer

LIMITS = {
    "name": 255,
    "currency": 3,
    "address": 510,
    "zip": 30,
    "city": 50,
    "country": 50,
    "corporateIdentificationNumber": 40,
    "vatNumber": 20,
    "pNumber": 10,
    "ean": 13,
    "publicEntryNumber": 50,
    "email": 255,
    "telephoneAndFaxNumber": 255,
    "mobilePhone": 50,
    "website": 255,
}
REQUIRED = ("name", "currency", "customerGroup", "paymentTerms", "vatZone")
REFERENCE_CODES = {"customerGroup": "E07140", "paymentTerms": "E07080", "vatZone": "E07180"}
VAT_NUMBER_KINDS = frozenset(("sweden", "uk", "germany", "poland", "finland"))


def _field(name: str) -> Callable[[Customer], Any]:
    return lambda customer: customer.fields.get(name)


def _schema() -> Schema:
    text = {name: Property(Kind.TEXT, _field(name), sortable=name != "pNumber") for name in (*TEXTS, "currency")}
    return dict(sorted(text.items())) | {
        "balance": Property(Kind.NUMBER, lambda customer: Decimal(customer.balance()).scaleb(-2)),
        "barred": Property(Kind.FLAG, lambda customer: bool(customer.fields.get("barred")), sortable=False),
        "creditLimit": Property(Kind.NUMBER, _field("creditLimit")),
        "customerNumber": Property(Kind.NUMBER, lambda customer: customer.number),
        "customerGroup.customerGroupNumber": Property(Kind.NUMBER, _field("customerGroup"), sortable=False),
        "lastUpdated": Property(Kind.MOMENT, lambda customer: customer.last_updated),
    }


SCHEMA = _schema()


class Problems:
    """What is wrong with a body, property by property."""

    def __init__(self, agreement: Agreement) -> None:
        self._shape = agreement.conventions.validation_errors
        self._found: list[dict[str, Any]] = []

    def add(self, prop: str, message: str, code: str, value: Any, hint: str = VALIDATION_HINT) -> None:
        """Note one problem."""
        self._found.append(
            {
                "propertyName": prop,
                "errorMessage": message,
                "errorCode": code,
                "inputValue": value,
                "developerHint": hint,
            }
        )

    def raise_if_any(self) -> None:
        """
        Refuse the request.

        Raises:
            Refused: 400, in the shape the agreement's conventions ask for.
        """
        if not self._found:
            return
        count = len(self._found)
        if self._shape == "list":
            errors: Any = self._found
        else:
            errors = {}
            for found in self._found:
                shown = found
                if self._shape == "classic":
                    shown = {
                        "errorCode": found["errorCode"],
                        "message": found["errorMessage"],
                        "value": found["inputValue"],
                        "developerHint": found["developerHint"],
                    }
                errors.setdefault(found["propertyName"], {"errors": []})["errors"].append(shown)
        if self._shape == "classic":
            raise Refused(rest_error(400, "Validation error.", VALIDATION_HINT, errors=errors))
        message = f"Validation failed. {count} error{'s' if count > 1 else ''} found."
        raise Refused(rest_error(400, message, VALIDATION_HINT, "E04300", errors=errors, errorCount=count))


def read_object(request: Request) -> dict[str, Any]:
    """
    The body, which must be a JSON object.

    Raises:
        Refused: 400.
    """
    try:
        body = request.json()
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        raise Refused(rest_error(400, "The request body is not valid JSON.", "Send one JSON object.", "E04730"))
    return body


def accepted(agreement: Agreement, body: dict[str, Any], current: Customer | None = None) -> dict[str, Any]:
    """
    What a POST or PUT writes; read-only properties are ignored, and those nobody knows.

    Args:
        current: keeps what no POST or PUT can change.

    Raises:
        Refused: 400 with everything that is wrong.
    """
    problems = Problems(agreement)
    fields: dict[str, Any] = {}
    for name in REQUIRED:
        if name not in body:
            problems.add(name, f"{name} is required.", "E04300", None)
    for name, value in body.items():
        if name in LIMITS:
            _take_text(agreement, problems, fields, name, value)
        elif name in REFERENCES:
            _take_reference(agreement, problems, fields, name, value)
        elif name == "barred":
            _take_barred(problems, fields, value)
        elif name == "creditLimit":
            _take_credit_limit(problems, fields, value)
        elif name in agreement.conventions.more_properties:
            fields[name] = value
    problems.raise_if_any()
    if current and current.fields.get("eInvoicingDisabledByDefault"):
        fields["eInvoicingDisabledByDefault"] = True
    return fields


def _wrong_type(problems: Problems, name: str, expected: str, value: Any) -> None:
    found = "Null" if value is None else type(value).__name__
    problems.add(name, f"Expected {expected} but got {found}.", "E04300", value)


def _take_text(agreement: Agreement, problems: Problems, fields: dict[str, Any], name: str, value: Any) -> None:
    """An empty string clears, except the name."""
    limit = LIMITS[name]
    if not isinstance(value, str):
        _wrong_type(problems, name, "String", value)
    elif len(value) > limit or (name == "name" and not value) or (name == "pNumber" and len(value) not in (0, limit)):
        problems.add(name, f"{name} must be at most {limit} characters long.", "E04300", value)
    elif name == "currency" and value not in agreement.reference.currencies.items:
        problems.add(name, "currency does not exist.", "E06000", value)
    elif value and (name != "vatNumber" or agreement.kind in VAT_NUMBER_KINDS):
        fields[name] = value


def _take_barred(problems: Problems, fields: dict[str, Any], value: Any) -> None:
    if not isinstance(value, bool):
        _wrong_type(problems, "barred", "Boolean", value)
    elif value:
        fields["barred"] = True


def _take_credit_limit(problems: Problems, fields: dict[str, Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        _wrong_type(problems, "creditLimit", "Number", value)
    elif value != round(value, 2):
        problems.add("creditLimit", "creditLimit can have at most two decimal places.", "E04740", value)
    else:
        fields["creditLimit"] = value


def _take_reference(agreement: Agreement, problems: Problems, fields: dict[str, Any], name: str, value: Any) -> None:
    """A reference names its record by number or by `self`."""
    key, path = REFERENCES[name]
    if value is None:
        _wrong_type(problems, name, "Object", value)
        return
    number = value.get(key) if isinstance(value, dict) else None
    if number is None and isinstance(value, dict) and isinstance(value.get("self"), str):
        tail = value["self"].rpartition(f"/{path}/")[2]
        number = int(tail) if tail.isdecimal() else None
    if not isinstance(number, int) or isinstance(number, bool):
        problems.add(name, f"No identifiers present on {name}.", "E04500", value)
        return
    listing = agreement.reference.listings.get(path)  # price groups are taken unseen
    if number < 1 or (listing is not None and number not in listing.items):
        hint = f"Find a list of {name} at {REST_HOST}/{path} ."
        problems.add(name, f"{name} '{number}' not found.", REFERENCE_CODES.get(name, "E06000"), number, hint)
        return
    fields[name] = number


def list_customers(request: Request, agreement: Agreement) -> Answer:
    """`GET /customers`."""
    today = agreement.clock.today()
    return rest_page(
        request,
        Collection(
            SCHEMA,
            "customerNumber",
            agreement.customers.within,
            len(agreement.customers),
            lambda customer: customer.item(agreement.reference, today),
            create="Create a new customer",
        ),
    )


def find_customer(agreement: Agreement, number: str) -> Customer:
    """
    The debtor a path names.

    Raises:
        Refused: 404.
    """
    customer = agreement.customers.get(int(number)) if number.isdecimal() else None
    if customer is None:
        raise not_found()
    return customer


def get_customer(agreement: Agreement, number: str) -> Answer:
    """`GET /customers/{n}`."""
    return _shown(agreement, find_customer(agreement, number))


def create_customer(request: Request, agreement: Agreement) -> Answer:
    """`POST /customers`: the caller's number, or the next one."""
    body = read_object(request)
    number = body.get("customerNumber")
    problems = Problems(agreement)
    if number is not None and not _usable(number):
        problems.add("customerNumber", f"customerNumber must be between 1 and {MAX_NUMBER}.", "E04300", number)
    elif number is None and "customerNumber" in body:
        problems.add("customerNumber", "Expected Integer but got Null.", "E04300", None)
    elif number is not None and number in agreement.customers:
        problems.add("customerNumber", f"Customer number {number} is already in use.", "E06010", number)
    problems.raise_if_any()
    return _created(agreement, agreement.create_customer(accepted(agreement, body), number))


def put_customer(request: Request, agreement: Agreement, number: str) -> Answer:
    """`PUT /customers/{n}`: full replacement; creates what is not there."""
    if not number.isdecimal() or not _usable(int(number)):
        raise not_found()
    customer = agreement.customers.get(int(number))
    fields = accepted(agreement, read_object(request), customer)
    if customer is None:
        return _created(agreement, agreement.create_customer(fields, int(number)))
    agreement.change_customer(customer, fields)
    return _shown(agreement, customer)


def patch_customer(request: Request, agreement: Agreement, number: str) -> Answer:
    """`PATCH /customers/{n}`: JSON Patch, for one property only."""
    customer = find_customer(agreement, number)
    try:
        steps = request.json()
    except msgspec.DecodeError:
        steps = None
    match steps:
        case [{"op": "replace" | "add", "path": "/eInvoicingDisabledByDefault", "value": bool(value)}]:
            agreement.change_customer(customer, customer.fields | {"eInvoicingDisabledByDefault": value})
        case _:
            raise Refused(rest_error(400, "Only /eInvoicingDisabledByDefault can be patched.", code="E04300"))
    return _shown(agreement, customer)


def delete_customer(agreement: Agreement, number: str) -> Answer:
    """`DELETE /customers/{n}`: 204, and 404 with a code the second time."""
    customer = agreement.customers.get(int(number)) if number.isdecimal() else None
    if customer is None:
        raise Refused(rest_error(404, "Resource not found.", code="E06000"))
    if customer.invoices:
        message = "Customer cannot be deleted because it has invoices."
        raise Refused(rest_error(400, message, "Bar the customer instead.", "E06020"))
    agreement.delete_customer(customer)
    return Answer(204)


def no_contacts(request: Request, agreement: Agreement, number: str) -> Answer:
    """`GET /customers/{n}/contacts` and `/delivery-locations`: nobody has any here."""
    find_customer(agreement, number)
    return rest_page(request, Collection({}, "number", lambda _: (), 0, lambda _: b""))


def _usable(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= MAX_NUMBER


def _created(agreement: Agreement, customer: Customer) -> Answer:
    answer = _shown(agreement, customer)
    answer.status = 201
    answer.headers.append((b"location", f"{REST_HOST}/customers/{customer.number}".encode()))
    return answer


def _shown(agreement: Agreement, customer: Customer) -> Answer:
    return Answer(200, customer.single(agreement.reference, agreement.clock.today()))
