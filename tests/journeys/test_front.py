"""The HTTP listener as a whole: HTTPS and plain HTTP, proxies, the path of the public address, and health."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pillarbox.core.errors import ConfigError
from pillarbox.core.tls import self_made_certificate
from pillarbox.gateway import Gateway
from tests.conftest import House, MakeHouse

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
