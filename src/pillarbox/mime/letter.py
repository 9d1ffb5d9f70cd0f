"""A message as a program says it: people, texts, files. `checked` refuses what must not get into a header.

An error says where what is wrong stands, as a JSON Pointer (RFC 6901) into a message of the HTTP API, whose names are
these.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from pillarbox.core.content import Content
from pillarbox.core.errors import InvalidInput
from pillarbox.core.headers import address_key
from pillarbox.mime import wary

OCTETS: Final = "application/octet-stream"
Importance = Literal["low", "normal", "high"]
AutoSubmitted = Literal["auto-generated", "auto-replied", "auto-notified"]
"""RFC 3834 section 5, and RFC 5436 section 2.7.1 for the last."""

_WRITTEN: Final = re.compile(r'\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|([^<>"]*+))<([^<>]*+)>\s*+', re.DOTALL)
"""Possessive quantifiers (Python 3.11) keep it linear."""
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_HEADER: Final = re.compile(r"X-[A-Za-z0-9-]{1,64}")
_OURS: Final = ("x-pillarbox-", "x-ms-")
"""Of us, and of Exchange, which believes its own."""
_MESSAGE_ID: Final = re.compile(r"<[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.:\[\]_-]+>")
_LONGEST_ID: Final = 900
_CONTENT_ID: Final = re.compile(r"[A-Za-z0-9._+-]{1,100}(?:@[A-Za-z0-9.-]{1,100})?")
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,60}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_LINK: Final = re.compile(r"(?:https://|mailto:)[A-Za-z0-9._~:/?#\[\]@!$&'()*+;=%-]{1,1900}")
"""What may stand in List-Unsubscribe (RFC 2369, RFC 8058): a comma would end it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an address, and perhaps a name."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: its bytes as they are, piece by piece. One that is `inline` is shown by the HTML as `cid:CONTENT_ID`."""

    name: str
    media_type: str
    content: Content
    inline: bool = False
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message before it is MIME. `sender` is who writes for `author`, where that is another one (RFC 5322 3.6.2).

    `bcc` gets it too, and is named nowhere in it. `headers` are fields of the sender's own, with names X-...
    """

    author: Person
    to: Sequence[Person] = ()
    cc: Sequence[Person] = ()
    bcc: Sequence[Person] = ()
    reply_to: Sequence[Person] = ()
    sender: Person | None = None
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: Sequence[Attachment] = ()
    headers: Sequence[tuple[str, str]] = ()
    in_reply_to: str = ""
    references: Sequence[str] = ()
    list_unsubscribe: Sequence[str] = ()
    one_click: bool = False
    auto_submitted: AutoSubmitted | None = None
    importance: Importance | None = None

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of all who get it, each once."""
        found: dict[str, str] = {}
        for one in (*self.to, *self.cc, *self.bcc):
            found.setdefault(address_key(one.address), one.address)
        return tuple(found.values())


def person_of(written: str, pointer: str) -> Person:
    """A person as people write one: `ADDRESS`, `Name <ADDRESS>` or `"Name" <ADDRESS>`. Raises InvalidInput."""
    wary.check_text(written, pointer)
    match = _WRITTEN.fullmatch(written)
    if match is None:
        return Person(written.strip())
    quoted, plain, address = match.groups()
    return Person(address.strip(), _ESCAPED.sub(r"\1", quoted) if quoted is not None else plain.strip())


def checked(letter: Letter) -> Letter:
    """The letter with plain addresses and file names. Raises InvalidInput `compose.…`, each with its pointer."""
    wary.check_text(letter.subject, "/subject")
    for place, body in (("/text", letter.text), ("/html", letter.html)):
        wary.check_body(body or "", place)
    _check_headers(letter)
    _check_ids(letter)
    files = tuple(_file(one, f"/attachments/{number}") for number, one in enumerate(letter.attachments))
    return replace(
        letter,
        author=_person(letter.author, "/from"),
        sender=_person(letter.sender, "/sender") if letter.sender else None,
        to=_people(letter.to, "/to"),
        cc=_people(letter.cc, "/cc"),
        bcc=_people(letter.bcc, "/bcc"),
        reply_to=_people(letter.reply_to, "/reply_to"),
        attachments=files,
    )


def _people(people: Sequence[Person], place: str) -> tuple[Person, ...]:
    return tuple(_person(one, f"{place}/{number}") for number, one in enumerate(people))


def _person(person: Person, pointer: str) -> Person:
    wary.check_text(person.name, pointer)
    return Person(wary.plain_address(person.address, pointer), person.name.strip())


def _check_headers(letter: Letter) -> None:
    for name, value in letter.headers:
        pointer = f"/headers/{name.replace('~', '~0').replace('/', '~1')}"
        if not _HEADER.fullmatch(name) or name.lower().startswith(_OURS):
            raise InvalidInput("compose.bad_header_name", pointer=pointer, name=name[:80])
        wary.check_text(value, pointer)


def _check_ids(letter: Letter) -> None:
    ids = [("/in_reply_to", letter.in_reply_to)] if letter.in_reply_to else []
    ids += [(f"/references/{number}", one) for number, one in enumerate(letter.references)]
    for pointer, one in ids:
        wary.check_text(one, pointer)
        if not _MESSAGE_ID.fullmatch(one) or len(one) > _LONGEST_ID:
            raise InvalidInput("compose.bad_message_id", pointer=pointer)
    for number, link in enumerate(letter.list_unsubscribe):
        wary.check_text(link, f"/list_unsubscribe/{number}")
        if not _LINK.fullmatch(link) or len(link) > _LONGEST_ID:
            raise InvalidInput("compose.bad_link", pointer=f"/list_unsubscribe/{number}")
    if letter.one_click and not any(link.startswith("https:") for link in letter.list_unsubscribe):
        raise InvalidInput("compose.no_link", pointer="/one_click")


def check_media_type(text: str, pointer: str) -> None:
    """Raises InvalidInput `compose.bad_media_type`."""
    if not _MEDIA_TYPE.fullmatch(text):
        raise InvalidInput("compose.bad_media_type", pointer=pointer)


def _file(one: Attachment, place: str) -> Attachment:
    check_media_type(one.media_type, f"{place}/media_type")
    if one.content_id and not _CONTENT_ID.fullmatch(one.content_id):
        raise InvalidInput("compose.bad_content_id", pointer=f"{place}/content_id")
    # Those two hold lines of their own: base64 is not allowed in them (RFC 2046 sections 5.1 and 5.2.1).
    composite = one.media_type.lower().startswith(("message/", "multipart/"))
    media_type = OCTETS if composite else one.media_type
    return replace(one, name=wary.file_name(one.name, f"{place}/name"), media_type=media_type)
