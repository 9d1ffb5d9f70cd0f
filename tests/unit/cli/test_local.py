"""The client of the local socket: whom it tells secrets, and what it does while a service is starting."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from pillarbox.cli import local
from pillarbox.core.errors import Forbidden, Unavailable
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
