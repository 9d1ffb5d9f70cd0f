"""A letter becomes MIME: our own serialiser, which cannot be made to write a header field that was not asked for.

Nothing of `email` writes here. Texts are refused that no header may hold (`mime.wary`), what is written is ASCII
(`mime.fields`), and at last the header blocks are read again: their fields must be those that were meant.
The same letter always becomes the same bytes. Date and Message-ID are added where it is accepted.
"""

import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.core import headers
from pillarbox.core.content import PIECE, Content, InMemory
from pillarbox.core.errors import PillarboxError
from pillarbox.mime import base64_lines, fields
from pillarbox.mime.letter import Attachment, Letter, Person, checked

_EMPTY_LINE: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class _File:
    """The bytes of an attachment, as base64."""

    content: Content

    @property
    def size(self) -> int:
        return base64_lines.encoded_size(self.content.size)

    def pieces(self, start: int) -> Iterator[bytes]:
        return base64_lines.encoded(self.content, start)


@dataclass(frozen=True, slots=True)
class _Text:
    """Bytes of the message as they are."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def pieces(self, start: int) -> Iterator[bytes]:
        return (self.data[begin : begin + PIECE] for begin in range(start, len(self.data), PIECE))


_Segment = _File | _Text


@dataclass(frozen=True, slots=True)
class Composed:
    """A message as MIME: a `core.content.Content` whose attachments are read and encoded while it is read.

    `letter` is what it was made from, as it was checked.
    """

    segments: Sequence[_Segment]
    letter: Letter

    @property
    def size(self) -> int:
        """See `Content.size`."""
        return sum(one.size for one in self.segments)

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """See `Content.pieces`."""
        for one in self.segments:
            if start < one.size:
                yield from one.pieces(start)
            start = max(0, start - one.size)

    def close(self) -> None:
        """See `Content.close`."""
        for file in self.letter.attachments:
            file.content.close()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a message: its own header fields, and its body. `names` are those of the fields."""

    head: bytes
    body: Sequence[_Segment]
    names: Sequence[str]


def compose(letter: Letter) -> Composed:
    """The message of a letter. Raises InvalidInput as `letter.checked`, and `mail.header_too_large` and its like."""
    letter = checked(letter)
    top = list(_top(letter))
    content = _content(letter)
    head = b"".join((*(one for _, one in top), b"MIME-Version: 1.0\r\n", content.head))
    check_names(head, (*(name for name, _ in top), "MIME-Version", *content.names))
    segments = (_Text(head + _EMPTY_LINE), *content.body)
    return Composed(tuple(_joined(segments)), letter)


def check_names(head: bytes, expected: Sequence[str]) -> None:
    """Raises PillarboxError `internal` where a header block has other fields than were meant: that is never sent."""
    block = headers.scan(head)
    if block.end != len(head) or [field.name for field in block.fields] != [name.lower().encode() for name in expected]:
        raise PillarboxError("internal")


def _top(letter: Letter) -> Iterator[tuple[str, bytes]]:
    sender = (letter.sender,) if letter.sender else ()
    written: tuple[tuple[str, Sequence[Person]], ...] = (
        ("From", (letter.author,)),
        ("Sender", sender),
        ("Reply-To", letter.reply_to),
        ("To", letter.to),
        ("Cc", letter.cc),
    )
    for name, people in written:
        if people:
            yield name, fields.mailboxes(name, [(one.name, one.address) for one in people])
    yield "Subject", fields.text("Subject", letter.subject)
    if letter.in_reply_to:
        yield "In-Reply-To", fields.field("In-Reply-To", [f" {letter.in_reply_to}"])
    if letter.references:
        yield "References", fields.field("References", [f" {one}" for one in letter.references])
    yield from _of_lists(letter)
    for name, value in letter.headers:
        yield name, fields.text(name, value)


def _of_lists(letter: Letter) -> Iterator[tuple[str, bytes]]:
    if letter.list_unsubscribe:
        *links, last = letter.list_unsubscribe
        tokens = [*(f" <{link}>," for link in links), f" <{last}>"]
        yield "List-Unsubscribe", fields.field("List-Unsubscribe", tokens)
    if letter.one_click:
        yield "List-Unsubscribe-Post", b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    if letter.auto_submitted:
        yield "Auto-Submitted", fields.field("Auto-Submitted", [f" {letter.auto_submitted}"])
    if letter.importance:
        yield "Importance", fields.field("Importance", [f" {letter.importance}"])


# ---- the parts


def _content(letter: Letter) -> _Part:
    """Texts in an alternative, what the HTML shows beside it, and the files behind (RFC 2046, RFC 2387)."""
    shown = [one for one in letter.attachments if one.inline and one.content_id and letter.html is not None]
    others = [_attached(one) for one in letter.attachments if one not in shown]
    texts = [_text("plain", letter.text)] if letter.text is not None or letter.html is None else []
    if letter.html is not None:
        html = _text("html", letter.html)
        texts.append(_multipart("related", [html, *map(_attached, shown)]) if shown else html)
    body = _multipart("alternative", texts) if len(texts) > 1 else texts[0]
    return _multipart("mixed", [body, *others]) if others else body


def _text(subtype: str, given: str | None) -> _Part:
    text = (given or "").replace("\r\n", "\n").replace("\r", "\n").encode()
    quoted = binascii.b2a_qp(text, istext=True).replace(b"\n", b"\r\n")
    as_base64 = base64_lines.encoded_size(len(text)) < len(quoted)
    encoding = "base64" if as_base64 else "quoted-printable"
    body = b"".join(base64_lines.encoded(InMemory(text.replace(b"\n", b"\r\n")))) if as_base64 else quoted
    head = fields.with_parameters("Content-Type", f"text/{subtype}", [("charset", "utf-8")])
    head += fields.field("Content-Transfer-Encoding", [f" {encoding}"])
    return _part(head, ("Content-Type", "Content-Transfer-Encoding"), [_Text(body)])


def _attached(one: Attachment) -> _Part:
    disposition = "inline" if one.inline else "attachment"
    head = fields.field("Content-Type", [f" {one.media_type}"])
    head += fields.field("Content-Transfer-Encoding", [" base64"])
    head += fields.with_parameters("Content-Disposition", disposition, [("filename", one.name)])
    names = ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]
    if one.content_id:
        head += fields.field("Content-ID", [f" <{one.content_id}>"])
        names.append("Content-ID")
    return _part(head, names, [_File(one.content)])


def _multipart(subtype: str, parts: Sequence[_Part]) -> _Part:
    # All that stands between boundaries is base64 or quoted-printable, neither of which has a line with "=_".
    boundary = f"=_{subtype}"
    head = fields.with_parameters("Content-Type", f"multipart/{subtype}", [("boundary", boundary)])
    delimiter = f"--{boundary}".encode()
    body: list[_Segment] = []
    for part in parts:
        body += [_Text(delimiter + b"\r\n" + part.head + _EMPTY_LINE), *part.body, _Text(b"\r\n")]
    return _part(head, ("Content-Type",), [*body, _Text(delimiter + b"--\r\n")])


def _part(head: bytes, names: Sequence[str], body: Sequence[_Segment]) -> _Part:
    check_names(head, names)
    return _Part(head, body, names)


def _joined(segments: Sequence[_Segment]) -> Iterator[_Segment]:
    """The same with texts that follow each other in one."""
    waiting: list[bytes] = []
    for one in segments:
        if isinstance(one, _Text):
            waiting.append(one.data)
            continue
        yield _Text(b"".join(waiting))
        waiting.clear()
        yield one
    yield _Text(b"".join(waiting))
