"""
The rows of an import: a debtor each, what the run says about it, and what it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from domain.companies import Refusal
from domain.matching.reasons import Reason
from domain.matching.records import Record
from domain.matching.verdicts import Action, Candidate, Rung
from domain.matching.verdicts import Verdict as Judged
from domain.precision import Tick
from domain.proposals import FIRST_NEW, Left, MatchedDebtor, Proposal, Proposed

CONTENT = (
    *("number", "name", "address", "zip", "city", "country", "cvr", "vat_number", "p_number", "ean"),
    *("email", "phone", "mobile", "website"),
)
"""The columns of a debtor that matching looks at, or that a company takes over."""


class Verdict(StrEnum):
    """What is to become of a debtor."""

    NEW = "new"  # a company is made from it
    LINKED = "linked"  # it is a company that is known
    UPDATE = "update"  # it has a company, which changes
    UNCHANGED = "unchanged"
    DOUBTFUL = "doubtful"  # a person must say
    LEFT = "left"  # it gets no company
    ERROR = "error"  # it cannot be read


VERDICTS = {
    Proposed.CREATE: Verdict.NEW,
    Proposed.LINK: Verdict.LINKED,
    Proposed.UPDATE: Verdict.UPDATE,
    Proposed.NONE: Verdict.UNCHANGED,
    Proposed.ALERT: Verdict.DOUBTFUL,
    Proposed.LEAVE: Verdict.LEFT,
}
_PROPOSED = {verdict: proposed for proposed, verdict in VERDICTS.items()}
_ACTIONS = {Verdict.NEW: Action.CREATE, Verdict.LINKED: Action.LINK, Verdict.DOUBTFUL: Action.ALERT}


class Outcome(StrEnum):
    """What was done about a debtor."""

    CREATED = "created"
    LINKED = "linked"
    UPDATED = "updated"
    ASKED = "asked"  # a person is asked
    NOTHING = "nothing"


class Reverted(StrEnum):
    """What became of a debtor's link when its import was reverted."""

    REVERTED = "reverted"
    KEPT = "kept"  # something changed since


class Content(NamedTuple):
    """A debtor taken into a run; `id` is None while the mirror does not have it, `values` are those of CONTENT."""

    number: int
    id: int | None
    values: Mapping[str, object]


class Judgement(NamedTuple):
    """
    What a run says about a debtor.

    Attributes:
        company: the one it is linked to, or is to be linked to.
        joins: the number of the debtor whose new company it is linked to.
        candidates: the company it is linked to, or those of a doubt, best first; a company that is only about to be
            made is the negative number of its debtor.
        form: what it rests on: the normal form of `company`, or of a debtor that becomes a new one.
        changed: field → before, after.
        refused: field → what e-conomic says, why it is only shown.
        note: why it is left, or cannot be read.
        turn: doubts are looked at again when all debtors are judged; what was judged first is carried out first.
    """

    verdict: Verdict
    company: int | None = None
    joins: int | None = None
    rung: Rung | None = None
    candidates: tuple[Candidate, ...] = ()
    form: Record | None = None
    changed: Mapping[str, tuple[str | None, str | None]] = {}
    refused: Mapping[str, tuple[str, Refusal]] = {}
    note: str | None = None
    turn: int = 1

    @property
    def score(self) -> float | None:
        """Of the company, or of the likeliest one."""
        return self.candidates[0].score if self.candidates else None


class Done(NamedTuple):
    """What a run did about a debtor; `company` and `changed` as it came out."""

    outcome: Outcome
    company: int | None = None
    changed: Mapping[str, tuple[str | None, str | None]] = {}
    note: str | None = None


class ImportRow(NamedTuple):
    """A debtor of a run."""

    content: Content
    judgement: Judgement | None = None
    done: Done | None = None
    tick: Tick | None = None
    reverted: Reverted | None = None
    revert_note: str | None = None


def proposal_of(debtor: MatchedDebtor, judgement: Judgement, new_of: Mapping[int, int]) -> Proposal:
    """
    The proposal that a judgement was.

    Args:
        new_of: the debtors whose companies are about to be made together with this one, number → id. Companies of
            other debtors have been made: the judgement names them already.
    """
    news = {-each.company: new_of[-each.company] for each in judgement.candidates if each.company < 0}
    candidates = tuple(
        each._replace(company=FIRST_NEW - each.company) if each.company < 0 else each for each in judgement.candidates
    )
    action = _ACTIONS.get(judgement.verdict)
    is_new = judgement.verdict is Verdict.NEW
    return Proposal(
        debtor,
        _PROPOSED[judgement.verdict],
        verdict=None if action is None else Judged(action, judgement.company, judgement.rung, candidates, 0),
        company=judgement.company,
        new_of=None if judgement.joins is None or judgement.company is not None else new_of[judgement.joins],
        news={FIRST_NEW + number: debtor_id for number, debtor_id in news.items()},
        changed=judgement.changed,
        refused=judgement.refused,
        left=Left(judgement.note) if judgement.verdict is Verdict.LEFT and judgement.note else None,
        form=judgement.form if is_new else None,
        judged=None if is_new else judgement.form,
    )


def candidates_as_json(candidates: Sequence[Candidate]) -> list[list[Any]]:
    return [
        [each.company, each.score, _reasons_as_json(each.reasons), _reasons_as_json(each.against)]
        for each in candidates
    ]


def candidates_from_json(stored: Sequence[Sequence[Any]]) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(company, score, _reasons_from_json(reasons), _reasons_from_json(against))
        for company, score, reasons, against in stored
    )


def _reasons_as_json(reasons: Sequence[Reason]) -> list[list[Any]]:
    return [[each.message, each.bits, dict(each.parameters)] for each in reasons]


def _reasons_from_json(stored: Sequence[Sequence[Any]]) -> tuple[Reason, ...]:
    return tuple(Reason(message, bits, tuple(parameters.items())) for message, bits, parameters in stored)
