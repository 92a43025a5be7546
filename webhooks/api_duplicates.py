"""
The API's duplicate alerts: what a person is asked, and the answers that programs give for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask import Blueprint
from flask.typing import ResponseReturnValue

from domain.alerts import AlertReason, Answer, RecordKind, RecordRef
from domain.answer_alerts import Choice, answer, answer_all
from domain.questions import NotAnswered
from domain.undo_answers import undo, undo_all
from infra.bootstrap import Services
from infra.database import alert_views, company_views
from infra.database.alert_stores import answering
from infra.database.alert_views import STATES, Alert
from webhooks import api_shapes as shapes
from webhooks.api_companies import READ, WHO, WRITE
from webhooks.api_requests import (
    Problem,
    body_of,
    caller,
    check_parameters,
    number,
    page,
    page_size,
    text,
)
from webhooks.api_requests import answer as answer_with


def add_duplicates(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/duplicates")
    def duplicates() -> ResponseReturnValue:
        """Alerts, newest first; open ones unless another state is asked for."""
        firm = caller(services, READ)
        check_parameters({"reason", "state", "cursor", "limit"})
        limit = page_size()
        with services.database.read() as connection:
            rows = alert_views.alerts(
                connection,
                services.database.sql,
                firm,
                reason=_reason(),
                state=_state(),
                after=number("cursor"),
                limit=limit + 1,
            )
        return page(rows, limit, shapes.alert, lambda row: row.id)

    @api.get("/duplicates/<int:wanted>")
    def duplicate(wanted: int) -> ResponseReturnValue:
        """One alert: its records, what each may be, and why."""
        firm = caller(services, READ)
        check_parameters(())
        return answer_with(shapes.alert(stored(firm, wanted)))

    @api.post("/duplicates/<int:wanted>/decide")
    def decide(wanted: int) -> ResponseReturnValue:
        """Answer one alert, or one debtor of it; 409 says who answered before, or why it cannot be."""
        firm = caller(services, WRITE)
        check_parameters(())
        body = body_of({"answer", "company", "debtor"})
        shown = stored(firm, wanted)
        choice = Choice(_answer(body.get("answer")), company_of(firm, body.get("company")), _record(body, shown))
        with refused(), answering(services.database, firm)() as stores:
            done = answer(stores, wanted, choice, who=WHO)
        return answer_with(shapes.answered(done))

    @api.post("/duplicates/decide")
    def decide_all() -> ResponseReturnValue:
        """Answer every open alert of a reason; what cannot be answered says why, and stays open."""
        firm = caller(services, WRITE)
        check_parameters(())
        body = body_of({"answer", "reason"})
        given, reason = _answer(body.get("answer")), _reason_of(body.get("reason"))
        return answer_with(shapes.answered(answer_all(answering(services.database, firm), reason, given, who=WHO)))

    @api.post("/duplicates/decisions/<int:decision>/undo")
    def take_back_all(decision: int) -> ResponseReturnValue:
        """Take back everything that was answered together; what changed since stays, and says so."""
        firm = caller(services, WRITE)
        check_parameters(())
        body_of(())
        with refused():
            outcomes = undo_all(answering(services.database, firm), decision, who=WHO)
        return answer_with({"outcomes": [shapes.outcome(each) for each in outcomes]})

    @api.post("/duplicates/<int:wanted>/undo")
    def take_back(wanted: int) -> ResponseReturnValue:
        """Take back the last answer; with `all`, everything that was answered with it. 409 says what changed since."""
        firm = caller(services, WRITE)
        check_parameters(())
        everything = body_of({"all"}).get("all", False)
        if not isinstance(everything, bool):
            raise Problem(400, "all must be true or false", field="all")
        shown = stored(firm, wanted)
        transaction = answering(services.database, firm)
        with refused():
            decisions = {each.decision for each in shown.records if each.decision is not None}
            if everything and decisions:
                outcomes = undo_all(transaction, max(decisions), who=WHO)
            else:
                with transaction() as stores:
                    outcomes = undo(stores, wanted, who=WHO)
        return answer_with({"outcomes": [shapes.outcome(each) for each in outcomes]})

    def stored(firm: int, wanted: int) -> Alert:
        with services.database.read() as connection:
            found = alert_views.one(connection, services.database.sql, firm, wanted)
        if found is None:
            raise Problem(404, f"there is no duplicate alert {wanted}")
        return found

    def company_of(firm: int, name: object) -> int | None:
        if name is None:
            return None
        if not isinstance(name, str) or "\0" in name:
            raise Problem(400, "company must be the CRM's id, or # and Debitor's own, as text", field="company")
        with services.database.read() as connection:
            found = company_views.find(connection, firm, name)
        if found is None:
            raise Problem(400, f"there is no company {name}", field="company")
        return found


@contextmanager
def refused() -> Iterator[None]:
    """An answer that cannot be given is a conflict with what is stored."""
    try:
        yield
    except NotAnswered as error:
        raise Problem(409, str(error)) from error


def _reason_of(said: object) -> AlertReason:
    """Raises Problem 400."""
    if said not in list(AlertReason):
        raise Problem(400, f"reason must be one of {', '.join(AlertReason)}", field="reason")
    return AlertReason(str(said))


def _reason() -> AlertReason | None:
    reason = text("reason")
    return None if reason is None else _reason_of(reason)


def _state() -> str | None:
    state = text("state") or "open"
    if state not in (*STATES, "all"):
        raise Problem(400, f"state must be all or one of {', '.join(STATES)}", field="state")
    return None if state == "all" else state


def _answer(said: object) -> Answer:
    if said not in list(Answer):
        raise Problem(400, f"answer must be one of {', '.join(Answer)}", field="answer")
    return Answer(str(said))


def _record(body: Mapping[str, object], shown: Alert) -> RecordRef | None:
    """The debtor of the group that is meant alone."""
    wanted = body.get("debtor")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.keys() != {"agreement", "number"}:
        raise Problem(400, 'debtor must be {"agreement": …, "number": …}', field="debtor")
    for each in shown.records:
        if {"agreement": each.record.agreement, "number": each.record.number} == wanted:
            return RecordRef(RecordKind.DEBTOR, each.record.id)
    raise Problem(400, "that debtor is not in this alert", field="debtor")
