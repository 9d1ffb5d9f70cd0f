"""Upload sessions: a file goes up in parts, in order, to an address of Outlook's that is its own key.

https://learn.microsoft.com/graph/outlook-large-attachments. No token goes there, and nothing at all to an address that
is none of Outlook's, whatever an answer says.
"""

import json
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from yarl import URL

from pillarbox.core.retry_after import seconds_of
from pillarbox.graph.client import Answer, AnswerLost, GraphClient, Unreachable, Untrusted

PART: Final = 12 * 320 * 1024
"""Bytes of a part: less than 4 MB, as Graph asks."""
_PAUSES: Final = (1.0, 5.0, 20.0)
"""Seconds before each further try of a part that did not get through."""
_LONGEST_PAUSE: Final = 60.0
"""Seconds; who is told to wait for longer begins anew later."""
_PLAIN: Final = re.compile(r"[!-\[\]-~]{1,8192}")
"""Printable ASCII without a blank or a backslash: parsers agree on it."""
_AGAIN: Final = (408, 416, 429)
"""Beside the server's own errors, what is over by itself; 416: another part is due."""

Read = Callable[[int, int], Awaitable[bytes]]
"""The bytes of the file from one place up to another."""


class Stuck(Unreachable):
    """The file is not there, whatever became of its parts; no mail was sent."""


def hosts_of(*urls: str) -> frozenset[str]:
    """Hosts and ports of these addresses, as files may be uploaded to."""
    return frozenset(_place(URL(url)) for url in urls if url)


def address(text: str, hosts: Collection[str]) -> URL:
    """The address of a session. Raises Stuck `upload.bad_address` unless it is HTTPS and at one of these hosts."""
    try:
        url = URL(text, encoded=True) if _PLAIN.fullmatch(text) else URL()
        is_ours = url.scheme == "https" and url.user is None and url.password is None and _place(url) in hosts
        shown = url.host or ""
    except ValueError:
        is_ours, shown = False, ""
    if not is_ours:
        raise Stuck("upload.bad_address", host=shown[:200] or "no host")
    return url


def session_in(answer: Answer) -> str:
    """The address in the answer that began a session; empty where it has none. Pure."""
    found = _told(answer).get("uploadurl") if answer.status in (200, 201) else None
    return found if isinstance(found, str) else ""


@dataclass(frozen=True, slots=True)
class Uploads:
    """Puts files to the addresses of sessions at `hosts`. `wait` sleeps; time is the clock's."""

    client: GraphClient
    hosts: Collection[str]
    wait: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]

    async def put(self, session: str, size: int, read: Read) -> Answer | None:
        """Put a whole file; None when it is there, else the answer that refuses it.

        A part that did not get through goes again from where the session says that the next one begins. Only 201 for
        the last part says that the file is there. Raises Stuck where that does not help.
        """
        url = address(session, self.hosts)
        at = furthest = tries = 0
        while True:
            end = min(at + PART, size)
            answer, reason = await self._put_part(url, at, end, size, read)
            if answer is not None and answer.status in (200, 201, 202):
                if answer.status == 201 and end == size:
                    return None
                at, reason = _next(answer, end), "it does not take the next part, or does not say that all is there"
                if furthest < at < size:
                    furthest, tries = at, 0
                    continue
            elif answer is not None and answer.status < 500 and answer.status not in _AGAIN:
                return answer
            if tries == len(_PAUSES):
                raise Stuck("upload.stuck", reason=reason)
            await self._pause(answer, tries, reason)
            tries += 1
            at = await self._where(url, at)
            if at >= size:
                raise Stuck("upload.stuck", reason=reason)

    async def _put_part(self, url: URL, at: int, end: int, size: int, read: Read) -> tuple[Answer | None, str]:
        """The answer to one part, or None; and what there is to say about it if it did not get through."""
        sent = {"Content-Type": "application/octet-stream", "Content-Range": f"bytes {at}-{end - 1}/{size}"}
        try:
            answer = await self.client.request_without_token("PUT", url, body=await read(at, end), headers=sent)
        except Untrusted as error:
            # Graph is another host: what is said of its certificate holds up all mailboxes.
            raise Stuck("upload.stuck", reason=error.sentence) from error
        except (AnswerLost, Unreachable) as error:
            return None, error.sentence
        return answer, " ".join(filter(None, (str(answer.status), *answer.error())))

    async def _pause(self, answer: Answer | None, tries: int, reason: str) -> None:
        told = answer.headers.get("Retry-After", "") if answer is not None else ""
        seconds = max(_PAUSES[tries], seconds_of(told, self.clock()) if told else 0.0)
        if seconds > _LONGEST_PAUSE:
            raise Stuck("upload.stuck", reason=reason)
        await self.wait(seconds)

    async def _where(self, url: URL, at: int) -> int:
        """Where the next part begins; `at` where that cannot be told. Raises Stuck where the session is no more."""
        try:
            answer = await self.client.request_without_token("GET", url)
        except (AnswerLost, Unreachable, Untrusted):
            return at
        if answer.status in (404, 410):
            raise Stuck("upload.stuck", reason="the session is gone")
        return _next(answer, at) if answer.status == 200 else at


def _next(answer: Answer, otherwise: int) -> int:
    """Where the next part begins (`["2097152"]` or `["0-"]`)."""
    ranges = _told(answer).get("nextexpectedranges")
    first = str(ranges[0]) if isinstance(ranges, list) and ranges else ""
    begin = first.partition("-")[0]
    return int(begin) if begin.isascii() and begin.isdigit() and len(begin) < 16 else otherwise


def _told(answer: Answer) -> dict[str, Any]:
    """The answer's object; names in lower case, as Microsoft writes them in both ways here."""
    try:
        value = json.loads(answer.body) if answer.whole else {}
    except (ValueError, RecursionError):
        value = {}
    return {name.lower(): one for name, one in value.items()} if isinstance(value, dict) else {}


def _place(url: URL) -> str:
    return f"{url.host}:{url.port}"
