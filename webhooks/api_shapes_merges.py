"""
The JSON of merges and of what a merge would make.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.companies import StoredCompany
from domain.merging import Member, Plan
from infra.database.company_views import Named
from infra.database.merge_views import Happened, Merge
from webhooks.api_shapes import Json, time


def merge(row: Merge) -> Json:
    """A merge; `changed` is what it changed of the survivor, `kept` what stayed with it by undoing."""
    return {
        "id": row.id,
        "survivor": _named(row.survivor),
        "merged": [_named(each) for each in row.merged],
        "changed": {name: {"before": before, "after": after} for name, (before, after) in row.changed.items()},
        "who": row.who,
        "at": time(row.at),
        "undone_by": row.undone_by,
        "undone_at": time(row.undone_at),
        "kept": [each._asdict() for each in row.kept],
    }


def happened(row: Happened) -> Json:
    """A line of a company's history; `company` is whose it was when it happened."""
    return {
        "id": row.id,
        "at": time(row.at),
        "who": row.who,
        "what": row.what,
        "company": _named(row.company),
        "detail": row.detail,
    }


def preview(plan: Plan, members: Sequence[Member]) -> Json:
    """Companies side by side, in the order they were named, and what they would be; `from` null = of none of them."""
    ids = {member.company.id: _id(member.company) for member in members}
    return {
        "survivor": ids[plan.survivor.id],
        "companies": [
            {**ids[member.company.id], **member.company.fields._asdict(), "debtors": member.debtors}
            for member in members
        ],
        "fields": [
            {
                "field": name,
                "differs": name in plan.differing,
                "value": value,
                "from": ids[plan.sources[name]] if name in plan.sources else None,
            }
            for name, value in plan.fields._asdict().items()
        ],
    }


def _id(company: StoredCompany) -> Json:
    return {"id": company.crm_id, "debitor_id": company.id}


def _named(company: Named) -> Json:
    return {"id": company.crm_id, "debitor_id": company.id, "name": company.name}
