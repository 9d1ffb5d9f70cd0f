"""MIME becomes parts. Mails may be hostile: nothing here raises, what cannot be read is shown as it stands."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message as Part
from email.policy import compat32
from email.utils import parsedate_to_datetime

from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail.content import Attachment, BodyType, Content, Importance, Person, attachment_id
from pillarbox.emulator.mail.headers import Headers, clean, decoded, is_charset

BROKEN = (MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)
"""What the standard library raises on mails that nobody should send."""

AS_IT_STOOD = compat32.clone(linesep="\r\n", max_line_length=0)

OWN = frozenset(
    (
        "bcc",
        "cc",
        "date",
        "disposition-notification-to",
        "from",
        "importance",
        "message-id",
        "mime-version",
        "reply-to",
        "return-receipt-to",
        "sender",
        "subject",
        "to",
        "x-msmail-priority",
        "x-priority",
    )
)
"""Headers that have a place of their own in Content; those of the MIME structure have none."""


def parse(mail: bytes) -> Content:
    """The parts of a mail, however broken it is."""
    headers = mime.headers_of(mail)
    content = Content(
        subject=decoded(mime.header(headers, "subject") or ""),
        sender=person(headers, "sender"),
        from_=person(headers, "from"),
        to=people(headers, "to"),
        cc=people(headers, "cc"),
        bcc=people(headers, "bcc"),
        reply_to=people(headers, "reply-to"),
        importance=importance(headers),
        read_receipt=mime.header(headers, "disposition-notification-to") is not None,
        delivery_receipt=mime.header(headers, "return-receipt-to") is not None,
        date=date(headers),
        message_id=clean(mime.header(headers, "message-id") or ""),
        headers=[(name, value) for name, value in headers if _is_further(name.lower())],
    )
    try:
        _read_parts(content, message_from_bytes(mail))
    except BROKEN:
        content.body, content.body_type, content.attachments = mail.decode("utf-8", "replace"), "text", []
    return content


def people(headers: Headers, name: str) -> list[Person]:
    """The mailboxes in the headers of that name (lower case), with names as people read them."""
    return [Person(decoded(shown), clean(address)) for shown, address in mime.mailboxes(headers, name)]


def person(headers: Headers, name: str) -> Person | None:
    """The first of them."""
    return next(iter(people(headers, name)), None)


def importance(headers: Headers) -> Importance:
    """What the headers Importance (RFC 2156) or X-Priority say."""
    word = (mime.header(headers, "importance") or "").strip().lower()
    sign = (mime.header(headers, "x-priority") or "").strip()[:1]
    if word == "high" or (not word and sign in ("1", "2")):
        return "high"
    return "low" if word == "low" or (not word and sign in ("4", "5")) else "normal"


def date(headers: Headers) -> float | None:
    """The Date header in seconds since 1970, None if there is none that can be read."""
    with suppress(*BROKEN, OverflowError):
        found = parsedate_to_datetime(mime.header(headers, "date") or "")
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return None


def _is_further(name: str) -> bool:
    return name not in OWN and not name.startswith("content-")


def _read_parts(content: Content, whole: Part) -> None:
    texts: dict[BodyType, str] = {}
    for part in _leaves(whole):
        kind = _body_type(part)
        if kind and kind not in texts:
            texts[kind] = _text(part)
        else:
            content.attachments.append(_attachment(part, len(content.attachments) + 1))
    content.body_type = "html" if "html" in texts else "text"
    content.body = texts.get(content.body_type, "")


def _leaves(part: Part) -> Iterator[Part]:
    """The parts in order; a mail inside is one part."""
    open_parts = [part]
    while open_parts:
        part = open_parts.pop()
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            open_parts += reversed(part.get_payload())  # type: ignore[arg-type]
        else:
            yield part


def _body_type(part: Part) -> BodyType | None:
    """Which body a part can be: text without a file name that is not marked as attachment."""
    kind = part.get_content_type()
    if part.get_content_maintype() == "multipart":
        kind = "text/plain"  # No boundary was found: the text is all there is.
    if kind not in ("text/plain", "text/html") or part.get_content_disposition() == "attachment" or _name(part):
        return None
    return "html" if kind == "text/html" else "text"


def _text(part: Part) -> str:
    content, charset = _bytes(part), ""
    with suppress(*BROKEN):
        charset = part.get_content_charset() or ""
    if is_charset(charset):
        with suppress(*BROKEN):
            return clean(content.decode(charset, "replace"))
    return content.decode("utf-8", "replace")


def _attachment(part: Part, number: int) -> Attachment:
    disposition, content_id = part.get_content_disposition(), part.get("Content-ID")
    item = part.get_content_type() in ("message/rfc822", "message/global")
    content = _bytes(part)
    return Attachment(
        id=attachment_id(number, content),
        kind="item" if item else "file",
        name=_name(part) or (_title(content) if item else f"ATT{number:05d}"),
        content_type=clean(part.get_content_type()),
        content=content,
        inline=disposition == "inline" or (disposition is None and content_id is not None),
        content_id=clean(str(content_id)).strip().removeprefix("<").removesuffix(">") if content_id else None,
    )


def _name(part: Part) -> str:
    with suppress(*BROKEN):
        return decoded(part.get_filename() or "")
    return ""


def _title(mail: bytes) -> str:
    return decoded(mime.header(mime.headers_of(mail), "subject") or "")


def _bytes(part: Part) -> bytes:
    """What the part carries; of a mail or a report inside, the bytes as they stood."""
    if part.is_multipart():
        inside = part.get_payload()
        return b"\r\n".join(each.as_bytes(policy=AS_IT_STOOD) for each in inside if isinstance(each, Part))
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
