"""MSAL Python as the judge: what it accepts, real programs accept."""

import asyncio
from typing import Any

import msal
import requests

from pillarbox.emulator import App, Emulator
from pillarbox.emulator.seed import Seed

SCOPES = ["https://graph.microsoft.com/.default"]


async def acquire(emulator: Emulator, app: App, secret: str, authority: str) -> dict[str, Any]:
    """What MSAL gets, with a session that no environment variable can mislead."""

    def work() -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(emulator.ca_file)
            judge = msal.ConfidentialClientApplication(
                app.client_id, secret, authority=authority, instance_discovery=False, http_client=session
            )
            return dict(judge.acquire_token_for_client(SCOPES))

    return await asyncio.to_thread(work)


async def test_msal_gets_a_token(emulator: Emulator, planted: Seed) -> None:
    app = planted.gateway
    authority = f"{emulator.url}/{planted.tenant.id}"
    found = await acquire(emulator, app, planted.secrets[app.client_id], authority)
    assert found["token_type"] == "Bearer"
    assert 3500 < found["expires_in"] <= 3599


async def test_msal_accepts_the_domain_as_tenant(emulator: Emulator, planted: Seed) -> None:
    app = planted.gateway
    found = await acquire(emulator, app, planted.secrets[app.client_id], f"{emulator.url}/contoso.example")
    assert "access_token" in found


async def test_msal_reports_the_refusal(emulator: Emulator, planted: Seed) -> None:
    found = await acquire(emulator, planted.gateway, "wrong", f"{emulator.url}/{planted.tenant.id}")
    assert found["error"] == "invalid_client"
    assert found["error_codes"] == [7000215]
