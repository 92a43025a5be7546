"""
What a person must look at: the open failures, read again or put aside.
"""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console.debtors import ID
from console.language import gettext
from console.ports import ConsoleServices
from console.sign_in import reader
from infra.database import failure_list, views_debtors
from infra.database.failure_list import Filter
from infra.database.users import Role

MOST = 200  # on one page; ending some brings up the next
MAX_NOTE = 500

_MAY_END = frozenset({Role.ADMIN, Role.OPS})


def add_routes(pages: Blueprint, services: ConsoleServices) -> None:
    """`/failures`, and ending one of them."""
    database = services.database

    @pages.get("/failures")
    def failures() -> ResponseReturnValue:
        """The open failures, newest first; `?agreement=` shows one agreement's."""
        person = reader()
        with database.read() as connection:
            mine = views_debtors.agreements(connection, person.firm_id)
            wanted = request.args.get("agreement", "")
            shown = next((agreement.number for agreement in mine if str(agreement.number) == wanted), None)
            found = failure_list.failures(connection, Filter(firm=person.firm_id, agreement=shown), limit=MOST)
        return render_template(
            "console/failures.html",
            shown=shown if len(mine) > 1 else None,
            failures=found,
            most=MOST,
            may_end=person.role in _MAY_END,
            max_note=MAX_NOTE,
        )

    @pages.post(f"/failures/<{ID}:failure_id>/replay")
    def replay_failure(failure_id: int) -> ResponseReturnValue:
        """Have its record read again; the scheduler's sweep starts that within a second."""
        _mine(failure_id)
        for outcome in failure_list.replay(database, [failure_id]):
            if outcome.refusal is None:
                flash(gettext("It is read again now. Should it fail once more, it comes back here."))
            else:
                flash(gettext("Nothing was done: %(reason)s", reason=outcome.refusal))
        return redirect(url_for("console.failures"), 303)

    @pages.post(f"/failures/<{ID}:failure_id>/dismiss")
    def dismiss_failure(failure_id: int) -> ResponseReturnValue:
        """Put it aside as it is, with a note for the next reader."""
        _mine(failure_id)
        failure_list.dismiss(database, [failure_id], request.form.get("note", "").strip()[:MAX_NOTE] or None)
        flash(gettext("Dismissed. It comes back only if it happens again."))
        return redirect(url_for("console.failures"), 303)

    def _mine(failure_id: int) -> None:
        """The reader may end this failure; another firm's does not exist."""
        person = reader()
        with database.read() as connection:
            if failure_list.failure(connection, failure_id, firm=person.firm_id) is None:
                abort(404)
        if person.role not in _MAY_END:
            abort(403)
