"""Waiting for somebody who may leave: nothing waits for whoever has gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

_Found = TypeVar("_Found")


async def while_there(request: Request, work: Coroutine[Any, Any, _Found | None]) -> _Found | None:
    """What comes of `work`; None, and it is canceled, when the client has gone. Of the body nothing is left to read."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_leaves(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()


async def _leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass  # The end of a body that was not there.
