"""
What the API offers about shown differences, as OpenAPI 3.1.
"""

from __future__ import annotations

from webhooks.openapi import KEY, NUMBER, TEXT, TIME, WHOLE, Json, alike, in_path, obj, operation

DIFFERENCES: Json = {
    "type": "array",
    "description": "changes that were not taken",
    "items": obj(
        {
            "field": TEXT,
            "theirs": TEXT,
            "debtor": {**WHOLE, "description": "its number; null = the CRM's"},
            "why": {"enum": ["owned", "both_changed"]},
            "since": TIME,
        }
    ),
}
_TEXT_ID = in_path("id", {"type": "string"})
_FIELD = in_path("field", {"type": "string"})
_ANSWER = {"200": obj({"differences": DIFFERENCES})}
_BODY = obj(
    {
        "whose": {
            "description": "whose words are meant, where several say something else",
            "oneOf": [{"const": "crm"}, obj(alike("agreement number", NUMBER))],
        }
    }
)


def _settled(summary: str) -> Json:
    path = [_TEXT_ID, _FIELD, KEY]
    return {"post": operation(summary, "companies:write", _ANSWER, parameters=path, body=_BODY)}


DIFFERENCE_PATHS: Json = {
    "/companies/{id}/differences": {
        "get": operation("Changes of a company that were not taken", "companies:read", _ANSWER, parameters=[_TEXT_ID])
    },
    "/companies/{id}/differences/{field}/take": _settled("Write what the other side says; an address as a whole"),
    "/companies/{id}/differences/{field}/keep": _settled("Keep what is stored until the other side says something new"),
}
