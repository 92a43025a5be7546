"""
How edits of debtors begin, and begin again: what is asked for is held against e-conomic's limits and the agreement's
switch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.companies import LONGEST
from domain.countries import country_name, is_country
from domain.crm_events import UNSTORABLE
from domain.debtor_edits import FIELDS, Edit, EditedDebtor, State, Wish, tidied
from domain.debtors import Debtor, changed_hands
from domain.errors import PermanentError
from domain.hints import Hint
from domain.new_debtor import TEXTS, unfit
from domain.ports import UnitOfWork

_DEBTORS = {ours: theirs for ours, (theirs, _) in TEXTS.items()}
_COMPANYS = {theirs: ours for ours, theirs in _DEBTORS.items()}


class EditsOff(PermanentError):
    """The agreement does not let the CRM change debtors; nothing was stored."""

    reason = "edits_off"


class NoDebtor(PermanentError):
    """The agreement has no such debtor, or e-conomic has deleted it; nothing was stored."""

    reason = "no_debtor"


class BadChange(PermanentError):
    """Something asked for cannot be written; `field` says which, the message why. Nothing was stored."""

    reason = "bad_change"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def read_changes(said: Mapping[str, object]) -> dict[str, str | None]:
    """
    What fields are to become, as `Debtor` names them; a company's names (street, vat, pno, mail, web) do as well.

    Nothing is cut off. None and "" empty a field.

    Raises:
        BadChange: an unknown field, or a value that e-conomic would not take.
    """
    found: dict[str, str | None] = {}
    for called, value in said.items():
        name = _field(called)
        if name in found:
            raise BadChange(called, f"{name} is given twice")
        text = _written(name, _text(called, value))
        if not text and name == "name":
            raise BadChange(called, "a debtor must have a name")
        if text and (why := unfit(_COMPANYS[name], text)):
            raise BadChange(called, why)
        found[name] = text or None
    return found


def read_seen(said: Mapping[str, object]) -> dict[str, str | None]:
    """What somebody saw in fields, as it stood there. Raises BadChange."""
    return {_field(called): _text(called, value) or None for called, value in said.items()}


def _field(called: str) -> str:
    name = _DEBTORS.get(called, called)
    if name not in FIELDS:
        raise BadChange(called, f"{called} of a debtor cannot be changed; these can: {', '.join(FIELDS)}")
    return name


def _text(called: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST["description"] or UNSTORABLE.search(value):
        raise BadChange(called, "must be text, or null to empty it")
    return value


def _written(name: str, text: str) -> str:
    """As it goes to e-conomic, which prints a country as it stands."""
    text = tidied(name, text)
    code = text.upper()
    return country_name(code) if name == "country" and len(code) == 2 and is_country(code) else text


def ask(
    uow: UnitOfWork,
    number: int,
    changes: Mapping[str, str | None],
    seen: Mapping[str, str | None],
    *,
    who: str,
    by_crm: bool,
    cause: str,
) -> Edit:
    """
    Have fields of a debtor changed, in this transaction; somebody must be woken for it then.

    Args:
        changes: as `read_changes` gives them.
        seen: what whoever asks saw; of the other fields what the mirror holds counts as seen.

    Raises:
        EditsOff, NoDebtor, BadChange: nothing is stored.
    """
    agreement = uow.agreement
    if not uow.new_debtors[0].edits:
        raise EditsOff(
            f"Agreement {agreement} does not let debtors be changed from outside e-conomic: an administrator allows it"
            f" with `debitor agreement new-debtors {agreement} --edits on`."
        )
    if not changes:
        raise BadChange("changes", "say at least one field and what it is to become")
    if foreign := seen.keys() - changes.keys():
        raise BadChange(min(foreign), "says what was seen there, but not what it is to become")
    debtor = uow.edits.debtor_at(number)
    if debtor is None or debtor.row.gone:
        gone = "has no debtor" if debtor is None else "has deleted debtor"
        raise NoDebtor(f"e-conomic {gone} {number} in agreement {agreement}, as far as Debitor knows.")
    _check_identity(debtor, changes)
    running = uow.edits.of_debtor(debtor.row.id)
    wishes = {}
    for name, value in changes.items():
        if name in seen:
            wishes[name] = Wish(value, seen[name])
        else:
            own = (each.wishes[name].value for each in running if name in each.wishes)
            wishes[name] = Wish(value, debtor.values[name], tuple(dict.fromkeys(own)))
    return uow.edits.add(Edit(0, agreement, debtor.row.id, number, wishes, who, by_crm=by_crm, cause=cause))


def _check_identity(debtor: EditedDebtor, changes: Mapping[str, str | None]) -> None:
    """Name and CVR number, both new, are another firm to Debitor, and to people."""
    after = Debtor(debtor.row.number, changes.get("name") or debtor.row.name, cvr=changes.get("cvr", debtor.row.cvr))
    if changed_hands(debtor.row, after):
        raise BadChange(
            "cvr", "name and CVR number both become others: that is another firm. Change one, and then the other"
        )


def take_replays(uow: UnitOfWork, hints: Sequence[Hint]) -> int:
    """Failures of edits were replayed: those edits are looked at anew. Returns how many."""
    again = [
        each
        for each in uow.edits.by_id({hint.new for hint in hints if hint.new is not None})
        if each.state in (State.FAILED, State.REFUSED)
    ]
    for each in again:
        uow.edits.save(each.again(), next_in_s=0.0)
    uow.inbox.handled([hint.id for hint in hints])
    return len(again)
