"""Guessing passwords is slow."""

from __future__ import annotations

from console import attempts
from console.attempts import FREE, MAX_WAIT_S, Attempts


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(tries: Attempts, times: int, email: str = "a@firm.example") -> list[int]:
    return [tries.begin(email, "192.0.2.1") for _ in range(times)]


def test_some_mistakes_are_free() -> None:
    """Nobody waits for a few mistyped passwords; the next attempt does."""
    tries = Attempts(Time())

    assert fail(tries, FREE) == [0] * FREE
    assert fail(tries, 1)[0] > 0


def test_waiting_doubles_up_to_a_limit() -> None:
    """Each further failure doubles the wait, to a quarter of an hour."""
    clock = Time()
    tries = Attempts(clock)
    waits = []
    fail(tries, FREE - 1)
    for _ in range(15):
        fail(tries, 1)
        waits.append(fail(tries, 1)[0])
        clock.now += waits[-1]

    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == MAX_WAIT_S


def test_asking_while_waiting_does_not_prolong_it() -> None:
    """Somebody who presses the button too early waits no longer for it."""
    clock = Time()
    tries = Attempts(clock)
    fail(tries, FREE)
    fail(tries, 50)
    clock.now += 1

    assert fail(tries, 1) == [0]


def test_success_forgives() -> None:
    """After signing in, mistakes are free again."""
    tries = Attempts(Time())
    fail(tries, FREE)
    tries.succeeded("A@firm.example ", "192.0.2.1")

    assert fail(tries, FREE) == [0] * FREE


def test_others_are_not_slowed() -> None:
    """Another person at the same address, and the same person elsewhere, sign in as ever."""
    tries = Attempts(Time())
    fail(tries, FREE)

    assert tries.begin("b@firm.example", "192.0.2.1") == 0
    assert tries.begin("a@firm.example", "192.0.2.2") == 0


def test_a_quiet_while_forgives() -> None:
    """Once the longest wait has passed without an attempt, counting starts anew."""
    clock = Time()
    tries = Attempts(clock)
    fail(tries, FREE)
    clock.now += MAX_WAIT_S + 2

    assert fail(tries, FREE) == [0] * FREE


def test_memory_is_bounded() -> None:
    """An attacker who makes up addresses fills no memory: the oldest record goes."""
    tries = Attempts(Time())
    for number in range(attempts.MAX_KEYS + 5):
        tries.begin(f"{number}@firm.example", "192.0.2.1")

    assert len(tries._records) == attempts.MAX_KEYS
