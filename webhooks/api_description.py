"""
`/api/v1/openapi.json`: what the API offers, as OpenAPI 3.1. A test holds it against the routes.
"""

from __future__ import annotations

from domain.companies import CompanyFields
from infra.database.failure_list import STATES
from webhooks.api_description_conversions import CONVERSION, CONVERSIONS
from webhooks.api_description_differences import DIFFERENCE_PATHS, DIFFERENCES
from webhooks.api_description_duplicates import ALERT, DUPLICATES
from webhooks.api_description_edits import EDIT, EDIT_PATHS, PATCH
from webhooks.api_description_merges import MERGE_PATHS, MERGE_SCHEMAS
from webhooks.api_description_runs import RUN_PATHS, RUN_SCHEMAS
from webhooks.openapi import (
    AGREEMENT,
    DATE,
    EXACT,
    KEY,
    MONEY,
    NUMBER,
    TEXT,
    TIME,
    WHOLE,
    YES,
    Json,
    alike,
    in_path,
    in_query,
    obj,
    one,
    operation,
    paged,
    ref,
)

_DEBTOR = obj(
    {
        "number": NUMBER,
        **alike("name cvr vat_number p_number ean address zip city country email phone mobile website", TEXT),
        "barred": YES,
        "in_scope": {**YES, "description": "its debtor group is one of those synchronised"},
        "currency": TEXT,
        **alike("debtor_group payment_terms vat_zone layout sales_person", WHOLE),
        **alike("debtor_group_name payment_terms_name vat_zone_name layout_name sales_person_name", TEXT),
        **alike("credit_limit balance due_amount", MONEY),
        "base_currency": {**TEXT, "description": "of the three amounts"},
        **alike("last_updated read_at", TIME),
        "gone_at": {**TIME, "description": "deleted in e-conomic; null while it lives"},
    }
)
_LINE = obj(
    {
        **alike("number position", NUMBER),
        **alike("product product_name description unit_name", TEXT),
        "quantity": EXACT,
        "unit": WHOLE,
        "unit_price": MONEY,
        **alike("discount_pct vat_rate", EXACT),
        "net": MONEY,
    }
)
_INVOICE = obj(
    {
        **alike("number debtor", NUMBER),
        **alike("date due", DATE),
        "currency": TEXT,
        **alike("net vat gross open", MONEY),
        "exchange_rate": {**EXACT, "description": "base currency for 100 units of currency"},
        "base_currency": TEXT,
        **alike("net_base gross_base open_base", MONEY),
        **alike("payment_terms layout sales_person order_number", WHOLE),
        **alike("payment_terms_name layout_name sales_person_name", TEXT),
        **alike("other_reference heading", TEXT),
        "recipient": obj({**alike("name address zip city country ean cvr vat_zone_name", TEXT), "vat_zone": WHOLE}),
        "lines_state": {"enum": ["pending", "verified", "complete", "different", "unverified"]},
        "lines": {"type": "array", "items": ref("Line"), "description": "of a single invoice only"},
    }
)
_FAILURE = obj(
    {
        **alike("id agreement", NUMBER),
        **alike("kind subject reason message advice detail", TEXT),
        "state": {"enum": list(STATES)},
        "note": TEXT,
        "times": NUMBER,
        **alike("first_seen_at last_seen_at ended_at", TIME),
    }
)
_FIELDS = dict.fromkeys(CompanyFields._fields, TEXT)
_COMPANY_BODY = obj(
    {"id": {**TEXT, "description": "the one of the path, when it is given"}, **_FIELDS},
    required=["name"],
    additionalProperties=False,
)
_COMPANY = obj(
    {
        "id": {**TEXT, "description": "the CRM's; null while the CRM knows nothing of it"},
        "debitor_id": {**NUMBER, "description": "Debitor's own"},
        **_FIELDS,
        "debtors": {"type": "array", "items": obj(alike("agreement number", NUMBER))},
        "differences": DIFFERENCES,
        **alike("created_at changed_at", TIME),
        "deleted_at": {**TIME, "description": "deleted in the CRM; null while it lives"},
    }
)
_PROBLEM = obj({"type": TEXT, "title": TEXT, "status": NUMBER, "detail": TEXT, "field": TEXT})


