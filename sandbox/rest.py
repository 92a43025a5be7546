"""The REST API's paths."""

from typing import Any

from sandbox import customers, invoices
from sandbox.agreement import Agreement
from sandbox.errors import not_found, rest_error
from sandbox.http import REST_HOST, Answer, Refused, Request, as_json
from sandbox.pages import Collection, rest_page
from sandbox.reference import Listing
from sandbox.table import Table
from sandbox.world import Grant

MEDIA_HINT = "Use application/json."
ROLES = {"SuperUser": 2, "Bookkeeping": 3, "Sales": 4, "ProjectEmployee": 5}
AGREEMENT_TYPES = {"denmark": 1, "norway": 2, "sweden": 3}


def route(request: Request, grant: Grant, public_token: str) -> Answer:
    """
    Answer one REST call.

    Raises:
        Refused: whatever REST would refuse it with.
    """
    agreement, parts, verb = grant.agreement, request.segments, request.method
    _check_media(request)
    match parts:
        case ["self"] if verb == "GET":
            return as_json(_self(grant, public_token))
        case ["customers", *_] | ["invoices", *_] if not {"SuperUser", "Sales"} & set(grant.roles):
            raise Refused(rest_error(403, "Access denied: the app lacks the role Sales.", code="E02270"))
        case ["customers"]:
            if verb == "GET":
                return customers.list_customers(request, agreement)
            if verb == "POST":
                return customers.create_customer(request, agreement)
        case ["customers", number]:
            return _customer(request, agreement, number)
        case ["customers", number, "invoices", "booked"] if verb == "GET":
            return invoices.list_under_customer(request, agreement, number)
        case ["customers", number, "contacts" | "delivery-locations"] if verb == "GET":
            return customers.no_contacts(request, agreement, number)
        case ["invoices", *rest] if verb == "GET":
            return _invoices(request, agreement, rest)
        case [path, *rest] if verb == "GET" and path in agreement.reference.listings:
            return _reference(request, agreement.reference.listings[path], rest)
        case _ if verb == "GET":
            raise not_found()
    raise Refused(rest_error(405, "Method not allowed.", "See the documentation for the verbs of this resource."))


def _check_media(request: Request) -> None:
    """JSON in and out; only a PDF is asked for otherwise."""
    sent = request.header(b"content-type")
    if sent and "json" not in sent.lower():
        raise Refused(rest_error(415, "Unsupported media type.", MEDIA_HINT))
    if not sent and request.body:
        raise Refused(rest_error(415, "Unsupported media type: none given.", MEDIA_HINT))
    wanted = request.header(b"accept")
    if wanted and not any(kind in wanted for kind in ("json", "*/*", "application/*")):
        if request.path.endswith("/pdf"):
            return
        raise Refused(rest_error(415, "Unsupported media type in Accept.", MEDIA_HINT))


def _customer(request: Request, agreement: Agreement, number: str) -> Answer:
    match request.method:
        case "GET":
            return customers.get_customer(agreement, number)
        case "PUT":
            return customers.put_customer(request, agreement, number)
        case "PATCH":
            return customers.patch_customer(request, agreement, number)
        case "DELETE":
            return customers.delete_customer(agreement, number)
    raise Refused(rest_error(405, "Method not allowed."))


def _invoices(request: Request, agreement: Agreement, parts: list[str]) -> Answer:
    match parts:
        case []:
            return invoices.index()
        case ["booked"]:
            return invoices.list_booked(request, agreement)
        case ["booked", number]:
            return invoices.get_invoice(agreement, number)
        case ["booked", number, "pdf"]:
            return invoices.get_pdf(request, agreement, number)
        case [view] if view in invoices.VIEWS:
            return invoices.list_view(request, agreement, view)
        case ["drafts"] | ["sent"] | ["booked", _, "sent"]:
            return invoices.nothing(request)
    raise not_found()


def _reference(request: Request, listing: Listing, parts: list[str]) -> Answer:
    if not parts:
        items = sorted(listing.items.values(), key=lambda item: item.number)
        table: Table[Any] = Table(items)
        return rest_page(
            request, Collection(listing.schema, listing.key, table.within, len(items), lambda item: item.body)
        )
    text = parts[0]
    found = listing.items.get(text) or (listing.items.get(int(text)) if text.isdecimal() else None)
    if found is None or len(parts) > 1:
        raise not_found()
    return Answer(200, found.body)


def _self(grant: Grant, public_token: str) -> dict[str, Any]:
    agreement = grant.agreement
    kind = AGREEMENT_TYPES.get(agreement.kind, 1)
    language = {
        "languageNumber": 1,
        "name": "Danish",
        "culture": "da-DK",
        "self": f"{REST_HOST}/languages/1",
    }
    return {
        "agreementNumber": agreement.number,
        "agreementType": {"agreementTypeNumber": kind, "name": agreement.kind},
        "userName": "MLJ",
        "signupDate": "2017-03-02",
        "user": {
            "loginId": "MLJ",
            "email": "mlj@fjordlys.example",
            "name": "Mette L. Jensen",
            "agreementNumber": agreement.number,
            "language": language,
        },
        "company": {
            "name": agreement.name,
            "addressLine1": "Havnegade 12",
            "zip": "7100",
            "city": "Vejle",
            "phoneNumber": "+4575000001",
            "email": "bogholderi@fjordlys.example",
            "companyIdentificationNumber": "30303032",
        },
        "application": {
            "appNumber": 9120,
            "name": "CRM link",
            "appPublicToken": public_token,
            "created": "2026-02-01",
            "requiredRoles": [{"roleNumber": ROLES.get(role, 9), "name": role} for role in grant.roles],
            "self": f"{REST_HOST}/apps/9120",
        },
        "settings": {"baseCurrency": agreement.base_currency},
        "companyAffiliation": "e-conomic",
        "canSendElectronicInvoice": True,
        "modules": [{"moduleNumber": 14, "name": "Dimension", "self": f"{REST_HOST}/modules/agreement/14"}],
        "self": f"{REST_HOST}/self",
    }
