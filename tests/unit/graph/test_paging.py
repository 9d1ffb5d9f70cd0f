"""All pages of a collection: followed to the end, never to a stranger, with patience."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pillarbox.core.bearer import Challenge
from pillarbox.core.errors import Forbidden, PillarboxError
from pillarbox.core.tls import Outbound
from pillarbox.emulator import Certificates
from pillarbox.graph.client import GraphClient
from pillarbox.graph.paging import Patience, one_page
from pillarbox.graph.refusal import GraphRefused
from tests.unit.graph.conftest import Server


async def token(_challenge: Challenge | None) -> str:
    return "token"


@pytest.fixture
async def client(server: Server, tmp_path: Path) -> AsyncIterator[GraphClient]:
    made = GraphClient(server.url, Outbound(tmp_path / "ca.pem"), 5)
    yield made
    await made.close()


class Waits:
    """A clock that nobody waits for, and what it was asked to wait."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)

    def patience(self, seconds: float = 100) -> Patience:
        return Patience(lambda: 1_795_176_000.0, self.sleep, seconds)


async def read(client: GraphClient, patience: Patience | None = None) -> list[Any]:
    found: list[Any] = []
    path: str | None = "/me/messages"
    while path is not None:
        page = await one_page(client, path, token, patience=patience or Waits().patience())
        found += page.value
        path = page.next
    return found


async def test_pages_are_followed_to_the_last_one(client: GraphClient, server: Server) -> None:
    links = [f"{server.url}/v1.0/me/messages?$skiptoken={number}" for number in (1, 2)]
    server.pages = [{"value": [number], "@odata.nextLink": link} for number, link in enumerate(links)]
    server.pages.append({"value": [2]})
    assert await read(client) == [0, 1, 2]
    assert [request.raw_path for request in server.requests] == [
        "/v1.0/me/messages",
        "/v1.0/me/messages?$skiptoken=1",
        "/v1.0/me/messages?$skiptoken=2",
    ]


@pytest.mark.parametrize(
    "prefix",
    [
        "http://localhost:{port}",
        "https://127.0.0.1:{foreign}",
        "https://localhost:{foreign}",
        "https://localhost:{port}@127.0.0.1:{foreign}",
        "https://localhost.evil.example:{port}",
        "https://localhost:{port}\\@127.0.0.1:{foreign}",
    ],
)
async def test_a_foreign_next_link_is_refused_and_nothing_is_sent_there(
    client: GraphClient, server: Server, certificates: Certificates, prefix: str
) -> None:
    reached: list[str] = []

    async def stranger(request: web.Request) -> web.Response:
        reached.append(request.headers.get("Authorization", ""))
        return web.json_response({"value": []})

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", stranger)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_context()).start()
    ports = {"port": server.url.rpartition(":")[2], "foreign": runner.addresses[0][1]}
    server.pages = [{"value": [1], "@odata.nextLink": f"{prefix.format(**ports)}/v1.0/me/messages?$skiptoken=1"}]
    try:
        with pytest.raises(Forbidden) as caught:
            await read(client)
    finally:
        await runner.cleanup()
    assert caught.value.code == "graph.foreign_link"
    assert (reached, len(server.requests)) == ([], 1)


async def test_a_page_is_asked_for_again_when_graph_says_so(client: GraphClient, server: Server) -> None:
    waits = Waits()
    server.statuses, server.retry_after, server.pages = [429, 429], "2.5", [{"value": [1]}]
    assert await read(client, waits.patience()) == [1]
    assert waits.waited == [2.5, 2.5]


@pytest.mark.parametrize(("told", "waited"), [("3", [3.0, 3.0]), ("8", []), ("", [])])
async def test_patience_has_an_end(client: GraphClient, server: Server, told: str, waited: list[float]) -> None:
    waits = Waits()
    server.statuses, server.retry_after = [429] * 3, told
    with pytest.raises(GraphRefused) as caught:
        await read(client, waits.patience(7))
    said = "graph.throttled" if told else "graph.busy"
    assert (caught.value.code, caught.value.entry.exit, waits.waited) == (said, 75, waited)


@pytest.mark.parametrize("page", [{"id": "x"}, [], "text", {"value": "x"}, {"value": [], "@odata.nextLink": 1}])
async def test_what_is_no_page_is_said_so(client: GraphClient, server: Server, page: object) -> None:
    server.pages = [page]
    with pytest.raises(PillarboxError) as caught:
        await read(client)
    assert caught.value.code == "graph.no_page"


async def test_a_page_that_is_too_long_is_said_so(client: GraphClient, server: Server) -> None:
    server.pages = [{"value": ["x" * 1000]}] * 2
    patience = Waits().patience()
    with pytest.raises(PillarboxError) as caught:
        await one_page(client, "/me/messages", token, patience=patience, limit=1000)
    assert caught.value.code == "graph.too_large"
    assert (await one_page(client, "/me/messages", token, patience=patience)).value == ["x" * 1000]
