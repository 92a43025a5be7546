"""
Use case: revert an import. The companies and links it made go, newest first, as long as they are what it made of them.

What changed since is refused, by value and by name. The mirror stays as it is, and so does what linked companies took
over from their own debtors: that came from e-conomic, not from the import. A debtor whose link went is left alone until
a person acts: starts an import anew, or links it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.alerts import Ending
from domain.companies import CompanyFields, StoredCompany, What
from domain.events import EventType, NewEvent
from domain.imports import MOST_TURNS, PORTION, ImportRow, Outcome, Reverted
from domain.links import LinkedDebtor
from domain.ports import UnitOfWork
from domain.proposals import LinkedCompany, new_company
from domain.run_kinds import RunPort
from domain.take_companies import CompanyChanges, Entry, company_event

_FROM_THE_END = 10**12  # beyond every debtor number


class Phase(StrEnum):
    """What a revert is doing."""

    REVERT = "revert"
    DONE = "done"


@dataclass(slots=True)
class RevertState:
    """Where a revert is; kept in its row: in the import's turns, the last one first, and in each from the end."""

    turn: int = MOST_TURNS
    before: int = _FROM_THE_END  # the last debtor number that was looked at
    phase: Phase = Phase.REVERT
    total: int | None = None
    read: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in self.__slots__}, "phase": self.phase.value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RevertState:
        return cls(**{**stored, "phase": Phase(stored["phase"])})


class Revert:
    """
    One revert, a portion at a time.

    Args:
        run: the import.
        who: for the history.
    """

    def __init__(self, work: RunPort, run: int, who: str, state: RevertState) -> None:
        self._work = work
        self._run = run
        self._who = who
        self.state = state

    def step(self) -> bool:
        state = self.state
        if state.phase is Phase.DONE:
            return False
        with self._work.transaction() as uow:
            if state.total is None:
                state.total = uow.imports.count_made(self._run)
            rows = uow.imports.made(self._run, state.turn, state.before, PORTION)
            told = _Reverting(uow, self._work, self._run).take(rows, self._who)
            uow.imports.reverted(self._run, told)
            total = Counter(state.counts.get("reverted", {}))
            total.update(str(what) for what, _ in told.values())
            state.counts["reverted"] = dict(total)
            state.read += len(rows)
            if len(rows) == PORTION:
                state.before = rows[-1].content.number
            elif state.turn > 1:
                state.turn, state.before = state.turn - 1, _FROM_THE_END
            else:
                state.phase = Phase.DONE
            self._work.save(uow, state)
        return True

    def closing(self) -> str | None:
        kept = self.state.counts.get("reverted", {}).get(Reverted.KEPT, 0)
        if not kept:
            return None
        return (
            f"{kept} of {self.state.read} debtors keep their company, because something changed since: see the report"
        )


