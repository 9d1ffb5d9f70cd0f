"""Names mode: programs with Microsoft's hosts built in, whose names lead to the emulator."""

import asyncio
import os
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from pillarbox.emulator import Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.announce import ready_facts
from pillarbox.emulator.seed import Seed
from tests.openapi.recorder import Recorder

ADDRESS = "127.0.0.77"
"""An address of this machine alone, on which nobody else listens."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to listen on ports 443, 587 and 993")


class Hosts(AbstractResolver):
    """What a line in /etc/hosts does, for this client alone."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=ADDRESS, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def emulator(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Emulator]:
    running = Emulator(tmp_path, certificates=certificates, signing_key=signing_key, exchange=True, witness=recorder)
    await running.start(names=ADDRESS)
    yield running
    await running.stop()


@pytest.fixture
def planted(emulator: Emulator) -> Seed:
    return seed(emulator.world)


@pytest.fixture
async def session(emulator: Emulator) -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=str(emulator.ca_file))
    connector = aiohttp.TCPConnector(ssl=context, resolver=Hosts())
    async with aiohttp.ClientSession(connector=connector) as opened:
        yield opened


async def ask_token(session: aiohttp.ClientSession, planted: Seed, host: str) -> aiohttp.ClientResponse:
    form = {
        "grant_type": "client_credentials",
        "scope": "https://graph.microsoft.com/.default",
        "client_id": planted.gateway.client_id,
        "client_secret": planted.secrets[planted.gateway.client_id],
    }
    return await session.post(f"https://{host}/{planted.tenant.id}/oauth2/v2.0/token", data=form)


async def test_a_program_that_knows_only_microsofts_hosts_sends(
    session: aiohttp.ClientSession, emulator: Emulator, planted: Seed
) -> None:
    async with await ask_token(session, planted, "login.microsoftonline.com") as answer:
        token = (await answer.json())["access_token"]
    message = {"toRecipients": [{"emailAddress": {"address": "bob@contoso.example"}}]}
    url = "https://graph.microsoft.com/v1.0/users/alice@contoso.example/sendMail"
    headers = {"Authorization": f"Bearer {token}"}
    async with session.post(url, json={"message": message}, headers=headers) as answer:
        assert answer.status == 202
    assert len(emulator.ledger) == 1


async def test_addresses_in_answers_are_microsofts(session: aiohttp.ClientSession, planted: Seed) -> None:
    path = f"/{planted.tenant.id}/v2.0/.well-known/openid-configuration"
    async with session.get(f"https://login.microsoftonline.com{path}") as answer:
        facts: dict[str, Any] = await answer.json()
    assert facts["issuer"] == f"https://login.microsoftonline.com/{planted.tenant.id}/v2.0"
    assert facts["token_endpoint"].startswith("https://login.microsoftonline.com/")


async def test_the_graph_host_gives_no_tokens(session: aiohttp.ClientSession, planted: Seed) -> None:
    async with await ask_token(session, planted, "graph.microsoft.com") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (401, "InvalidAuthenticationToken")


async def test_the_login_host_is_no_graph(session: aiohttp.ClientSession) -> None:
    async with session.get("https://login.microsoftonline.com/v1.0/me") as answer:
        assert answer.status == 404


async def test_smtp_and_imap_are_on_their_own_ports(emulator: Emulator) -> None:
    context = ssl.create_default_context(cafile=str(emulator.ca_file))

    def greet() -> tuple[int, bytes]:
        with socket.create_connection((ADDRESS, 993)) as raw:
            tls = context.wrap_socket(raw, server_hostname="outlook.office365.com")
            greeting = tls.recv(100)
            tls.close()
        with smtplib.SMTP(ADDRESS, 587, timeout=10) as client:
            client._host = "smtp.office365.com"  # type: ignore[attr-defined] # the name that the certificate must have
            code, _ = client.starttls(context=context)
        return code, greeting

    code, greeting = await asyncio.to_thread(greet)
    assert (code, greeting[:4]) == (220, b"* OK")


async def test_the_lines_for_etc_hosts_are_told(emulator: Emulator, planted: Seed) -> None:
    assert f"{ADDRESS} graph.microsoft.com" in ready_facts(emulator.announcement)["hosts"]
