"""Tells an open page that something happened, as server-sent events: the page then asks anew what it shows."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from pillarbox.endpoints.console.calls import Calls, Problem
from pillarbox.endpoints.console.door import HEADERS

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_TICK: Final = 15.0
"""Seconds after which a page looks again, whatever happened: that a message came in is no event."""
_LEAST: Final = 2.0
"""Seconds between two lines: however much mail goes, one who looks on costs the same. At full load two open pages make
a message cost 1.05 of its CPU; with one second it was 1.08 to 1.15 (`make bench ARGS=console`).
"""
_MOST: Final = 300.0
"""Seconds until the browser must come again, and its session with it."""
_LATE: Final = 1.0
"""Seconds for which what happened may not be committed yet, and so not be in a page that was made meanwhile."""
_EVENTS: Final = "/api/v1/events"
_NEWS: Final = b"data: news\n\n"


def add(console: "Console") -> None:
    """Add the page."""

    @console.get("/live")
    async def live(page: "Page") -> Response:
        # A proxy in front of us must not wait for the end, which never comes.
        headers = {**HEADERS, "X-Accel-Buffering": "no"}
        made = lines(page, _time(page.query.get("since", "")))
        return StreamingResponse(made, headers=headers, media_type="text/event-stream")


async def lines(page: "Page", since: float = math.inf, tick: float = _TICK) -> AsyncIterator[bytes]:
    """What the page hears while its session lasts: that something happened, or that `tick` seconds went by.

    It was made at the time `since` (seconds since 1970): what happened until it listens is told at once.
    """
    yield b": here\n\n"
    calls = page.calls
    ends = time.monotonic() + _MOST
    try:
        newest, cursor = await _end(calls)
        if newest > since - _LATE:
            yield _NEWS
        while (began := time.monotonic()) < ends:
            found = await calls.get(_EVENTS, cursor=cursor, limit=1, wait=tick)
            waited = time.monotonic() - began
            if found["data"]:
                await asyncio.sleep(_LEAST - waited)
                # What happens from here on is told by the next line, as the page may have been asked for by then.
                _, cursor = await _end(calls)
            elif waited < tick / 2:
                return  # The service stops.
            if (await page.door.enter(page.request)).caller != page.caller:
                return  # The session is over.
            yield _NEWS if found["data"] else b"data: tick\n\n"
    except Problem:
        return  # The browser comes again, and hears why.


async def _end(calls: Calls) -> tuple[float, str]:
    """When something happened last that the reader may see, and the cursor behind all that has happened."""
    found = await calls.get(_EVENTS, newest="true", limit=1)
    return max((event["at"] for event in found["data"]), default=-math.inf), str(found["next"])


def _time(said: str) -> float:
    """A time that a page says, in seconds since 1970; one that never comes where it says none. Pure."""
    try:
        return float(said)
    except ValueError:
        return math.inf
