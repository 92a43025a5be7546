"""
The API's description of conversions.
"""

from __future__ import annotations

from domain.conversions import State
from webhooks.openapi import (
    AGREEMENT,
    KEY,
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

_SCOPE = "conversions:write"
_ID = in_path("id")
_TEXTS: Json = {"type": "array", "items": {"type": "string"}}
_OVERRIDES: Json = obj(
    {}, additionalProperties={"type": ["string", "integer", "null"]}, description="fields of the debtor to be made"
)

CONVERSION: Json = obj(
    {
        **alike("id agreement", NUMBER),
        "company": obj({"id": TEXT, "debitor_id": WHOLE, "name": TEXT}),
        "state": {"enum": list(State)},
        "debtor": {**WHOLE, "description": "its number, once it is created or linked"},
        "reason": {**TEXT, "description": "why it waits, asks or failed: a stable word"},
        "message": TEXT,
        "missing": {"type": "array", "items": obj(alike("field reason", TEXT))},
        "candidates": {
            "type": "array",
            "items": obj(
                {"number": NUMBER, "name": TEXT, "score": {"type": "number"}, "reasons": _TEXTS, "linked_to": TEXT}
            ),
        },
        "url": {**TEXT, "description": "a form for a person without an account, good for three days"},
        "overrides": _OVERRIDES,
        **alike("deal who", TEXT),
        **alike("created_at changed_at", TIME),
        "history": {
            "type": "array",
            "items": obj({"at": TIME, **alike("who state what", TEXT), "detail": obj({})}),
            "description": "of a single one, oldest first",
        },
    }
)
_ASKED = obj(
    {
        "company": obj({"id": {"type": "string", "description": "the CRM's"}}, required=["id"]),
        "agreement": {**WHOLE, "description": "needed where there are several"},
        "overrides": _OVERRIDES,
        "allow_second_debtor": YES,
        "deal": TEXT,
    },
    required=["company"],
)
_SAID = obj(
    {
        "overrides": _OVERRIDES,
        "link": {**WHOLE, "description": "it is this debtor, which exists"},
        "create": {**YES, "description": "it is none of the candidates"},
        **alike("approve decline", YES),
    }
)

CONVERSIONS: Json = {
    "/conversions": {
        "get": paged(
            "Conversions, newest first",
            _SCOPE,
            "Conversion",
            [
                in_query("agreement", "of this agreement only", AGREEMENT["schema"]),
                in_query("company", "of the company with this id of the CRM"),
                in_query("state", "in this state only", {"enum": list(State)}),
            ],
        ),
        "post": operation(
            "Convert a company: 201, or 200 with the conversion that does so already, or did",
            _SCOPE,
            {"200": ref("Conversion"), "201": ref("Conversion")},
            parameters=[KEY],
            body=_ASKED,
        ),
    },
    "/conversions/{id}": {
        "get": one("One conversion with its whole story", _SCOPE, "Conversion", [_ID]),
        "post": operation(
            "Say what it lacks, choose a debtor, approve or decline it; 409 when it asks for nothing",
            _SCOPE,
            {"200": ref("Conversion")},
            parameters=[_ID, KEY],
            body=_SAID,
        ),
    },
}
