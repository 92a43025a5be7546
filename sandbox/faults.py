"""Faults on demand: refusals, slowness, broken bodies, cut connections."""

from typing import Literal

import msgspec


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """
    What goes wrong, for which calls.

    A fault with a `status` answers instead of the service; `body` spoils the
    answer the service gave; `cut` closes the connection before the call is
    looked at, or after its effect and without an answer.
    """

    path: str = "/"
    method: str | None = None
    agreement: int | None = None
    status: int | None = None
    retry_after: str | None = None
    delay_ms: float = 0
    body: Literal["broken", "empty_page", "cut"] | None = None
    cut: Literal["before", "after"] | None = None
    times: int | None = None
    skip: int = 0  # let this many matching calls through first
    id: int = 0
    hits: int = 0


class Faults:
    """The faults in force, oldest first; the first that matches a call counts."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._last = 0

    def add(self, fault: Fault) -> int:
        """Put a fault in force and give it a number."""
        self._last += 1
        fault.id = self._last
        self._faults[fault.id] = fault
        return fault.id

    def drop(self, number: int | None = None) -> None:
        """Lift one fault, or all."""
        if number is None:
            self._faults.clear()
        else:
            self._faults.pop(number, None)

    def all(self) -> list[Fault]:
        """Those in force."""
        return list(self._faults.values())

    def match(self, method: str, path: str, agreement: int | None) -> Fault | None:
        """The fault for this call, counted; it lifts itself after `times`."""
        for fault in self._faults.values():
            if (
                path.startswith(fault.path)
                and (fault.method is None or fault.method.upper() == method)
                and (fault.agreement is None or fault.agreement == agreement)
            ):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                if fault.times is not None and fault.hits >= fault.times:
                    del self._faults[fault.id]
                return fault
        return None
