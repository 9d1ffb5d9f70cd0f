"""How many requests to Graph a piece of work makes: an attempt is one to hundreds, and Microsoft counts them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Requests that were begun so far, repetitions with a new token among them."""

    requests: int = 0


_METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """Count the requests that are made inside, however deep, by this task."""
    meter = Meter()
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


def count() -> None:
    """A request begins."""
    meter = _METER.get()
    if meter is not None:
        meter.requests += 1
