"""Start and stop, and what the emulator leaves behind: nothing."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
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


async def test_hundreds_connect_at_once_and_none_has_to_try_again(emulator: Emulator) -> None:
    host, _, port = emulator.url.removeprefix("https://").rpartition(":")
    with contextlib.ExitStack() as all_of_them:
        for _ in range(300):
            # Nobody takes them meanwhile, as this is the thread that would; a second try comes after a second.
            all_of_them.enter_context(socket.create_connection((host, int(port)), timeout=0.9))


async def test_keys_are_made_where_none_are_given(tmp_path: Path) -> None:
    async with Emulator(tmp_path) as emulator:
        assert emulator.url.startswith("https://localhost:")


def test_an_idle_client_does_not_outlast_the_stop(tmp_path: Path, make: Make) -> None:
    """One that says no goodbye in TLS. What is left open is a warning when it is collected, and so an error."""

    async def run(emulator: Emulator) -> ssl.SSLSocket:
        await emulator.start()
        context = ssl.create_default_context(cafile=str(emulator.ca_file))
        raw = socket.create_connection(("127.0.0.1", int(emulator.url.rpartition(":")[2])))
        connection = await asyncio.to_thread(context.wrap_socket, raw, server_hostname="localhost")
        await emulator.stop()
        return connection

    with asyncio.run(run(make(tmp_path))):
        gc.collect()
