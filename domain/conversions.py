"""
Conversions: a won deal becomes exactly one debtor (crm.md §6).

    requested ─┬─▶ needs_input ──────┬─▶ requested     a person supplied what was missing, or chose
               ├─▶ waiting_approval ─┘
               ├─▶ creating ─┬─▶ created
               │             ├─▶ needs_input           several debtors could be the one an unanswered call made
               │             └─▶ failed
               ├─▶ linked                              the debtor was there already
               └─▶ failed ──────▶ requested            asked for again, or the failure replayed

A conversion is one row from the request to its end. Before e-conomic is asked to create anything the idempotency key
and the body are committed; the same key goes with the same body, and only after a look that showed nothing there is a
new key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from domain.companies import CompanyFields

KEY_GOOD_S = 55 * 60.0
"""So long the same request may be sent again: e-conomic remembers a key for an hour (e-conomic.md §2.10)."""

SKEW = dt.timedelta(minutes=10)
"""How far e-conomic's clock may be behind the database's."""

LEASE_S = 60.0
"""Longer than a request may take: nobody else sends meanwhile, even when the sender's process has died."""

UNKNOWN_BOUND_S = 3600.0
"""So long a conversion waits for its company to be told by the CRM."""


class State(StrEnum):
    """Where a conversion is."""

    REQUESTED = "requested"
    NEEDS_INPUT = "needs_input"
    WAITING_APPROVAL = "waiting_approval"
    CREATING = "creating"
    CREATED = "created"
    LINKED = "linked"
    FAILED = "failed"


RUNNING = frozenset({State.REQUESTED, State.NEEDS_INPUT, State.WAITING_APPROVAL, State.CREATING})
"""A company has one of these at most, for each agreement."""

_NEXT: dict[State, frozenset[State]] = {
    State.REQUESTED: frozenset(State) - {State.REQUESTED, State.CREATED},
    State.NEEDS_INPUT: frozenset({State.REQUESTED}),
    State.WAITING_APPROVAL: frozenset({State.REQUESTED, State.FAILED}),
    State.CREATING: frozenset({State.CREATED, State.NEEDS_INPUT, State.FAILED}),
    State.FAILED: frozenset({State.REQUESTED}),
    State.CREATED: frozenset(),
    State.LINKED: frozenset(),
}


class WrongState(Exception):
    """A conversion cannot go there from where it is."""


class Said(NamedTuple):
    """
    What people and the CRM say beyond the company's own fields.

    `overrides` are those of the debtor to be made, as text; `link` is the existing debtor chosen; `create`: none of
    those shown is it; `approved`: by the bookkeeper.
    """

    overrides: Mapping[str, str] = {}
    link: int | None = None
    create: bool = False
    approved: bool = False

    def and_then(self, later: Said) -> Said:
        """Both, the later one's words first."""
        return Said(
            {**self.overrides, **later.overrides},
            None if later.create else later.link or self.link,
            (self.create and not later.link) or later.create,
            self.approved or later.approved,
        )

    def about(self, fields: CompanyFields) -> CompanyFields:
        """The company as it is to become a debtor: what was said of it counts, not what is stored."""
        said: dict[str, Any] = {name: text for name, text in self.overrides.items() if name in CompanyFields._fields}
        name = said.pop("name", "") or fields.name
        return fields._replace(name=name, **{field: text or None for field, text in said.items()})

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Said:
        return cls(**stored)


NOTHING = Said()


class Missing(NamedTuple):
    """A field that a person must supply, and why."""

    field: str
    reason: str


class Candidate(NamedTuple):
    """An existing debtor that may be the company; `linked_to` names the company it belongs to already."""

    number: int
    name: str
    score: float
    reasons: tuple[str, ...] = ()
    linked_to: str | None = None


