"""ETags: whoever changes a thing can say which state of it they saw, and whoever reads it again may hear "the same".

An ETag has two halves, `"SETTINGS-STATE"`: a hash of what people set, and one of all that is shown. If-None-Match asks
for both; for If-Match the first is enough: that a mailbox has been paused meanwhile, or a login used, is no reason to
refuse a change of its settings. (RFC 9110 sections 8.8.3 and 13.1)
"""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Final, TypeVar

from fastapi import Header, Request, Response
from pydantic import BaseModel

from pillarbox.core.errors import InvalidInput

_LENGTH: Final = 16
_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
_Shown = TypeVar("_Shown", bound=BaseModel)

IfMatch = Annotated[
    str | None, Header(max_length=1024, description="The ETag of the state that was seen: another one is not changed.")
]
"""For a route that changes something: `async def change_thing(..., if_match: IfMatch = None)`."""


class Versions:
    """The ETags of things of one kind. `volatile` are the fields that nobody sets; `once` those that are shown once.

    All changes of things of this kind go through `changing`, one after the other, so that none comes in between.
    """

    def __init__(self, volatile: frozenset[str] = frozenset(), once: frozenset[str] = frozenset()) -> None:
        self._volatile = volatile
        self._once = once
        self._lock = asyncio.Lock()

    def tell(self, response: Response, shown: _Shown) -> _Shown:
        """The thing as it is shown, its ETag told beside it."""
        response.headers["ETag"] = f'"{self._settings(shown)}-{_hash(shown, self._once)}"'
        return shown

    @asynccontextmanager
    async def changing(self, if_match: str | None, current: Callable[[], Awaitable[BaseModel]]) -> AsyncIterator[None]:
        """While a thing is changed. Raises InvalidInput `request.changed` where another state of it was seen.

        `current` is how the thing is shown now; what it raises, such as NotFound, is raised.
        """
        async with self._lock:
            if if_match is not None:
                settings = self._settings(await current())
                if if_match.strip() != "*" and settings not in (tag.partition("-")[0] for tag in _strong(if_match)):
                    raise InvalidInput("request.changed")
            yield

    def _settings(self, shown: BaseModel) -> str:
        return _hash(shown, self._volatile | self._once)


def unless_known(request: Request, response: Response) -> Response:
    """The answer, or 304 where its ETag is one that the client has (If-None-Match)."""
    known, tag = request.headers.get("if-none-match"), response.headers.get("etag")
    if known is None or tag is None or request.method not in ("GET", "HEAD"):
        return response
    if known.strip() == "*" or tag.strip('"') in _TAG.findall(known):
        return Response(status_code=304, headers={"ETag": tag})
    return response


def _strong(field: str) -> list[str]:
    """The tags of an If-Match, without those that are weak: they prove nothing (RFC 9110 section 13.1.1)."""
    return [match[1] for match in _TAG.finditer(field) if not match[0].startswith("W/")]


def _hash(shown: BaseModel, without: frozenset[str]) -> str:
    value = shown.model_dump(mode="json", exclude=set(without))
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_LENGTH]
