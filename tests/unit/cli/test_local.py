"""The client of the local socket: whom it tells secrets, and what it does while a service is starting."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from pillarbox.cli import local
from pillarbox.core.errors import Forbidden, Unavailable
from pillarbox.endpoints.api.version import HEADER, of_this_package
from tests.conftest import MakeHouse

ROOT, ME, STRANGER = 0, 1000, 1001


@pytest.mark.parametrize(
    ("uid", "me", "told"),
    [(ME, ME, True), (ROOT, ME, True), (STRANGER, ME, False), (ME, ROOT, True), (ROOT, ROOT, True)],
)
def test_secrets_are_told_to_ones_own_service_and_to_roots(uid: int, me: int, told: bool) -> None:
    assert local.trusted(uid, me) is told


def _listen_as_somebody(path: Path) -> socket.socket:
    """A socket whose owner, as the kernel tells it, is not root."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    root = os.geteuid() == 0
    if root:
        os.seteuid(STRANGER)
    try:
        # The kernel takes the credentials of this moment (unix(7), SO_PEERCRED).
        listening.listen()
    finally:
        if root:
            os.seteuid(0)
    return listening


def test_nothing_is_sent_to_a_strangers_socket(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with _listen_as_somebody(path) as listening:
        connection = local.UnixConnection(path, me=54321)
        with pytest.raises(Forbidden, match="belongs to another user"):
            connection.request("POST", "/api/v1/apps", b"a secret")
        peer, _ = listening.accept()
        with peer:
            assert peer.recv(100) == b""


def test_a_socket_where_nobody_listens_is_no_service(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with pytest.raises(Unavailable, match="No service answers"):
        local.Api(path, None, ()).get("/api/v1/status")


async def test_a_service_waits_for_a_command_that_has_the_store(make_house: MakeHouse) -> None:
    first = await make_house(start=False)
    second = asyncio.create_task(first.again().open(patience=5))
    await asyncio.sleep(0)
    assert not second.done()
    await first.gateway.stop()
    await second


async def test_without_patience_the_store_is_in_use(make_house: MakeHouse) -> None:
    first = await make_house(start=False)
    with pytest.raises(Unavailable, match="has the store"):
        await first.again().open()


# ---- a socket of somebody else


def test_who_may_not_open_the_socket_is_told_so_and_asked_to_start_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(folder / "api.sock"))
        listening.listen()
        folder.chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(STRANGER)
        try:
            with pytest.raises(Forbidden, match="may not open it") as refused:
                local.Api(folder / "api.sock", None, ()).get("/api/v1/status")
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o700)
    assert (refused.value.code, refused.value.entry.exit) == ("cli.not_yours", 5)


# ---- a service of another version


class Older:
    """A service on a Unix socket that answers every request alike, and remembers the requests."""

    def __init__(self, headers: str) -> None:
        self.asked: list[str] = []
        self._headers = headers

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while request := await reader.readline():
            self.asked.append(request.decode().split()[0])
            while (await reader.readline()).strip():
                pass
            body = b"" if self.asked[-1] == "HEAD" else b'{"data": [{}]}'
            writer.write(f"HTTP/1.1 200 OK\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()


@pytest.mark.parametrize(
    ("headers", "theirs"),
    [
        ("", "before 0.1.0"),
        (f"{HEADER}: 0.0.9, schema 1\r\n", "0.0.9, schema 1"),
        (f"{HEADER}: {of_this_package()}0\r\n", f"{of_this_package()}0"),
    ],
)
async def test_a_service_of_another_version_is_not_asked_to_do_anything(
    tmp_path: Path, headers: str, theirs: str
) -> None:
    older = Older(headers)
    path = tmp_path / "api.sock"
    api = local.Api(path, None, ())
    async with await asyncio.start_unix_server(older.answer, path):
        for ask in (lambda: api.get("/api/v1/apps"), lambda: api.post("/api/v1/apps", {"name": "contoso"})):
            with pytest.raises(Unavailable, match=f"another version \\({theirs}") as caught:
                await asyncio.to_thread(ask)
            assert (caught.value.code, caught.value.cure) == ("cli.other_version", "Restart the service.")
    assert older.asked == ["GET", "HEAD"]


async def test_every_answer_of_the_service_bears_its_version(make_house: MakeHouse) -> None:
    house = await make_house()

    def ask(method: str, path: str) -> tuple[int, str | None]:
        connection = local.UnixConnection(house.gateway.settings.socket, os.geteuid())
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.getheader(HEADER)
        finally:
            connection.close()

    found = [await asyncio.to_thread(ask, *what) for what in (("GET", "/api/v1/apps"), ("HEAD", "/x"), ("PUT", "/"))]
    assert {version for _, version in found} == {of_this_package()}
    assert [status for status, _ in found] == [200, 404, 404]


async def test_an_error_that_nobody_foresaw_bears_the_version_too(make_house: MakeHouse) -> None:
    house = await make_house()

    @house.gateway.api.get("/api/v1/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    def ask() -> str | None:
        connection = local.UnixConnection(house.gateway.settings.socket, os.geteuid())
        try:
            connection.request("GET", "/api/v1/broken")
            return connection.getresponse().getheader(HEADER)
        finally:
            connection.close()

    assert await asyncio.to_thread(ask) == of_this_package()


# ---- bytes that are no text


@pytest.mark.parametrize("ask", ["post", "put"])
def test_bytes_that_are_no_text_do_not_leave_as_escapes(tmp_path: Path, ask: str) -> None:
    api = local.Api(tmp_path / "nobody.sock", None, ())
    with pytest.raises(UnicodeEncodeError):
        getattr(api, ask)("/api/v1/apps", {"client_secret": "p\udce4ssword"})
