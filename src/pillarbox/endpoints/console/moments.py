"""A time as a browser's field has it (`datetime-local`): without a zone, which our script adds. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final

from pillarbox.core.errors import InvalidInput

_LONGEST_OFFSET: Final = 24 * 60
"""Minutes."""


def moment(text: str, offset: str) -> float | None:
    """The time that was typed, in seconds since 1970; None where there is none.

    `offset` is what the reader's clock lags behind UTC then, in minutes; without a number it is UTC. Raises
    InvalidInput `compose.bad_time`.
    """
    if not text:
        return None
    try:
        typed = datetime.fromisoformat(text).replace(tzinfo=UTC)
        minutes = int(offset or 0)
        if abs(minutes) > _LONGEST_OFFSET:
            raise ValueError
        return (typed + timedelta(minutes=minutes)).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidInput("compose.bad_time") from error
