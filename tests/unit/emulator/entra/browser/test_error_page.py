"""The page behind `error_uri`."""

import pytest

from pillarbox.emulator import Emulator
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.entra.conftest import Browser


async def test_refusal_leads_to_a_page_that_explains_it(client: Client, browser: Browser, emulator: Emulator) -> None:
    refused = (await client.ask_token(client_secret="wrong")).json
    page = await browser.visitor.open(refused["error_uri"])
    assert (page.status, page.title) == (200, "AADSTS7000215")
    assert "Paste the Value column of the secret" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not emulator.not_emulated


async def test_code_may_be_written_in_full(browser: Browser, emulator: Emulator) -> None:
    page = await browser.visitor.open(f"{emulator.url}/error?code=AADSTS50011")
    assert (page.status, page.title) == (200, "AADSTS50011")


@pytest.mark.parametrize(
    "query",
    ["", "?code=", "?code=1", "?code=x", "?code=-50011", "?code=%D9%A5%D9%A0%D9%A0%D9%A1%D9%A1", "?code=" + "9" * 5000],
)
async def test_unknown_code_is_not_found_and_no_gap(browser: Browser, emulator: Emulator, query: str) -> None:
    page = await browser.visitor.open(f"{emulator.url}/error{query}")
    assert (page.status, page.title) == (404, "Error code not found")
    assert not emulator.not_emulated
