"""A message as JSON: what POST /api/v1/sends takes, and how it becomes a letter."""

import binascii
import datetime
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from pillarbox.core.accounts import LONGEST_AGE
from pillarbox.core.content import Content, InMemory
from pillarbox.core.errors import InvalidInput
from pillarbox.core.mail import Envelope, Priority
from pillarbox.delivery.submission import Terms
from pillarbox.endpoints.api.models import Model, PriorityName
from pillarbox.mime import letter, wary
from pillarbox.mime.letter import AutoSubmitted, Importance, Letter

Transport = Literal["graph", "smtp"]
_MOST_PEOPLE: Final = 5000
_MOST_FILES: Final = 500
_MOST_NAME: Final = 256
_MOST_SUBJECT: Final = 2000
_MOST_VALUE: Final = 4000
_LATEST: Final = 1e11
"""Seconds since 1970: no clock shows more, and what is more was given in milliseconds."""
TAGS: Final = ("written", "object", "seconds")
"""What pydantic adds to the place of an error where a value may have one of two forms."""


class Address(Model):
    """Somebody: an address, and the name that is shown with it."""

    address: str = Field(max_length=_MOST_NAME)
    name: str = Field("", max_length=_MOST_NAME)


def _form(value: object) -> str:
    return "object" if isinstance(value, dict | Address) else "written"


def _several(value: object) -> object:
    return [value] if isinstance(value, str | dict | Address) else value


Person = Annotated[
    Annotated[str, Field(max_length=3 * _MOST_NAME), Tag("written")] | Annotated[Address, Tag("object")],
    Discriminator(_form),
]
"""`name@host`, `Name <name@host>`, or an object with `address` and `name`."""
People = Annotated[
    list[Person],
    Field(default_factory=list, max_length=_MOST_PEOPLE),
    BeforeValidator(_several, json_schema_input_type=list[Person] | Person),
]


def _form_of_time(value: object) -> str:
    return "written" if isinstance(value, str) else "seconds"


Moment = Annotated[
    Annotated[float, Field(strict=True), Tag("seconds")] | Annotated[str, Tag("written")],
    Discriminator(_form_of_time),
]
"""Seconds since 1970, or RFC 3339."""


class NewAttachment(Model):
    """A file. Its bytes are in `content` (base64), in an upload that came before, or in a part of this request.

    One that is `inline` is shown by the HTML as `cid:CONTENT_ID`.
    """

    name: str = Field("", max_length=_MOST_VALUE)
    media_type: str = Field("", max_length=_MOST_NAME)
    content: str | None = None
    upload_id: str | None = Field(None, max_length=_MOST_NAME)
    part: str | None = Field(None, max_length=_MOST_NAME)
    inline: bool = Field(False, strict=True)
    content_id: str = Field("", max_length=_MOST_NAME)


