"""Pages of a list: which entities are on this one, and the opaque link to the next."""

import hashlib
import itertools
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.odata.evaluate import Rank, Read, passes, value_of
from pillarbox.emulator.graph.odata.options import Query, option_of
from pillarbox.emulator.http import Call

Item = TypeVar("Item")
Place = tuple[int | str, ...]
Key = tuple[tuple[Rank, ...], Place]

DIGEST = 8
"""Bytes of a token that tell a changed one; it guards against accidents and invention, not against attack."""


@dataclass(frozen=True)
class Listing(Generic[Item]):
    """A collection in its own order, and how to look at its items.

    `place` rises from item to item and stays as long as the item exists, so that pages do not shift when others come
    and go. `reader` gives the properties of an item.
    """

    items: Iterable[Item]
    place: Callable[[Item], Place]
    reader: Callable[[Item], Read]


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some entities, and the annotations of the list: `@odata.count` and `@odata.nextLink`, where they belong."""

    items: list[Item]
    annotations: dict[str, Any]


def page(call: Call, query: Query, listing: Listing[Item], size: int) -> Page[Item]:
    """The page that the query asks for, of at most `size` entities."""
    found = _passing(query, listing)
    annotations: dict[str, Any] = {}
    if query.count:
        found = list(found)
        annotations["@odata.count"] = len(found)
    shown = list(itertools.islice(_rest(call, query, listing, found), size + 1))
    if len(shown) > size:
        annotations["@odata.nextLink"] = _next_link(call, _key(query, listing, shown[size - 1]))
    return Page(shown[:size], annotations)


def count(query: Query, listing: Listing[Item]) -> int:
    """How many entities pass the filter."""
    return sum(1 for _ in _passing(query, listing))


def _passing(query: Query, listing: Listing[Item]) -> Iterable[Item]:
    node = query.filter
    if node is None:
        return listing.items
    return (item for item in listing.items if passes(node, listing.reader(item)))


def _rest(call: Call, query: Query, listing: Listing[Item], found: Iterable[Item]) -> Iterator[Item]:
    """The entities in order, without those that earlier pages had."""

    def key(item: Item) -> Key:
        return _key(query, listing, item)

    ordered = sorted(found, key=key) if query.order else found
    if query.token is None:
        return itertools.islice(ordered, query.skip, None)
    last = _read_token(call, query, query.token)
    return (item for item in ordered if last < key(item))


def _key(query: Query, listing: Listing[Item], item: Item) -> Key:
    read = listing.reader(item) if query.order else None
    ranks = (Rank(value_of(term.path, read), term.descending) for term in query.order if read)
    return tuple(ranks), listing.place(item)


def _next_link(call: Call, last: Key) -> str:
    """An absolute link to what follows, on the host that was asked; it carries all options but `$skip`, now spent."""
    values = [[rank.value for rank in last[0]], last[1]]
    payload = json.dumps(values, separators=(",", ":")).encode()
    token = urlsafe_b64encode(_digest(call, payload) + payload).decode()
    query = urlencode([*_kept(call), ("$skiptoken", token)], quote_via=quote, safe="$")
    return f"{call.base}{call.path}?{query}"


def _read_token(call: Call, query: Query, token: str) -> Key:
    """Where the last page ended; a token that we did not make for these options is refused."""
    try:
        data = b64decode(token.encode(), altchars=b"-_", validate=True)
        digest, payload = data[:DIGEST], data[DIGEST:]
        if digest != _digest(call, payload):
            raise ValueError(token)
        values, place = json.loads(payload)
    except ValueError:
        raise GraphError("BadRequest", "Skip token is not valid.") from None
    ranks = zip(values, query.order, strict=True)
    return tuple(Rank(value, term.descending) for value, term in ranks), tuple(place)


def _digest(call: Call, payload: bytes) -> bytes:
    asked = sorted((option_of(name) or "", value) for name, value in _kept(call) if option_of(name))
    about = json.dumps([call.path, asked]).encode()
    return hashlib.sha256(about + payload).digest()[:DIGEST]


def _kept(call: Call) -> list[tuple[str, str]]:
    """The query parameters that go on to the next page, as they were given."""
    pairs = parse_qsl(call.query_string, keep_blank_values=True)
    return [(name, value) for name, value in pairs if option_of(name) not in ("$skip", "$skiptoken")]
