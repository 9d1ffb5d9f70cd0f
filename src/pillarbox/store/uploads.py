"""Files on their way in, as the store knows them; their bytes lie in a folder (delivery/uploads.py)."""

from collections.abc import Sequence
from typing import NamedTuple

from pillarbox.core.mail import Clock
from pillarbox.store.database import Database, ExpectationFailed, Row, Statement, statement


class Upload(NamedTuple):
    """A file: of `size` bytes as was announced, the first `received` are on the disk. Times are seconds since 1970."""

    id: str
    made_by: str
    name: str
    media_type: str
    size: int
    received: int
    created_at: float
    expires_at: float

    @property
    def is_whole(self) -> bool:
        """Whether all of it is here."""
        return self.received == self.size


class UploadStore:
    """The rows of files on their way in."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, new: Upload, most: int, count: int) -> bool:
        """Keep a new one; False where its maker would have more than `most` bytes or `count` files here."""
        try:
            await self._database.write(
                statement(
                    "uploads_add",
                    expect=1,
                    id=new.id,
                    made_by=new.made_by,
                    name=new.name,
                    media_type=new.media_type,
                    size=new.size,
                    now=new.created_at,
                    expires_at=new.expires_at,
                    most=most,
                    count=count,
                )
            )
        except ExpectationFailed:
            return False
        return True

    async def get(self, upload_id: str, made_by: str) -> Upload | None:
        """One of whoever made it, if it is still kept."""
        rows = await self._database.read("uploads_get", id=upload_id, made_by=made_by, now=self._clock())
        return Upload(**rows[0]) if rows else None

    async def received(self, upload_id: str, received: int) -> None:
        """So many bytes of it are on the disk."""
        await self._database.write(statement("uploads_received", id=upload_id, received=received))

    async def remove(self, upload_ids: Sequence[str]) -> None:
        """Forget them."""
        await self._database.write(*(statement("uploads_remove", id=one) for one in upload_ids))

    @staticmethod
    def taking(upload_id: str) -> Statement:
        """What forgets one, for the transaction of the message that it is attached to: it must be there."""
        return statement("uploads_remove", expect=1, id=upload_id)

    async def all(self) -> Sequence[Row]:
        """The id, the bytes received and the end of each."""
        return await self._database.read("uploads_all")