_READ, _OPERATE = "accounting:read", "operations"
_CRM_ID = in_path("id", {"type": "string"})
_ID = in_path("id")
_BY_AGREEMENT = in_query("agreement", "of this agreement only", NUMBER)

DESCRIPTION: Json = {
    "openapi": "3.1.0",
    "info": {
        "title": "Debitor",
        "version": "1",
        "description": "Debtors and booked invoices of Visma e-conomic as stored, companies, failures, runs. Times are"
        " UTC, money is exact decimal text beside its currency.",
    },
    "servers": [{"url": "/api/v1"}],
    "security": [{"bearer": []}],
    "paths": {
        "/agreements/{agreement}/debtors": {
            "get": paged(
                "Debtors by number, deleted ones included",
                _READ,
                "Debtor",
                [AGREEMENT, in_query("query", "words in name, number, CVR, zip, city or mail")],
            )
        },
        "/agreements/{agreement}/debtors/{number}": {
            "get": one("One debtor, deleted or not", _READ, "Debtor", [AGREEMENT, in_path("number")]),
            "patch": PATCH,
        },
        **EDIT_PATHS,
        "/agreements/{agreement}/invoices": {
            "get": paged(
                "Booked invoices, newest first",
                _READ,
                "Invoice",
                [AGREEMENT, in_query("debtor", "of this debtor only", NUMBER)],
            )
        },
        "/agreements/{agreement}/invoices/{number}": {
            "get": one("One booked invoice with its lines", _READ, "Invoice", [AGREEMENT, in_path("number")])
        },
        "/companies": {
            "get": paged(
                "Companies that live, in the order they came",
                "companies:read",
                "Company",
                [
                    in_query("query", "words in name, number, CVR, zip, city or mail"),
                    in_query("relation", "prospect, customer or the CRM's own word"),
                ],
            )
        },
        "/companies/{id}": {
            "get": one(
                "One company by the CRM's id; a merged id shows what it was merged into",
                "companies:read",
                "Company",
                [_CRM_ID],
            ),
            "put": operation(
                "Say what the CRM knows of a company now: 201 when it is new. Null overwrites nothing",
                "companies:write",
                {"200": ref("Company"), "201": ref("Company")},
                parameters=[_CRM_ID],
                body=_COMPANY_BODY,
            ),
        },
        **DIFFERENCE_PATHS,
        **DUPLICATES,
        **CONVERSIONS,
        **MERGE_PATHS,
        "/failures": {
            "get": paged(
                "Failures, newest first",
                _OPERATE,
                "Failure",
                [
                    _BY_AGREEMENT,
                    in_query("state", "open unless said otherwise", {"enum": [*STATES, "all"]}),
                    in_query("kind", "debtor, invoice, hook, …"),
                ],
            )
        },
        "/failures/{id}": {"get": one("One failure", _OPERATE, "Failure", [_ID])},
        "/failures/{id}/replay": {
            "post": operation(
                "Read the record again; 409 when that cannot help",
                _OPERATE,
                {"200": ref("Failure")},
                parameters=[_ID, KEY],
            )
        },
        "/failures/{id}/dismiss": {
            "post": operation(
                "End a failure as it is",
                _OPERATE,
                {"200": ref("Failure")},
                parameters=[_ID, KEY],
                body=obj({"note": TEXT}),
            )
        },
        **RUN_PATHS,
    },
    "components": {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Debtor": _DEBTOR,
            "Invoice": _INVOICE,
            "Line": _LINE,
            "Company": _COMPANY,
            "Alert": ALERT,
            "Conversion": CONVERSION,
            "Edit": EDIT,
            **MERGE_SCHEMAS,
            "Failure": _FAILURE,
            **RUN_SCHEMAS,
            "Problem": _PROBLEM,
        },
    },
}
