"""What tests of credentials share: MSAL's way to the emulator, keys, and Azure's variables."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from pillarbox.core.accounts import AppRegistration
from pillarbox.core.clouds import Cloud
from pillarbox.core.tls import Outbound
from pillarbox.entra import certificates
from pillarbox.entra.authority import Authority
from pillarbox.entra.certificates import KeyPair
from pillarbox.entra.sources import Sources
from tests.conftest import Microsoft
from tests.journeys.test_proxy import Proxy
from tests.unit.emulator.entra.app_key import AppKey


@pytest.fixture
def outbound(microsoft: Microsoft) -> Outbound:
    return Outbound(microsoft.emulator.ca_file)


@pytest.fixture
def authority(microsoft: Microsoft, outbound: Outbound) -> Iterator[Authority]:
    url = microsoft.emulator.url
    made = Authority(Cloud(url, url, "", 0, "", 0, exchange_url="https://outlook.office365.com"), outbound)
    yield made
    made.close()


@pytest.fixture
def sources(authority: Authority, outbound: Outbound) -> Sources:
    return Sources(os.environ, outbound, authority)


@pytest.fixture
def gateway_app(microsoft: Microsoft) -> AppRegistration:
    """The seed's app that may send, as we know it."""
    return AppRegistration(1, "contoso", microsoft.seed.tenant.id, microsoft.seed.gateway.client_id)


@pytest.fixture(scope="session")
def app_key() -> AppKey:
    return AppKey()


@pytest.fixture(scope="session")
def pair() -> KeyPair:
    """A certificate that was made here, once for all."""
    return certificates.make("pillarbox contoso", 1_795_176_000.0)


@pytest.fixture
async def proxy(microsoft: Microsoft) -> AsyncIterator[Proxy]:
    """A proxy that leads every name to the emulator: so a key vault has its own host."""
    made = Proxy(("127.0.0.1", int(microsoft.emulator.url.rpartition(":")[2])))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    for tunnel in made.tunnels:
        tunnel.cancel()
    await asyncio.gather(*made.tunnels, return_exceptions=True)
