"""
Edits: a debtor that exists is changed in e-conomic on the CRM's or a person's word.

    requested ─┬─▶ writing ─┬─▶ written
               │            ├─▶ refused     somebody changed a field meanwhile
               │            └─▶ failed
               ├─▶ written                  e-conomic said so already
               ├─▶ refused ──▶ requested    the failure was replayed
               └─▶ failed ───▶ requested    likewise

An edit is one row from the request to its end. e-conomic checks no version, so the debtor is read right before it is
written, and a field that is not what was seen is left alone: both values are shown. The idempotency key and the whole
request are committed before it is sent; what became of one without an answer is told by reading, never by sending
again blindly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from domain.conversions import KEY_GOOD_S
from domain.countries import country_code
from domain.debtors import Debtor, StoredDebtor
from domain.new_debtor import joined_digits, parted_by_spaces, tidy

FIELDS = ("name", "address", "zip", "city", "country", "phone", "email", "website", "cvr", "p_number", "ean")
"""The fields of a debtor that may be changed, as `Debtor` names them; all are text."""

Texts = Mapping[str, str | None]
"""Field → value; None is empty."""


class State(StrEnum):
    """Where an edit is."""

    REQUESTED = "requested"
    WRITING = "writing"
    WRITTEN = "written"
    REFUSED = "refused"
    FAILED = "failed"


RUNNING = frozenset({State.REQUESTED, State.WRITING})

_NEXT: dict[State, frozenset[State]] = {
    State.REQUESTED: frozenset({State.WRITING, State.WRITTEN, State.REFUSED, State.FAILED}),
    State.WRITING: frozenset({State.WRITTEN, State.REFUSED, State.FAILED}),
    State.REFUSED: frozenset({State.REQUESTED}),
    State.FAILED: frozenset({State.REQUESTED}),
    State.WRITTEN: frozenset(),
}


class WrongState(Exception):
    """An edit cannot go there from where it is."""


class Wish(NamedTuple):
    """
    What one field is to become.

    `was`: what whoever asks saw there. `own`: what edits asked for before, and not written yet, will have put there.
    """

    value: str | None
    was: str | None
    own: tuple[str | None, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"value": self.value, "was": self.was, **({"own": list(self.own)} if self.own else {})}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Wish:
        return cls(stored["value"], stored["was"], tuple(stored.get("own", ())))


class Edit(NamedTuple):
    """
    One edit as stored; `id` is 0 until it is.

    `debtor` is the mirror's row, `number` its number when it was last looked at. Of the request under way: `key`,
    `body` (the whole of it), `read` (the fields as they were read before), `sends`. `found`: what stood there when it
    was refused. `key_age_s` counts from the first call under the key, by the database's clock.
    """

    id: int
    agreement: int
    debtor: int
    number: int
    wishes: Mapping[str, Wish]
    who: str
    by_crm: bool  # the CRM asked: it knows what it wrote
    state: State = State.REQUESTED
    read: Texts | None = None
    found: Texts | None = None
    key: str | None = None
    body: str | None = None
    sends: int = 0
    attempts: int = 0
    reason: str | None = None  # why it waits, was refused or failed: a stable word
    message: str | None = None
    cause: str | None = None
    key_age_s: float | None = None

    @property
    def before(self) -> Texts:
        """The fields as they were read before the last call, or else as they were seen by whoever asked."""
        return {name: wish.was for name, wish in self.wishes.items()} if self.read is None else self.read

    @property
    def changes(self) -> dict[str, str | None]:
        """Field → what it is to become."""
        return {name: wish.value for name, wish in self.wishes.items()}

    def moved(self, state: State, *, reason: str | None = None, message: str | None = None) -> Edit:
        """Raises WrongState."""
        if state not in _NEXT[self.state]:
            raise WrongState(f"edit {self.id} is {self.state.value}: it cannot become {state.value}")
        body = self.body if state is State.WRITING else None  # a whole debtor: kept no longer than it is needed
        message = None if message is None else message[:2_000]
        return self._replace(state=state, body=body, reason=reason, message=message, attempts=0)

    def again(self) -> Edit:
        """The failure was replayed: looked at anew, against what was seen at first. Raises WrongState."""
        return self.moved(State.REQUESTED)._replace(key=None, key_age_s=None, read=None, found=None, sends=0)

    def sent(self, new_key: str, body: str, debtor: Debtor) -> Edit:
        """
        About to be sent: from now on the key goes with this body. Raises WrongState.

        The key of a call without an answer is good once more for the very same body, within the hour that e-conomic
        remembers it: should that call have come through after all, this one does nothing.
        """
        moved = self if self.state is State.WRITING else self.moved(State.WRITING)
        young = self.key_age_s is not None and self.key_age_s < KEY_GOOD_S
        if self.key is None or not young or self.body != body:
            moved = moved._replace(key=new_key, key_age_s=None)
        return moved._replace(body=body, read=texts_of(debtor, self.wishes), sends=self.sends + 1)

    def put_off(self, reason: str, message: str) -> Edit:
        """Nothing came of this attempt; it is tried again later."""
        return self._replace(attempts=self.attempts + 1, reason=reason, message=message[:500])


class Verdict(StrEnum):
    """What a debtor as it is now means for an edit."""

    DONE = "done"  # it says what is wanted
    WRITE = "write"
    CHANGED = "changed"  # somebody else changed a field, or took back what a call of ours wrote


def texts_of(debtor: Debtor, fields: Collection[str]) -> dict[str, str | None]:
    """These fields of a debtor."""
    return {name: getattr(debtor, name) or None for name in fields}


def tidied(name: str, text: str) -> str:
    """A value of a field as it is written: without stray spaces, and what people part numbers and mail addresses by."""
    if name in ("ean", "p_number"):
        return joined_digits(text)
    return tidy(parted_by_spaces(text) if name == "email" else text, lines=name == "address")


def same_text(name: str, a: str | None, b: str | None) -> bool:
    """Whether two values of a field are one, however they are spaced; a country by whatever name."""
    if name == "country" and country_code(a) and country_code(a) == country_code(b):
        return True
    return tidied(name, a or "") == tidied(name, b or "")


def judge(edit: Edit, debtor: Debtor) -> Verdict:
    """
    Whether an edit may be written, now that the debtor was read.

    Before the first call a field may be what was seen, or what is wanted. Once a call went out without an answer, all
    fields must be as they were before it: they change together, so anything between is somebody else's doing.
    """
    now = texts_of(debtor, edit.wishes)
    if all(same_text(name, now[name], wish.value) for name, wish in edit.wishes.items()):
        return Verdict.DONE
    if edit.read is not None:
        untouched = all(same_text(name, now[name], before) for name, before in edit.read.items())
        return Verdict.WRITE if untouched else Verdict.CHANGED
    known = all(
        any(same_text(name, now[name], each) for each in (wish.was, wish.value, *wish.own))
        for name, wish in edit.wishes.items()
    )
    return Verdict.WRITE if known else Verdict.CHANGED


class EditedDebtor(NamedTuple):
    """A debtor of the mirror that is to be changed; `values` are those of FIELDS."""

    row: StoredDebtor
    values: Texts


class EditStore(Protocol):
    """The edits of one agreement inside one transaction. One holder of the lease on them changes rows."""

    def debtor_at(self, number: int) -> EditedDebtor | None:
        """The living debtor of this number, or else the one that had it last; locked: one asks after the other."""
        ...

    def debtor(self, row_id: int) -> EditedDebtor | None:
        """This row of the mirror, or what it became one with."""
        ...

    def add(self, new: Edit) -> Edit:
        """Store a new one, due at once; returns it with its id."""
        ...

    def due(self) -> Edit | None:
        """The oldest that can be worked on now: of a debtor's edits one goes after the other."""
        ...

    def of_debtor(self, row_id: int) -> list[Edit]:
        """The running edits of a debtor, oldest first."""
        ...

    def by_id(self, ids: Collection[int]) -> list[Edit]:
        """These, sorted by id."""
        ...

    def save(self, edit: Edit, *, next_in_s: float | None = None) -> None:
        """`next_in_s`: when it is looked at again by itself; None = not before a person acts."""
        ...

    def overtaken(self, edit: Edit) -> Sequence[int]:
        """Earlier edits of the debtor that were refused or failed, and changed nothing but fields of this one."""
        ...
