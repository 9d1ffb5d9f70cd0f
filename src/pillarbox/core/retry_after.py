"""The header Retry-After: how long a server asks to wait."""

import datetime
import email.utils
from typing import Final

_UNREADABLE: Final = 60.0
_A_DAY: Final = 86400.0


def seconds_of(retry_after: str, now: float) -> float:
    """The wait that a Retry-After header asks for: seconds, also with decimals, or an HTTP date (RFC 9110 10.2.3).

    At least a second, also where the date is past for our clock, and at most a day; what is neither is a minute.
    """
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(retry_after)
            # HTTP dates are GMT, also in the old form that does not say so.
            wait = (date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp() - now
        except (ValueError, OverflowError, TypeError):
            wait = _UNREADABLE
    return min(max(wait, 1.0), _A_DAY) if wait == wait else _UNREADABLE
