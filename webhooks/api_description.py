"""
`/api/v1/openapi.json`: what the API offers, as OpenAPI 3.1. A test holds it against the routes.
"""

from __future__ import annotations

from typing import Any

from infra.database.failure_list import STATES
from webhooks.api_requests import LIMIT, MAX_LIMIT

Json = dict[str, Any]


def _object(properties: Json, **more: Any) -> Json:
    return {"type": "object", "properties": properties, **more}


def _fields(names: str, kind: Json) -> Json:
    return dict.fromkeys(names.split(), kind)


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


_TEXT: Json = {"type": ["string", "null"]}
_WHOLE: Json = {"type": ["integer", "null"]}
_MONEY: Json = {"type": ["string", "null"], "pattern": r"^-?\d+\.\d{2,6}$"}
_EXACT: Json = {"type": ["string", "null"], "pattern": r"^-?\d+(\.\d{1,6})?$"}
_TIME: Json = {"type": ["string", "null"], "format": "date-time"}
_DATE: Json = {"type": ["string", "null"], "format": "date"}
_YES: Json = {"type": "boolean"}
_NUMBER: Json = {"type": "integer"}

_DEBTOR = _object(
    {
        "number": _NUMBER,
        **_fields("name cvr vat_number p_number ean address zip city country email phone mobile website", _TEXT),
        "barred": _YES,
        "in_scope": {**_YES, "description": "its debtor group is one of those synchronised"},
        "currency": _TEXT,
        **_fields("debtor_group payment_terms vat_zone layout sales_person", _WHOLE),
        **_fields("debtor_group_name payment_terms_name vat_zone_name layout_name sales_person_name", _TEXT),
        **_fields("credit_limit balance due_amount", _MONEY),
        "base_currency": {**_TEXT, "description": "of the three amounts"},
        **_fields("last_updated read_at", _TIME),
        "gone_at": {**_TIME, "description": "deleted in e-conomic; null while it lives"},
    }
)
_LINE = _object(
    {
        **_fields("number position", _NUMBER),
        **_fields("product product_name description unit_name", _TEXT),
        "quantity": _EXACT,
        "unit": _WHOLE,
        "unit_price": _MONEY,
        **_fields("discount_pct vat_rate", _EXACT),
        "net": _MONEY,
    }
)
_INVOICE = _object(
    {
        **_fields("number debtor", _NUMBER),
        **_fields("date due", _DATE),
        "currency": _TEXT,
        **_fields("net vat gross open", _MONEY),
        "exchange_rate": {**_EXACT, "description": "base currency for 100 units of currency"},
        "base_currency": _TEXT,
        **_fields("net_base gross_base open_base", _MONEY),
        **_fields("payment_terms layout sales_person order_number", _WHOLE),
        **_fields("payment_terms_name layout_name sales_person_name", _TEXT),
        **_fields("other_reference heading", _TEXT),
        "recipient": _object(
            {**_fields("name address zip city country ean cvr vat_zone_name", _TEXT), "vat_zone": _WHOLE}
        ),
        "lines_state": {"enum": ["pending", "verified", "complete", "different", "unverified"]},
        "lines": {"type": "array", "items": _ref("Line"), "description": "of a single invoice only"},
    }
)
_FAILURE = _object(
    {
        **_fields("id agreement", _NUMBER),
        **_fields("kind subject reason message advice detail", _TEXT),
        "state": {"enum": list(STATES)},
        "note": _TEXT,
        "times": _NUMBER,
        **_fields("first_seen_at last_seen_at ended_at", _TIME),
    }
)
_OPTIONS = _object(
    {**_fields("debtors invoices dry_run allow_deletions", _YES), "since": _DATE}, additionalProperties=False
)
_RUN = _object(
    {
        "id": _NUMBER,
        "type": {"enum": ["resync"]},
        "agreement": _NUMBER,
        "state": {"enum": ["queued", "running", "waiting", "done", "failed", "cancelled"]},
        "options": _ref("ResyncOptions"),
        "phase": _TEXT,
        "read": _NUMBER,
        "total": _WHOLE,
        "counts": {"type": "object", "additionalProperties": {"type": "object"}},
        "message": _TEXT,
        **_fields("created_at started_at finished_at", _TIME),
    }
)
_PROBLEM = _object({"type": _TEXT, "title": _TEXT, "status": _NUMBER, "detail": _TEXT, "field": _TEXT})


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": _NUMBER}


