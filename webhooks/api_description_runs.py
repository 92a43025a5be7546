"""
The API's runs, described.
"""

from __future__ import annotations

from domain.import_rows import Outcome, Reverted, Verdict
from domain.precision import Sample
from domain.run_kinds import RunKind
from webhooks.openapi import (
    DATE,
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

_OPERATE = "operations"
_ID = in_path("id")
_SHARE: Json = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_ANSWER: Json = {"type": ["boolean", "null"]}
_RUN = obj(
    {
        "id": NUMBER,
        "type": {"enum": list(RunKind)},
        "agreement": NUMBER,
        "state": {
            "enum": ["queued", "running", "waiting", "proposed", "done", "failed", "cancelled"],
            "description": "proposed: it waits for a person's word",
        },
        "options": ref("RunOptions"),
        "phase": TEXT,
        "read": NUMBER,
        "total": WHOLE,
        "counts": {"type": "object", "additionalProperties": {"type": "object"}},
        "message": TEXT,
        **alike("created_at started_at finished_at", TIME),
    }
)
_OPTIONS = obj(
    {
        **alike("debtors invoices dry_run allow_deletions", {**YES, "description": "of a resync"}),
        "since": {**DATE, "description": "of a resync"},
        "test": {**YES, "description": "of an import or match: change nothing"},
        "waiting": {**YES, "description": "of an import: only the debtors that wait for a person's word"},
        "run": {**NUMBER, "description": "of a revert: the import or match to take back"},
    },
    additionalProperties=False,
)
_START = obj(
    {"type": {"enum": list(RunKind)}, "agreement": NUMBER, "options": ref("RunOptions")},
    required=["type", "agreement"],
)
_COMPANY = obj(
    {"debitor_id": NUMBER, "id": {**TEXT, "description": "the CRM's"}, "name": TEXT}, description="null: none"
)
_TEXTS: Json = {"type": "array", "items": {"type": "string"}}
_ROW = {
    "debtor": NUMBER,
    "name": TEXT,
    "verdict": {"enum": [*Verdict, None]},
    "company": _COMPANY,
    "joins": {**WHOLE, "description": "the debtor whose new company it is linked to"},
    "score": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
    "candidates": {
        "type": "array",
        "items": obj(
            {
                "company": _COMPANY,
                "new_of_debtor": {**WHOLE, "description": "the company is only about to be made, from this debtor"},
                "score": {"type": "number"},
                **alike("reasons against", _TEXTS),
            }
        ),
    },
    "changed": {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}},
    "not_taken": {"type": "object", "additionalProperties": TEXT},
    "done": {"enum": [*Outcome, None]},
    "reverted": {"enum": [*Reverted, None]},
    **alike("note done_note reverted_note", TEXT),
}
_PART = obj(alike("links answered right", NUMBER))
_CHECKS = obj(
    {
        "links": {
            "type": "array",
            "items": obj({**_ROW, "sample": {"enum": list(Sample)}, "right": {"type": ["boolean", "null"]}}),
        },
        "precision": obj({**alike("weakest others", _PART), **alike("share low high", _SHARE)}),
    }
)

RUN_SCHEMAS: Json = {"Run": _RUN, "RunOptions": _OPTIONS, "ImportRow": obj(_ROW), "Checks": _CHECKS}
RUN_PATHS: Json = {
    "/runs": {
        "get": paged("Runs, newest first", _OPERATE, "Run", [in_query("agreement", "of this agreement only", NUMBER)]),
        "post": operation(
            "Start a resync, import, match or revert: 201, or 200 with the unfinished one that was asked for alike",
            _OPERATE,
            {"200": ref("Run"), "201": ref("Run")},
            parameters=[KEY],
            body=_START,
        ),
    },
    "/runs/{id}": {"get": one("One run", _OPERATE, "Run", [_ID])},
    "/runs/{id}/cancel": {
        "post": operation(
            "End a run where it is, or drop one that waits for a person's word; 409 when it has ended",
            _OPERATE,
            {"200": ref("Run")},
            parameters=[_ID, KEY],
        )
    },
    "/runs/{id}/resume": {
        "post": operation(
            "Let a run go on at once where it stopped, a cancelled or failed one, too",
            _OPERATE,
            {"200": ref("Run")},
            parameters=[_ID, KEY],
        )
    },
    "/runs/{id}/rows": {
        "get": paged(
            "What an import says and did about each debtor, by number",
            _OPERATE,
            "ImportRow",
            [_ID, in_query("verdict", "of this verdict only", {"enum": list(Verdict)})],
        )
    },
    "/runs/{id}/report": {
        "get": operation(
            "All rows as a file",
            _OPERATE,
            {"200": {"type": "string", "format": "binary"}},
            parameters=[_ID, in_query("format", "csv unless said otherwise", {"enum": ["csv", "xlsx"]})],
        )
    },
    "/runs/{id}/checks": {
        "get": one("The links a person is asked about, and the share that is right", _OPERATE, "Checks", [_ID])
    },
    "/runs/{id}/checks/{number}": {
        "post": operation(
            "Say whether a debtor's link is right; null takes the answer back",
            _OPERATE,
            {"200": ref("Checks")},
            parameters=[_ID, in_path("number"), KEY],
            body=obj({"right": _ANSWER}, required=["right"]),
        )
    },
}
