"""
The API's description of duplicate alerts.
"""

from __future__ import annotations

from domain.alerts import AlertReason, Answer, Ending
from infra.database.alert_views import STATES
from webhooks.openapi import (
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
)

ID = in_path("id")
_BOTH = ["answer", "reason"]

_KNOWN = {
    "kind": {"enum": ["debtor", "company"]},
    "id": {**TEXT, "description": "of a company: the CRM's"},
    "debitor_id": {**NUMBER, "description": "of a company: Debitor's own"},
    **{name: {**NUMBER, "description": "of a debtor"} for name in ("agreement", "number")},
    **alike("name vat street zip city country phone mail", TEXT),
}
_TEXTS: Json = {"type": "array", "items": {"type": "string"}}
_CANDIDATE = obj({**_KNOWN, "score": {"type": "number"}, "reasons": _TEXTS, "against": _TEXTS})
ALERT = obj(
    {
        "id": {**NUMBER, "description": "the `group` of its events"},
        "reason": {"enum": list(AlertReason)},
        "why": TEXT,
        "state": {"enum": list(STATES)},
        "score": {"type": "number", "description": "of the likeliest pair, 0 to 100"},
        "records": {
            "type": "array",
            "items": obj(
                {
                    **_KNOWN,
                    "candidates": {"type": "array", "items": _CANDIDATE, "description": "likeliest first"},
                    "proposed": {"enum": [*Answer, None]},
                    "ending": {"enum": [*Ending, None], "description": "null while it is asked about"},
                    "ended_by": TEXT,
                    "ended_at": TIME,
                    "decision": {**WHOLE, "description": "the same for all that was answered together"},
                }
            ),
        },
        "joined_to": {**WHOLE, "description": "the alert that its open records are part of now"},
        **alike("raised_at changed_at closed_at", TIME),
    }
)
_OUTCOMES = {
    "type": "array",
    "items": obj(
        {
            "alert": NUMBER,
            "record": TEXT,
            "ending": {"enum": [*Ending, None]},
            "company": {**WHOLE, "description": "Debitor's own id of the one it is or became"},
            "problem": {**TEXT, "description": "why it was left as it is"},
            "kept": {**_TEXTS, "description": "what a merge that was taken back left with the survivor"},
        }
    ),
}
_ANSWER = obj(
    {
        "answer": {"enum": list(Answer)},
        "company": {**TEXT, "description": "the candidate meant, where there are several"},
        "debtor": obj(alike("agreement number", NUMBER), description="only this one of the group"),
    },
    required=["answer"],
)

DUPLICATES: Json = {
    "/duplicates": {
        "get": paged(
            "Duplicate alerts, newest first",
            "companies:read",
            "Alert",
            [
                in_query("reason", "of this reason only", {"enum": list(AlertReason)}),
                in_query("state", "open unless said otherwise", {"enum": [*STATES, "all"]}),
            ],
        )
    },
    "/duplicates/{id}": {
        "get": one("One alert: its records, what each may be, and why", "companies:read", "Alert", [ID])
    },
    "/duplicates/decide": {
        "post": operation(
            "Answer every open alert of a reason, each record by its own likeliest company",
            "companies:write",
            {"200": obj({"decision": WHOLE, "outcomes": _OUTCOMES})},
            parameters=[KEY],
            body=obj({"answer": {"enum": list(Answer)}, "reason": {"enum": list(AlertReason)}}, required=_BOTH),
        )
    },
    "/duplicates/decisions/{id}/undo": {
        "post": operation(
            "Take back everything that was answered together; what changed since stays, and says so",
            "companies:write",
            {"200": obj({"outcomes": _OUTCOMES})},
            parameters=[ID, KEY],
        )
    },
    "/duplicates/{id}/decide": {
        "post": operation(
            "Answer an alert, or one debtor of it; 409 says who answered before",
            "companies:write",
            {"200": obj({"decision": WHOLE, "outcomes": _OUTCOMES})},
            parameters=[ID, KEY],
            body=_ANSWER,
        )
    },
    "/duplicates/{id}/undo": {
        "post": operation(
            "Take back the last answer; 409 says what changed since",
            "companies:write",
            {"200": obj({"outcomes": _OUTCOMES})},
            parameters=[ID, KEY],
            body=obj({"all": {**YES, "description": "everything that was answered with it"}}),
        )
    },
}
