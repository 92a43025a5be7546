"""The call budget of an agreement: a token bucket, and a cap per day."""

from dataclasses import dataclass

DAY_S = 86_400


@dataclass(slots=True)
class Budget:
    """
    A bucket that refills steadily; both hosts draw on it.

    The default is generous, so that nothing is refused unless limits are set.
    """

    bucket: float = 100_000
    refill_per_s: float = 100_000 / 60
    window_s: int = 60
    daily: int | None = None  # calls, whatever they cost
    level: float = 100_000
    stamped: float = 0
    day_began: float = 0
    day_calls: int = 0

    def set(self, bucket: float, refill_per_s: float | None, window_s: int, daily: int | None) -> None:
        """New limits, with a full bucket and a fresh day."""
        self.bucket, self.window_s, self.daily = bucket, window_s, daily
        self.refill_per_s = bucket / window_s if refill_per_s is None else refill_per_s
        self.level, self.day_calls, self.day_began = bucket, 0, 0

    def spend(self, cost: int, now: float) -> float:
        """
        Pay for one call.

        Returns:
            0 when paid, otherwise the seconds to wait; a refused call costs nothing.
        """
        self.level = min(self.bucket, self.level + max(0.0, now - self.stamped) * self.refill_per_s)
        self.stamped = now
        if now - self.day_began >= DAY_S:
            self.day_began, self.day_calls = now, 0
        if self.daily is not None and self.day_calls >= self.daily:
            return self.day_began + DAY_S - now
        if self.level < cost:
            return (cost - self.level) / self.refill_per_s if self.refill_per_s else float(self.window_s)
        self.level -= cost
        self.day_calls += 1
        return 0

    def header(self) -> bytes:
        """Such as `token-limit-10000-per-60-seconds: 147/10000` (used/limit)."""
        used = int(self.bucket - self.level)
        return b"token-limit-%d-per-%d-seconds: %d/%d" % (self.bucket, self.window_s, used, self.bucket)