def _in_query(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


_PAGED = [
    _in_query("cursor", "the `cursor` of the page before; absent on the last page"),
    _in_query("limit", "items a page", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}),
]
_KEY = {"name": "Idempotency-Key", "in": "header", "description": "this may be sent again anyway", "schema": _TEXT}
_AGREEMENT = _in_path("agreement")


def _operation(summary: str, scope: str, answers: Json, *, parameters: list[Json], body: Json | None = None) -> Json:
    problem = {"description": "a problem", "content": {"application/problem+json": {"schema": _ref("Problem")}}}
    described: Json = {
        "summary": summary,
        "description": f"Needs the scope `{scope}`.",
        "parameters": parameters,
        "responses": {
            **{status: {"description": "done", "content": _json(schema)} for status, schema in answers.items()},
            "default": problem,
        },
    }
    if body is not None:
        described["requestBody"] = {"content": _json(body)}
    return described


def _list(summary: str, scope: str, name: str, parameters: list[Json]) -> Json:
    page = _object({"items": {"type": "array", "items": _ref(name)}, "cursor": {"type": "string"}})
    return _operation(summary, scope, {"200": page}, parameters=[*parameters, *_PAGED])


def _one(summary: str, scope: str, name: str, parameters: list[Json]) -> Json:
    return _operation(summary, scope, {"200": _ref(name)}, parameters=parameters)


_READ, _OPERATE = "accounting:read", "operations"
_ID = _in_path("id")
_BY_AGREEMENT = _in_query("agreement", "of this agreement only", _NUMBER)
_START = _object({"type": {"const": "resync"}, "agreement": _NUMBER, "options": _ref("ResyncOptions")})
_START["required"] = ["type", "agreement"]

DESCRIPTION: Json = {
    "openapi": "3.1.0",
    "info": {
        "title": "Debitor",
        "version": "1",
        "description": "Debtors and booked invoices of Visma e-conomic as stored, failures, runs. Times are UTC, money"
        " is exact decimal text beside its currency.",
    },
    "servers": [{"url": "/api/v1"}],
    "security": [{"bearer": []}],
    "paths": {
        "/agreements/{agreement}/debtors": {
            "get": _list(
                "Debtors by number, deleted ones included",
                _READ,
                "Debtor",
                [_AGREEMENT, _in_query("query", "words in name, number, CVR, zip, city or mail")],
            )
        },
        "/agreements/{agreement}/debtors/{number}": {
            "get": _one("One debtor, deleted or not", _READ, "Debtor", [_AGREEMENT, _in_path("number")])
        },
        "/agreements/{agreement}/invoices": {
            "get": _list(
                "Booked invoices, newest first",
                _READ,
                "Invoice",
                [_AGREEMENT, _in_query("debtor", "of this debtor only", _NUMBER)],
            )
        },
        "/agreements/{agreement}/invoices/{number}": {
            "get": _one("One booked invoice with its lines", _READ, "Invoice", [_AGREEMENT, _in_path("number")])
        },
        "/failures": {
            "get": _list(
                "Failures, newest first",
                _OPERATE,
                "Failure",
                [
                    _BY_AGREEMENT,
                    _in_query("state", "open unless said otherwise", {"enum": [*STATES, "all"]}),
                    _in_query("kind", "debtor, invoice, hook, …"),
                ],
            )
        },
        "/failures/{id}": {"get": _one("One failure", _OPERATE, "Failure", [_ID])},
        "/failures/{id}/replay": {
            "post": _operation(
                "Read the record again; 409 when that cannot help",
                _OPERATE,
                {"200": _ref("Failure")},
                parameters=[_ID, _KEY],
            )
        },
        "/failures/{id}/dismiss": {
            "post": _operation(
                "End a failure as it is",
                _OPERATE,
                {"200": _ref("Failure")},
                parameters=[_ID, _KEY],
                body=_object({"note": _TEXT}),
            )
        },
        "/runs": {
            "get": _list("Runs, newest first", _OPERATE, "Run", [_BY_AGREEMENT]),
            "post": _operation(
                "Start a resync: 201, or 200 with the unfinished one of the same agreement",
                _OPERATE,
                {"200": _ref("Run"), "201": _ref("Run")},
                parameters=[_KEY],
                body=_START,
            ),
        },
        "/runs/{id}": {"get": _one("One run", _OPERATE, "Run", [_ID])},
    },
    "components": {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Debtor": _DEBTOR,
            "Invoice": _INVOICE,
            "Line": _LINE,
            "Failure": _FAILURE,
            "Run": _RUN,
            "ResyncOptions": _OPTIONS,
            "Problem": _PROBLEM,
        },
    },
}
