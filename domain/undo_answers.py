"""
Answers to duplicate alerts, taken back by value: what changed since stays, and is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from domain.alerts import Ending, RecordKind, RecordRef
from domain.errors import PermanentError
from domain.links import LinkedDebtor
from domain.questions import AT_ONCE, AskedRecord, NotAnswered, Outcome, Stores, Transaction, said_at
from domain.taking_back import LinkMade, take_back
from domain.unmerge_companies import unmerge


def undo(stores: Stores, alert: int, *, who: str) -> list[Outcome]:
    """
    Take back the last answer to one alert; what was answered with it about other alerts stays.

    Raises:
        NotAnswered: there is none, or something changed since about every record.
    """
    records = stores.answers.records([alert])
    if not records:
        raise NotAnswered(f"there is no alert {alert}")
    answered = [each for each in records if each.ending is not None and each.decision is not None]
    if not answered:
        raise NotAnswered(_nothing(alert, records, stores))
    last = max(each.decision for each in answered if each.decision is not None)
    outcomes = _undo(stores, last, [each for each in answered if each.decision == last], who)
    if outcomes and all(outcome.problem for outcome in outcomes):
        raise NotAnswered("; ".join(outcome.problem or "" for outcome in outcomes))
    return outcomes


def undo_all(transaction: Transaction, decision: int, *, who: str) -> list[Outcome]:
    """
    Take back everything that was answered together, newest first, `AT_ONCE` records in a transaction.

    What changed since about a record is in its outcome, and its answer stays.

    Raises:
        NotAnswered: there is no such decision, or nothing of it is left.
    """
    outcomes: list[Outcome] = []
    with transaction() as stores:
        records = stores.answers.decided(decision)[::-1]
    if not records:
        raise NotAnswered(f"there is nothing to take back of decision {decision}")
    for start in range(0, len(records), AT_ONCE):
        with transaction() as stores:
            outcomes += _undo(stores, decision, records[start : start + AT_ONCE], who)
    return outcomes


def _nothing(alert: int, records: Sequence[AskedRecord], stores: Stores) -> str:
    if all(each.ending is not None for each in records):
        by_itself = ", ".join(sorted({each.ending.value for each in records if each.ending is not None}))
        return f"alert {alert} closed by itself ({by_itself}): there is no answer to take back"
    undone = stores.answers.undoing([each.decision for each in records if each.decision is not None])
    if undone is not None:
        return f"alert {alert} is open: {undone.who} took the answer back on {said_at(undone.at)}"
    return f"alert {alert} is open: there is no answer to take back"


def _undo(stores: Stores, decision: int, records: Sequence[AskedRecord], who: str) -> list[Outcome]:
    debtors = stores.links.debtors({each.record.id for each in records if each.record.kind is RecordKind.DEBTOR})
    stores.companies.lock(_companies(stores, records))
    stores.answers.lock({each.alert for each in records})
    current = {each.id: each for each in stores.answers.records({each.alert for each in records})}
    standing = {each.id for each in current.values() if each.ending is not None and each.decision == decision}
    links = [_link(each, debtors) for each in current.values() if each.id in standing]
    kept = take_back(stores, stores.conversions, [each for each in links if each is not None], who=who)
    outcomes, undone = [], []
    for each in records:
        if each.id not in standing:
            outcomes.append(_outcome(each, problem=f"{each.name}: the answer was taken back, or is another by now"))
            continue
        now = current[each.id]
        try:
            left = _take_back(stores, now, debtors, kept, who)
        except PermanentError as error:
            outcomes.append(_outcome(each, problem=f"{each.name}: {error}"))
        else:
            undone.append(now)
            outcomes.append(_outcome(each)._replace(kept=left))
    stores.answers.undone(undone, decision=decision, who=who)
    return outcomes


def _companies(stores: Stores, records: Sequence[AskedRecord]) -> set[int]:
    """What taking back may touch."""
    companies: set[int] = set()
    for each in records:
        done = _done(each)
        if "merge" in done and (merged := stores.merges.load(done["merge"])) is not None:
            companies.update(merged.companies)
        elif "company" in done:
            companies.add(done["company"])
    return companies


def _link(each: AskedRecord, debtors: Mapping[int, LinkedDebtor]) -> LinkMade | None:
    """The link that an answer made; None when it made none, or its debtor is gone."""
    debtor = debtors.get(each.record.id)
    if each.ending not in (Ending.LINKED, Ending.CREATED) or debtor is None:
        return None
    done = _done(each)
    changed = {name: (before, after) for name, (before, after) in done.get("changed", {}).items()}
    return LinkMade(debtor.id, debtor.agreement, debtor.number, done["company"], changed, done.get("created"))


def _take_back(
    stores: Stores, each: AskedRecord, debtors: Mapping[int, LinkedDebtor], kept: Mapping[int, str], who: str
) -> tuple[str, ...]:
    """
    The rest of an answer, when its link was taken back; returns what was left as it is, in words.

    Args:
        kept: debtor → why its link was not taken back.
    """
    done = _done(each)
    if "merge" in done:
        left = unmerge(stores.merging, stores.merges, done["merge"], who=who).kept
        return tuple(f"{one.kind} {one.name}" for one in left)
    if each.ending in (Ending.LINKED, Ending.CREATED):
        if each.record.id not in debtors:
            raise NotAnswered("it is deleted in e-conomic since")
        if why := kept.get(each.record.id):
            raise NotAnswered(why)
    stores.answers.forget(
        [(RecordRef(RecordKind(kind), record), other) for kind, record, other in done.get("pairs", ())]
    )
    return ()


def _done(each: AskedRecord) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", each.done or {})


def _outcome(each: AskedRecord, *, problem: str | None = None) -> Outcome:
    return Outcome(each.alert, each.record, each.name, None if problem is None else each.ending, None, problem)
