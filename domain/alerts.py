"""
Duplicate alerts: records that a person should look at together, asked about once per group and never per pair.

A *record* is a debtor, or a company, for which a company is sought; its candidates are the companies it may be. Records
that share a company or are each other's candidate, asked about for one reason, are one alert. A pair that a person said
is no duplicate is left out until one of the two changes in what decides (crm.md §2).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple, Protocol

from domain.matching import weights as w
from domain.matching.comparison import compare
from domain.matching.records import Record
from domain.matching.verdicts import MOST_SHOWN, Action, Candidate, Rung, Verdict


class RecordKind(StrEnum):
    """What a company is sought for."""

    DEBTOR = "debtor"
    COMPANY = "company"


class AlertReason(StrEnum):
    """Why a person is asked: all alerts of one reason may be answered at once."""

    SEVERAL = "several"
    IN_DOUBT = "in_doubt"
    COMPANIES = "companies"
    OWN_ID = "own_id"
    CUSTOMER_NUMBER = "customer_number"
    CUSTOMER_NUMBER_ZIP = "customer_number_zip"
    CVR_P_NUMBER = "cvr_p_number"
    CVR = "cvr"
    PHONE = "phone"
    NAME_ZIP_STREET = "name_zip_street"
    NAME_ZIP = "name_zip"


IN_WORDS: dict[AlertReason, str] = {
    AlertReason.SEVERAL: "several companies fit",
    AlertReason.IN_DOUBT: "one company fits, but not beyond doubt",
    AlertReason.COMPANIES: "two companies of the CRM look like one",
} | {AlertReason[rung.name]: f"same {rung.value}, but something speaks against it" for rung in Rung}


class Answer(StrEnum):
    """What a person may say to an alert."""

    LINK = "link"
    CREATE = "create"  # make a company of the debtor; it is none of the candidates
    MERGE = "merge"  # companies: they are one
    NOT_DUPLICATE = "not_duplicate"
    LEAVE = "leave"  # change nothing, and do not ask again until something changes


class Ending(StrEnum):
    """How the question about a record ended."""

    LINKED = "linked"
    CREATED = "created"
    MERGED = "merged"
    NOT_DUPLICATE = "not_duplicate"
    LEFT = "left"
    CLEARED = "cleared"  # by itself: nothing is in doubt any more
    GONE = "gone"  # by itself: the record was deleted


class RecordRef(NamedTuple):
    """A debtor or company by our own id."""

    kind: RecordKind
    id: int


class Asked(NamedTuple):
    """A record and the companies it may be, best first; never itself."""

    record: RecordRef
    candidates: tuple[Candidate, ...]


class NewAlert(NamedTuple):
    """Records in doubt for one reason; the store finds out which of them belong together."""

    reason: AlertReason
    asked: tuple[Asked, ...]


def alerts_of(verdicts: Mapping[int, Verdict]) -> list[NewAlert]:
    """
    The alerts that verdicts about debtors call for, a group each; verdicts of another action are passed over.

    Args:
        verdicts: by our own id of the judged debtor.
    """
    by_reason: dict[AlertReason, list[Asked]] = defaultdict(list)
    for record, verdict in verdicts.items():
        if verdict.action is Action.ALERT:
            by_reason[_reason(verdict)].append(Asked(RecordRef(RecordKind.DEBTOR, record), verdict.candidates))
    return [NewAlert(reason, group) for reason, asked in by_reason.items() for group in groups(asked)]


def alerts_of_companies(doubtful: Mapping[int, Collection[int]], records: Mapping[int, Record]) -> list[NewAlert]:
    """
    The alerts about companies that may be others, a group each.

    Args:
        doubtful: company → those it may be.
        records: normal forms of the living; whoever is not among them is passed over.
    """
    asked = []
    for company, others in doubtful.items():
        if company not in records:
            continue
        compared = {other: compare(records[company], records[other]) for other in others if other in records}
        candidates = [Candidate(other, one.score, one.reasons, one.against) for other, one in compared.items()]
        candidates.sort(key=lambda candidate: (-candidate.score, candidate.company))
        if candidates:
            asked.append(Asked(RecordRef(RecordKind.COMPANY, company), tuple(candidates[:MOST_SHOWN])))
    return [NewAlert(AlertReason.COMPANIES, group) for group in groups(asked)]


def _reason(verdict: Verdict) -> AlertReason:
    if verdict.rung is not None:
        return AlertReason[verdict.rung.name]
    return AlertReason.SEVERAL if len(verdict.candidates) > 1 else AlertReason.IN_DOUBT


def groups(asked: Sequence[Asked]) -> list[tuple[Asked, ...]]:
    """Records that are connected by companies, in the order of the first of each; those without candidates are none."""
    together = Together()
    for each in asked:
        together.join(companies_of(each))
    members: dict[int, list[Asked]] = defaultdict(list)
    for each in asked:
        if each.candidates:
            members[together.home(each.candidates[0].company)].append(each)
    return [tuple(records) for records in members.values()]


def companies_of(asked: Asked) -> list[int]:
    """Every company a question is about."""
    own = [asked.record.id] if asked.record.kind is RecordKind.COMPANY else []
    return own + [candidate.company for candidate in asked.candidates]


class Together:
    """Which numbers belong together."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def home(self, number: int) -> int:
        """One number that stands for all that belong together."""
        above = self._above
        while (higher := above.setdefault(number, number)) != number:
            number = above[number] = above[higher]
        return number

    def join(self, numbers: Sequence[int]) -> None:
        """These belong together from now on."""
        for number in numbers[1:]:
            self._above[self.home(number)] = self.home(numbers[0])


