"""
How conversions begin and go on: events of the CRM, programs and people ask, and one conversion comes of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from domain.companies import LONGEST_ID, StoredCompany
from domain.conversions import NOTHING, Conversion, ConversionStore, Said, Save, State, Step, WrongState, name_key
from domain.crm_events import CrmEvent, Misshapen, read_stored
from domain.hints import Hint
from domain.new_debtor import OVERRIDES, BadOverride, read_overrides
from domain.ports import FailureReport, UnitOfWork
from domain.take_companies import CompanyStore, survivor


class Wanted(NamedTuple):
    """A company that is to become a debtor: by the CRM's id, or by our own. `deal` names what was won."""

    crm_id: str | None = None
    company: int | None = None
    said: Said = NOTHING
    second: bool = False
    deal: str | None = None
    who: str = "crm"
    cause: str | None = None


class Asked(NamedTuple):
    """What came of a request; `begun`: a conversion begins, or goes on, because of it."""

    conversion: Conversion
    begun: bool


class NoSuchCompany(Exception):
    """There is no company of this id of ours."""


def ask(companies: CompanyStore, conversions: ConversionStore, agreement: int, wanted: Sequence[Wanted]) -> list[Asked]:
    """
    Convert these companies, in the transaction that the stores are part of.

    Whoever asks twice gets the same conversion: the running one, or the one that made the debtor which the company
    has. One that failed goes on. A company the CRM has not told us of yet is waited for.

    Raises:
        NoSuchCompany: one is named by our own id and is not there.
    """
    known = companies.known({each.crm_id for each in wanted if each.crm_id is not None})
    named = [each.company if each.crm_id is None else known.get(each.crm_id) for each in wanted]
    survivors = locked_survivors(companies, {company for company in named if company is not None})
    living = {row.id for row in survivors.values()}
    asking = _Asking(
        conversions,
        agreement,
        conversions.of_companies(living),
        conversions.debtors_of(living),
        conversions.of_unknown({each.crm_id for each in wanted if each.crm_id is not None}),
    )
    for each, company in zip(wanted, named, strict=True):
        if company is None and each.crm_id is None:
            raise NoSuchCompany
        if company is not None and company not in survivors:
            raise NoSuchCompany
        asking.ask(each, None if company is None else survivors[company])
    return asking.done()


def locked_survivors(companies: CompanyStore, ids: Collection[int]) -> dict[int, StoredCompany]:
    """These companies, or what each was merged into, locked; those that are not there are left out."""
    rows = companies.lock((), follow=ids)
    ends = {company: survivor(rows, company) for company in ids}
    return {company: row for company, row in ends.items() if row is not None}


class _Asking:
    """A batch of requests; what an earlier one begins a later one finds."""

    def __init__(
        self,
        conversions: ConversionStore,
        agreement: int,
        of_company: dict[int, list[Conversion]],
        debtors: Mapping[int, Sequence[int]],
        of_unknown: dict[str, Conversion],
    ) -> None:
        self._conversions = conversions
        self._agreement = agreement
        self._of_company = of_company
        self._debtors = debtors
        self._of_unknown = of_unknown
        self._new: list[Conversion] = []
        self._saves: dict[int, Save] = {}
        self._asked: list[tuple[int, bool]] = []  # id, or minus the place among the new ones, begun

    def ask(self, wanted: Wanted, company: StoredCompany | None) -> None:
        waiting = self._of_unknown.get(wanted.crm_id) if wanted.crm_id is not None else None
        own = self._of_company.setdefault(company.id, []) if company is not None else []
        found = _same(wanted, own, self._debtors.get(company.id, ()) if company is not None else ()) or waiting
        if found is None:
            self._begin(wanted, company, own)
        else:
            self._go_on(wanted, found, own)

    def _begin(self, wanted: Wanted, company: StoredCompany | None, own: list[Conversion]) -> None:
        new = Conversion(
            id=-1 - len(self._new),
            agreement=self._agreement,
            crm_id=wanted.crm_id if company is None or company.crm_id is None else company.crm_id,
            company=None if company is None else company.id,
            deal=wanted.deal,
            second=wanted.second,
            said=wanted.said,
            name_key=None if company is None else name_key(wanted.said.overrides.get("name") or company.fields.name),
            who=wanted.who,
            cause=wanted.cause,
        )
        self._new.append(new)
        self._asked.append((new.id, True))
        if company is not None:
            own.insert(0, new)
        elif wanted.crm_id is not None:
            self._of_unknown[wanted.crm_id] = new

    def _go_on(self, wanted: Wanted, found: Conversion, own: list[Conversion]) -> None:
        changed = found
        if found.state is State.FAILED or (found.state is State.NEEDS_INPUT and wanted.said != NOTHING):
            changed = found.again(wanted.said)._replace(
                deal=wanted.deal or found.deal, second=wanted.second or found.second
            )
        elif found.state in (State.REQUESTED, State.WAITING_APPROVAL):
            changed = found._replace(said=found.said.and_then(wanted.said))
        begun = found.state is not changed.state
        self._asked.append((found.id, begun))
        if changed == found:
            return
        if found.id < 0:
            self._new[-1 - found.id] = changed
        else:
            step = Step("asked_again", wanted.said.as_json())
            next_in_s = None if changed.state is State.WAITING_APPROVAL else 0.0
            self._saves[found.id] = Save(changed, step, next_in_s, anew=begun, who=wanted.who)
        own[:] = [changed if each.id == found.id else each for each in own]
        if wanted.crm_id in self._of_unknown and self._of_unknown[wanted.crm_id].id == found.id:
            self._of_unknown[wanted.crm_id] = changed

    def done(self) -> list[Asked]:
        """Everything is written; what came of each request, in their order."""
        stored = self._conversions.add([each._replace(id=0) for each in self._new])
        self._conversions.save(list(self._saves.values()))
        by_id = {each.conversion.id: each.conversion for each in self._saves.values()}
        by_id |= {-1 - place: each for place, each in enumerate(stored)}
        for several in self._of_company.values():
            for each in several:
                by_id.setdefault(each.id, each)
        for each in self._of_unknown.values():
            by_id.setdefault(each.id, each)
        return [Asked(by_id[found], begun) for found, begun in self._asked]


