"""A message as a program writes it, and as the API takes it."""

import base64
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

_LISTS: Final = ("to", "cc", "bcc", "reply_to", "references", "list_unsubscribe")
_SINGLE: Final = (
    *("text", "html", "in_reply_to", "sender", "envelope_from", "importance", "auto_submitted"),
    *("max_age", "priority", "transport"),
)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message: its content, or the id of an upload.

    With `content_id` HTML shows it by `cid:`; `inline` says that it is shown in the text.
    """

    name: str
    content: bytes | None = field(default=None, repr=False)
    media_type: str = ""
    upload_id: str | None = None
    inline: bool = False
    content_id: str | None = None

    @classmethod
    def of_file(cls, path: str | Path) -> "Attachment":
        """From a small file; what is larger than a few MB is uploaded first."""
        path = Path(path)
        return cls(path.name, path.read_bytes())

    def to_json(self) -> dict[str, Any]:
        """As the API takes it. Raises ValueError where it has neither content nor an upload, or both."""
        if (self.content is None) == (self.upload_id is None):
            raise ValueError("an attachment has either a content or an upload_id")
        given: dict[str, Any] = {"name": self.name}
        if self.content is not None:
            given["content"] = base64.b64encode(self.content).decode()
            given["media_type"] = self.media_type or guessed(self.name)
        else:
            given["upload_id"] = self.upload_id
            if self.media_type:
                given["media_type"] = self.media_type
        if self.inline:
            given["inline"] = True
        if self.content_id is not None:
            given["content_id"] = self.content_id
        return given


def guessed(name: str) -> str:
    """The media type that a file's name lets expect."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Message:
    """A message. Addresses are `alice@contoso.example` or `Alice <alice@contoso.example>`.

    `headers` are further fields of it, with names X-...; the API's page says what all else means. `send_at` is a moment
    with a time zone, or seconds since 1970.
    """

    from_: str
    to: Sequence[str] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    attachments: Sequence[Attachment] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    in_reply_to: str | None = None
    references: Sequence[str] = ()
    sender: str | None = None
    envelope_from: str | None = None
    importance: Literal["low", "normal", "high"] | None = None
    auto_submitted: Literal["auto-generated", "auto-replied", "auto-notified"] | None = None
    list_unsubscribe: Sequence[str] = ()
    one_click: bool = False
    send_at: float | datetime | None = None
    max_age: float | None = None
    priority: Literal["low", "normal", "high"] | None = None
    hold: bool = False
    transport: Literal["graph", "smtp"] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the API takes it: what is empty is left out. Raises ValueError for a moment without a time zone."""
        return {"from": self.from_, "subject": self.subject, **dict(self._further())}

    def _further(self) -> Iterator[tuple[str, Any]]:
        for name in _LISTS:
            value: Sequence[str] = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"{name} is a list of texts")
            if value:
                yield name, list(value)
        for name in _SINGLE:
            if getattr(self, name) is not None:
                yield name, getattr(self, name)
        if self.attachments:
            yield "attachments", [one.to_json() for one in self.attachments]
        if self.headers:
            yield "headers", dict(self.headers)
        for name in ("hold", "one_click"):
            if getattr(self, name):
                yield name, True
        if self.send_at is not None:
            yield "send_at", moment(self.send_at)


def moment(when: float | datetime) -> float:
    """Seconds since 1970. Raises ValueError for a moment without a time zone, which is another one elsewhere."""
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError("send_at has no time zone")
        return when.timestamp()
    return when
