"""MSAL by its own names and ports: authority login.microsoftonline.com, whose name leads to the emulator."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msal
import pytest
import requests
from requests.adapters import HTTPAdapter

from pillarbox.emulator import Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.seed import Seed
from tests.openapi.recorder import Recorder

ADDRESS = "127.0.0.78"
"""An address of this machine alone, on which nobody else listens."""
LOGIN = "login.microsoftonline.com"
GRAPH = "https://graph.microsoft.com/.default"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to listen on ports 443, 587 and 993")


class Hosts(HTTPAdapter):
    """What a line in /etc/hosts does, for this session alone."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, server_hostname=LOGIN, assert_hostname=LOGIN, **more)

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        assert request.url
        request.headers["Host"] = LOGIN
        request.url = request.url.replace(LOGIN, ADDRESS, 1)
        return super().send(request, *args, **more)


@pytest.fixture
async def emulator(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Emulator]:
    running = Emulator(tmp_path, certificates=certificates, signing_key=signing_key, witness=recorder)
    await running.start(names=ADDRESS)
    yield running
    await running.stop()


@pytest.fixture
def planted(emulator: Emulator) -> Seed:
    return seed(emulator.world)


@pytest.fixture
def session(emulator: Emulator) -> requests.Session:
    opened = requests.Session()
    opened.trust_env, opened.verify = False, str(emulator.ca_file)
    opened.mount(f"https://{LOGIN}", Hosts())
    return opened


async def test_client_credentials(session: requests.Session, planted: Seed) -> None:
    def ask() -> Any:
        app = planted.gateway
        client = msal.ConfidentialClientApplication(
            app.client_id,
            client_credential=planted.secrets[app.client_id],
            authority=f"https://{LOGIN}/{planted.tenant.id}",
            http_client=session,
        )
        return client.acquire_token_for_client([GRAPH])

    assert "access_token" in await asyncio.to_thread(ask)


@pytest.mark.filterwarnings("ignore:This API has been deprecated:DeprecationWarning")  # what ends is the grant, not us
async def test_password_and_silent_refresh_for_another_resource(session: requests.Session, planted: Seed) -> None:
    """With its own name the password grant has no port to forget."""

    def ask() -> tuple[Any, Any]:
        alice = planted.user("alice")
        client = msal.PublicClientApplication(
            planted.desktop.client_id, authority=f"https://{LOGIN}/{planted.tenant.id}", http_client=session
        )
        first = client.acquire_token_by_username_password(
            alice.upn, planted.passwords[alice.upn], ["https://graph.microsoft.com/Mail.Send"]
        )
        (account,) = client.get_accounts()
        second = client.acquire_token_silent(["https://outlook.office.com/SMTP.Send"], account)
        return first, second

    first, second = await asyncio.to_thread(ask)
    assert "Mail.Send" in first["scope"]
    assert "SMTP.Send" in second["scope"]


async def test_a_wrong_secret_is_told_as_microsoft_tells_it(session: requests.Session, planted: Seed) -> None:
    """After an error MSAL asks for instance discovery, which for this name it does at the same host."""

    def ask() -> Any:
        client = msal.ConfidentialClientApplication(
            planted.gateway.client_id,
            client_credential="wrong",
            authority=f"https://{LOGIN}/{planted.tenant.id}",
            http_client=session,
        )
        return client.acquire_token_for_client([GRAPH])

    assert (await asyncio.to_thread(ask))["error_codes"] == [7000215]
