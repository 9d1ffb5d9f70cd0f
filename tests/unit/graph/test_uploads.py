"""Upload sessions: where parts go, in which order, and what happens when one does not get through."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from pillarbox.core.tls import Outbound
from pillarbox.emulator import Certificates
from pillarbox.graph.client import GraphClient
from pillarbox.graph.uploads import PART, Stuck, Uploads, address, hosts_of

OUTLOOK = hosts_of("https://outlook.office.com", "https://outlook.office365.com", "https://localhost:8443")


@dataclass
class Session:
    """An upload session of a server that can be made to fail; statuses are answered first, without taking the part."""

    url: str = ""
    received: bytearray = field(default_factory=bytearray)
    heads: list[dict[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    """Statuses of the next PUTs; 0 takes the part and cuts the connection."""
    headers: dict[str, str] = field(default_factory=dict)
    size: int = 0
    gone: bool = False
    stubborn: bool = False
    last: int = 201
    """What the last part is answered with."""
    claims: str = ""
    """What it says is expected next when it is asked."""

    async def put(self, request: web.Request) -> web.Response:
        part = await request.read()
        self.heads.append(dict(request.headers))
        failure = self.failures.pop(0) if self.failures else None
        if failure:
            return web.Response(status=failure, headers=self.headers)
        begin = int(request.headers["Content-Range"].split()[1].partition("-")[0])
        if begin != len(self.received):
            return web.Response(status=416)
        if not self.stubborn:
            self.received += part
        if failure == 0 and request.transport:
            request.transport.abort()
        if len(self.received) == self.size:
            return web.Response(status=self.last)
        return web.json_response({"NextExpectedRanges": [str(len(self.received))]})

    async def get(self, request: web.Request) -> web.Response:
        if self.gone:
            return web.Response(status=404)
        if self.claims:
            return web.json_response({"nextExpectedRanges": [self.claims]})
        return web.json_response({"nextExpectedRanges": [f"{len(self.received)}-"]})


@pytest.fixture
async def session(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Session]:
    made = Session()
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_put("/session", made.put)
    app.router.add_get("/session", made.get, allow_head=False)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_context()).start()
    made.url = f"https://localhost:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


CONTENT = bytes(range(256)) * 40_000  # 10,240,000 bytes: three parts


@dataclass
class Desk:
    """The uploads under test, and the pauses they made."""

    uploads: Uploads
    session: Session
    pauses: list[float]

    async def put(self) -> int | None:
        """The status of the answer that refuses; None when the file is there."""
        self.session.size = len(CONTENT)

        async def read(begin: int, end: int) -> bytes:
            return CONTENT[begin:end]

        refused = await self.uploads.put(f"{self.session.url}/session?authtoken=x", len(CONTENT), read)
        return refused.status if refused else None


@pytest.fixture
async def desk(session: Session, tmp_path: Path, certificates: Certificates) -> AsyncIterator[Desk]:
    (tmp_path / "ca.pem").write_bytes(certificates.ca)
    client = GraphClient("https://graph.microsoft.com", Outbound(tmp_path / "ca.pem"), 30)
    pauses: list[float] = []

    async def wait(seconds: float) -> None:
        pauses.append(seconds)

    yield Desk(Uploads(client, hosts_of(session.url), wait, time.time), session, pauses)
    await client.close()


async def test_a_file_goes_up_in_parts_below_4_mb_in_order_and_without_a_token(desk: Desk, session: Session) -> None:
    assert await desk.put() is None
    assert session.received == CONTENT
    assert [head["Content-Range"] for head in session.heads] == [
        f"bytes 0-{PART - 1}/10240000",
        f"bytes {PART}-{2 * PART - 1}/10240000",
        f"bytes {2 * PART}-10239999/10240000",
    ]
    assert PART < 4_000_000
    assert not any("authorization" in map(str.lower, head) for head in session.heads)


@pytest.mark.parametrize("failures", [[503], [500, 502, 504], [429], [408], [416], [0], [503, 0]])
async def test_a_part_that_does_not_get_through_goes_on_from_where_the_session_is(
    desk: Desk, session: Session, failures: list[int]
) -> None:
    session.failures = failures
    assert await desk.put() is None
    assert session.received == CONTENT
    assert desk.pauses


async def test_retry_after_is_kept_to(desk: Desk, session: Session) -> None:
    session.failures, session.headers = [429], {"Retry-After": "30"}
    assert await desk.put() is None
    assert desk.pauses == [30.0]


async def test_who_is_told_to_wait_for_long_gives_up_for_now(desk: Desk, session: Session) -> None:
    session.failures, session.headers = [429], {"Retry-After": "3600"}
    with pytest.raises(Stuck):
        await desk.put()
    assert not desk.pauses


async def test_a_part_that_never_gets_through_ends_the_upload(desk: Desk, session: Session) -> None:
    session.failures = [503] * 9
    with pytest.raises(Stuck) as stuck:
        await desk.put()
    assert "503" in stuck.value.sentence
    assert len(session.heads) == 4


async def test_a_session_that_asks_for_the_same_part_forever_ends_the_upload(desk: Desk, session: Session) -> None:
    session.stubborn = True
    with pytest.raises(Stuck):
        await desk.put()
    assert len(session.heads) == 4


@pytest.mark.parametrize("last", [200, 202])
async def test_only_201_says_that_the_file_is_there(desk: Desk, session: Session, last: int) -> None:
    session.last, session.gone = last, True
    with pytest.raises(Stuck):
        await desk.put()


async def test_a_session_that_says_there_is_more_than_was_sent_is_not_believed(desk: Desk, session: Session) -> None:
    session.failures, session.claims = [503], "10240000-"
    with pytest.raises(Stuck):
        await desk.put()
    assert len(session.heads) == 1


async def test_a_certificate_that_is_not_trusted_is_about_the_upload_and_not_about_graph(
    desk: Desk, session: Session, tmp_path: Path
) -> None:
    (tmp_path / "other.pem").write_bytes(Certificates.make().ca)
    client = GraphClient("https://graph.microsoft.com", Outbound(tmp_path / "other.pem"), 30)
    stranger = Uploads(client, desk.uploads.hosts, desk.uploads.wait, time.time)
    with pytest.raises(Stuck) as stuck:
        await Desk(stranger, session, []).put()
    await client.close()
    assert "certificate" in stuck.value.sentence
    assert not session.heads


async def test_a_session_that_is_gone_ends_the_upload(desk: Desk, session: Session) -> None:
    session.failures, session.gone = [503], True
    with pytest.raises(Stuck) as stuck:
        await desk.put()
    assert "gone" in stuck.value.sentence


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
async def test_a_refusal_is_handed_back_and_nothing_more_is_sent(desk: Desk, session: Session, status: int) -> None:
    session.failures = [status]
    assert await desk.put() == status
    assert len(session.heads) == 1


async def test_nothing_goes_to_a_host_that_is_not_outlooks(desk: Desk, session: Session) -> None:
    foreign = Uploads(desk.uploads.client, OUTLOOK, desk.uploads.wait, time.time)
    with pytest.raises(Stuck) as stuck:
        await Desk(foreign, session, []).put()
    assert stuck.value.code == "upload.bad_address"
    assert not session.heads


@pytest.mark.parametrize(
    "good",
    [
        "https://outlook.office.com/api/v2.0/x?authtoken=eyJ.a",
        "https://OUTLOOK.office365.com:443/api/gv1.0/users('a')/x",
        "https://localhost:8443/x",
    ],
)
def test_outlooks_own_addresses_are_taken(good: str) -> None:
    assert address(good, OUTLOOK).scheme == "https"


@pytest.mark.parametrize(
    "bad",
    [
        "http://outlook.office.com:443/x",
        *("http://outlook.office.com/x", "https://outlook.office.com.evil.example/x", "https://evil.example/x"),
        *("https://outlook.office.com@evil.example/x", "https://user@outlook.office.com/x", "//outlook.office.com/x"),
        *("https://outlook.office.com:8443/x", "https://localhost/x", "https://evil.example\\@outlook.office.com/x"),
        *("https://outlook.office.com/\r\nx", "https://outlook.office.com /x", "", "x", "https://[::1", "https:///x"),
        *("https://sub.outlook.office.com/x", "ftp://outlook.office.com/x", "https://outlook.office.com:99999/x"),
    ],
)
def test_every_other_address_is_refused(bad: str) -> None:
    with pytest.raises(Stuck) as stuck:
        address(bad, OUTLOOK)
    assert json.dumps(stuck.value.sentence)
