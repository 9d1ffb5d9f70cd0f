"""The HTTP listener as a whole: HTTPS and plain HTTP, proxies, the path of the public address, and health."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest

from pillarbox.core.caller import Scope
from pillarbox.core.errors import ConfigError
from pillarbox.core.tls import self_made_certificate
from pillarbox.gateway import Gateway
from tests.conftest import House, MakeHouse
from tests.http_api import Answer, ask, make_key

NOON = 1_795_176_000.0


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def plain(house: House, path: str) -> str:
    return f"http://{house.gateway.http_address}{path}"


async def told(browser: aiohttp.ClientSession, url: str, **more: Any) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    async with browser.get(url, **more) as answer:
        return answer.status, await answer.json(content_type=None)


async def by_https(house: House, certificate: Path, path: str = "/api/v1/mailboxes") -> int:
    """The status of an answer by HTTPS, whose certificate is this one."""
    port = house.gateway.http_address.rpartition(":")[2]
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(certificate)))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"https://localhost:{port}{path}") as answer,
    ):
        return answer.status


async def test_beyond_this_machine_it_speaks_https_with_a_certificate_of_its_own(make_house: MakeHouse) -> None:
    house = await make_house({"http.listen": "0.0.0.0:0"})
    assert house.gateway.public_url.startswith("https://localhost:")
    assert await by_https(house, house.gateway.settings.state_dir / "tls-cert.pem") == 401


async def test_a_certificate_that_is_renewed_is_taken_without_a_restart(make_house: MakeHouse, tmp_path: Path) -> None:
    cert, key = self_made_certificate(tmp_path, "old.contoso.example", NOON)
    settings = {"http.tls_cert_file": str(cert), "http.tls_key_file": str(key)}
    house = await make_house(settings)
    assert await by_https(house, cert) == 401
    (tmp_path / "new").mkdir()
    new_cert, new_key = self_made_certificate(tmp_path / "new", "new.contoso.example", NOON)
    new_key.replace(key)
    cert.write_bytes(new_cert.read_bytes())
    async with asyncio.timeout(20):
        while True:
            try:
                assert await by_https(house, new_cert) == 401
                return
            except aiohttp.ClientConnectorCertificateError:
                continue  # it looks every few seconds


async def test_plain_http_can_be_chosen_for_a_proxy(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    house = await make_house({"http.listen": "0.0.0.0:0", "http.tls": "off"})
    port = house.gateway.http_address.rpartition(":")[2]
    assert (await told(browser, f"http://127.0.0.1:{port}/api/v1/mailboxes"))[0] == 401


async def test_https_can_be_chosen_on_this_machine(make_house: MakeHouse) -> None:
    house = await make_house({"http.tls": "on"})
    assert await by_https(house, house.gateway.settings.state_dir / "tls-cert.pem") == 401


async def test_where_it_speaks_https_probes_need_not(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    house = await make_house({"http.tls": "on"})
    assert (await told(browser, plain(house, "/healthz")))[0] == 200


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"http.trusted_proxies": "0.0.0.0/0"}, "http.trusted_proxies"),
        ({"http.metrics_networks": "::/0"}, "http.metrics_networks"),
    ],
)
async def test_nobody_trusts_the_whole_internet(make_house: MakeHouse, settings: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await make_house(settings)
    assert (caught.value.code, caught.value.params["key"]) == ("config.wide_network", key)


@pytest.mark.parametrize("prefix", ["", "/gw"])
async def test_the_path_of_the_public_address_may_be_stripped_or_not(
    make_house: MakeHouse, browser: aiohttp.ClientSession, prefix: str
) -> None:
    house = await make_house({"http.public_url": "https://mail.contoso.example/gw"})
    status, problem = await told(browser, plain(house, f"{prefix}/api/v1/mailboxes"))
    assert (status, problem["code"]) == (401, "access.no_credentials")
    assert (await told(browser, plain(house, f"{prefix}/healthz")))[0] == 200
    async with browser.get(plain(house, f"{prefix}/signin/done"), headers={"Host": "evil.example"}) as answer:
        assert answer.status == 400
        assert "evil.example" not in await answer.text()


async def test_strangers_are_told_no_version(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    house = await make_house()
    for path in ("/api/v1/mailboxes", "/api/v1/nothing", "/healthz", "/readyz", "/", "/signin/done"):
        async with browser.get(plain(house, path)) as answer:
            assert not {"server", "pillarbox-version"} & {name.lower() for name in answer.headers}
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("trusted", "client", "other"),
    [("", "127.0.0.1", ""), ("127.0.0.1/32", "203.0.113.9", "203.0.113.10")],
)
async def test_made_up_addresses_change_neither_who_is_banned_nor_who_is_written_down(
    make_house: MakeHouse, trusted: str, client: str, other: str
) -> None:
    house = await make_house({"http.trusted_proxies": trusted})
    admin = await make_key(house, scopes=[Scope.ADMIN, Scope.AUDIT_READ])

    async def asks(method: str, path: str, last: str, body: Any = None, key: str = "no key") -> Answer:
        """A client that writes addresses into the field of its own, behind which the proxy writes the right one."""
        made_up.append(f"198.51.100.{len(made_up)}")
        fields = {"X-Forwarded-For": f"{made_up[-1]}, {last}", "X-Real-IP": made_up[-1], "Forwarded": "for=127.0.0.9"}
        return await ask(house, method, path, body, key=key, headers=fields)

    made_up: list[str] = []
    while (await asks("GET", "/api/v1/status", "203.0.113.9")).code != "access.banned":
        assert len(made_up) < 50
    (line,) = house.log.lines("login.banned")
    assert f"address={client} " in line
    if other:
        assert (await asks("GET", "/api/v1/status", other)).code == "access.bad_key"
    new = {"name": "x", "scopes": ["send"]}
    assert (await asks("POST", "/api/v1/api-keys", "203.0.113.9", new, admin)).status < 300
    rows = (await asks("GET", "/api/v1/audit-events", "203.0.113.9", key=admin)).json["data"]
    assert {row["peer"] for row in rows if row["door"] == "http"} == {client}


async def test_what_follows_a_request_of_two_lengths_is_nobodys(make_house: MakeHouse) -> None:
    house = await make_house()
    host, _, port = house.gateway.http_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lengths = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    hidden = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    writer.write(b"POST /api/v1/sends HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n0\r\n\r\n" + hidden)
    async with asyncio.timeout(20):
        found = await reader.read()
    assert found.startswith(b"HTTP/1.1 400 ")
    assert found.count(b"HTTP/1.1 ") == 1
    writer.close()


async def test_each_answer_bears_the_id_of_its_request_once(
    make_house: MakeHouse, browser: aiohttp.ClientSession
) -> None:
    house = await make_house()
    for path in ("/api/v1/mailboxes", "/healthz", "/metrics", "/signin/done", "/nothing"):
        async with browser.get(plain(house, path), headers={"X-Request-Id": "mine-1"}) as answer:
            assert answer.headers.getall("X-Request-Id") == ["mine-1"]


@pytest.mark.parametrize("prefix", ["", "/gw"])
async def test_addresses_in_answers_lead_back_through_the_proxy(make_house: MakeHouse, prefix: str) -> None:
    house = await make_house({"http.public_url": f"https://mail.contoso.example{prefix}"})
    key = await make_key(house, scopes=[Scope.SEND])
    answer = await ask(house, "POST", f"{prefix}/api/v1/uploads", {"name": "a.pdf", "size": 1}, key=key)
    assert answer.status == 201
    place = urljoin(f"{prefix}/api/v1/uploads", answer.headers["location"])
    assert place == f"{prefix}/api/v1/uploads/{answer.json['id']}"
    document = (await ask(house, "GET", f"{prefix}/api/v1/openapi.json", key=key)).json
    assert document.get("servers", [{"url": ""}]) == [{"url": prefix}]


# ---- health


async def test_it_lives_and_is_ready(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    house = await make_house()
    assert await told(browser, plain(house, "/healthz")) == (200, {"status": "ok", "parts": {"store": "ok"}})
    expected = {"status": "ok", "parts": {"store": "ok", "service": "ok"}}
    assert await told(browser, plain(house, "/readyz")) == (200, expected)


async def test_with_a_full_disk_it_lives_and_is_not_ready(
    make_house: MakeHouse, browser: aiohttp.ClientSession
) -> None:
    house = await make_house(max_pages=1)
    assert (await told(browser, plain(house, "/healthz")))[0] == 200
    status, found = await told(browser, plain(house, "/readyz"))
    assert (status, found["parts"]) == (503, {"store": "store.full", "service": "ok"})


async def test_what_ended_of_its_work_is_told(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    house = await make_house()
    running = house.gateway._running
    assert running is not None
    running._work[0].cancel()
    await asyncio.wait(running._work[:1])
    status, found = await told(browser, plain(house, "/readyz"))
    assert (status, found["parts"]["service"]) == (503, "http.not_ready")


async def test_a_store_that_is_gone_is_told(make_house: MakeHouse, browser: aiohttp.ClientSession) -> None:
    house = await make_house()
    gateway: Gateway = house.gateway
    await gateway.database.close()
    assert (await told(browser, plain(house, "/healthz"))) == (
        503,
        {"status": "failing", "parts": {"store": "store.stopped"}},
    )
