"""
How edits end: people are told of what did not come about, and the company takes over what its CRM had written.
"""

from __future__ import annotations

from domain.companies import said_by_debtor
from domain.debtor_edits import Edit, State
from domain.debtors import Debtor
from domain.hints import match_hint
from domain.links import note_change, settled
from domain.ports import FailureReport, UnitOfWork
from domain.take_companies import CRM, CompanyChanges

SUBJECT = "edit"

_LOOK = "Look at the debtor in e-conomic, and have it changed again if it still must be; then dismiss this."
_ADVICE = {
    "changed_meanwhile": "Compare the values. To write yours all the same, ask for it again and say that you saw what"
    " e-conomic has now; otherwise dismiss this.",
    "another_name": "Look at the debtor in e-conomic. If it is the right one, ask for the change again.",
    "made_anew": "Look at the debtor in e-conomic: delete it there if it was meant to be gone. Then dismiss this.",
    "edits_off": "Allow it (`debitor agreement new-debtors NUMBER --edits on`) and replay, or dismiss this.",
    "rejected": "Mend what is named in e-conomic and replay, or ask for another value and dismiss this.",
    "no_answer": "Replay it: the debtor is read first, and nothing is written twice.",
    "bug": "Report it with the log; then replay: the debtor is read first.",
    "unreadable": "Correct the debtor in e-conomic, and replay.",
}


def in_words(edit: Edit) -> str:
    """Each field that stands in the way: what was seen, what it is now, what was wanted."""
    found = edit.found or {}
    return "; ".join(
        f"{name}: {_shown(wish.was)} when it was asked for, {_shown(found[name])} now, wanted {_shown(wish.value)}"
        for name, wish in edit.wishes.items()
        if name in found
    )


def _shown(value: str | None) -> str:
    return "empty" if not value else '"' + value.replace("\n", " / ") + '"'


def failure(edit: Edit) -> FailureReport:
    """What a person must look at."""
    reason = edit.reason or "failed"
    return FailureReport(
        SUBJECT,
        str(edit.id),
        reason,
        f"Debtor {edit.number} was not changed. {edit.message}"
        if reason not in ("made_anew", "not_taken")
        else str(edit.message),
        _ADVICE.get(reason, _LOOK),
        f"{', '.join(edit.wishes)}, asked for by {edit.who}",
    )


def ended(uow: UnitOfWork, edit: Edit, debtor: Debtor | None) -> None:
    """
    Store the end of an edit, in the transaction that lets the mirror know `debtor`.

    Rows are locked in one order: debtors, companies, edits, failures.
    """
    if edit.state is State.WRITTEN and debtor is not None and edit.by_crm:
        _settle_company(uow, edit, debtor)
    if uow.follows_companies:  # which waited while it was being written
        uow.inbox.add([match_hint(edit.agreement, edit.number, edit.cause or "")])
    uow.edits.save(edit)
    if edit.state is State.WRITTEN:
        uow.failures.resolve(SUBJECT, [edit.id, *uow.edits.overtaken(edit)])
    else:
        uow.failures.report([failure(edit)])


def _settle_company(uow: UnitOfWork, edit: Edit, debtor: Debtor) -> None:
    """
    Its company says what the CRM had written, and the CRM is not told its own words.

    Only for a company that the CRM knows; any other follows the debtor as it does after every change.
    """
    row = uow.debtors.living([debtor.number]).get(debtor.number)
    if row is None or row.id != edit.debtor:
        return
    links = uow.matching.links
    links.debtors([row.id])
    standing = links.standings([row.id]).get(row.id)
    if standing is None or standing.company is None:
        return
    uow.companies.lock([standing.company])
    linked = links.companies([standing.company])[standing.company]
    company = linked.company
    if not company.living or company.crm_id is None:
        return
    now = said_by_debtor(debtor._asdict())
    before = said_by_debtor({**debtor._asdict(), **edit.before})
    written = {name: value for name, value in now.items() if value != before[name]}
    change = settled(company, written, before, linked.owners, shared=len(linked.debtors) > 1)
    changes = CompanyChanges(agreed={(company.id, CRM, name) for name in change.agreed})
    note_change(changes, row.id, change, cause=edit.cause)
    uow.companies.write(changes, who=edit.who)
    links.saw({row.id: {**standing.seen, **written}})
