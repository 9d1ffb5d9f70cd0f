"""A disk that is really full: 452 4.3.1, nothing that was acknowledged is lost, and it goes on when there is room."""

import asyncio
import contextlib
import os
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.core.errors import Unavailable
from tests.conftest import House, MakeHouse

LETTER = "From: scanner@contoso.example\r\nTo: alice@contoso.example\r\n\r\n" + "x" * 200_000 + "\r\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs root to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def _send_until_refused(house: House) -> tuple[list[str], smtplib.SMTPResponseException]:
    """Queue ids of what was acknowledged, and the first refusal."""
    ids: list[str] = []
    with smtplib.SMTP(*house.smtp) as client:
        client.login("printer", house.passwords["printer"])
        try:
            while True:
                client.mail("scanner@contoso.example")
                client.rcpt("alice@contoso.example")
                code, text = client.data(LETTER)
                if code != 250:
                    return ids, smtplib.SMTPResponseException(code, text)
                ids.append(text.decode().split()[-1])
        except smtplib.SMTPResponseException as refusal:
            return ids, refusal


async def test_full_disk_is_452_and_heals_without_a_restart(make_house: MakeHouse, small_disk: Path) -> None:
    house = await make_house({"state_dir": str(small_disk)})
    await house.furnish("scanner@contoso.example")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 1_500_000)
    ids, refusal = await asyncio.to_thread(_send_until_refused, house)
    assert refusal.smtp_code == 452
    assert isinstance(refusal.smtp_error, bytes)
    assert refusal.smtp_error.startswith(b"4.3.1")
    ballast.unlink()
    for queue_id in ids:
        await house.settled(queue_id)
    arrived = [dict(entry.headers)["X-Pillarbox-Id"] for entry in house.microsoft.emulator.ledger.entries]
    assert sorted(arrived) == sorted(ids)
    again = await house.accept(LETTER.encode()[:500], "alice@contoso.example")
    await house.settled(again)


@pytest.mark.parametrize("room", [0, 4_096, 8_192, 16_384, 40_960, 81_920, 131_072])
async def test_a_start_on_a_full_disk_may_be_tried_again(make_house: MakeHouse, small_disk: Path, room: int) -> None:
    state = small_disk / "state"
    state.mkdir(mode=0o700)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, ballast.stat().st_size - room)
    with pytest.raises(Unavailable) as caught:
        await make_house({"state_dir": str(state)}, start=False)
    assert (caught.value.code, caught.value.entry.exit) == ("store.full", 75)
    ballast.unlink()
    house = await make_house({"state_dir": str(state)}, start=False)
    await house.furnish("scanner@contoso.example")


async def test_a_store_that_is_there_and_has_no_room_may_be_opened_later(
    make_house: MakeHouse, small_disk: Path
) -> None:
    house = await make_house({"state_dir": str(small_disk)}, start=False)
    await house.furnish("scanner@contoso.example")
    await house.gateway.stop()
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with pytest.raises(Unavailable) as caught:
        await house.again().open()
    assert caught.value.code == "store.full"
    ballast.unlink()
    again = house.again()
    await again.open()
    assert [app.name for app in await again.accounts.apps()] == ["contoso"]
    await again.stop()
