"""The end dates of credentials: read as people write them, judged, and told in time before mail stops."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from itertools import takewhile
from typing import Final

from pillarbox.admin import pasted
from pillarbox.core.accounts import Credential
from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.store.accounts import Accounts

_DAY: Final = 86400.0
_NEAR: Final = 30 * _DAY
_STEPS: Final = (0, 1, 7, 14, 30)
"""Days before its end at which an event tells of a credential, each once."""
_FARTHEST: Final = 2 * 366 * _DAY
_NUMBERS: Final = re.compile(r"(\d{1,4})([./年-])\s?(\d{1,2})(?:\2|月)\s?(\d{1,4})日?\.?")
_WORDS: Final = ("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y")


def parse(text: str) -> float | None:
    """The seconds since 1970 of a date (the end of that day, in UTC) or an ISO time; None for nothing.

    Taken are ISO and the forms of the portal, where a day above 12 says which number is the day. Raises InvalidInput.
    """
    plain = pasted.clean(text, "date")
    if not plain:
        return None
    day = _iso_date(plain) or _portal_date(plain) or _date_in_words(plain)
    try:
        found = datetime.combine(day, time(23, 59, 59), UTC) if day else datetime.fromisoformat(plain)
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        seconds = -1.0
    if seconds < 0:
        raise InvalidInput("app.bad_date", value=pasted.shown(plain))
    return seconds


def judge(ends_at: float | None, now: float) -> list[PillarboxError]:
    """What looks odd about the end date of a secret. Raises InvalidInput for one in the past."""
    if ends_at is None:
        return []
    if ends_at <= now:
        raise InvalidInput("app.end_past", pointer="/ends_at", date=day(ends_at))
    return [InvalidInput("app.end_far", date=day(ends_at))] if ends_at > now + _FARTHEST else near(ends_at, now)


def near(ends_at: float, now: float) -> list[PillarboxError]:
    """A warning where a credential ends within 30 days."""
    return [InvalidInput("app.end_near", date=day(ends_at), left=left(ends_at, now))] if left(ends_at, now) else []


def left(ends_at: float | None, now: float) -> str:
    """How long a credential is good, in words; empty where that is more than 30 days, or not known."""
    if ends_at is None or ends_at > now + _NEAR:
        return ""
    days = int((ends_at - now) // _DAY)
    if ends_at <= now:
        return "ended"
    return "within a day" if days == 0 else f"in {days} day{'s' if days > 1 else ''}"


def ending(credentials: Iterable[Credential], now: float) -> list[Credential]:
    """Those that end within 30 days or have ended, and whose place no newer one has taken; they come newest first."""
    return list(takewhile(lambda each: left(each.ends_at, now), credentials))


def end_of(credentials: Iterable[Credential], now: float) -> float | None:
    """When the next credential ends that is still good; where all have ended, the last that did."""
    ends = [each.ends_at for each in credentials]
    to_come = [each for each in ends if each is not None and each > now]
    over = [each for each in ends if each is not None and each <= now]
    return min(to_come) if to_come else max(over) if over and len(over) == len(ends) else None


def step(ends_at: float | None, now: float) -> int | None:
    """Which of the days before its end a credential has come to: 30, 14, 7, 1, or 0 where it has ended. Pure."""
    return None if ends_at is None else next((days for days in _STEPS if ends_at - now <= days * _DAY), None)


async def tell(accounts: Accounts, now: float, log: Logger) -> None:
    """One warning in the log for each credential that ends soon or has ended, and an event at each step of it."""
    for app in await accounts.apps():
        for one in ending(await accounts.credentials(app), now):
            ends = {"ends": day(one.ends_at or 0.0), "left": left(one.ends_at, now)}
            log.warning("credential.ending", app=app.name, credential=one.id, kind=one.kind.value, **ends)
            days = step(one.ends_at, now)
            if days is not None:
                await accounts.credential_ending(app, one, days)


async def tell_daily(
    accounts: Accounts,
    clock: Clock,
    log: Logger,
    wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
    also: Sequence[Callable[[float], Awaitable[None]]] = (),
) -> None:
    """Tell it, and what `also` tells of other end dates, now and once a day, until it is canceled."""
    while True:
        try:
            await tell(accounts, clock(), log)
            for other in also:
                await other(clock())
        except PillarboxError as error:
            log.error("store.unusable", where="end dates", code=error.code, reason=error.sentence)
        await wait(_DAY)


def day(seconds: float) -> str:
    """The day of a time, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _iso_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _portal_date(text: str) -> date | None:
    """5/31/2028, 31.5.2028, 2028/5/31: as the portal writes it in one of its languages; None if it may be two days."""
    found = _NUMBERS.fullmatch(text)
    if found is None:
        return None
    first, second, third = int(found[1]), int(found[3]), int(found[4])
    orders = {(first, second, third)} if len(found[1]) == 4 else {(third, first, second), (third, second, first)}
    days = {one for order in orders if (one := _date(*order))}
    return days.pop() if len(days) == 1 else None


def _date_in_words(text: str) -> date | None:
    for form in _WORDS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    return None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
