"""The calls of the API, without the network: each is a generator of steps (exchange.py)."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, TypedDict, TypeVar
from urllib.parse import quote

from pillarbox.client.errors import PillarboxClientError
from pillarbox.client.exchange import Call, Pause, Read, Request
from pillarbox.client.files import File
from pillarbox.client.message import Message, moment
from pillarbox.client.results import ConnectLink, Event, Send, Trace, Upload, read, read_trace
from pillarbox.client.retries import Retries, persistent

_Result = TypeVar("_Result")
SENDS: Final = "/api/v1/sends"
UPLOADS: Final = "/api/v1/uploads"
_LINKS: Final = "/api/v1/connect-links"
_EVENTS: Final = "/api/v1/events"
_JSON: Final = {"Content-Type": "application/json"}
_KEY: Final = re.compile("[!-~]{1,255}")
"""What the API takes as an idempotency key, and every HTTP library as a field."""
LONGEST_WAIT: Final = 60
"""Seconds that one request may wait for something to happen."""


class Filters(TypedDict, total=False):
    """Which messages; `recipient` is an address or `*@domain`; moments have a time zone, or are seconds since 1970."""

    state: str
    mailbox: str
    submitter: str
    code: str
    cause: str
    recipient: str
    since: float | datetime
    until: float | datetime


class Terms(TypedDict, total=False):
    """When and how a message is sent: see Message."""

    send_at: float | datetime
    max_age: float
    priority: Literal["low", "normal", "high"]
    hold: bool
    transport: Literal["graph", "smtp"]


class LinkTerms(TypedDict, total=False):
    """What a connect link is to be.

    `mailbox`: a shared one, which the person who signs in has rights on. `new_account` lets another account come than
    last time. It is good for `expires_in` seconds; the person may go on to `return_url` afterwards.
    """

    mailbox: str
    permissions: Sequence[Literal["send", "mail", "exchange"]]
    new_account: bool
    expires_in: int
    return_url: str
    note: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages, and the cursor of those that follow."""

    data: tuple[Send, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Feed:
    """Some events, and the cursor from which to go on."""

    data: tuple[Event, ...]
    next: str


@dataclass(frozen=True, slots=True)
class Calls:
    """All calls. `clock` counts seconds from anywhere, `chance` is 0 to 1, `new_key` makes a key that nobody has."""

    retries: Retries
    clock: Callable[[], float]
    chance: Callable[[], float]
    new_key: Callable[[], str]

    def send(self, message: Message, wait: float | None, key: str | None) -> Call[Send]:
        """Hand in a message. The same key goes with each attempt: however often it is asked, it is sent once."""
        request = Request("POST", SENDS, headers=_JSON, body=_as_json(message.to_json()))
        return (yield from self._hand_in(request, wait, key))

    def send_mime(
        self,
        mime: bytes,
        sender: str | None,
        recipients: Sequence[str],
        terms: Terms,
        wait: float | None,
        key: str | None,
    ) -> Call[Send]:
        """Hand in a message as it is (RFC 5322); without sender and recipients those of its header count."""
        query = ([("sender", sender)] if sender is not None else []) + [("recipient", one) for one in recipients]
        query += _query(terms)
        request = Request("POST", SENDS, tuple(query), {"Content-Type": "message/rfc822"}, mime)
        return (yield from self._hand_in(request, wait, key))

    def _hand_in(self, request: Request, wait: float | None, key: str | None) -> Call[Send]:
        key = self.new_key() if key is None else key
        if not _KEY.fullmatch(key):
            # An empty one too: in its place none that is new each time may go, or the message would be sent twice.
            raise ValueError(f"{key!r} is no idempotency key: 1 to 255 visible characters of ASCII")
        headers = {**request.headers, "Idempotency-Key": key}
        seconds = min(wait or 0.0, LONGEST_WAIT)
        if seconds >= 1:
            headers["Prefer"] = f"wait={round(seconds)}"
        began = self.clock()
        answer = yield from persistent(replace(request, headers=headers, patience=seconds), self.retries, self.chance)
        sent = answer.value(_SEND)
        sent = replace(sent, replayed=answer.headers.get("idempotent-replayed") == "true")
        if not wait or sent.ended:
            return sent
        now = yield from self.wait(sent.id, wait - (self.clock() - began))
        return replace(now, replayed=sent.replayed)

    def wait(self, queue_id: str, timeout: float) -> Call[Send]:
        """The message once nothing more happens to it by itself, or as it is when the time is over."""
        deadline, pause = self.clock() + timeout, 0.1
        while True:
            sent = (yield from self.trace(queue_id)).message
            left = deadline - self.clock()
            if sent.ended or left <= 0:
                return sent
            yield Pause(min(pause, left))
            pause = min(pause * 1.5, 2.0)

    def trace(self, queue_id: str) -> Call[Trace]:
        """A message and everything that was tried."""
        return (yield from self._ask(Request("GET", f"{SENDS}/{_quoted(queue_id)}"), read_trace))

    def page(self, filters: Mapping[str, Any], cursor: str | None) -> Call[Page]:
        """Messages, newest first."""
        return (yield from self._ask(Request("GET", SENDS, _query({**filters, "cursor": cursor})), _page))

    def act(self, queue_id: str, action: str) -> Call[Send]:
        """Decide what becomes of a message: retry, cancel, approve and the like."""
        # Not asked again without an answer: a message that was retried may have failed anew meanwhile.
        request = Request("POST", f"{SENDS}/{_quoted(queue_id)}:{action}", repeatable=False)
        return (yield from self._ask(request, _SEND))

    def feed(self, cursor: str | None, types: Sequence[str], wait: float) -> Call[Feed]:
        """Events, oldest first; where there are none, up to `wait` seconds are waited for one."""
        wanted = {"cursor": cursor, "wait": round(min(wait, LONGEST_WAIT)) or None, "limit": 500}
        query = (*_query(wanted), *(("type", one) for one in types))
        return (yield from self._ask(Request("GET", _EVENTS, query, patience=wait), _feed))

    def upload(self, file: File, former: str | None) -> Call[Upload]:
        """Bring a file in, piece by piece; one that was begun goes on where it stopped."""
        if former is None:
            new = {"name": file.name, "media_type": file.media_type, "size": file.size}
            # What no answer came for is swept away: it is begun anew.
            upload = yield from self._ask(Request("POST", UPLOADS, headers=_JSON, body=_as_json(new)), _UPLOAD)
        else:
            upload = yield from self._ask(Request("GET", f"{UPLOADS}/{_quoted(former)}"), _UPLOAD)
        if upload.size != file.size:
            raise PillarboxClientError(f"The upload has {upload.size} bytes, and the file {file.size}.")
        while upload.received < file.size:
            at = upload.received
            piece = yield Read(lambda at=at: file.piece(at))  # type: ignore[misc]
            assert isinstance(piece, bytes)
            if not piece:
                raise PillarboxClientError("The file became shorter while it was read.")
            upload = yield from self._piece(upload, at, piece)
            if upload.received <= at:
                raise PillarboxClientError("The upload does not go on.")
        return upload

    def _piece(self, upload: Upload, at: int, piece: bytes) -> Call[Upload]:
        where = f"bytes {at}-{at + len(piece) - 1}/{upload.size}"
        headers = {"Content-Type": "application/octet-stream", "Content-Range": where}
        return (yield from self._ask(Request("PUT", f"{UPLOADS}/{upload.id}", (), headers, piece), _UPLOAD))

    def make_link(self, app: str, address: str, terms: LinkTerms) -> Call[ConnectLink]:
        """A link by which a person connects a mailbox."""
        body = _as_json({"app": app, "address": address, **terms})
        # Not asked again without an answer: a link that nobody was told of would stay open.
        request = Request("POST", _LINKS, headers=_JSON, body=body, repeatable=False)
        return (yield from self._ask(request, _LINK))

    def link(self, link_id: str) -> Call[ConnectLink]:
        """What has become of a link."""
        return (yield from self._ask(Request("GET", f"{_LINKS}/{_quoted(link_id)}"), _LINK))

    def revoke_link(self, link_id: str) -> Call[ConnectLink]:
        """A link is good no more."""
        return (yield from self._ask(Request("DELETE", f"{_LINKS}/{_quoted(link_id)}"), _LINK))

    def _ask(self, request: Request, reading: Callable[[Any], _Result]) -> Call[_Result]:
        return (yield from persistent(request, self.retries, self.chance)).value(reading)


_SEND: Final = partial(read, Send)
_UPLOAD: Final = partial(read, Upload)
_LINK: Final = partial(read, ConnectLink)


def _page(value: Any) -> Page:
    return Page(tuple(read(Send, one) for one in value["data"]), value["next"])


def _feed(value: Any) -> Feed:
    return Feed(tuple(read(Event, one) for one in value["data"]), value["next"])


def _query(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What is None is left out."""
    return tuple((name, _text(value)) for name, value in given.items() if value is not None)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(moment(value)) if isinstance(value, datetime) else str(value)


def _quoted(text: str) -> str:
    # All of it: an id must not lead elsewhere.
    if text in ("", ".", ".."):
        raise ValueError(f"{text!r} is no id")
    return quote(text, safe="")


def _as_json(value: object) -> bytes:
    # Not in ASCII: what is no text must not get through as an escape.
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
