"""A page of a collection: it tells where the next one is, and nothing else is believed about it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.core.bearer import TokenSource
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Clock
from pillarbox.core.retry_after import seconds_of
from pillarbox.graph.client import Answer, GraphClient
from pillarbox.graph.refusal import refusal, refused

PAGE_BYTES: Final = 32 * 1024 * 1024
"""The longest page that is read: a thousand messages with their bodies."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long Graph's 429 is waited for while pages are read: at most `seconds` for one page, with `sleep`."""

    clock: Clock
    sleep: Callable[[float], Awaitable[object]]
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Page:
    """One page, the link to the next one, and Microsoft's number of the request."""

    value: list[Any]
    next: str | None
    request_id: str


async def one_page(
    client: GraphClient,
    path: str,
    token: TokenSource,
    *,
    patience: Patience,
    headers: Mapping[str, str] | None = None,
    version: str = "v1.0",
    limit: int = PAGE_BYTES,
) -> Page:
    """The page at a path, or at the link that another page gave: such a link leads below the same Graph or nowhere.

    Raises GraphRefused for a page that is refused, Forbidden `graph.foreign_link`, PillarboxError `graph.no_page` and
    `graph.too_large`, and what `GraphClient.request` raises.
    """
    left = patience.seconds
    while True:
        answer = await client.request("GET", path, token, headers=headers, version=version, limit=limit)
        told = answer.headers.get("Retry-After", "")
        wait = seconds_of(told, patience.clock()) if told else left + 1
        if answer.status != 429 or wait > left:
            break
        left -= wait
        await patience.sleep(wait)
    if refused(answer):
        raise refusal(answer, patience.clock())
    return _read(answer)


def _read(answer: Answer) -> Page:
    if not answer.whole:
        raise PillarboxError("graph.too_large", status=answer.status, limit=len(answer.body))
    try:
        found = json.loads(answer.body)
        value, link = found["value"], found.get("@odata.nextLink")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PillarboxError("graph.no_page") from error
    if not isinstance(value, list) or not isinstance(link, str | None):
        raise PillarboxError("graph.no_page")
    return Page(value, link, answer.request_id)