def _same(wanted: Wanted, own: Sequence[Conversion], debtors: Collection[int]) -> Conversion | None:
    """The conversion that a request is about already; None = a new one begins."""
    for each in own:
        if each.running:
            return each
    ended = [each for each in own if each.state in (State.CREATED, State.LINKED) and each.debtor in debtors]
    if wanted.second and wanted.deal is not None:  # without one nothing would tell it from the request told again
        ended = [each for each in ended if each.deal == wanted.deal]
    if ended:
        return ended[0]
    if own and own[0].state is State.FAILED:
        return own[0]
    return None


class Supply(NamedTuple):
    """What a person says to one conversion; `decline`: it must not be created."""

    conversion: int
    said: Said = NOTHING
    decline: bool = False
    who: str = "person"


def supply(companies: CompanyStore, conversions: ConversionStore, given: Supply) -> Conversion:
    """
    Let a conversion go on with what a person says, or end it.

    One that waits only for its next attempt makes it at once.

    Raises:
        WrongState: it does not wait for anybody's word, or is not there.
    """
    [found] = peeked(companies, conversions, [given.conversion])
    if found is None:
        raise WrongState(f"there is no conversion {given.conversion}")
    if given.decline:
        declined = found.moved(State.FAILED, reason="declined", message="It was declined.")
        conversions.save([Save(declined, Step("declined"), who=given.who)])
        return declined
    if found.state in (State.REQUESTED, State.CREATING):
        conversions.save([Save(found, next_in_s=0.0)] if found.state is State.REQUESTED else [])
        return found
    again = found.again(given.said)
    conversions.save([Save(again, Step("supplied", given.said.as_json()), 0.0, anew=True, who=given.who)])
    return again


def peeked(companies: CompanyStore, conversions: ConversionStore, ids: Sequence[int]) -> list[Conversion | None]:
    """These conversions, locked, after their companies: whoever changes a company goes the same way."""
    before = conversions.peek(ids)
    companies.lock({each.company for each in before.values() if each.company is not None})
    locked = conversions.lock(ids)
    return [locked.get(each) for each in ids]


def take_conversion_events(uow: UnitOfWork, agreement: int, hints: Sequence[Hint]) -> int:
    """
    Turn stored events into conversions and replays, and mark them handled; returns how many began or go on.

    What one of them says wrong is a failure of its own.
    """
    wanted: list[Wanted] = []
    failures: list[FailureReport] = []
    replays = [hint.new for hint in hints if hint.body is None and hint.new is not None]
    for hint in hints:
        if hint.body is None:
            continue
        try:
            wanted.append(wanted_of(read_stored(hint.body), hint.correlation_id))
        except (Misshapen, ValueError, KeyError) as error:
            failures.append(_unusable(hint, error))
    begun = sum(asked.begun for asked in ask(uow.companies, uow.conversions, agreement, wanted)) if wanted else 0
    for found in peeked(uow.companies, uow.conversions, replays) if replays else ():
        if found is not None and found.state is State.FAILED:
            uow.conversions.save([Save(found.again(), Step("replayed"), 0.0, anew=True, who="person")])
            begun += 1
    uow.failures.report(failures)
    uow.inbox.handled([hint.id for hint in hints])
    return begun


def wanted_of(event: CrmEvent, cause: str | None = None) -> Wanted:
    """
    What an event of the CRM asks for.

    Raises:
        Misshapen: a field is longer than can be.
    """
    data = event.data
    crm_id = str(data["company"]["id"]).strip()
    if len(crm_id) > LONGEST_ID:
        raise Misshapen("data.company.id", f"must have 1 to {LONGEST_ID} characters")
    deal = data.get("deal")
    return Wanted(
        crm_id=crm_id,
        said=Said(overrides=_overrides(data.get("overrides") or {})),
        second=bool(data.get("allow_second_debtor")),
        deal=None if deal is None else str(deal)[:LONGEST_ID],
        who="crm",
        cause=cause,
    )


def _overrides(sent: Mapping[str, object]) -> dict[str, str]:
    """Those that mean something; the CRM's own fields beside them do not."""
    try:
        return read_overrides({name: value for name, value in sent.items() if name in OVERRIDES})
    except BadOverride as error:
        raise Misshapen(f"data.overrides.{error.field}", str(error)) from None


def _unusable(hint: Hint, error: Exception) -> FailureReport:
    return FailureReport(
        "crm event",
        str(hint.id),
        "unusable",
        f"The CRM's event about a deal won cannot be used: {error}.",
        "Correct the field in the CRM and let it send the event again; then dismiss this.",
        hint.body,
    )
