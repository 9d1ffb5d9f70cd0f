"""The Python client before a real service: sync and async alike, over HTTP with a key."""

import asyncio
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pillarbox.client import (
    AsyncPillarbox,
    Attachment,
    ConnectLink,
    Message,
    Pillarbox,
    PillarboxApiError,
    PillarboxUnreachable,
    Retries,
    Send,
)
from pillarbox.client.files import PIECE
from tests.conftest import Microsoft
from tests.http_door import HttpDoor, http_door

ERP, ALICE = "erp@contoso.example", "alice@contoso.example"
MESSAGE = Message(ERP, [ALICE], "Hello", text="Hi")
ALL = ("send", "outbox.read", "outbox.decide", "events.read")
PUBLIC = {"http.public_url": "https://mail.contoso.example", "http.trusted_proxies": "127.0.0.1"}
QUICK = Retries(attempts=4, first=0.01, most=5.0)


@pytest.fixture
async def door(microsoft: Microsoft, tmp_path: Path) -> AsyncIterator[HttpDoor]:
    async with http_door(microsoft, tmp_path, *ALL) as opened:
        yield opened


class Either:
    """One client as the other: every call is awaited, what waits does so in a thread."""

    def __init__(self, client: Pillarbox | AsyncPillarbox) -> None:
        self._client = client

    async def __call__(self, name: str, *given: Any, **more: Any) -> Any:
        """Call it; of an iterator its items (up to `most`)."""
        most = more.pop("most", None)
        method = getattr(self._client, name)
        if isinstance(self._client, AsyncPillarbox):
            called = method(*given, **more)
            if hasattr(called, "__anext__"):
                found: list[Any] = []
                async for one in called:
                    found.append(one)
                    if len(found) == most:
                        await called.aclose()
                        break
                return found
            return await called
        if name in ("list", "events"):
            return await asyncio.to_thread(lambda: list(islice(method(*given, **more), most)))
        return await asyncio.to_thread(method, *given, **more)

    async def close(self) -> None:
        """Close it."""
        await self("close")


Make = Callable[..., Either]


@pytest.fixture(params=[Pillarbox, AsyncPillarbox], ids=["sync", "async"])
async def make(request: pytest.FixtureRequest) -> Any:
    made: list[Either] = []

    def client(*given: Any, **more: Any) -> Either:
        made.append(Either(request.param(*given, retries=QUICK, **more)))
        return made[-1]

    yield client
    for one in made:
        await one.close()


async def test_a_message_is_sent_and_every_step_is_told(door: HttpDoor, make: Make, microsoft: Microsoft) -> None:
    client = make(door.url, door.key)
    sent: Send = await client("send", MESSAGE, wait=30)
    (entry,) = microsoft.emulator.ledger.entries
    assert (sent.state, sent.ended, entry.recipients) == ("sent", True, [ALICE])
    trace = await client("trace", sent.id)
    assert [one.request_id for one in trace.attempts] == [entry.request_id]
    assert (await client("get", sent.id)).mailbox == ERP
    assert [one.id for one in await client("list", state="sent", mailbox=ERP)] == [sent.id]
    assert [one.id for one in await client("list", recipient=ALICE)] == [sent.id]
    assert (await client("list", state="failed"), await client("list", recipient="bob@contoso.example")) == ([], [])


async def test_the_address_and_the_key_come_from_the_environment(door: HttpDoor, make: Make) -> None:
    os.environ.update(door.environ)  # of this test alone (conftest)
    assert (await make()("send", MESSAGE)).state == "queued"


async def test_a_finished_message_goes_with_its_envelope(door: HttpDoor, make: Make, microsoft: Microsoft) -> None:
    mime = b"From: erp@contoso.example\r\nTo: alice@contoso.example\r\nSubject: x\r\n\r\nHello\r\n"
    client = make(door.url, door.key)
    sent = await client("send_mime", mime, sender=ERP, recipients=["bob@contoso.example"], wait=30)
    assert sent.state == "sent"
    assert [one.recipients for one in microsoft.emulator.ledger.entries] == [["bob@contoso.example"]]


async def test_all_pages_of_a_list_are_walked(door: HttpDoor, make: Make) -> None:
    client = make(door.url, door.key)
    ids = [(await client("send", MESSAGE)).id for _ in range(5)]
    assert [one.id for one in await client("list", limit=2)] == ids[::-1]


async def test_events_are_followed_and_gone_on_with(door: HttpDoor, make: Make) -> None:
    client = make(door.url, door.key)
    first = await client("send", MESSAGE, wait=30)
    (event,) = await client("events", types=["send.sent"], follow=True, most=1)
    assert (event.type, event.subject) == ("send.sent", first.id)
    waiting = asyncio.create_task(client("events", event.cursor, types=["send.sent"], follow=True, most=1))
    second = await client("send", MESSAGE)
    assert [one.subject for one in await waiting] == [second.id]
    assert [one.subject for one in await client("events", types=["send.sent"])] == [first.id, second.id]
    (earliest,) = await client("events", most=1)
    rest = await client("events", earliest.cursor)
    assert [one.id for one in [earliest, *rest]] == [one.id for one in await client("events")]


async def test_a_decision_is_taken(door: HttpDoor, make: Make) -> None:
    client = make(door.url, door.key)
    held = await client("send", Message(ERP, [ALICE], "Later", text="x", hold=True))
    assert held.state == "held"
    assert (await client("cancel", held.id)).state == "canceled"
    # A person must still let it go.
    assert (await client("retry", held.id)).state == "held"


