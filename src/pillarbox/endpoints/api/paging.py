"""Lists in pages: an opaque cursor says where the next one begins, and a `Link` field where it is (RFC 8288).

A cursor holds the list's path and the key of the last row that was shown, so that a page is found at once however far
down it is, and nothing is left out or shown twice when rows come and go. Who makes one up gets no more than what the
list shows.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar, cast
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response

from pillarbox.core.errors import InvalidInput

MOST: Final = 500
USUAL: Final = 50
_LONGEST: Final = 1024
_BIGGEST: Final = 2**63 - 1
"""What a number of the store can be (SQLite)."""
_T = TypeVar("_T")


def encode(path: str, key: str | int) -> str:
    """The cursor that stands for the key of a row of the list at this path."""
    return base64.urlsafe_b64encode(json.dumps([path, key]).encode()).rstrip(b"=").decode("ascii")


def decode(path: str, text: str) -> str:
    """The key that a cursor stands for. Raises InvalidInput `request.bad_cursor` for what is none of this list."""
    value = _decoded(path, text)
    if not isinstance(value, str):
        raise InvalidInput("request.bad_cursor")
    return value


def decode_number(path: str, text: str) -> int:
    """The number that a cursor stands for. Raises InvalidInput `request.bad_cursor` for what is none of this list."""
    value = _decoded(path, text)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _BIGGEST:
        raise InvalidInput("request.bad_cursor")
    return value


def _decoded(path: str, text: str) -> object:
    try:
        of, key = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        if isinstance(key, str):
            key.encode()  # half a character of UTF-16 is no text
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise InvalidInput("request.bad_cursor") from error
    if of != path:
        raise InvalidInput("request.bad_cursor")
    return cast(object, key)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which page is asked for: what follows the row of `cursor` (None: the first page), at most `limit` rows."""

    request: Request
    response: Response
    cursor: Annotated[
        str | None, Query(max_length=_LONGEST, description="`next` of the page before; without it, the first page.")
    ] = None
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many at most.")] = USUAL

    @property
    def after(self) -> str | None:
        """The key after which the page begins. Raises InvalidInput `request.bad_cursor`."""
        return None if self.cursor is None else decode(self._path, self.cursor)

    @property
    def after_number(self) -> int | None:
        """The number after which the page begins. Raises InvalidInput `request.bad_cursor`."""
        return None if self.cursor is None else decode_number(self._path, self.cursor)

    def behind(self, key: str | int) -> str:
        """The cursor of the page behind the row with this key."""
        return encode(self._path, key)

    def next(self, last: str | int | None) -> str | None:
        """The cursor of the page behind the row with the key `last` (None: there is none), told in a Link field too."""
        if last is None:
            return None
        cursor = self.behind(last)
        kept = [(name, value) for name, value in self.request.query_params.multi_items() if name != "cursor"]
        # The query alone, which counts from the address of the request itself (RFC 3986 section 5.2.2): how that reads
        # from outside, behind proxies, we need not know.
        self.response.headers["Link"] = f'<?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'
        return cursor

    def cut(self, everything: Sequence[_T], key: Callable[[_T], str]) -> tuple[list[_T], str | None]:
        """The page of a list that is all in memory, ordered by the key of its items, and the cursor of the next."""
        after = self.after
        ordered = sorted((one for one in everything if after is None or key(one) > after), key=key)
        page = ordered[: self.limit]
        return page, self.next(key(page[-1]) if len(ordered) > len(page) else None)

    @property
    def _path(self) -> str:
        return str(self.request.scope["path"])


Paging = Annotated[Asked, Depends(Asked)]
"""For a route: `async def list_things(paging: Paging)`."""