class Needs(NamedTuple):
    """What a person is asked: which of these debtors it is, or what else is missing."""

    missing: tuple[Missing, ...] = ()
    candidates: tuple[Candidate, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "missing": [each._asdict() for each in self.missing],
            "candidates": [
                {name: value for name, value in each._asdict().items() if value is not None} for each in self.candidates
            ],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Needs:
        return cls(
            tuple(Missing(**each) for each in stored["missing"]),
            tuple(Candidate(**{**each, "reasons": tuple(each["reasons"])}) for each in stored["candidates"]),
        )


Body = Mapping[str, Any]
"""What e-conomic is asked to create: fields as `domain.debtors.Debtor` names them."""


class Conversion(NamedTuple):
    """
    One conversion as stored. `id` is 0 until it is.

    `company` is our own id, None while the CRM has not told us of `crm_id`. Of the request under way: `key`, `body`,
    `known` (numbers of the debtors of that name before it), `sends`, and `doubt`: a call got no answer. `key_age_s`
    counts from the first call under the key (`first_sent_at`), `age_s` from the request, by the database's clock.
    """

    id: int
    agreement: int
    crm_id: str | None
    company: int | None
    state: State = State.REQUESTED
    deal: str | None = None
    second: bool = False  # another debtor is wanted although the company has one
    said: Said = NOTHING
    key: str | None = None
    body: Body | None = None
    known: tuple[int, ...] = ()
    sends: int = 0
    doubt: bool = False
    debtor: int | None = None
    name_key: str | None = None  # the debtor's name: one of a name is created at a time
    needs: Needs | None = None
    reason: str | None = None  # why it waits or failed: a stable word
    message: str | None = None
    attempts: int = 0
    told: bool = False  # that it is not settled yet
    who: str = ""
    cause: str | None = None
    age_s: float = 0.0
    key_age_s: float | None = None
    first_sent_at: dt.datetime | None = None

    @property
    def running(self) -> bool:
        return self.state in RUNNING

    @property
    def key_is_good(self) -> bool:
        """Whether the same request may be sent once more."""
        return self.key is not None and (self.key_age_s is None or self.key_age_s < KEY_GOOD_S)

    def moved(self, state: State, *, reason: str | None = None, message: str | None = None) -> Conversion:
        """Raises WrongState."""
        if state not in _NEXT[self.state]:
            raise WrongState(f"conversion {self.id} is {self.state.value}: it cannot become {state.value}")
        return self._replace(state=state, reason=reason, message=message, attempts=0)

    def again(self, said: Said = NOTHING) -> Conversion:
        """Supplied with what was missing, or asked for once more after it failed. Raises WrongState."""
        return self.moved(State.REQUESTED)._replace(said=self.said.and_then(said), needs=None, told=False)

    def frozen(self, key: str, body: Body, known: Collection[int]) -> Conversion:
        """About to be created: from now on this key goes with this body. Raises WrongState."""
        moved = self if self.state is State.CREATING else self.moved(State.CREATING)
        return moved._replace(
            key=key, body=body, known=tuple(sorted(known)), sends=0, doubt=False, key_age_s=None, attempts=0
        )

    def sent(self) -> Conversion:
        """A call is about to be made."""
        if self.state is not State.CREATING:
            raise WrongState(f"conversion {self.id} is {self.state.value}: nothing may be sent")
        return self._replace(sends=self.sends + 1)

    def needing(self, needs: Needs, reason: str, message: str) -> Conversion:
        """A person is asked. Raises WrongState."""
        return self.moved(State.NEEDS_INPUT, reason=reason, message=message)._replace(needs=needs, told=True)

    def ended(self, state: State, debtor: int) -> Conversion:
        """Created or linked. Raises WrongState."""
        return self.moved(state)._replace(debtor=debtor, needs=None, doubt=False)

    def put_off(self, reason: str, message: str) -> Conversion:
        """Nothing came of this attempt; it is tried again later."""
        return self._replace(attempts=self.attempts + 1, reason=reason, message=message[:500])


class Step(NamedTuple):
    """A line of a conversion's history."""

    what: str
    detail: Mapping[str, Any] = {}


class Save(NamedTuple):
    """
    A conversion as it is from now on.

    `next_in_s`: when it is looked at again by itself; None = not before a person acts. `lease_s`: so long nobody else
    works on it. `step`: None where nothing is worth remembering. `anew`: its age counts from now on.
    """

    conversion: Conversion
    step: Step | None = None
    next_in_s: float | None = None
    lease_s: float | None = None
    anew: bool = False
    who: str = "debitor"


class ConversionStore(Protocol):
    """The conversions of one agreement inside one transaction."""

    def add(self, new: Sequence[Conversion]) -> list[Conversion]:
        """Store new ones, due at once; returns them with their ids."""
        ...

    def due(self, limit: int, *, busy: Collection[int], names: Collection[str]) -> list[Conversion]:
        """
        The oldest that can be worked on now, not locked.

        Left out: `busy`, those of a name that another one is just being created under, and those of `names`.
        """
        ...

    def peek(self, ids: Collection[int]) -> dict[int, Conversion]:
        """These conversions, not locked."""
        ...

    def lock(self, ids: Collection[int]) -> dict[int, Conversion]:
        """These conversions, locked in the order of their ids; lock their companies before."""
        ...

    def save(self, saves: Sequence[Save]) -> None: ...

    def of_companies(self, companies: Collection[int]) -> dict[int, list[Conversion]]:
        """Those of locked companies and of what was merged into each, newest first; locked."""
        ...

    def of_unknown(self, crm_ids: Collection[str]) -> dict[str, Conversion]:
        """The running ones that wait for these companies; locked."""
        ...

    def debtors_of(self, companies: Collection[int]) -> dict[int, list[int]]:
        """The living debtors of this agreement that companies are linked to: company → numbers."""
        ...

    def linked(self, numbers: Collection[int]) -> dict[int, tuple[int, str]]:
        """Of these living debtors those that have a company: number → its id and name."""
        ...

    def creating_names(self) -> dict[str, int]:
        """The names (`name_key`) under which debtors are being created → the conversion."""
        ...

    def running(self, companies: Collection[int]) -> dict[int, int]:
        """Of these companies those with a running conversion in any agreement → its id."""
        ...


def name_key(name: str) -> str:
    """A name as conversions are told apart by: capitals and spaces do not count."""
    return " ".join(name.casefold().split())
