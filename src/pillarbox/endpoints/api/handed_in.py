"""What POST /api/v1/sends is handed: JSON, JSON with files, or a message as it is. Each becomes envelope and content.

First it is read, and what it says is known by its digest; only then is it composed: who asks again needs no files.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from pillarbox.core import headers
from pillarbox.core.content import Content
from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.core.graph_limits import MOST_MESSAGE
from pillarbox.core.mail import Envelope, is_address
from pillarbox.delivery import once, top_block
from pillarbox.delivery.submission import Terms
from pillarbox.delivery.uploads import UploadedFile, Uploads
from pillarbox.endpoints.api import json_body, messages
from pillarbox.endpoints.api.form import Form, FormFile
from pillarbox.endpoints.smtp.spool import Spool
from pillarbox.mime.compose import Composed, compose
from pillarbox.mime.letter import OCTETS, Attachment

MIME: Final = "message/rfc822"
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
MOST_JSON: Final = 10 * 1024 * 1024
"""Bytes of a message as JSON: larger files come as parts of a form, or are uploaded before."""
_MOST_ADDED: Final = 1024 * 1024
"""Bytes of a form beside its files."""
_AT_ONCE: Final = 64 * 1024
"""Bytes of JSON that are composed on the loop; of more, everybody else would wait for the end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that can be accepted. `uploads` are the ids of those that go with it.

    `sender_at` is where the envelope's sender stands in the JSON, or empty.
    """

    envelope: Envelope
    content: Content
    uploads: Sequence[str] = ()
    sender_at: str = ""


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
    """Reads requests. `most` is bytes of the largest message; what its mailbox may send, accept knows."""

    spool: Callable[[], Spool]
    uploads: Uploads
    most: int = MOST_MESSAGE

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
            with closing(self.spool()) as spool:
                async for piece in request.stream():
                    _write(spool, piece, MOST_JSON)
                body = b"".join(spool.pieces())
            return self._json(body, caller, None)
        form = Form(self.spool(), MOST_JSON, self.most + _MOST_ADDED)
        try:
            message = await form.read(request.headers["content-type"], request.stream())
            return self._json(b"".join(message.pieces()), caller, form)
        except BaseException:
            form.close()
            raise

    def _json(self, body: bytes, caller: str, form: Form | None) -> "Written":
        value = json_body.parse(body)
        wish = _checked(value)
        told = once.begun([])
        # As it was said: a later version, which knows more members, tells it by the same.
        told.update(json.dumps(value, sort_keys=True).encode())
        for one in form.files if form else ():
            told.update(json.dumps([one.part, one.name, one.media_type, one.told.hexdigest()]).encode())
        return Written(told.hexdigest(), wish.terms(), wish, len(body), caller, self.uploads, form)

    async def _mime(self, request: Request, terms: Terms, given: "Given") -> "AsItIs":
        spool, told = self.spool(), once.begun(request.query_params.multi_items())
        try:
            behind = b""
            async for piece in request.stream():
                told.update(piece)
                if b"\0" in piece:
                    raise InvalidInput("smtp.nul")
                piece = behind + piece
                # A CR at the end may belong to a LF that comes.
                behind = b"\r" if piece.endswith(b"\r") else b""
                _write(spool, headers.canonical(piece[: len(piece) - len(behind)]), self.most)
            _write(spool, headers.canonical(behind), self.most)
        except BaseException:
            spool.close()
            raise
        return AsItIs(told.hexdigest(), terms, given, spool)


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
    """A message that was handed in as JSON of `size` bytes, perhaps with files in a form."""

    digest: str
    terms: Terms
    wish: messages.NewSend
    size: int
    caller: str
    uploads: Uploads
    form: Form | None
    _opened: dict[str, UploadedFile] = field(default_factory=dict)
    """The uploads that go with it, by their ids."""

    async def ready(self) -> Ready:
        """See `HandedIn.ready`."""
        files = await messages.files_of(self.wish, self._uploaded, self._in_form)
        named = {one.part for one in self.wish.attachments}
        others = [one for one in (self.form.files if self.form else ()) if one.part not in named]
        files += map(_attached, others)
        if self.size <= _AT_ONCE:
            composed = self._composed(files)
        else:
            composed = await asyncio.to_thread(self._composed, files)
        return Ready(self.wish.envelope(composed.letter), composed, tuple(self._opened), self.wish.sender_at)

    def _composed(self, files: Sequence[Attachment]) -> Composed:
        return compose(self.wish.letter(files))

    def close(self) -> None:
        """See `HandedIn.close`."""
        for one in self._opened.values():
            one.close()
        if self.form:
            self.form.close()

    async def _uploaded(self, upload_id: str, pointer: str) -> Attachment:
        # Each is opened once, however often the message has it.
        if (file := self._opened.get(upload_id)) is None:
            try:
                file = self._opened[upload_id] = await self.uploads.open(self.caller, upload_id)
            except PillarboxError as error:
                error.pointer = pointer
                raise
        return Attachment(file.upload.name, file.upload.media_type or OCTETS, file)

    async def _in_form(self, part: str, pointer: str) -> Attachment:
        found = [one for one in (self.form.files if self.form else ()) if one.part == part]
        if len(found) != 1:
            raise InvalidInput("compose.no_such_part", pointer=pointer, part=part)
        return _attached(found[0])


def _checked(value: Any) -> messages.NewSend:
    try:
        return messages.NewSend.model_validate(value)
    except ValidationError as error:
        # Where it stands in the JSON, without the form that pydantic tried.
        found = error.errors(include_url=False, include_context=False, include_input=False)
        flaws = [{**one, "loc": ("body", *(p for p in one["loc"] if p not in messages.TAGS))} for one in found]
        raise RequestValidationError(flaws) from None


def _write(spool: Spool, piece: bytes, most: int) -> None:
    if spool.size + len(piece) > most:
        raise InvalidInput("request.too_large", limit=most)
    if piece:
        spool.write(piece)


def _attached(file: FormFile) -> Attachment:
    return Attachment(file.name, file.media_type or OCTETS, file)


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
