"""
Carrying out what an import has judged: what does not hold any more is left out, and judged anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from domain.import_rows import Content, Done, ImportRow, Judgement, Outcome, Verdict, proposal_of
from domain.match_debtors import Carried, Did, MatchedDebtor, carry_out
from domain.ports import UnitOfWork
from domain.run_kinds import RunPort

_OUTCOMES = {
    Did.CREATED: Outcome.CREATED,
    Did.LINKED: Outcome.LINKED,
    Did.UPDATED: Outcome.UPDATED,
    Did.ALERTED: Outcome.ASKED,
    Did.LEFT: Outcome.NOTHING,
    Did.NOTHING: Outcome.NOTHING,
}


def carried_out(
    uow: UnitOfWork, work: RunPort, rows: Sequence[ImportRow], *, who: str, crowded: Collection[int], last: bool
) -> dict[int, Done]:
    """What became of these, by number; those to be judged anew are left out, unless it is the last time."""
    done: dict[int, Done] = {}
    owners = uow.imports.settings().owners
    debtors = {row.content.number: debtor_of(work.agreement, row.content, owners) for row in rows}
    together = {
        row.content.number: debtors[row.content.number].id
        for row in rows
        if row.judgement is not None and row.judgement.verdict is Verdict.NEW
    }
    before = uow.imports.companies_of(
        work.run_id, {number for row in rows for number in _relies_on(row)} - together.keys()
    )
    numbers: list[int] = []
    proposals = []
    for row in rows:
        number = row.content.number
        judgement = None if row.judgement is None else _resolved(row.judgement, before)
        if row.content.id is None or row.judgement is None:
            done[number] = Done(Outcome.NOTHING)
        elif judgement is not None:
            numbers.append(number)
            proposals.append(proposal_of(debtors[number], judgement, together))
    carried = carry_out(uow.matching, proposals, who=who, run_id=work.run_id, crowded=crowded)
    done |= {number: _done(each) for number, each in zip(numbers, carried, strict=True) if each.did is not Did.STALE}
    if last:
        changing = Done(Outcome.NOTHING, note="it, or the company it may be, changed again and again: import again")
        done = {row.content.number: changing for row in rows} | done
    return done


def debtor_of(agreement: int, content: Content, owners: Mapping[str, str]) -> MatchedDebtor:
    """One that the mirror does not have yet has the negative of its number for an id."""
    row_id = content.id if content.id is not None else -content.number
    return MatchedDebtor(row_id, agreement, content.number, content.values, owners)


def _relies_on(row: ImportRow) -> set[int]:
    """The debtors whose new companies a judgement names."""
    candidates = row.judgement.candidates if row.judgement is not None else ()
    return {-each.company for each in candidates if each.company < 0}


def _resolved(judgement: Judgement, made: Mapping[int, int]) -> Judgement:
    """With the companies that were made before."""
    candidates = tuple(
        each._replace(company=made[-each.company]) if -each.company in made else each for each in judgement.candidates
    )
    company = judgement.company
    if company is None and judgement.joins is not None:
        company = made.get(judgement.joins)
    return judgement._replace(company=company, candidates=candidates)


def _done(carried: Carried) -> Done:
    proposal = carried.proposal
    return Done(_OUTCOMES[carried.did], carried.company, proposal.changed)
