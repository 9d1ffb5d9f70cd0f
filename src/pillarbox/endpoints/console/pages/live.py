"""Tells an open page that something happened, as server-sent events: the page then asks anew what it shows."""

import asyncio
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
_LEAST: Final = 1.0
"""Seconds between two lines: however much mail goes, one who looks on costs the same."""
_MOST: Final = 300.0
"""Seconds until the browser must come again, and its session with it."""
_EVENTS: Final = "/api/v1/events"


def add(console: "Console") -> None:
    """Add the page."""

    @console.get("/live")
    async def live(page: "Page") -> Response:
        # A proxy in front of us must not wait for the end, which never comes.
        headers = {**HEADERS, "X-Accel-Buffering": "no"}
        return StreamingResponse(lines(page), headers=headers, media_type="text/event-stream")


async def lines(page: "Page", tick: float = _TICK) -> AsyncIterator[bytes]:
    """What the page hears while its session lasts: that something happened, or that `tick` seconds went by."""
    yield b": here\n\n"
    calls = page.calls
    ends = time.monotonic() + _MOST
    try:
        cursor = await _end(calls)
        while (began := time.monotonic()) < ends:
            found = await calls.get(_EVENTS, cursor=cursor, limit=1, wait=tick)
            waited = time.monotonic() - began
            if found["data"]:
                await asyncio.sleep(_LEAST - waited)
                # What happens from here on is told by the next line, as the page may have been asked for by then.
                cursor = await _end(calls)
            elif waited < tick / 2:
                return  # The service stops.
            if (await page.door.enter(page.request)).caller != page.caller:
                return  # The session is over.
            yield b"data: news\n\n" if found["data"] else b"data: tick\n\n"
    except Problem:
        return  # The browser comes again, and hears why.


async def _end(calls: Calls) -> str:
    """The cursor behind all that has happened."""
    found = await calls.get(_EVENTS, newest="true", limit=1)
    return str(found["next"])
