"""Start and stop, and what the emulator leaves behind: nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates, Emulator, SigningKey

Make = Callable[..., Emulator]


@pytest.fixture
def make(certificates: Certificates, signing_key: SigningKey) -> Make:
    return lambda directory, **more: Emulator(directory, certificates=certificates, signing_key=signing_key, **more)


async def test_a_directory_that_it_made_goes_with_it(tmp_path: Path, make: Make) -> None:
    async with make(tmp_path / "new") as emulator:
        assert emulator.ca_file.exists()
    assert os.listdir(tmp_path) == []


async def test_a_directory_that_was_there_stays(tmp_path: Path, make: Make) -> None:
    async with make(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


async def test_a_file_of_others_stays(tmp_path: Path, make: Make) -> None:
    async with make(tmp_path / "new"):
        (tmp_path / "new" / "mine").touch()
    assert os.listdir(tmp_path / "new") == ["mine"]


async def test_stopping_twice_is_harmless(tmp_path: Path, make: Make) -> None:
    emulator = make(tmp_path)
    await emulator.start()
    await emulator.stop()
    await emulator.stop()


async def test_a_port_in_use_is_an_error_and_leaves_nothing(tmp_path: Path, make: Make, emulator: Emulator) -> None:
    second = make(tmp_path / "second")
    with pytest.raises(OSError, match="in use"):
        await second.start(port=int(emulator.url.rpartition(":")[2]))
    assert not (tmp_path / "second").exists()


async def test_keys_are_made_where_none_are_given(tmp_path: Path) -> None:
    async with Emulator(tmp_path) as emulator:
        assert emulator.url.startswith("https://localhost:")
