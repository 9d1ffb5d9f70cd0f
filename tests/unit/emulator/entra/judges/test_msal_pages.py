"""MSAL Python as the judge of the pages: it sends a person there, and takes what comes back."""

import asyncio
from typing import Any

import pytest

from pillarbox.emulator.seed import CALLBACK, Seed
from tests.unit.emulator.entra.conftest import Browser, forget_consents
from tests.unit.emulator.entra.judges.test_msal import Judge, confidential, public, session, work
from tests.unit.emulator.visitor import Page

__all__ = ["confidential", "public", "session"]  # Fixtures.
MODE = "form_post"  # MSAL warns of any other.


@pytest.fixture
async def web(confidential: Judge, planted: Seed) -> Any:
    """A confidential client of the web app."""
    return await confidential(planted.web, planted.secrets[planted.web.client_id])


async def test_web_app_signs_a_person_in(web: Any, browser: Browser, planted: Seed) -> None:
    forget_consents(planted)
    flow = await work(
        web.initiate_auth_code_flow, ["Mail.Send"], redirect_uri=CALLBACK, response_mode=MODE, prompt="consent"
    )
    page = await browser.go_on(await browser.visitor.open(flow["auth_uri"]))
    found = await work(web.acquire_token_by_auth_code_flow, flow, page.sent)
    assert found["id_token_claims"]["oid"] == planted.user("alice").id
    (account,) = web.get_accounts()
    assert account["home_account_id"] == f"{planted.user('alice').id}.{planted.tenant.id}"


async def test_refusal_reaches_the_app(web: Any, browser: Browser) -> None:
    flow = await work(
        web.initiate_auth_code_flow, ["Mail.Send"], redirect_uri=CALLBACK, response_mode=MODE, prompt="consent"
    )
    page = await browser.go_on(await browser.visitor.open(flow["auth_uri"]), accept=False)
    found = await work(web.acquire_token_by_auth_code_flow, flow, page.sent)
    assert found["error"] == "access_denied"
    assert "AADSTS65004" in found["error_description"]


async def test_desktop_app_listens_on_a_port_of_its_own(public: Any, browser: Browser, planted: Seed) -> None:
    loop = asyncio.get_running_loop()

    async def visit(address: str) -> Page:
        page = await browser.go_on(await browser.visitor.open(address))
        if page.location:
            return await browser.visitor.open(page.location)
        return await browser.visitor.post(page.app_address, page.sent)

    def begin(address: str) -> None:
        asyncio.run_coroutine_threadsafe(visit(address), loop)

    found = await work(public.acquire_token_interactive, ["Mail.Send"], auth_uri_callback=begin, timeout=30)
    assert found["id_token_claims"]["oid"] == planted.user("alice").id


async def test_device_is_allowed_on_the_page_that_msal_names(public: Any, browser: Browser, planted: Seed) -> None:
    flow = await work(public.initiate_device_flow, ["Mail.Send"])
    page = await browser.visitor.open(flow["verification_uri"])
    page = await browser.go_on(await browser.visitor.submit(page, otc=flow["user_code"]))
    assert "You may now close this window" in page.text
    found = await work(public.acquire_token_by_device_flow, flow)
    assert found["id_token_claims"]["oid"] == planted.user("alice").id