class NewSend(Model):
    """A message. `bcc` gets it too, and is named nowhere in it.

    `envelope_from` is where reports of its failure go, where that is not `sender` or `from`. `headers` are yours, with
    names X-...; In-Reply-To and its like have fields of their own. It is not sent before `send_at` (seconds since 1970,
    or RFC 3339), nor tried for longer than `max_age` seconds from then; with `hold` it waits until a person lets it go.
    `transport` narrows the ways that its mailbox has.
    """

    from_: Person = Field(alias="from")
    to: People
    cc: People
    bcc: People
    reply_to: People
    sender: Person | None = None
    subject: str = Field("", max_length=_MOST_SUBJECT)
    text: str | None = None
    html: str | None = None
    attachments: list[NewAttachment] = Field([], max_length=_MOST_FILES)
    headers: dict[str, Annotated[str, Field(max_length=_MOST_VALUE)]] = Field({}, max_length=100)
    in_reply_to: str = Field("", max_length=1000)
    references: list[str] = Field([], max_length=100)
    list_unsubscribe: list[str] = Field([], max_length=10)
    one_click: bool = Field(False, strict=True)
    auto_submitted: AutoSubmitted | None = None
    importance: Importance | None = None
    envelope_from: str | None = Field(None, max_length=_MOST_NAME)
    send_at: Moment | None = None
    max_age: float | None = Field(None, strict=True, gt=0, le=LONGEST_AGE, allow_inf_nan=False)
    priority: PriorityName | None = None
    hold: bool = Field(False, strict=True)
    transport: Transport | None = None

    def terms(self) -> Terms:
        """On what terms it is sent. Raises InvalidInput `compose.bad_time`."""
        priority = Priority[self.priority.upper()] if self.priority else None
        return Terms(_moment(self.send_at), self.max_age, priority, self.hold, self.transport or "")

    def envelope(self, made: Letter) -> Envelope:
        """Who sends to whom, by the letter as it was checked.

        Raises InvalidInput `compose.bad_address`, `mail.no_recipients`.
        """
        if not made.recipients:
            raise InvalidInput("mail.no_recipients", pointer="/to")
        author = (made.sender or made.author).address
        sender = author if self.envelope_from is None else wary.plain_address(self.envelope_from, "/envelope_from")
        return Envelope(sender, made.recipients)

    @property
    def sender_at(self) -> str:
        """Where the sender of the envelope stands, as a JSON Pointer."""
        if self.envelope_from is not None:
            return "/envelope_from"
        return "/from" if self.sender is None else "/sender"

    def letter(self, files: Sequence[letter.Attachment]) -> Letter:
        """The letter of it, with these files. Raises InvalidInput for people who cannot be read, with the pointer."""
        return Letter(
            author=_person(self.from_, "/from"),
            sender=_person(self.sender, "/sender") if self.sender is not None else None,
            to=_people(self.to, "/to"),
            cc=_people(self.cc, "/cc"),
            bcc=_people(self.bcc, "/bcc"),
            reply_to=_people(self.reply_to, "/reply_to"),
            subject=self.subject,
            text=self.text,
            html=self.html,
            attachments=files,
            headers=tuple(self.headers.items()),
            in_reply_to=self.in_reply_to,
            references=self.references,
            list_unsubscribe=self.list_unsubscribe,
            one_click=self.one_click,
            auto_submitted=self.auto_submitted,
            importance=self.importance,
        )


Finder = Callable[[str, str], Awaitable[letter.Attachment]]
"""What came by an id or a name; the second is the pointer for an error."""


async def files_of(wish: NewSend, uploaded: Finder, in_parts: Finder) -> list[letter.Attachment]:
    """The attachments with their bytes. Raises InvalidInput `compose.one_content`, `compose.bad_base64`, and others."""
    found = []
    for number, one in enumerate(wish.attachments):
        pointer = f"/attachments/{number}"
        if sum(given is not None for given in (one.content, one.upload_id, one.part)) != 1:
            raise InvalidInput("compose.one_content", pointer=pointer)
        if one.upload_id is not None:
            file = await uploaded(one.upload_id, f"{pointer}/upload_id")
        elif one.part is not None:
            file = await in_parts(one.part, f"{pointer}/part")
        else:
            file = letter.Attachment("", letter.OCTETS, _decoded(one.content or "", f"{pointer}/content"))
        name, media_type = one.name or file.name, one.media_type or file.media_type
        found.append(letter.Attachment(name, media_type, file.content, one.inline, one.content_id))
    return found


def _decoded(text: str, pointer: str) -> Content:
    try:
        return InMemory(binascii.a2b_base64(text, strict_mode=True))
    except ValueError as error:
        raise InvalidInput("compose.bad_base64", pointer=pointer) from error


def _people(people: Sequence[Any], place: str) -> tuple[letter.Person, ...]:
    return tuple(_person(one, f"{place}/{number}") for number, one in enumerate(people))


def _person(one: str | Address, pointer: str) -> letter.Person:
    return letter.person_of(one, pointer) if isinstance(one, str) else letter.Person(one.address, one.name)


def _moment(given: float | str | None) -> float:
    if isinstance(given, str):
        try:
            moment = datetime.datetime.fromisoformat(given)
        except ValueError:
            moment = datetime.datetime.min
        # Without its zone nobody knows when it is.
        given = moment.timestamp() if moment.tzinfo is not None else math.nan
    if given is not None and not 0 <= given <= _LATEST:
        raise InvalidInput("compose.bad_time", pointer="/send_at")
    return given or 0.0
