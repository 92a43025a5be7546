"""
Edits of debtors as JSON.
"""

from __future__ import annotations

from domain.debtor_edits import Edit
from infra.database.edits import EditView
from webhooks.api_shapes import Json, time


def edit(view: EditView) -> Json:
    """An edit; a field says what stands there `now` where the edit did not come about because of it."""
    one = view.edit
    return {
        "id": one.id,
        "agreement": one.agreement,
        "debtor": one.number,
        "state": one.state.value,
        "changes": {name: _field(one, name) for name in one.wishes},
        "reason": one.reason,
        "message": one.message,
        "who": one.who,
        "created_at": time(view.created_at),
        "changed_at": time(view.changed_at),
    }


def _field(one: Edit, name: str) -> Json:
    wish, found = one.wishes[name], one.found or {}
    return {"was": wish.was, "wanted": wish.value, **({"now": found[name]} if name in found else {})}
