"""
The building blocks of the API's description: types, parameters, operations, as OpenAPI 3.1 has them.
"""

from __future__ import annotations

from typing import Any

from webhooks.api_requests import LIMIT, MAX_LIMIT

Json = dict[str, Any]


def obj(properties: Json, **more: Any) -> Json:
    return {"type": "object", "properties": properties, **more}


def alike(names: str, kind: Json) -> Json:
    return dict.fromkeys(names.split(), kind)


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


TEXT: Json = {"type": ["string", "null"]}
WHOLE: Json = {"type": ["integer", "null"]}
MONEY: Json = {"type": ["string", "null"], "pattern": r"^-?\d+\.\d{2,6}$"}
EXACT: Json = {"type": ["string", "null"], "pattern": r"^-?\d+(\.\d{1,6})?$"}
TIME: Json = {"type": ["string", "null"], "format": "date-time"}
DATE: Json = {"type": ["string", "null"], "format": "date"}
YES: Json = {"type": "boolean"}
NUMBER: Json = {"type": "integer"}


def in_path(name: str, schema: Json = NUMBER) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def in_query(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


_PAGED = [
    in_query("cursor", "the `cursor` of the page before; absent on the last page"),
    in_query("limit", "items a page", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}),
]
KEY = {"name": "Idempotency-Key", "in": "header", "description": "this may be sent again anyway", "schema": TEXT}
AGREEMENT = in_path("agreement")


REPEATS = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same request with the same key is answered as before, for a week, and does nothing",
    "schema": {"type": "string", "maxLength": 255},
}


def operation(summary: str, scope: str, answers: Json, *, parameters: list[Json], body: Json | None = None) -> Json:
    problem = {"description": "a problem", "content": {"application/problem+json": {"schema": ref("Problem")}}}
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


def paged(summary: str, scope: str, name: str, parameters: list[Json]) -> Json:
    page = obj({"items": {"type": "array", "items": ref(name)}, "cursor": {"type": "string"}})
    return operation(summary, scope, {"200": page}, parameters=[*parameters, *_PAGED])


def one(summary: str, scope: str, name: str, parameters: list[Json]) -> Json:
    return operation(summary, scope, {"200": ref(name)}, parameters=parameters)
