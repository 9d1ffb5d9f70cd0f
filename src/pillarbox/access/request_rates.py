"""How many requests a minute an API key may make."""

import math
from dataclasses import dataclass
from typing import Final

from pillarbox.core.caller import ApiKey
from pillarbox.core.errors import Unavailable
from pillarbox.core.governor import Bucket
from pillarbox.core.mail import Clock

_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands: requests a minute, how many of them are left, and seconds until there is one more."""

    rate: int
    left: int
    reset: int


class RequestRates:
    """The buckets of all keys: a minute's requests at once, then as many as come due. `usual` is of keys without a
    rate of their own; 0: as many as they like. `clock` is set by nobody, as it measures time.
    """

    def __init__(self, usual: int, clock: Clock) -> None:
        self._usual = usual
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def take(self, key: ApiKey) -> tuple[Standing | None, Unavailable | None]:
        """How a key stands after this request (None: it has no bound), and the refusal where it was one too many."""
        rate = key.rate or self._usual
        if not rate:
            return None, None
        now = self._clock()
        bucket = self._bucket(key, rate, now)
        taken = bucket.take(now)
        left = int(bucket.tokens)
        reset = math.ceil((left + 1 - bucket.tokens) / bucket.rate)
        refusal = None if taken else Unavailable("access.too_many", key=key.name, rate=rate, seconds=reset)
        return Standing(rate, left, reset), refusal

    def _bucket(self, key: ApiKey, rate: int, now: float) -> Bucket:
        bucket = self._buckets.get(key.id)
        if bucket is None or bucket.size != rate:
            # A new rate counts from now on.
            bucket = self._buckets[key.id] = Bucket.full(rate / _MINUTE, rate, now)
        return bucket
