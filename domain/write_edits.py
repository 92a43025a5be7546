"""
Use case: write an agreement's edits into e-conomic, one after the other.

Each is read, held against what was seen, committed as the whole request, and only then sent. Between the reading and
the sending lies one commit; e-conomic offers nothing that would close this gap (docs/operations.md, Changing debtors).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from domain.accounting_api import Accounting, DebtorBody
from domain.conversion_calls import boot_time
from domain.debtor_edits import Edit, EditedDebtor, State, Verdict, judge, same_text, texts_of
from domain.debtor_reader import Readings
from domain.debtors import Debtor, changed_hands, likeness
from domain.edit_ends import ended, in_words
from domain.edit_requests import take_replays
from domain.errors import (
    AnswerLost,
    DebitorError,
    PermanentError,
    Rejected,
    TransientError,
    Unavailable,
)
from domain.hints import Hint, Kind, NewHint, Source
from domain.ports import UnitOfWork, WorkPort
from domain.refresh_debtors import Refreshed, store_debtors
from domain.trust import DeletionGuard
from domain.work import wait_s

T = TypeVar("T")

FRESH_S = 5.0
"""A reading older than this is not written upon: this process was asleep. It bounds the gap between the two."""

TROUBLES = 3
"""So many calls in a row without an answer are e-conomic's trouble, not a single debtor's: everything waits."""

MOST_SENDS = 20
"""So often (over an hour and a half) e-conomic may be read but give this write no answer; then a person is told."""

MOST_BUGS = 5


class _Unanswered(Exception):
    """A call of ours brought no answer; `error` says why."""

    def __init__(self, error: DebitorError) -> None:
        super().__init__(str(error))
        self.error = error


def write_edits(work: WorkPort, api: Accounting, hints: Sequence[Hint], *, more_time: Callable[[], bool]) -> Refreshed:
    """
    Work on the edits that are due until none is, or the time is over; the last transaction releases the lease.

    Args:
        hints: replayed failures.

    Raises:
        TransientError: e-conomic, or the way to it, is in trouble: the agreement's edits wait.
    """
    return _Writing(work, api, more_time).run(hints)


class _Writing:
    """One slice."""

    def __init__(self, work: WorkPort, api: Accounting, more_time: Callable[[], bool]) -> None:
        self._work = work
        self._api = api
        self._more_time = more_time
        self._guard = DeletionGuard(work, api)
        self._troubles = 0
        self._done = Refreshed()
        self._edit: Edit  # the one at hand, as it is stored

    def run(self, hints: Sequence[Hint]) -> Refreshed:
        self._done.hints = len(hints)
        if hints:
            with self._work.transaction() as uow:
                take_replays(uow, hints)
        while True:
            with self._work.transaction() as uow:
                edit = uow.edits.due()
                target = None if edit is None else uow.edits.debtor(edit.debtor)
            if edit is None:
                with self._work.transaction(release=True):
                    return self._done
            self._edit = edit
            self._attempt(target)
            if not self._more_time():
                self._done.finished = False
                return self._done

    def _attempt(self, target: EditedDebtor | None) -> None:
        try:
            self._advance(target)
            self._troubles = 0
        except _Unanswered as unanswered:
            self._unanswered(unanswered.error)
        except DebitorError:
            raise
        except Exception as error:  # noqa: BLE001 - set aside, and raised again
            self._bug(error)

    def _advance(self, target: EditedDebtor | None) -> None:
        """Read, judge, commit, send, settle."""
        if target is None or target.row.gone:
            self._fail("gone", f"Debtor {self._edit.number} was deleted in e-conomic.")
            return
        number = target.row.number
        self._edit = self._edit._replace(number=number)
        stamp, body = self._read(number)
        read_at = boot_time()
        if body is None:
            self._fail("gone", f"Debtor {number} is gone from e-conomic, or has another number now.", look=number)
            return
        debtor = body.debtor
        verdict = judge(self._edit, debtor)
        if changed_hands(target.row, debtor):
            message = f"Debtor {number} is {debtor.name} now: the number went to another firm."
            self._fail("another_firm", message, look=number)
        elif verdict is Verdict.DONE:
            self._end(self._edit.moved(State.WRITTEN), stamp, debtor)
        elif verdict is Verdict.CHANGED:
            self._refuse(stamp, debtor)
        elif not likeness(target.row, debtor):
            message = f"Debtor {number} was {target.row.name} and is called {debtor.name} now: is it still the same?"
            refused = self._edit.moved(State.REFUSED, reason="another_name", message=message)
            self._end(refused._replace(found=texts_of(debtor, self._edit.wishes)), stamp, debtor)
        elif self._edit.sends >= MOST_SENDS:
            message = f"e-conomic can be read, but this write gets no answer and changes nothing: {self._edit.message}"
            self._fail("no_answer", message)
        elif self._commit(body):
            if boot_time() - read_at > FRESH_S:
                raise _Unanswered(Unavailable("this process was asleep: nothing was sent, the debtor is read anew"))
            self._send(number)

    def _read(self, number: int) -> tuple[int, DebtorBody | None]:
        stamp = self._work.stamp()
        return stamp, self._asked(lambda: self._api.debtor_body(number))

    def _asked(self, call: Callable[[], T]) -> T:
        """What a call answers. Raises _Unanswered, and Rejected."""
        try:
            return call()
        except Rejected:
            raise
        except DebitorError as error:
            raise _Unanswered(error) from error

    def _commit(self, body: DebtorBody) -> bool:
        """From the end of this transaction on the request stands and may be sent; whether it may."""
        replacement = self._api.replacement(body, self._edit.changes)
        sent = self._edit.sent(uuid.uuid4().hex, replacement, body.debtor)
        with self._work.transaction() as uow:
            allowed = uow.new_debtors[0].edits
            if allowed:
                uow.edits.save(sent, next_in_s=0.0)
        if not allowed:
            self._fail("edits_off", "The agreement's settings do not let debtors be changed from outside e-conomic.")
            return False
        self._edit = sent
        return True

    def _send(self, number: int) -> None:
        edit, stamp = self._edit, self._work.stamp()
        assert edit.body is not None
        assert edit.key is not None
        content, key = edit.body, edit.key
        try:
            written = self._asked(lambda: self._api.replace_debtor(number, content, key))
        except Rejected as error:
            self._rejected(error)
            return
        if written.replayed:
            # The answer is an earlier call's, and somebody may have taken back since what that one wrote: this very
            # request does nothing any more. What the debtor says now decides, and another write needs another key.
            self._save(edit._replace(key=None), 0.0)
        elif written.created:
            message = (
                f"Debtor {number} was deleted in e-conomic at this very moment, and writing it made it anew,"
                " without its contacts."
            )
            self._end(edit.moved(State.FAILED, reason="made_anew", message=message), stamp, written.debtor)
        else:
            self._settle(stamp, written.debtor)

    def _settle(self, stamp: int, debtor: Debtor) -> None:
        """e-conomic accepted it, and says what it has now."""
        now = texts_of(debtor, self._edit.wishes)
        unlike = {n: now[n] for n, wish in self._edit.wishes.items() if not same_text(n, now[n], wish.value)}
        if not unlike:
            self._end(self._edit.moved(State.WRITTEN), stamp, debtor)
            return
        failed = self._edit.moved(State.FAILED, reason="not_taken")._replace(found=now)
        message = f"e-conomic accepted the change, and shows something else: {in_words(failed)}"
        self._end(failed._replace(message=message), stamp, debtor)

    # How it ends

    def _refuse(self, stamp: int, debtor: Debtor) -> None:
        found = texts_of(debtor, self._edit.wishes)
        refused = self._edit.moved(State.REFUSED, reason="changed_meanwhile")._replace(found=found)
        self._end(refused._replace(message=f"Somebody changed it meanwhile: {in_words(refused)}"), stamp, debtor)

    def _rejected(self, error: Rejected) -> None:
        said = "; ".join(f"{each.field or 'debtor'}: {each.reason}" for each in error.complaints)
        self._fail(error.reason, f"e-conomic refused the change: {said}" if said else str(error))

    def _end(self, edit: Edit, stamp: int, debtor: Debtor) -> None:
        """It has ended, and the mirror takes over what e-conomic said, in one transaction."""
        readings, stored = Readings(), Refreshed()
        readings.add(stamp, debtor.number, debtor)

        def also(uow: UnitOfWork) -> None:
            ended(uow, edit, debtor)

        store_debtors(self._work, readings, None, stored, self._guard, also=also, cause=edit.cause or "")
        self._ended(edit)
        self._done.matched = True

    def _fail(self, reason: str, message: str, *, look: int | None = None) -> None:
        """Without a debtor that the mirror could take over; `look`: this number must be read by those who know how."""
        failed = self._edit.moved(State.FAILED, reason=reason, message=message)
        with self._work.transaction() as uow:
            if look is not None:
                cause = failed.cause or ""
                uow.inbox.add([NewHint(failed.agreement, Kind.DEBTORS, Source.SYNC, cause, look, look)])
            ended(uow, failed, None)
        self._ended(failed)
        self._done.matched = True

    def _ended(self, edit: Edit) -> None:
        self._edit = edit
        self._done.outcomes[edit.state.value] += 1

    # What has no answer

    def _unanswered(self, error: DebitorError) -> None:
        """It could not be asked; or it was sent, and nobody knows what became of it: the next look tells."""
        if isinstance(error, PermanentError):
            self._fail(error.reason, str(error))
            return
        assert isinstance(error, TransientError)
        if not isinstance(error, AnswerLost | Unavailable):  # the agreement's trouble, which lasts
            self._save(self._edit._replace(reason=error.reason, message=str(error)[:500]), 0.0)
            raise error
        self._put_off(error)
        self._done.outcomes["put_off"] += 1
        self._troubles += 1
        if self._troubles >= TROUBLES:
            raise error

    def _bug(self, error: Exception) -> NoReturn:
        """Our own mistake: this one waits, so that the others go on, and is shown in the end."""
        if self._edit.attempts >= MOST_BUGS:
            self._fail("bug", f"Debitor failed: {error!r}; see the log")
        else:
            self._put_off(Unavailable(f"Debitor failed: {error!r}; see the log"))
        raise error

    def _put_off(self, error: TransientError) -> None:
        later = self._edit.put_off(error.reason, str(error) or repr(error))
        self._save(later, wait_s(error, later.attempts))

    def _save(self, edit: Edit, next_in_s: float) -> None:
        with self._work.transaction() as uow:
            uow.edits.save(edit, next_in_s=next_in_s)
        self._edit = edit
