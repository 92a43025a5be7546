"""
What the API offers about merges, as OpenAPI 3.1.
"""

from __future__ import annotations

from domain.companies import CompanyFields, What
from domain.merging import GROUPS, MOST, Keep
from webhooks.openapi import NUMBER, REPEATS, TEXT, TIME, YES, Json, alike, in_path, obj, one, operation, paged, ref

_READ, _WRITE = "companies:read", "companies:write"
_ID = in_path("id")
_NAME: Json = {"type": "string", "description": "the CRM's id, or # and Debitor's own"}
_IDS = obj({"id": {**TEXT, "description": "the CRM's"}, "debitor_id": NUMBER})
_NAMED = obj({**_IDS["properties"], "name": TEXT})
_FIELDS = dict.fromkeys(CompanyFields._fields, TEXT)
_CHOICE: Json = {
    "description": "a company the field comes from, or a value",
    "oneOf": [
        obj({"from": _NAME}, required=["from"], additionalProperties=False),
        obj({"value": TEXT}, required=["value"], additionalProperties=False),
    ],
}
_BODY = obj(
    {
        "companies": {"type": "array", "items": _NAME, "minItems": 2, "maxItems": MOST},
        "survivor": {**_NAME, "description": "which of them lives on; left out: see keep"},
        "keep": {
            "enum": list(Keep),
            "default": Keep.LINKED.value,
            "description": "whose values stay: of the one linked to a debtor, otherwise the oldest; or of the oldest",
        },
        "fields": obj(
            alike(" ".join((*CompanyFields._fields, *GROUPS)), _CHOICE),
            additionalProperties=False,
            description="field by field; `address` and `billing` stand for all of theirs",
        ),
        "preview": {**YES, "description": "true: only say what they would be"},
    },
    required=["companies"],
    additionalProperties=False,
)

MERGE_SCHEMAS: Json = {
    "Merge": obj(
        {
            "id": NUMBER,
            "survivor": _NAMED,
            "merged": {"type": "array", "items": _NAMED, "description": "with the CRM's ids as they were"},
            "changed": {
                "type": "object",
                "description": "what it changed of the survivor",
                "additionalProperties": obj(alike("before after", TEXT)),
            },
            "who": TEXT,
            "at": TIME,
            "undone_by": TEXT,
            "undone_at": TIME,
            "kept": {
                "type": "array",
                "description": "what stayed with the survivor when it was undone, because it came or changed later",
                "items": obj(
                    {
                        "kind": {"enum": ["field", "link"]},
                        "name": {**TEXT, "description": "the field, or agreement/number of the debtor"},
                        "value": TEXT,
                    }
                ),
            },
        }
    ),
    "MergePreview": obj(
        {
            "survivor": _IDS,
            "companies": {
                "type": "array",
                "items": obj({**_IDS["properties"], **_FIELDS, "debtors": {**NUMBER, "description": "how many"}}),
            },
            "fields": {
                "type": "array",
                "items": obj(
                    {
                        "field": TEXT,
                        "differs": {**YES, "description": "two of them say different things"},
                        "value": {**TEXT, "description": "what it would be"},
                        "from": {"anyOf": [_IDS, {"type": "null"}]},
                    }
                ),
            },
        }
    ),
    "MergeWish": _BODY,
    "Happened": obj(
        {
            "id": NUMBER,
            "at": TIME,
            "who": {**TEXT, "description": "a person, or crm, api, file, e-conomic"},
            "what": {"enum": list(What)},
            "company": {**_NAMED, "description": "whose it was when it happened"},
            "detail": {
                "type": "object",
                "description": "field → [before, after]; of a link the debtor's agreement and number; of a merge its"
                " id, the companies, and what changed",
            },
        }
    ),
}

MERGE_PATHS: Json = {
    "/companies/{id}/history": {
        "get": paged(
            "What happened to a company and to those that are part of it, newest first",
            _READ,
            "Happened",
            [in_path("id", {"type": "string"})],
        )
    },
    "/merges": {
        "get": paged("Merges, newest first, undone ones included", _READ, "Merge", []),
        "post": operation(
            "Merge companies: 201; with preview 200 and what they would be. 409 when one of them is part of another"
            " already: `survivor` is the company to go on with",
            _WRITE,
            {"200": ref("MergePreview"), "201": ref("Merge")},
            parameters=[REPEATS],
            body=ref("MergeWish"),
        ),
    },
    "/merges/{id}": {"get": one("One merge, undone or not", _READ, "Merge", [_ID])},
    "/merges/{id}/undo": {
        "post": operation(
            "Undo a merge, by value; 409 names a newer one that must be undone first",
            _WRITE,
            {"200": ref("Merge")},
            parameters=[_ID, REPEATS],
        )
    },
}
