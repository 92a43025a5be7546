"""
What the API offers about changing debtors, as OpenAPI 3.1.
"""

from __future__ import annotations

from domain.debtor_edits import FIELDS, State
from webhooks.openapi import (
    AGREEMENT,
    NUMBER,
    REPEATS,
    TEXT,
    TIME,
    Json,
    alike,
    in_path,
    obj,
    one,
    operation,
    paged,
    ref,
)

_SCOPE = "conversions:write"
_DEBTOR = [AGREEMENT, in_path("number")]
_FIELDS: Json = dict.fromkeys(FIELDS, TEXT)

EDIT: Json = obj(
    {
        **alike("id agreement", NUMBER),
        "debtor": {**NUMBER, "description": "its number"},
        "state": {
            "enum": list(State),
            "description": "refused: somebody changed a field since it was seen, and nothing was written",
        },
        "changes": obj(
            {},
            additionalProperties=obj(
                {
                    "was": {**TEXT, "description": "what was seen"},
                    "wanted": TEXT,
                    "now": {**TEXT, "description": "what e-conomic has, where the edit did not come about for it"},
                }
            ),
        ),
        "reason": {**TEXT, "description": "why it waits, was refused or failed: a stable word"},
        **alike("message who", TEXT),
        **alike("created_at changed_at", TIME),
    }
)
_ASKED = obj(
    {
        "changes": obj(
            _FIELDS,
            additionalProperties=False,
            description="what fields are to become; null empties one. A company's names of them do, too",
        ),
        "was": obj(
            _FIELDS,
            additionalProperties=False,
            description="what was seen in them; without it, what Debitor has stored now counts as seen",
        ),
    },
    required=["changes"],
)

PATCH: Json = operation(
    "Change fields of a debtor in e-conomic: read, held against what was seen, written; 409 where it is not allowed."
    " Every other property goes back as it was read, except price groups, which e-conomic does not show and so loses",
    _SCOPE,
    {"202": ref("Edit")},
    parameters=[*_DEBTOR, REPEATS],
    body=_ASKED,
)

EDIT_PATHS: Json = {
    "/agreements/{agreement}/debtors/{number}/edits": {
        "get": paged("Edits of a debtor, newest first", _SCOPE, "Edit", _DEBTOR)
    },
    "/agreements/{agreement}/debtors/{number}/edits/{id}": {
        "get": one("One edit: what came of it", _SCOPE, "Edit", [*_DEBTOR, in_path("id")])
    },
}