_DECIDING = tuple(name for name in Record.__slots__ if name not in ("own_id", "customer_number", "country"))


def pair_fingerprint(a: Record, b: Record) -> str:
    """
    Of all that decides whether two records are one, in either order.

    Ids and numbers of others' registers count only by being the same: a company's customer number is no news about any
    debtor but its own.
    """
    sides = sorted("\x1f".join(getattr(record, name) for name in _DECIDING) for record in (a, b))
    pointing = [bool(x) and x == y for x, y in ((a.own_id, b.own_id), (a.customer_number, b.customer_number))]
    return blake2b(f"{sides}{pointing}".encode("utf-8", "replace"), digest_size=16).hexdigest()


def proposed(kind: RecordKind, candidates: Sequence[Candidate]) -> Answer | None:
    """What Debitor would answer; None where a person sees more than it does."""
    if not candidates:
        return None
    best, *others = sorted(candidates, key=lambda candidate: -candidate.score)
    if best.score < w.ALERT:
        return Answer.NOT_DUPLICATE
    if any(best.score - other.score < w.LEAD for other in others):
        return None
    return Answer.LINK if kind is RecordKind.DEBTOR else Answer.MERGE


class AlertStore(Protocol):
    """The alerts of one firm inside one transaction. Companies are locked before, the outbox is written after."""

    def raise_groups(self, alerts: Sequence[NewAlert]) -> list[int]:
        """
        Ask about these records, and tell of it; returns the ids of the alerts they are in, sorted.

        Pairs that a person spoke of are left out. A group that shares a record or company with an open alert of the
        same reason joins it. A record that is asked about already, for whatever reason, is asked about anew. Asking
        the same again changes and tells nothing. Call it once, after everything that locks companies.
        """
        ...

    def apart(self, records: Collection[RecordRef]) -> dict[RecordRef, set[int]]:
        """Of each record, the companies that a person said it is not, as long as neither changed in what decides."""
        ...

    def close_for(
        self, *, debtors: Collection[int] = (), companies: Collection[int] = (), how: Ending, who: str
    ) -> None:
        """
        Nothing is to be asked about these records any more: they are linked, gone, or not in doubt.

        As candidates of others, `companies` are left out from now on; whoever has none left is not in doubt.
        """
        ...

    def move(self, from_company: int, to_company: int, *, who: str) -> Mapping[str, object]:
        """
        One company became part of another: what is asked about it is asked about the other.

        Returns:
            What moved, as JSON holds it, for `move_back`.
        """
        ...

    def move_back(self, moved: Mapping[str, object]) -> None:
        """The two are companies of their own again; what was answered meanwhile stays answered."""
        ...
