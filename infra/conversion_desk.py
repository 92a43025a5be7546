"""
Where people and programs ask for conversions and say what they lack: one transaction each, then somebody is woken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from domain.conversion_ends import conversion_event, waiting_data
from domain.conversion_requests import Asked, Supply, Wanted, ask, locked_survivors, supply
from domain.conversions import Conversion, Step
from domain.events import EventType
from domain.hints import Kind
from infra.database.conversions import untold
from infra.database.engine import Database
from infra.database.unit_of_work import SqlUnitOfWork
from infra.form_links import FormLinks

TELL_AFTER_S = 60.0
"""Whoever asked hears within a minute that it takes longer (crm.md §6)."""

_TELL_AT_ONCE = 200

T = TypeVar("T")


class ConversionDesk:
    """Safe for threads; `wake` is called once there is something to do."""

    def __init__(self, database: Database, wake: Callable[[int, Kind], object], forms: FormLinks) -> None:
        self._database = database
        self._wake = wake
        self._forms = forms

    def ask(self, agreement: int, wanted: Wanted) -> Asked:
        """
        Convert a company, or say which conversion does so already.

        Raises:
            NoSuchCompany: it is named by our own id and is not there.
        """

        def asked(uow: SqlUnitOfWork) -> Asked:
            return ask(uow.companies, uow.conversions, agreement, [wanted])[0]

        try:
            return self._do(agreement, asked)
        except sa.exc.IntegrityError:  # somebody else asked for a company the CRM has not told of yet
            return self._do(agreement, asked)

    def supply(self, agreement: int, given: Supply) -> Conversion:
        """Raises WrongState: it does not wait for anybody's word."""
        return self._do(agreement, lambda uow: supply(uow.companies, uow.conversions, given))

    def tell_waiting(self) -> int:
        """Tell of conversions that are not settled within a minute, once each; returns how many."""
        with self._database.read() as connection:
            waiting = untold(connection, self._database.sql, TELL_AFTER_S, _TELL_AT_ONCE)
        for agreement, row_id in waiting:
            self._do(agreement, lambda uow, row_id=row_id: self._tell(uow, row_id), wake=False)  # type: ignore[misc]
        return len(waiting)

    def _tell(self, uow: SqlUnitOfWork, row_id: int) -> None:
        before = uow.conversions.peek([row_id])[row_id]
        rows = locked_survivors(uow.companies, {before.company} if before.company is not None else ())
        row = uow.conversions.lock([row_id])[row_id]
        if row.told or not row.running:
            return
        told = row._replace(told=True)
        uow.conversions.tell(told, Step("told", {"reason": row.reason or "busy"}))
        company = rows.get(row.company or 0)
        data = waiting_data(told, self._forms.url(row_id))
        uow.outbox.add([conversion_event(EventType.CONVERSION_WAITING, told, company, data)])

    def _do(self, agreement: int, action: Callable[[SqlUnitOfWork], T], *, wake: bool = True) -> T:
        with self._database.write() as connection:
            done = action(SqlUnitOfWork(connection, self._database.sql, agreement))
        if wake:
            self._wake(agreement, Kind.CONVERSIONS)
        return done
