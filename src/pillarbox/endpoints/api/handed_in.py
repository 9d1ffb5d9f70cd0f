"""What POST /api/v1/sends is handed: JSON, JSON with files, or a message as it is. Each becomes envelope and content.

First it is read, and what it says is known by its digest; only then is it composed: who asks again needs no files.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from pillarbox.core import headers
from pillarbox.core.content import Content
from pillarbox.core.errors import InvalidInput
from pillarbox.core.mail import Envelope, is_address
from pillarbox.delivery import once, top_block
from pillarbox.delivery.submission import Terms
from pillarbox.delivery.uploads import Uploads
from pillarbox.endpoints.api import json_body, messages
from pillarbox.endpoints.api.form import Form
from pillarbox.endpoints.smtp.spool import Spool
from pillarbox.mime.compose import compose
from pillarbox.mime.letter import OCTETS, Attachment

MIME: Final = "message/rfc822"
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
MOST_JSON: Final = 10 * 1024 * 1024
"""Bytes of a message as JSON: larger files come as parts of a form, or are uploaded before."""
_MOST_ADDED: Final = 1024 * 1024
"""Bytes of a form beside its files."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that can be accepted. `uploads` are the ids of those that go with it."""

    envelope: Envelope
    content: Content
    uploads: Sequence[str] = ()


class HandedIn(Protocol):
    """A request to send: `digest` knows it again, `terms` are those on which it is sent."""

    digest: str
    terms: Terms

    async def ready(self) -> Ready:
        """The message. Raises InvalidInput, NotFound, Conflict."""

    def close(self) -> None:
        """Let go of what it holds, also of what `ready` has opened."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads requests. `most` is bytes of the largest message."""

    spool: Callable[[], Spool]
    uploads: Uploads
    most: int

    async def read(self, request: Request, caller: str, terms: Terms | None, envelope: "Given") -> HandedIn:
        """What a request hands in; `terms` and `envelope` are those of its URL, None where that says nothing.

        Raises InvalidInput for what cannot be read, Unavailable where there is no room for it.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == MIME:
            return await self._mime(request, terms or Terms(), envelope)
        if kind not in (JSON, FORM):
            raise InvalidInput("send.bad_content_type")
        if request.query_params:
            raise InvalidInput("send.only_for_mime")
        if kind == JSON:
            body = bytearray()
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_JSON:
                    raise InvalidInput("request.too_large", limit=MOST_JSON)
            return self._json(bytes(body), caller, None)
        form = Form(self.spool, MOST_JSON, self.most + _MOST_ADDED)
        try:
            await form.read(request.headers["content-type"], request.stream())
            return self._json(bytes(form.message or b""), caller, form)
        except BaseException:
            form.close()
            raise

    def _json(self, body: bytes, caller: str, form: Form | None) -> "Written":
        value = json_body.parse(body)
        wish = _checked(value)
        told = once.begun([])
        told.update(json.dumps(wish.model_dump(mode="json", by_alias=True), sort_keys=True).encode())
        for one in form.files if form else ():
            told.update(json.dumps([one.part, one.name, one.media_type, one.told.hexdigest()]).encode())
        return Written(told.hexdigest(), wish.terms(), wish, caller, self.uploads, form)

    async def _mime(self, request: Request, terms: Terms, given: "Given") -> "AsItIs":
        spool, told = self.spool(), once.begun(request.query_params.multi_items())
        try:
            behind = b""
            async for piece in request.stream():
                told.update(piece)
                piece = behind + piece
                # A CR at the end may belong to a LF that comes.
                behind = b"\r" if piece.endswith(b"\r") else b""
                self._write(spool, headers.canonical(piece[: len(piece) - len(behind)]))
            self._write(spool, headers.canonical(behind))
        except BaseException:
            spool.close()
            raise
        return AsItIs(told.hexdigest(), terms, given, spool)

    def _write(self, spool: Spool, piece: bytes) -> None:
        if spool.size + len(piece) > self.most:
            raise InvalidInput("mail.too_large", limit=self.most)
        if piece:
            spool.write(piece)


@dataclass(frozen=True, slots=True)
class Given:
    """The envelope as the URL gives it, as far as it does."""

    sender: str | None
    recipients: Sequence[str]


@dataclass
class AsItIs:
    """A message that was handed in as MIME."""

    digest: str
    terms: Terms
    given: Given
    spool: Spool

    async def ready(self) -> Ready:
        """See `HandedIn.ready`."""
        return Ready(_envelope(top_block.beginning(self.spool), self.given), self.spool)

    def close(self) -> None:
        """See `HandedIn.close`."""
        self.spool.close()


@dataclass
class Written:
    """A message that was handed in as JSON, perhaps with files in a form."""

    digest: str
    terms: Terms
    wish: messages.NewSend
    caller: str
    uploads: Uploads
    form: Form | None
    _opened: list[Content] = field(default_factory=list)
    _taken: list[str] = field(default_factory=list)

    async def ready(self) -> Ready:
        """See `HandedIn.ready`."""
        files = await messages.files_of(self.wish, self._uploaded, self._in_form)
        named = {one.part for one in self.wish.attachments}
        others = [one for one in (self.form.files if self.form else ()) if one.part not in named]
        files += [Attachment(one.name, one.media_type or OCTETS, one.spool) for one in others]
        letter = self.wish.letter(files)
        return Ready(self.wish.envelope(letter), compose(letter), self._taken)

    def close(self) -> None:
        """See `HandedIn.close`."""
        for one in self._opened:
            one.close()
        if self.form:
            self.form.close()

    async def _uploaded(self, upload_id: str, _pointer: str) -> Attachment:
        file = await self.uploads.open(self.caller, upload_id)
        self._opened.append(file)
        self._taken.append(upload_id)
        return Attachment(file.upload.name, file.upload.media_type or OCTETS, file)

    async def _in_form(self, part: str, pointer: str) -> Attachment:
        for one in self.form.files if self.form else ():
            if one.part == part:
                return Attachment(one.name, one.media_type or OCTETS, one.spool)
        raise InvalidInput("compose.no_such_part", pointer=pointer, part=part)


def _checked(value: Any) -> messages.NewSend:
    try:
        return messages.NewSend.model_validate(value)
    except ValidationError as error:
        # Where it stands in the JSON, without the form that pydantic tried.
        found = error.errors(include_url=False, include_context=False, include_input=False)
        flaws = [{**one, "loc": ("body", *(p for p in one["loc"] if p not in messages.TAGS))} for one in found]
        raise RequestValidationError(flaws) from None


def _envelope(mime: bytes, given: Given) -> Envelope:
    """The envelope that was given, or what the message's own headers say, as `sendmail -t` does."""
    block = headers.scan(mime)

    def addresses(*names: bytes) -> list[str]:
        fields = (headers.value(mime, field) for field in block.named(*names))
        found = [entry for value in fields for entry in headers.entries(value)]
        # An entry that cannot be understood is told, not left out.
        return [entry.addresses[0] if entry.addresses else entry.text.decode("utf-8", "replace") for entry in found]

    sender = next(iter(addresses(b"sender", b"from")), "") if given.sender is None else given.sender
    recipients = given.recipients or addresses(b"to", b"cc", b"bcc")
    if not sender:
        raise InvalidInput("mail.no_sender")
    for address in recipients:
        if not is_address(address):
            raise InvalidInput("mail.bad_recipient", address=address)
    return Envelope(sender, tuple(dict.fromkeys(recipients)))
