"""A token bucket: so many in a while, and some at once. Pure; time is a parameter."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Holds up to `size` tokens, and gets `rate` of them a second. `at` is when it was last looked at, with `tokens`.

    Times are seconds of any clock. One that goes back gives nothing and takes nothing.
    """

    rate: float
    size: float
    tokens: float
    at: float

    @classmethod
    def full(cls, rate: float, size: float, now: float) -> "Bucket":
        """One that nothing was taken from yet."""
        return cls(rate, size, size, now)

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0 where there is one."""
        self._fill(now)
        return 0.0 if self.tokens >= 1 else (1 - self.tokens) / self.rate

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        self._fill(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def put_back(self) -> None:
        """What a token was taken for did not happen."""
        self.tokens = min(self.size, self.tokens + 1)

    def _fill(self, now: float) -> None:
        self.tokens = min(self.size, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now
