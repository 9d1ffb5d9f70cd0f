"""One request to Graph: where the token goes, and what stands in the path."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.core.bearer import Challenge
from pillarbox.core.errors import InvalidInput
from pillarbox.core.tls import Outbound
from pillarbox.emulator import Certificates
from pillarbox.graph.client import AnswerLost, GraphClient, UnknownHost, Unreachable
from pillarbox.graph.mail import send_mime
from pillarbox.graph.meter import metered
from tests.unit.graph.conftest import Server


async def token(challenge: Challenge | None) -> str:
    return "token-2" if challenge and challenge.rejected == "token-1" else "token-1"


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


async def test_every_request_is_metered_for_who_asked_and_for_nobody_else(client: GraphClient, server: Server) -> None:
    server.statuses = [401]

    async def other() -> int:
        with metered() as meter:
            await client.request("GET", "/me", token)
        return meter.requests

    with metered() as meter:
        await client.request("POST", "/me", token)
    assert (meter.requests, len(server.requests)) == (2, 2)
    assert list(await asyncio.gather(other(), other())) == [1, 1]
    await client.request("GET", "/me", token)
    assert meter.requests == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(client: GraphClient, server: Server, status: int) -> None:
    server.statuses, server.location = [status], f"{server.url}/elsewhere"
    assert (await client.request("GET", "/me", token)).status == status
    assert len(server.requests) == 1


async def test_what_a_refusal_asks_for_goes_to_the_token_source(client: GraphClient, server: Server) -> None:
    wanted = '{"access_token":{"nbf":{"essential":true,"value":"1795176000"}}}'
    encoded = base64.b64encode(wanted.encode()).decode()
    server.challenge = f'Bearer realm="", error="insufficient_claims", claims="{encoded}"'
    server.statuses = [401]
    asked: list[Challenge | None] = []

    async def source(challenge: Challenge | None) -> str:
        asked.append(challenge)
        return await token(challenge)

    assert (await client.request("GET", "/me", source)).status == 202
    assert asked == [None, Challenge("token-1", wanted)]


async def test_no_header_takes_the_place_of_the_token(client: GraphClient, server: Server) -> None:
    await client.request("GET", "/me", token, headers={"authorization": "Bearer stolen"})
    assert server.requests[0].headers.getall("Authorization") == ["Bearer token-1"]


async def test_an_answer_is_read_as_far_as_was_said(client: GraphClient, server: Server) -> None:
    server.content = bytes(3_000_000)
    whole = await client.request("GET", "/me", token, limit=3_000_000)
    cut = await client.request("GET", "/me", token, limit=2_999_999)
    usual = await client.request("GET", "/me", token)
    assert [(len(one.body), one.whole) for one in (whole, cut, usual)] == [
        (3_000_000, True),
        (2_999_999, False),
        (1_048_576, False),
    ]


async def test_the_version_is_chosen_for_each_call(client: GraphClient, server: Server) -> None:
    await client.request("GET", "/me", token, version="beta")
    await client.request("GET", f"{server.url}/beta/me/messages?$skiptoken=a%2Fb", token)
    assert [request.raw_path for request in server.requests] == ["/beta/me", "/beta/me/messages?$skiptoken=a%2Fb"]


@pytest.mark.parametrize("path", ["@evil.example/", "/evil.example", ".evil.example/", ":1/"])
async def test_the_token_never_leaves_for_another_host(client: GraphClient, server: Server, path: str) -> None:
    await client.request("GET", path, token)
    assert [request.host for request in server.requests] == [server.url.removeprefix("https://")]


async def test_for_a_path_that_leads_elsewhere_no_token_is_even_asked_for(client: GraphClient) -> None:
    async def never(challenge: Challenge | None) -> str:
        raise AssertionError(challenge)

    with pytest.raises(InvalidInput):
        await client.request("GET", "/../..//evil.example", never)


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


async def test_an_acceptance_that_breaks_off_behind_its_status_is_one(client: GraphClient, server: Server) -> None:
    server.half = 202
    answer = await client.request("POST", "/me", token)
    assert (answer.status, answer.whole, len(server.requests)) == (202, False, 1)


@pytest.mark.parametrize("status", [200, 201, 400, 503])
async def test_any_other_answer_that_breaks_off_has_not_come(client: GraphClient, server: Server, status: int) -> None:
    server.half = status
    with pytest.raises(AnswerLost):
        await client.request("POST", "/me", token)


async def test_a_name_that_dns_does_not_know_is_told_from_a_network_that_is_down(
    tmp_path: Path, certificates: Certificates
) -> None:
    (tmp_path / "ca.pem").write_bytes(certificates.ca)
    client = GraphClient("https://graph.invalid", Outbound(tmp_path / "ca.pem"), 5)
    with pytest.raises(UnknownHost) as caught:
        await client.request("GET", "/me", token)
    assert caught.value.sentence.startswith("DNS does not know graph.invalid: ")
    await client.close()


async def test_nothing_is_sent_where_nobody_listens(tmp_path: Path, certificates: Certificates) -> None:
    (tmp_path / "ca.pem").write_bytes(certificates.ca)
    client = GraphClient("https://localhost:1", Outbound(tmp_path / "ca.pem"), 5)
    with pytest.raises(Unreachable):
        await client.request("GET", "/me", token)
    await client.close()
