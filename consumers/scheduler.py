"""
The scheduler: every second it wakes up whatever is due. The inbox is the truth; this is what makes a lost message cost
a second and no more.
"""

from __future__ import annotations

import datetime as dt
import threading
import time

import sqlalchemy as sa
import structlog

from consumers.trying import Tries
from domain.hints import Kind, NewHint
from infra.bootstrap import Services
from infra.broker.brokers import WakeUpPublisher
from infra.broker.intake_queue import IntakeDrain
from infra.database.comparisons import queue_due
from infra.database.holders import free_the_dead
from infra.database.inbox import SqlInbox
from infra.database.jobs import Jobs
from infra.database.names import ask_nightly
from infra.database.polls import ask
from infra.database.retention import forget
from infra.database.statistics import refresh_statistics
from infra.intake.stores import BadBatch

log = structlog.get_logger()

TICK_S = 1.0
POLL_TICK_S = 5.0
TELL_EVERY_S = 5.0
PAYMENTS_EVERY_S = 3600.0
NAMES_TICK_S = 60.0
COMPARE_EVERY_S = 600.0
CLEAN_EVERY_S = 600.0
FORGET_EVERY_S = 86_400.0
STATISTICS_EVERY_S = 30.0


class Scheduler:
    """One loop; two schedulers do the same work twice at worst."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._jobs = Jobs(services.database)
        self._publish = WakeUpPublisher(services.broker)
        self._drain = IntakeDrain(services.settings.broker_url)
        self._started = False
        self._tries = Tries()

    def run(self, stop: threading.Event) -> None:
        """Tick every second until `stop`; trouble is logged and tried again."""
        while not stop.is_set():
            started = time.monotonic()
            self._tries.call("poll", self.poll)
            self._tries.call("compare", self.compare)
            self._tries.call("sweep", self.sweep)
            self._tries.call("tell", self.tell)
            if not self._services.settings.embedded:
                self._tries.call("intake", self.drain_intake)
            self._tries.call("clean", self.clean)
            stop.wait(max(0.0, TICK_S - (time.monotonic() - started)))
        self.close()

    def close(self) -> None:
        self._drain.close()

    def sweep(self) -> None:
        """Publish a wake-up for everything that could start now; a killed process's leases are given back first."""
        free_the_dead(self._services.database)
        self._services.work.settle()
        for due in self._services.work.due():
            self._services.wake_ups.note(due.agreement, due.kind)
        for run_id in self._services.runs.due():
            self._publish.run(run_id)

    def poll(self) -> None:
        """
        Have agreements looked at for what no webhook tells.

        Changes: everybody at the start, then as they are due. Payments, of which no webhook tells: every hour. Lists of
        names: every night, and at once for an agreement that has none yet.
        """
        if not self._started or self._jobs.claim("poll", POLL_TICK_S):
            self._ask(Kind.POLL, due_only=self._started)
        if self._jobs.claim("payments", PAYMENTS_EVERY_S):
            self._ask(Kind.PAYMENTS)
        if self._jobs.claim("names", NAMES_TICK_S):
            for agreement in ask_nightly(self._services.database):
                self._services.wake_ups.note(agreement, Kind.REFERENCE)
        self._started = True

    def compare(self) -> None:
        """Once a day the debtors are compared in full: deletions and re-numberings show in no list of changes."""
        if self._jobs.claim("compare", COMPARE_EVERY_S):
            for agreement in queue_due(self._services.database, now=dt.datetime.now(dt.UTC)):
                log.info("comparison.queued", agreement=agreement)

    def tell(self) -> None:
        """Conversions that take longer than a minute: whoever asked for them hears of it."""
        if self._jobs.claim("tell", TELL_EVERY_S):
            self._services.desk.tell_waiting()

    def _ask(self, kind: Kind, *, due_only: bool = False) -> None:
        for agreement in ask(self._services.database, kind, due_only=due_only):
            self._services.wake_ups.note(agreement, kind)

    def drain_intake(self) -> None:
        """Move events accepted while the database was away to the inbox."""
        self._drain(self._store)

    def clean(self) -> None:
        """Keep the planner informed, and forget handled events past their retention."""
        if self._jobs.claim("statistics", STATISTICS_EVERY_S):
            refresh_statistics(self._services.database)
        if self._jobs.claim("clean", CLEAN_EVERY_S):
            self._jobs.clean_edges()
            deleted = self._jobs.clean_inbox(self._services.settings.retention_days)
            if deleted:
                log.info("inbox.cleaned", events=deleted)
            told = self._services.deliveries.clean(self._services.settings.retention_days)
            if told:
                log.info("outbox.cleaned", events=told)

        if self._jobs.claim("forget", FORGET_EVERY_S):
            days = self._services.settings.retention_days
            gone = forget(self._services.database, days) | {"mails": self._services.mails.clean(days)}
            log.info("old.forgotten", **gone)

    def _store(self, hints: list[NewHint]) -> None:
        database = self._services.database
        try:
            with database.write() as connection:
                SqlInbox(connection, database.sql).add(hints)
        except (sa.exc.DataError, sa.exc.IntegrityError) as error:
            raise BadBatch(str(error.orig)) from error
        for hint in hints:
            self._services.wake_ups.note(hint.agreement, hint.kind)
