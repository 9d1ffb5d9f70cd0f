"""How many messages a minute a submitter may hand in."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pillarbox.core.accounts import Submitter
from pillarbox.core.errors import Unavailable
from pillarbox.core.governor import Bucket
from pillarbox.core.mail import Clock

_MINUTE: Final = 60.0


class Rates:
    """The buckets of all submitters that have a rate: a minute's messages at once, then as many as come due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[int, Bucket] = {}

    def check(self, submitter: Submitter) -> None:
        """Whether it may hand in a message now. Raises Unavailable `mail.too_fast`."""
        if submitter.rate and self._bucket(submitter).wait(self._clock()):
            raise self._refusal(submitter)

    @contextmanager
    def counting(self, submitter: Submitter) -> Iterator[None]:
        """Count a message that it hands in; what goes wrong inside does not count.

        Raises Unavailable `mail.too_fast` where others of its own were quicker.
        """
        if not submitter.rate:
            yield
            return
        bucket = self._bucket(submitter)
        # Before and not after: while one is written, others come.
        if not bucket.take(self._clock()):
            raise self._refusal(submitter)
        try:
            yield
        except Exception:
            # Not when it is canceled: then the store may take it all the same.
            bucket.put_back()
            raise

    def _bucket(self, submitter: Submitter) -> Bucket:
        bucket = self._buckets.get(submitter.id)
        if bucket is None or bucket.size != submitter.rate:
            # A new rate counts from now on.
            bucket = Bucket.full(submitter.rate / _MINUTE, submitter.rate, self._clock())
            self._buckets[submitter.id] = bucket
        return bucket

    def _refusal(self, submitter: Submitter) -> Unavailable:
        seconds = math.ceil(self._bucket(submitter).wait(self._clock()))
        return Unavailable("mail.too_fast", submitter=submitter.name, rate=submitter.rate, seconds=seconds)
