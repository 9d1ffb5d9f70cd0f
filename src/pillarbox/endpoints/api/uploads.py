"""Files that are too large for one request: announced, sent piece by piece, and named in a message then."""

import re
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import FastAPI, Header, Request, Response
from pydantic import Field

from pillarbox.core.caller import Caller, Scope
from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model
from pillarbox.mime import letter, wary
from pillarbox.store.uploads import Upload

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_RANGE: Final = re.compile(r"bytes ([0-9]{1,12})-([0-9]{1,12})/([0-9]{1,12})")
_BYTES: Final = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}
_Sender = Annotated[Caller, needs(Scope.SEND)]


class NewUpload(Model):
    """A file that is to come: its name and media type, and its size in bytes."""

    name: str = Field("", max_length=1000)
    media_type: str = Field("", max_length=200)
    size: int = Field(strict=True, ge=0)


class UploadOut(Model):
    """A file on its way in: the first `received` of `size` bytes are here. At `expires_at` it is thrown away."""

    id: str
    name: str
    media_type: str
    size: int
    received: int
    created_at: float
    expires_at: float

    @classmethod
    def of(cls, upload: Upload) -> "UploadOut":
        """From our word."""
        return cls(**{name: getattr(upload, name) for name in cls.model_fields})


def add(app: FastAPI, services: "Services") -> None:
    """The routes below /api/v1/uploads."""
    uploads = services.uploads

    @app.post("/api/v1/uploads", status_code=201)
    async def begin_upload(new: NewUpload, caller: _Sender, response: Response) -> UploadOut:
        """Announce a file. Its bytes follow by PUT; a message names it by its id."""
        # What no message takes is told before the bytes come.
        wary.check_text(new.name, "/name")
        if new.media_type:
            letter.check_media_type(new.media_type, "/media_type")
        upload = await uploads.begin(caller.account, new.name, new.media_type, new.size)
        response.headers["Location"] = f"uploads/{upload.id}"
        return UploadOut.of(upload)

    @app.get("/api/v1/uploads/{upload_id}")
    async def show_upload(upload_id: str, caller: _Sender) -> UploadOut:
        """How much of a file is here: whoever lost an answer goes on from there."""
        return UploadOut.of(await uploads.get(caller.account, upload_id))

    @app.put("/api/v1/uploads/{upload_id}", openapi_extra=_BYTES)
    async def write_upload(
        upload_id: str,
        request: Request,
        caller: _Sender,
        content_range: Annotated[str | None, Header()] = None,
    ) -> UploadOut:
        """Send bytes of a file: those of `Content-Range: bytes FIRST-LAST/SIZE`, or all of it without that.

        Each request begins where the last one ended, or before; what is here already stays as it came.
        """
        upload = await uploads.get(caller.account, upload_id)
        start, end = _place(content_range, upload.size)
        return UploadOut.of(await uploads.write(caller.account, upload_id, start, request.stream(), end))

    @app.delete("/api/v1/uploads/{upload_id}", status_code=204)
    async def remove_upload(upload_id: str, caller: _Sender) -> None:
        """Throw a file away."""
        await uploads.remove(caller.account, upload_id)


def _place(content_range: str | None, size: int) -> tuple[int, int]:
    """Where the bytes begin and end. Raises InvalidInput `upload.wrong_length`."""
    if content_range is None:
        return 0, size
    match = _RANGE.fullmatch(content_range.strip())
    if match is None or int(match[3]) != size or not int(match[1]) <= int(match[2]) < size:
        raise InvalidInput("upload.wrong_length")
    return int(match[1]), int(match[2]) + 1
