"""
Accepting events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import structlog

from domain.errors import NotStored
from domain.hints import Kind, NewHint
from infra.intake.group_commit import GroupCommit
from infra.intake.stores import BadBatch, EventStore, StoreAway
from infra.intake.wake_ups import WakeUps
from infra.metrics import INTAKE_EVENTS

log = structlog.get_logger()

_INBOX, _QUEUE = INTAKE_EVENTS.labels("inbox"), INTAKE_EVENTS.labels("queue")


class Fallback(Protocol):
    """A second durable store for the time the database is away."""

    def write(self, batch: Sequence[NewHint]) -> None:
        """Raises StoreAway unless every event is confirmed."""
        ...

    def ready(self) -> bool: ...

    def close(self) -> None: ...


class Intake:
    """
    Makes events durable, in the inbox or, while the database is away, in the broker's own queue for them.

    A batch whose outcome is unknown may be written twice: handling an event twice ends in the same rows.
    """

    def __init__(self, store: EventStore, wake_ups: WakeUps, fallback: Fallback | None = None) -> None:
        self._store = store
        self._fallback = fallback
        self._wake_ups = wake_ups
        self._commits: GroupCommit[NewHint, bool] = GroupCommit(self._write)

    def accept(self, hint: NewHint) -> bool:
        """
        Return once the event is durable; False = it had been stored before, under its webhook-id.

        While the database is away nobody can say that: the event counts as new, and is stored once all the same.

        Raises:
            NotStored: neither store took it; answer 503 with Retry-After.
        """
        return self._commits.submit(hint)

    def ready(self) -> bool:
        """Whether at least one durable store takes events."""
        return self._store.ready() or (self._fallback is not None and self._fallback.ready())

    def close(self) -> None:
        self._wake_ups.close()
        self._store.close()
        if self._fallback is not None:
            self._fallback.close()

    def _write(self, batch: list[NewHint]) -> Sequence[bool | Exception]:
        try:
            return self._to_store(batch)
        except BadBatch as error:
            if len(batch) == 1:
                log.error("intake.rejected", agreement=batch[0].agreement, error=str(error))
                return [NotStored(f"the event cannot be stored: {error}")]
            return [self._write([hint])[0] for hint in batch]  # one bad row fails alone
        except StoreAway as away:
            self._to_fallback(batch, away)
            return [True] * len(batch)

    def _to_store(self, batch: list[NewHint]) -> Sequence[bool]:
        rows = self._store.write(batch)
        stored: dict[tuple[int, Kind], tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
        for hint, row in zip(batch, rows, strict=True):
            if row is not None:
                ids, causes = stored[hint.agreement, hint.kind]
                ids.append(row)
                causes.append(hint.correlation_id)
        _INBOX.inc(sum(len(ids) for ids, _ in stored.values()))
        for (agreement, kind), (ids, causes) in stored.items():
            self._wake_ups.note(agreement, kind, ids, causes)
        return [row is not None for row in rows]

    def _to_fallback(self, batch: list[NewHint], away: StoreAway) -> None:
        if self._fallback is None:
            raise NotStored(f"the database is away: {away}") from away
        try:
            self._fallback.write(batch)
        except StoreAway as error:
            raise NotStored(f"the database is away ({away}), and so is the broker ({error})") from error
        _QUEUE.inc(len(batch))
        log.info("webhook.accepted", store="queue", correlation_ids=[hint.correlation_id for hint in batch])
