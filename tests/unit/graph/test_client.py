"""One request to Graph: where the token goes, and what stands in the path."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.core.tls import Outbound
from pillarbox.emulator import Certificates
from pillarbox.graph.client import AnswerLost, GraphClient, Unreachable
from pillarbox.graph.mail import send_mime
from tests.unit.graph.conftest import Server


async def token(rejected: str | None) -> str:
    return "token-2" if rejected == "token-1" else "token-1"


@pytest.fixture
async def client(server: Server, tmp_path: Path) -> AsyncIterator[GraphClient]:
    made = GraphClient(server.url, Outbound(tmp_path / "ca.pem"), 5)
    yield made
    await made.close()


async def test_a_request_carries_the_token_and_a_number(client: GraphClient, server: Server) -> None:
    answer = await client.request("POST", "/me", token, body=b"x", headers={"Content-Type": "text/plain"})
    (request,) = server.requests
    assert (answer.status, request.headers["Authorization"]) == (202, "Bearer token-1")
    assert request.headers["client-request-id"]
    assert (request.path, request.headers["Content-Type"]) == ("/v1.0/me", "text/plain")


async def test_a_refused_token_is_replaced_once_with_the_same_body(client: GraphClient, server: Server) -> None:
    server.statuses = [401, 401]
    answer = await client.request("POST", "/me", token, body=b"body")
    assert answer.status == 401
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer token-1", "Bearer token-2"]
    assert server.bodies == [b"body", b"body"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(client: GraphClient, server: Server, status: int) -> None:
    server.statuses, server.location = [status], f"{server.url}/elsewhere"
    assert (await client.request("GET", "/me", token)).status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize("path", ["@evil.example/", "//evil.example/", "/../..//evil.example", ".evil.example/", ":1/"])
async def test_the_token_never_leaves_for_another_host(client: GraphClient, server: Server, path: str) -> None:
    await client.request("GET", path, token)
    assert [request.host for request in server.requests] == [server.url.removeprefix("https://")]


async def test_cookies_are_not_kept(client: GraphClient, server: Server) -> None:
    server.cookie = "session=1"
    for _ in range(2):
        await client.request("GET", "/me", token)
    assert "Cookie" not in server.requests[1].headers


@pytest.mark.parametrize(
    "mailbox", [f"{name}@contoso.example" for name in ("a", "a/b", "a#b", "a?b", "a%2Fb", "a+b&c=d", "ü", "../../me")]
)
async def test_the_mailbox_is_one_segment_of_the_path(client: GraphClient, server: Server, mailbox: str) -> None:
    await send_mime(client, mailbox, b"mime", token)
    assert server.requests[0].raw_path.count("/") == 4
    assert server.requests[0].match_info["mailbox"] == mailbox


async def test_an_answer_that_does_not_come_is_said_so(client: GraphClient, server: Server) -> None:
    server.cut = True
    with pytest.raises(AnswerLost) as caught:
        await client.request("POST", "/me", token)
    assert (caught.value.code, caught.value.params["reason"]) == ("microsoft.answer_lost", "Server disconnected")


async def test_nothing_is_sent_where_nobody_listens(tmp_path: Path, certificates: Certificates) -> None:
    (tmp_path / "ca.pem").write_bytes(certificates.ca)
    client = GraphClient("https://localhost:1", Outbound(tmp_path / "ca.pem"), 5)
    with pytest.raises(Unreachable):
        await client.request("GET", "/me", token)
    await client.close()
