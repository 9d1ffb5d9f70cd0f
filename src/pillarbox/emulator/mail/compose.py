"""Parts become MIME, as Exchange does when a mail is sent that was written in JSON (RFC 5322, RFC 2045 to 2047)."""

import base64
import re
from collections.abc import Iterator, Sequence
from email.header import Header
from email.utils import encode_rfc2231, formatdate, quote

from pillarbox.emulator.mail.body_types import as_text
from pillarbox.emulator.mail.content import Attachment, Content, Person

LINE = 998
"""Signs that a line may have without its CRLF (RFC 5322 section 2.1.1)."""
PRIORITY = {"low": "5", "high": "1"}
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)
"""A type as a header can carry it (RFC 6838 section 4.2)."""
SPECIALS = frozenset('()<>@,;:\\".[]')

Entity = tuple[str, bytes]
"""A part of a mail: the headers about its content, and the content."""


def compose(content: Content) -> bytes:
    """The MIME of these parts."""
    about, body = _entity(content)
    return b"".join([compose_headers(content), about.encode(), b"\r\n", body])


def compose_headers(content: Content) -> bytes:
    """The header block, without what the parts need."""
    return b"".join(f"{line}\r\n".encode("utf-8", "surrogateescape") for line in _header_lines(content))


def people_line(name: str, persons: Sequence[Person]) -> str:
    """A header that names people, one on each line, without the last line break."""
    return f"{name}: " + ",\r\n ".join(map(_mailbox, persons))


def _header_lines(content: Content) -> Iterator[str]:
    for name, persons in content.people.items():
        if persons:
            yield people_line(name, persons)
    yield _line("Subject", content.subject)
    if content.date is not None:
        yield f"Date: {formatdate(content.date)}"
    if content.message_id:
        yield f"Message-ID: {_one_line(content.message_id)}"
    for name, value in content.headers:
        yield _line(name, value)
    yield from _wishes(content)
    yield "MIME-Version: 1.0"


def _wishes(content: Content) -> Iterator[str]:
    if content.importance in PRIORITY:
        yield f"Importance: {content.importance}"
        yield f"X-Priority: {PRIORITY[content.importance]}"
    if content.from_ and content.read_receipt:
        yield f"Disposition-Notification-To: {_mailbox(content.from_)}"
    if content.from_ and content.delivery_receipt:
        yield f"Return-Receipt-To: {_mailbox(content.from_)}"


def _entity(content: Content) -> Entity:
    """The body in its envelopes: alternatives, then what it shows inline, then what is attached."""
    inline = [each for each in content.attachments if each.inline and content.body_type == "html"]
    attached = [each for each in content.attachments if each not in inline]
    body = _text("plain", content.body)
    if content.body_type == "html":
        body = _multipart("alternative", [_text("plain", as_text(content.body)), _text("html", content.body)])
    if inline:
        body = _multipart("related", [body, *map(_attached, inline)])
    return _multipart("mixed", [body, *map(_attached, attached)]) if attached else body


def _text(subtype: str, text: str) -> Entity:
    lines = "\r\n".join(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")).encode("utf-8", "replace")
    if lines.isascii() and b"\0" not in lines and all(len(line) <= LINE for line in lines.split(b"\r\n")):
        return f"Content-Type: text/{subtype}; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n", lines
    about = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
    return about, _base64(lines)


def _attached(attachment: Attachment) -> Entity:
    name = _one_line(attachment.name)
    disposition = "inline" if attachment.inline else "attachment"
    about = f"Content-Disposition: {disposition}; {_parameter('filename', name)}\r\n"
    if attachment.content_id:
        about += f"Content-ID: <{_one_line(attachment.content_id)}>\r\n"
    if attachment.kind == "item":
        # A mail inside may be in no encoding but 7bit, 8bit and binary (RFC 2046 section 5.2.1).
        return f"Content-Type: message/rfc822\r\n{about}Content-Transfer-Encoding: 8bit\r\n", attachment.content
    kind = attachment.content_type.partition(";")[0].strip()
    if not MEDIA_TYPE.fullmatch(kind) or kind.lower().startswith(("multipart/", "message/")):
        kind = "application/octet-stream"  # Base64 is not allowed in those two (RFC 2045 section 6.4).
    about = f"Content-Type: {kind}; {_parameter('name', name)}\r\n{about}Content-Transfer-Encoding: base64\r\n"
    return about, _base64(attachment.content)


def _multipart(subtype: str, parts: list[Entity]) -> Entity:
    boundary = _boundary(parts)
    line = f"--{boundary}".encode()
    about = f'Content-Type: multipart/{subtype};\r\n\tboundary="{boundary}"\r\n'
    inside = b"".join(b"%s\r\n%s\r\n%s\r\n" % (line, each.encode(), body) for each, body in parts)
    return about, b"%s%s--\r\n" % (inside, line)


def _boundary(parts: list[Entity]) -> str:
    """A line that stands in no part; counted up, so that the same parts give the same bytes."""
    number = 0
    while any(f"_{number:03d}_EMULATOR_".encode() in body for _, body in parts):
        number += 1
    return f"_{number:03d}_EMULATOR_"


def _base64(content: bytes) -> bytes:
    return base64.encodebytes(content).replace(b"\n", b"\r\n")


def _parameter(name: str, value: str) -> str:
    """A parameter of a header (RFC 2231 where it is not ASCII)."""
    if value.isascii():
        return f'{name}="{quote(value)}"'
    return f"{name}*={encode_rfc2231(_utf8(value), 'utf-8')}"


def _line(name: str, value: str) -> str:
    """A header; text that is not ASCII becomes encoded words, raw bytes stay (PEP 383)."""
    value = _one_line(value)
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        return f"{name}: {value}"
    if value.isascii() and len(name) + len(value) < LINE - 1:
        return f"{name}: {value}"
    header = Header(value, "us-ascii" if value.isascii() else "utf-8", header_name=name)
    return f"{name}: {header.encode(linesep=chr(13) + chr(10))}"


def _mailbox(person: Person) -> str:
    name, address = _one_line(person.name), _one_line(person.address)
    if not name or name == address:
        return _utf8(address)
    if not name.isascii():
        return f"{Header(_utf8(name), 'utf-8').encode(linesep=chr(13) + chr(10))} <{_utf8(address)}>"
    shown = f'"{quote(name)}"' if SPECIALS.intersection(name) else name
    return f"{shown} <{_utf8(address)}>"


def _one_line(value: str) -> str:
    """Without line breaks and other control signs, which would end the header."""
    return "".join(
        " " if (sign < " " and sign != "\t") or sign in "\x7f\x85\u2028\u2029" else sign for sign in value
    ).strip()


def _utf8(value: str) -> str:
    return value.encode("utf-8", "replace").decode()
