"""Whether our clock is right, by the Date of an answer of Microsoft's."""

import email.utils
from typing import Final

from pillarbox.admin.check.connection import Place
from pillarbox.admin.check.steps import Failed, Found, found, left_out
from pillarbox.core.mail import Clock
from pillarbox.entra.authority import Authority

TOLERANCE: Final = 300
"""Seconds by which Entra ID lets times in tokens and assertions differ."""


async def ask(authority: Authority, clock: Clock) -> Found:
    """What Microsoft's clock says of ours. Raises Failed `check.clock`, Unavailable."""
    # Any answer has a Date; this document is anybody's to read.
    url = f"{authority.cloud.authority_url}/common/v2.0/.well-known/openid-configuration"
    answer = await authority.run(lambda: authority.session.get(url))
    return judge(Place.of(url).shown, clock(), answer.headers.get("Date", ""))


def judge(host: str, now: float, date: str) -> Found:
    """What a Date header (RFC 9110 section 6.6.1) says of our clock, which shows `now`. Pure.

    Raises Failed `check.clock` from 5 minutes on.
    """
    try:
        theirs = email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return left_out("check.clock_untold", {"date": date}, host=host)
    # The header has whole seconds: the truth lies half a second behind it, more or less.
    ahead = now - theirs - 0.5
    evidence = {"seconds_ahead": round(ahead), "date": date}
    if abs(ahead) >= TOLERANCE:
        raise Failed("check.clock", evidence, difference=f"{_span(ahead)} {'fast' if ahead > 0 else 'slow'}")
    return found(
        "check.clock_right",
        evidence,
        difference=f"{_span(ahead)} from Microsoft's" if abs(ahead) >= 1 else "to the second",
    )


def _span(seconds: float) -> str:
    """A time in words, in its largest unit."""
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count = round(abs(seconds) / size)
        if abs(seconds) >= size and count:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "0 seconds"
