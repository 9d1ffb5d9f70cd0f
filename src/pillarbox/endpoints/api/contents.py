"""What stands in a message, for those who may read it: its header, its text, its files."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

from fastapi import FastAPI, Path
from fastapi.responses import StreamingResponse

from pillarbox.admin import outbox
from pillarbox.core.caller import Caller, Scope
from pillarbox.core.content import PIECE
from pillarbox.core.errors import NotFound
from pillarbox.delivery.reading import Reader, is_whole, need_whole
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model
from pillarbox.mime.split import Attachment, Told

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_OCTETS: Final = "application/octet-stream"
_Reading = Annotated[Caller, needs(Scope.CONTENT_READ)]


class HeaderField(Model):
    """A field of a header, as a person reads it: decoded, in one line."""

    name: str
    value: str


class AttachmentOut(Model):
    """A file in a message; `inline` are those that are shown within the text."""

    number: int
    name: str
    media_type: str
    size: int
    inline: bool

    @classmethod
    def of(cls, number: int, file: Attachment) -> "AttachmentOut":
        """From our word."""
        return cls(number=number, name=file.name, media_type=file.content_type, size=file.size, inline=file.is_inline)


class MessageContent(Model):
    """What a person reads of a message. `text` and `html` are its forms; one that it lacks is empty.

    `html` can be shown in a frame: no script, no form and no style sheet is left in it, nothing of it is loaded from
    elsewhere, and pictures that came with the message stand in it. `left_out` is how many pictures of other places were
    taken out, `cut` says that a text is longer than what is shown.
    """

    header: list[HeaderField]
    text: str
    html: str
    left_out: int
    cut: bool
    attachments: list[AttachmentOut]

    @classmethod
    def of(cls, told: Told, files: Sequence[Attachment]) -> "MessageContent":
        """From our words."""
        return cls(
            header=[HeaderField(name=name, value=value) for name, value in told.fields],
            text=told.text,
            html=told.html,
            left_out=told.left_out,
            cut=told.cut,
            attachments=[AttachmentOut.of(number, file) for number, file in enumerate(files)],
        )


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes."""
    box = services.outbox
    reader = Reader(box, services.settings.state_dir)

    @app.get("/api/v1/sends/{queue_id}/content")
    async def read_send(queue_id: str, caller: _Reading) -> MessageContent:
        """Read a message as a person does: header, text, what is attached; the header alone where no more is kept."""
        row = await outbox.get(box, queue_id, caller)
        divided, told = await reader.open(row)
        with closing(divided):
            # Without its body a multipart message looks as if it were one file.
            return MessageContent.of(told, divided.attachments if is_whole(row) else ())

    @app.get(
        "/api/v1/sends/{queue_id}/attachments/{number}",
        response_class=StreamingResponse,
        responses={200: {"content": {_OCTETS: {}}}, 410: {}},
    )
    async def read_attachment(
        queue_id: str,
        number: Annotated[int, Path(ge=0, le=100_000, description="Its place among the attachments, from 0.")],
        caller: _Reading,
    ) -> StreamingResponse:
        """Read a file that is attached to a message, by its number in `content`."""
        row = await outbox.get(box, queue_id, caller)
        need_whole(row)
        divided, _ = await reader.open(row)
        if number >= len(divided.attachments):
            divided.close()
            raise NotFound("outbox.no_attachment", id=queue_id, place=number)
        file = divided.attachments[number]

        async def pieces() -> AsyncIterator[bytes]:
            with closing(divided):
                for start in range(0, file.size, PIECE):
                    yield await asyncio.to_thread(divided.read, file, start, start + PIECE)

        return StreamingResponse(pieces(), headers=_as_file(file.name, file.size), media_type=_OCTETS)


def _as_file(name: str, size: int) -> dict[str, str]:
    """To be saved, and never shown, under its name (RFC 6266)."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Length": str(size),
    }
