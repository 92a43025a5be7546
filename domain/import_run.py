"""
Use case: an import. Debtors are taken into the run, judged, and, unless it is a test, carried out.

Each portion is one transaction with the note where the run is: killed at any moment it goes on from there. What is
judged is stored before anything is done, so that a test and a start say the same because they do the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from domain.accounting_api import AccountingApi, Page
from domain.crowds import crowded
from domain.debtors import MAX_NUMBER, Debtor
from domain.foresight import Foresight
from domain.hints import match_hint
from domain.import_carrying import carried_out, debtor_of
from domain.import_rows import Content, ImportRow, Judgement, Verdict
from domain.imports import MOST_TURNS, PORTION, ImportOptions, ImportState, Phase
from domain.ports import UnitOfWork
from domain.precision import choose
from domain.read_ahead import ReadAhead
from domain.resync import Resync, said_at_the_end
from domain.resync_state import Phase as Reading
from domain.resync_state import ResyncOptions, ResyncState
from domain.run_kinds import RunPort, RunState

MOST_ROUNDS = 3
"""So often a debtor is judged anew when something it rests on changes all the time."""

_MATCHED = ResyncOptions(invoices=False)


class Import:
    """
    One import or match, a portion at a time.

    Args:
        work: its lease; a test's rolls back everything but what is kept.
        api: what the list of debtors is read from; None where only the mirror is looked at.
    """

    def __init__(self, work: RunPort, api: AccountingApi | None, options: ImportOptions, state: ImportState) -> None:
        self._work = work
        self._api = api
        self._options = options
        self._foresight: Foresight | None = None
        self._crowds: frozenset[int] | None = None
        self._reading: Resync | None = None
        self.state = state

    def step(self) -> bool:
        match self.state.phase:
            case Phase.LIST | Phase.GONE:
                self._read()
            case Phase.LOAD:
                self._load()
            case Phase.JUDGE:
                self._judge()
            case Phase.CARRY_OUT:
                self._carry_out()
            case Phase.DONE:
                return False
        return True

    def closing(self) -> str | None:
        return said_at_the_end(self.state.reading) if self.state.reading is not None else None

    # -- taking debtors in ----------------------------------------------------------------

    def _reader(self) -> Resync:
        if self._reading is None:
            assert self._api is not None
            state = self.state.reading or ResyncState(Reading.DEBTORS)
            self._reading = Resync(
                _Within(self._work, self._read_on), self._api, _MATCHED, state, on_debtors=self._take
            )
        return self._reading

    def _read(self) -> None:
        """The list is read as a resync reads it, and each page's debtors are taken into the run with it."""
        self._reader().step()

    def _read_on(self, uow: UnitOfWork, reading: RunState) -> None:
        assert isinstance(reading, ResyncState)
        state = self.state
        state.reading = reading
        state.after, state.read, state.total = reading.after, reading.read, reading.total
        state.counts = {**state.counts, **reading.counts}
        if reading.phase is Reading.DONE:
            state.enter(Phase.JUDGE)
        elif reading.phase is not Reading.DEBTORS:
            state.phase = Phase.GONE
        self._work.save(uow, state)

    def _take(self, uow: UnitOfWork, page: Page[Debtor]) -> None:
        """As the mirror has them in this transaction, even if a test rolls it back."""
        found = uow.imports.listed([debtor.number for debtor in page.items])
        bad = {each.number: each.problem for each in page.unreadable if each.number is not None}
        self.state.count("verdicts", **_counted([Verdict.ERROR] * len(page.unreadable)))

        def write(uow: UnitOfWork) -> None:
            uow.imports.add(self._work.run_id, found)
            uow.imports.refuse(self._work.run_id, bad)

        self._work.keep(write)

    def _load(self) -> None:
        """From the mirror: those that a waiting run is about, or all without a company."""
        state, run = self.state, self._work.run_id
        with self._work.transaction() as uow:
            if self._options.waiting is None:
                found = uow.imports.unlinked(state.after, PORTION)
            else:
                found = uow.imports.of_run(self._options.waiting, state.after, PORTION)
            state.read += len(found)
            if len(found) == PORTION:
                state.after = found[-1].number
            else:
                state.enter(Phase.JUDGE)
            self._work.keep(lambda uow: uow.imports.add(run, found))
            self._work.save(uow, state)

    # -- judging --------------------------------------------------------------------------

    def _judge(self) -> None:
        """A portion, as if the portions before it had been carried out; in later turns its doubts only."""
        state, run = self.state, self._work.run_id
        with self._work.look() as uow:
            state.total = state.total or uow.imports.count(run)
            self._foresight = self._foresight or self._remembered(uow)
            rows = uow.imports.rows(run, state.after, PORTION)
            todo = [row for row in rows if self._is_open(row)]
            judgements = [each._replace(turn=state.turn) for each in self._judged(uow, self._foresight, todo)]
        judged = dict(zip((row.content.number for row in todo), judgements, strict=True))
        state.read += len(rows)
        state.count("verdicts", **_counted(each.verdict for each in judgements))
        if state.turn > 1:
            state.count("verdicts", **{Verdict.DOUBTFUL.value: -len(todo)})
            state.settled += sum(each.verdict is not Verdict.DOUBTFUL for each in judgements)
        if len(rows) == PORTION:
            state.after = rows[-1].content.number
        else:
            self._next_turn()
        ended = state.phase is not Phase.JUDGE

        def write(uow: UnitOfWork) -> None:
            uow.imports.judged(run, judged)
            if ended:
                uow.imports.sample(run, choose(uow.imports.links(run), seed=run))
                if not self._options.test:
                    self._approve(uow)

        with self._work.transaction() as uow:
            self._work.keep(write)
            self._work.save(uow, state)

    def _approve(self, uow: UnitOfWork) -> None:
        agreement = self._work.agreement
        if uow.imports.approve():  # what came into the mirror since the list was read told nobody
            uow.inbox.add([match_hint(agreement, None, "")])
        if self.state.reading is not None:
            uow.imports.settle()
            uow.failures.resolve("import", [agreement])

    def _is_open(self, row: ImportRow) -> bool:
        if self.state.turn == 1:
            return row.judgement is None
        return row.judgement is not None and row.judgement.verdict is Verdict.DOUBTFUL

    def _next_turn(self) -> None:
        """Doubts once more, as long as that settles some: then what is asked names every company there will be."""
        state = self.state
        doubts = state.counts.get("verdicts", {}).get(Verdict.DOUBTFUL, 0)
        if doubts and (state.turn == 1 or state.settled) and state.turn < MOST_TURNS:
            state.turns = state.turn + 1
            state.enter(Phase.JUDGE, state.total, turn=state.turns)
        else:
            state.enter(Phase.DONE if self._options.test else Phase.CARRY_OUT, state.total)

    def _judged(self, uow: UnitOfWork, foresight: Foresight, rows: Sequence[ImportRow]) -> list[Judgement]:
        settings = uow.imports.settings()
        return foresight.judge(
            [debtor_of(self._work.agreement, row.content, settings.owners) for row in rows],
            uow.matching.index,
            uow.matching.links,
            may_create=settings.may_create,
            crowded=self._crowded(uow),
            creating=uow.register.creating_names(),
        )

    def _remembered(self, uow: UnitOfWork) -> Foresight:
        """What was foreseen before this process took the run up."""
        foresight, state = Foresight(), self.state
        owners = uow.imports.settings().owners
        for turn in range(1, state.turn + 1):
            last = state.after if turn == state.turn else MAX_NUMBER
            after = 0
            while after < last and (rows := uow.imports.rows(self._work.run_id, after, PORTION)):
                judged = [
                    (debtor_of(self._work.agreement, row.content, owners), row.judgement)
                    for row in rows
                    if row.content.number <= last and row.judgement is not None and row.judgement.turn == turn
                ]
                foresight.remember(judged, uow.matching.index, uow.matching.links)
                after = rows[-1].content.number
        return foresight

    def _crowded(self, uow: UnitOfWork) -> frozenset[int]:
        """The values that many debtors share: of all the list, or all the mirror."""
        if self._crowds is None:
            if self.state.reading is not None:
                run = self._work.run_id
                pages = _pages(lambda after: [row.content for row in uow.imports.rows(run, after, PORTION)])
            else:
                pages = _pages(lambda after: uow.imports.mirrored(after, PORTION))
            self._crowds = crowded(content.values for content in pages)
        return self._crowds

    # -- carrying out ---------------------------------------------------------------------

    def _carry_out(self) -> None:
        """A portion; what does not hold any more is judged anew by what is there now."""
        state, run = self.state, self._work.run_id
        for left in range(MOST_ROUNDS, -1, -1):
            with self._work.look() as uow:
                rows = uow.imports.rows(run, state.after, PORTION)
                todo = [row for row in rows if row.done is None and _turn(row) == state.turn]
                crowds = self._crowded(uow)
                if left < MOST_ROUNDS:
                    anew = Foresight()
                    judgements = self._judged(uow, anew, todo)
                    todo = [row._replace(judgement=each) for row, each in zip(todo, judgements, strict=True)]
            with self._work.transaction() as uow:
                done = carried_out(uow, self._work, todo, who=self._options.who, crowded=crowds, last=left == 0)
                uow.imports.carried(run, done)
                state.count("done", **_counted(each.outcome for each in done.values()))
                if len(done) == len(todo):
                    state.read += len(rows)
                    if len(rows) == PORTION:
                        state.after = rows[-1].content.number
                    elif state.turn < state.turns:
                        state.enter(Phase.CARRY_OUT, state.total, turn=state.turn + 1)
                    else:
                        state.enter(Phase.DONE)
                self._work.save(uow, state)
            if len(done) == len(todo):
                return


class _Within:
    """A run's lease for the resync that is part of it: what that saves is part of what the run saves."""

    def __init__(self, work: RunPort, save: Callable[[UnitOfWork, RunState], None]) -> None:
        self._work = work
        self.save = save

    @property
    def agreement(self) -> int:
        return self._work.agreement

    @property
    def run_id(self) -> int:
        return self._work.run_id

    @property
    def ahead(self) -> ReadAhead:
        return self._work.ahead

    def stamp(self) -> int:
        return self._work.stamp()

    def transaction(self, *, release: bool = False) -> AbstractContextManager[UnitOfWork]:
        return self._work.transaction(release=release)

    def look(self) -> AbstractContextManager[UnitOfWork]:
        return self._work.look()

    def keep(self, write: Callable[[UnitOfWork], None]) -> None:
        self._work.keep(write)


def _pages(read: Callable[[int], list[Content]]) -> Iterable[Content]:
    after = 0
    while page := read(after):
        yield from page
        after = page[-1].number


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(str(value) for value in values))


def _turn(row: ImportRow) -> int:
    return row.judgement.turn if row.judgement is not None else 1