class _Reverting:
    """A portion, the last carried out first: whoever joined a company goes before the debtor it was made from."""

    def __init__(self, uow: UnitOfWork, work: RunPort, run: int) -> None:
        self._uow = uow
        self._agreement = work.agreement
        self._run = run
        self._changes = CompanyChanges(run_id=work.run_id)
        self._events: dict[int, NewEvent] = {}
        self._companies: dict[int, LinkedCompany] = {}
        self._links: Mapping[int, int] = {}
        self._wanted_by: Mapping[int, int] = {}  # company → its running conversion
        self._gone: list[int] = []

    def take(self, rows: Sequence[ImportRow], who: str) -> dict[int, tuple[Reverted, str | None]]:
        """What became of each, by number, with the reason where it was kept."""
        stores = self._uow.matching
        ids = [row.content.id for row in rows if row.content.id is not None]
        debtors = stores.links.debtors(ids)
        self._links = self._uow.imports.links_of(self._run, ids)
        wanted = {row.done.company for row in rows if row.done is not None and row.done.company is not None}
        stores.companies.lock(wanted)
        self._companies = dict(stores.links.companies(wanted))
        self._wanted_by = self._uow.conversions.running(wanted)
        told: dict[int, tuple[Reverted, str | None]] = {}
        for row in rows:
            why_not = self._revert(row, debtors)
            told[row.content.number] = (Reverted.REVERTED, None) if why_not is None else (Reverted.KEPT, why_not)
        for row in rows:
            if told[row.content.number][0] is Reverted.REVERTED and row.content.id is not None:
                stores.links.cut(row.content.id, who=who, refused=False)
        if self._changes.update or self._changes.history:
            stores.companies.write(self._changes, who=who)
        if self._gone:
            stores.alerts.close_for(companies=self._gone, how=Ending.GONE, who=who)
        stores.outbox.add([self._events[company] for company in sorted(self._events)])
        return told

    def _revert(self, row: ImportRow, debtors: Mapping[int, LinkedDebtor]) -> str | None:
        """Take one back; returns why not."""
        assert row.done is not None
        company_id, debtor_id = row.done.company, row.content.id
        linked = self._companies.get(company_id) if company_id is not None else None
        if linked is None or debtor_id is None:
            return "its company is not there any more"
        if linked.company.merged_into is not None:
            return (
                f"its company #{linked.company.id} was merged into #{linked.company.merged_into} since: undo that first"
            )
        if debtor_id not in self._links:
            return "its link was cut since"
        if self._links[debtor_id] != linked.company.id:
            return f"it was linked to company #{self._links[debtor_id]} since"
        rest = {each: agreement for each, agreement in linked.debtors.items() if each != debtor_id}
        if row.done.outcome is Outcome.CREATED:
            return self._unmake(row, linked, rest)
        return self._unlink(row, linked, rest)

    def _unlink(self, row: ImportRow, linked: LinkedCompany, rest: Mapping[int, int]) -> str | None:
        assert row.done is not None
        fields = linked.company.fields._asdict()
        if other := _other(fields, {name: after for name, (_, after) in row.done.changed.items()}):
            return f"the company changed since: {other}"
        back = {name: before for name, (before, _) in row.done.changed.items()}
        company = linked.company._replace(
            fields=CompanyFields(**{**fields, **back}),
            apart={name: value for name, value in linked.company.apart.items() if back.get(name) != value},
            changed_by={name: side for name, side in linked.company.changed_by.items() if name not in back},
        )
        self._note(row, company, What.UNLINKED)
        if back:
            self._changes.changed[company.id] = None
            detail = {name: [after, before] for name, (before, after) in row.done.changed.items()}
            self._changes.history.append(Entry(company.id, What.UPDATED, detail))
            self._events[company.id] = company_event(EventType.COMPANY_UPDATED, company, changed=list(back))
        self._companies[company.id] = linked._replace(company=company, debtors=rest)
        return None

    def _unmake(self, row: ImportRow, linked: LinkedCompany, rest: Mapping[int, int]) -> str | None:
        company = linked.company
        if company.deleted:
            return "the company was deleted since"
        if company.crm_id is not None:
            return f"the CRM knows the company as {company.crm_id} since"
        if rest:
            return "other debtors are linked to the company since"
        made = new_company(company.id, LinkedDebtor(0, 0, row.content.number, row.content.values, {}))
        if other := _other(company.fields._asdict(), made.fields._asdict()):
            return f"the company changed since: {other}"
        if company.id in self._wanted_by:
            return f"deal {self._wanted_by[company.id]} waits for the company to become a debtor"
        company = company._replace(deleted=True)
        self._gone.append(company.id)
        self._note(row, company, What.UNLINKED)
        self._changes.history.append(Entry(company.id, What.DELETED, {}))
        self._changes.changed[company.id] = None
        event = company_event(EventType.COMPANY_UPDATED, company, changed=["deleted"])
        self._events[company.id] = event._replace(data={**event.data, "deleted": True})
        self._companies[company.id] = linked._replace(company=company, debtors=rest)
        return None

    def _note(self, row: ImportRow, company: StoredCompany, what: What) -> None:
        detail = {"agreement": self._agreement, "debtor": row.content.number}
        self._changes.history.append(Entry(company.id, what, detail))
        self._changes.update[company.id] = company


def _other(fields: Mapping[str, str | None], expected: Mapping[str, str | None]) -> str:
    """The names of fields that do not have the value expected."""
    return ", ".join(name for name, value in expected.items() if fields[name] != value)