async def test_a_large_file_goes_in_by_pieces(door: HttpDoor, make: Make, microsoft: Microsoft, tmp_path: Path) -> None:
    await asyncio.to_thread(door.service.api.patch, f"/api/v1/mailboxes/{ERP}", {"assurance": "draft"})
    (tmp_path / "plan.bin").write_bytes(bytes(range(256)) * (PIECE // 128))
    client = make(door.url, door.key)
    upload = await client("upload", tmp_path / "plan.bin")
    assert upload.received == upload.size == 2 * PIECE
    plan = Attachment("plan.bin", upload_id=upload.id)
    queued = await client("send", Message(ERP, [ALICE], "Plan", text="x", attachments=[plan], hold=True))
    assert (await client("get", queued.id)).size > 2 * PIECE


async def test_a_refusal_is_raised_with_its_code(door: HttpDoor, make: Make) -> None:
    client = make(door.url, door.key)
    with pytest.raises(PillarboxApiError) as caught:
        await client("send", Message("nobody@contoso.example", [ALICE], "Hello", text="Hi"))
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (404, "mailbox.not_found", False)
    assert caught.value.request_id
    with pytest.raises(PillarboxApiError) as stranger:
        await make(door.url, "pbx_aaaaaaaa_" + "x" * 43)("trace", "x")
    assert (stranger.value.status, stranger.value.code) == (401, "access.bad_key")


async def test_a_connection_that_breaks_after_the_message_was_taken_sends_it_once(door: HttpDoor, make: Make) -> None:
    with breaking(door.url) as (url, broken):
        client = make(url, door.key)
        sent = await client("send", MESSAGE)
    assert (broken(), sent.replayed) == (1, True)
    assert len(await make(door.url, door.key)("list")) == 1


async def test_nobody_there_is_told_after_some_tries(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(PillarboxUnreachable):
        await make(f"http://127.0.0.1:{port}", "pbx_aaaaaaaa_x")("send", MESSAGE)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_the_key_is_taken_to_no_other_address(make: Make, status: int) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (other, heard):
        elsewhere = f"HTTP/1.1 {status} Moved\r\nLocation: {other}/api/v1/sends\r\nContent-Length: 0\r\n\r\n"
        with answering(elsewhere.encode()) as (url, _):
            with pytest.raises(PillarboxApiError) as caught:
                await make(url, "pbx_aaaaaaaa_secret")("send", MESSAGE)
            assert caught.value.status == status
    assert heard == []


async def test_a_redirect_that_leads_nowhere_is_a_refusal_too(make: Make) -> None:
    nowhere = b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"
    with answering(nowhere) as (url, _), pytest.raises(PillarboxApiError) as caught:
        await make(url, "pbx_aaaaaaaa_secret")("send", MESSAGE)
    assert caught.value.status == 302


async def test_another_password_lies_at_hand_and_is_not_taken(make: Make, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password other\n")
    (tmp_path / ".netrc").chmod(0o600)
    with answering(b'HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{"id":"Q","state":"sent"}') as (url, heard):
        os.environ.update({"HTTP_PROXY": "http://127.0.0.1:1", "NETRC": str(tmp_path / ".netrc")})
        assert (await make(url, "pbx_aaaaaaaa_secret")("send", MESSAGE)).state == "sent"
    assert b"authorization: bearer pbx_aaaaaaaa_secret" in heard[0].lower()


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says the same to everybody; its address, and what it heard."""
    heard: list[bytes] = []

    def say(connection: socket.socket) -> None:
        heard.append(_whole(connection))
        connection.sendall(answer)

    with _listening(say) as url:
        yield url, heard


@contextmanager
def breaking(url: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """A way to the door that breaks once, after the request was answered and before the answer has come back."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    broken = 0

    def pass_on(connection: socket.socket) -> None:
        nonlocal broken
        request = _whole(connection)
        with socket.create_connection((host, int(port))) as door:
            door.sendall(request)
            answer = _whole(door)
            if not broken:
                broken += 1
                return
            connection.sendall(answer)

    with _listening(pass_on) as address:
        yield address, lambda: broken


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    serve(connection)
                except OSError:
                    pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def _whole(connection: socket.socket) -> bytes:
    """One request or answer with its body."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionResetError
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


async def test_a_link_for_a_person_is_made_looked_at_and_taken_back(
    make: Make, microsoft: Microsoft, tmp_path: Path
) -> None:
    async with http_door(microsoft, tmp_path, "mailboxes.connect", settings=PUBLIC) as door:
        client = make(door.url, door.key)
        terms = {"mailbox": "support@contoso.example", "permissions": ["send"], "expires_in": 600, "note": "hello"}
        made: ConnectLink = await client("create_connect_link", "contoso", ALICE, **terms)
        assert made.url is not None
        assert made.url.startswith("https://mail.contoso.example/")
        assert (made.state, made.user, made.mailbox, made.shared, made.permissions, made.note) == (
            *("pending", ALICE, "support@contoso.example", True),
            *(("send",), "hello"),
        )
        assert await client("connect_link", made.id) == replace(made, url=None)
        assert (await client("revoke_connect_link", made.id)).state == "canceled"
        with pytest.raises(PillarboxApiError) as refused:
            await client("create_connect_link", "nobody", ALICE)
        assert refused.value.status == 404


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_nobody_there_is_told_without_whom_it_was_for(make: Make, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(PillarboxUnreachable) as lost:
        await make(gone, "k")("send_mime", b"Subject: x\r\n\r\n", sender=ERP, recipients=[ALICE])
    assert gone in str(lost.value)
    assert not {"erp", "alice", "contoso"} & set(re.findall("[a-z]+", str(lost.value)))
