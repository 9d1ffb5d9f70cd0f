"""Queue ids: how a message is called from its acceptance on, in every log line, header and command."""

from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: nothing that a person misreads


def queue_id(now: float, random: Callable[[int], bytes]) -> str:
    """A queue id of 16 letters: 10 of the time in milliseconds, so that ids sort by age, and 6 of chance."""
    return _written(now, int.from_bytes(random(4), "big") & (1 << 30) - 1)


def first_of(moment: float) -> str:
    """The least queue id that a message of this moment (seconds since 1970) can have."""
    return _written(max(0.0, moment), 0)


def _written(now: float, chance: int) -> str:
    number = int(now * 1000) << 30 | chance
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
