"""Files on their way in: they go on after a lost answer, are nobody else's, and a crash leaves none behind."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core.errors import Conflict, InvalidInput, NotFound, PillarboxError, Unavailable
from pillarbox.delivery.uploads import KEPT, LARGEST, Uploads
from pillarbox.store.uploads import Upload, UploadStore
from tests.unit.delivery.conftest import Shelf

ME, OTHER = "key/me", "key/other"
DATA = bytes(range(256)) * 40


def made(shelf: Shelf, folder: Path, **more: Any) -> Uploads:
    return Uploads(
        folder / "uploads", UploadStore(shelf.database, shelf.clock), shelf.clock, os.urandom, shelf.log, **more
    )


@pytest.fixture
def uploads(shelf: Shelf, tmp_path: Path) -> Uploads:
    return made(shelf, tmp_path)


@pytest.fixture
async def upload(uploads: Uploads) -> Upload:
    return await uploads.begin(ME, "a.bin", "application/x", len(DATA))


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]


async def cut_off(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise ConnectionResetError


async def write(uploads: Uploads, upload: Upload, start: int, end: int, caller: str = ME) -> int:
    return (await uploads.write(caller, upload.id, start, pieces(DATA[start:end]), end)).received


async def content(uploads: Uploads, upload: Upload) -> bytes:
    file = await uploads.open(ME, upload.id)
    read = b"".join(file.pieces())
    assert b"".join(file.pieces(777)) == read[777:]
    file.close()
    return read


async def test_a_file_comes_in_pieces(uploads: Uploads, upload: Upload) -> None:
    assert [await write(uploads, upload, 0, 5000), await write(uploads, upload, 5000, len(DATA))] == [5000, len(DATA)]
    assert await content(uploads, upload) == DATA
    (file,) = uploads.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(uploads.folder.stat().st_mode) == 0o700


async def test_what_was_taken_is_taken_again_without_harm(uploads: Uploads, upload: Upload) -> None:
    await write(uploads, upload, 0, 5000)
    assert await write(uploads, upload, 0, 5000) == 5000
    assert await write(uploads, upload, 1000, 2000) == 5000
    assert await write(uploads, upload, 4000, len(DATA)) == len(DATA)
    assert await content(uploads, upload) == DATA


async def test_what_is_here_stays_as_it_came(uploads: Uploads, upload: Upload) -> None:
    await write(uploads, upload, 0, 5000)
    assert (await uploads.write(ME, upload.id, 4000, pieces(b"x" * 500), 4500)).received == 5000
    others = b"x" * 1000 + DATA[5000:]
    assert (await uploads.write(ME, upload.id, 4000, pieces(others), len(DATA))).received == len(DATA)
    assert (await uploads.write(ME, upload.id, 0, pieces(b"x" * len(DATA)), len(DATA))).received == len(DATA)
    assert await content(uploads, upload) == DATA


async def test_what_a_client_sent_before_it_hung_up_is_kept(uploads: Uploads, upload: Upload) -> None:
    with pytest.raises(ConnectionResetError):
        await uploads.write(ME, upload.id, 0, cut_off(DATA[:3000]), len(DATA))
    assert (await uploads.get(ME, upload.id)).received == 3000
    await write(uploads, upload, 3000, len(DATA))
    assert await content(uploads, upload) == DATA


async def test_nothing_is_left_out(uploads: Uploads, upload: Upload) -> None:
    await write(uploads, upload, 0, 1000)
    with pytest.raises(Conflict, match="goes on at byte 1000"):
        await write(uploads, upload, 1001, 2000)


@pytest.mark.parametrize(("given", "end"), [(DATA[:10], 9), (DATA[:10], 11), (DATA + b"x", len(DATA) + 1)])
async def test_bytes_that_are_not_as_announced_are_refused(
    uploads: Uploads, upload: Upload, given: bytes, end: int
) -> None:
    with pytest.raises(InvalidInput, match="Content-Range"):
        await uploads.write(ME, upload.id, 0, pieces(given), end)
    assert (await uploads.get(ME, upload.id)).received <= end


async def test_one_request_at_a_time_writes(uploads: Uploads, upload: Upload) -> None:
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield DATA[:1000]
        begun.set()
        await going_on.wait()

    first = asyncio.create_task(uploads.write(ME, upload.id, 0, slow(), 1000))
    await begun.wait()
    with pytest.raises(Conflict, match="Another request"):
        await write(uploads, upload, 0, 1000)
    with pytest.raises(Conflict, match="Another request"):
        await uploads.remove(ME, upload.id)
    with pytest.raises(NotFound):
        await uploads.remove(OTHER, upload.id)
    going_on.set()
    assert (await first).received == 1000
    await uploads.remove(ME, upload.id)


@pytest.mark.parametrize("upload_id", ["", "0" * 32, "../pillarbox.db", "x/../y"])
async def test_what_is_not_there_and_what_is_somebody_elses_is_not_found(
    uploads: Uploads, upload: Upload, upload_id: str
) -> None:
    for caller, wanted in ((ME, upload_id), (OTHER, upload.id)):
        for attempt in (uploads.get, uploads.open, uploads.remove):
            with pytest.raises(NotFound, match=f"There is no upload '{wanted}'"):
                await attempt(caller, wanted)
        with pytest.raises(NotFound):
            await uploads.write(caller, wanted, 0, pieces(b""), 0)


async def test_a_file_that_is_not_whole_is_attached_to_nothing(uploads: Uploads, upload: Upload) -> None:
    await write(uploads, upload, 0, 10)
    with pytest.raises(Conflict, match=f"10 of {len(DATA)} bytes"):
        await uploads.open(ME, upload.id)


async def test_nobody_fills_the_disk(shelf: Shelf, tmp_path: Path) -> None:
    full = made(shelf, tmp_path, free=lambda _folder: 300 * 2**20)
    await full.begin(ME, "a", "", 1)
    with pytest.raises(Unavailable, match="disk of the store is full"):
        await full.begin(ME, "a", "", 100 * 2**20)


async def test_the_mail_keeps_its_room_whatever_was_announced(shelf: Shelf, tmp_path: Path) -> None:
    free = 300 * 2**20
    filling = made(shelf, tmp_path, free=lambda _folder: free)
    several = [await filling.begin(ME, "a", "", 40 * 2**20) for _ in range(2)]

    async def begun(upload: Upload) -> int:
        return (await filling.write(ME, upload.id, 0, pieces(DATA), upload.size)).received

    free = 256 * 2**20 - 1
    for upload in several:
        with pytest.raises(Unavailable, match="disk of the store is full"):
            await begun(upload)
    assert (await filling.get(ME, several[0].id)).received == 0


async def test_nobody_has_more_than_their_share(uploads: Uploads) -> None:
    with pytest.raises(InvalidInput, match="larger than"):
        await uploads.begin(ME, "a", "", LARGEST + 1)

    async def begun(caller: str) -> str:
        try:
            return (await uploads.begin(caller, "a", "", LARGEST)).id
        except PillarboxError as error:
            return error.code

    together = await asyncio.gather(*(begun(ME) for _ in range(9)))
    assert together.count("upload.too_many") == 3
    assert await begun(OTHER) != "upload.too_many"


async def test_what_no_message_took_goes_after_a_day(shelf: Shelf, uploads: Uploads, upload: Upload) -> None:
    await write(uploads, upload, 0, 10)
    shelf.now += KEPT
    with pytest.raises(NotFound):
        await uploads.get(ME, upload.id)
    assert await uploads.sweep() == 1
    assert not list(uploads.folder.iterdir())
    assert not await uploads.store.all()


async def test_what_a_crash_left_is_swept(shelf: Shelf, uploads: Uploads, upload: Upload) -> None:
    await write(uploads, upload, 0, 100)
    broken = await uploads.begin(ME, "b", "", 10)
    await uploads.write(ME, broken.id, 0, pieces(b"0123456789"), 10)
    (uploads.folder / broken.id).write_bytes(b"0123")
    (uploads.folder / ("f" * 32)).write_bytes(b"nobody's")
    unwritten = await uploads.begin(ME, "c", "", 10)
    assert await uploads.sweep() == 2
    assert {row["id"] for row in await uploads.store.all()} == {upload.id, unwritten.id}
    assert [file.name for file in uploads.folder.iterdir()] == [upload.id]
    assert await uploads.sweep() == 0


async def test_a_file_that_is_open_is_read_to_its_end(uploads: Uploads, upload: Upload) -> None:
    await write(uploads, upload, 0, len(DATA))
    file = await uploads.open(ME, upload.id)
    await uploads.remove(ME, upload.id)
    assert b"".join(file.pieces()) == DATA
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        list(file.pieces())
