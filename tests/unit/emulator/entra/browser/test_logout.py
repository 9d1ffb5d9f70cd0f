"""The end of a session."""

import pytest

from pillarbox.emulator.seed import CALLBACK
from tests.unit.emulator.entra.conftest import Browser
from tests.unit.emulator.visitor import Page


async def leave(browser: Browser, query: str = "", path: str = "/common/oauth2/v2.0/logout") -> Page:
    return await browser.visitor.open(f"{browser.client.emulator.url}{path}{query}")


@pytest.mark.parametrize("path", ["/common/oauth2/v2.0/logout", "/contoso.example/oauth2/logout"])
async def test_nobody_is_signed_in_afterwards(browser: Browser, path: str) -> None:
    await browser.sign_in()
    cookies = [(each.key, each.value) for each in browser.visitor.session.cookie_jar]
    page = await leave(browser, path=path)
    assert page.title == "You signed out of your account"
    assert "Max-Age=0" in page.headers["Set-Cookie"]
    # The old cookie is worth nothing, even for who kept it.
    browser.visitor.session.cookie_jar.update_cookies(cookies)
    assert (await browser.open(prompt="none")).sent["error"] == "login_required"


async def test_sign_in_under_way_ends_too(browser: Browser) -> None:
    page = await browser.open()
    await leave(browser)
    page = await browser.visitor.submit(page, login="alice@contoso.example", passwd=browser.password("alice"))
    assert page.status == 400


async def test_person_is_sent_to_a_registered_address(browser: Browser) -> None:
    page = await leave(browser, f"?post_logout_redirect_uri={CALLBACK}&state=a%20b")
    assert page.status == 302
    assert page.location == f"{CALLBACK}?state=a+b"


@pytest.mark.parametrize("address", ["https://evil.example/", "javascript:alert(1)", f"{CALLBACK}/x"])
async def test_person_is_sent_nowhere_else(browser: Browser, address: str) -> None:
    page = await leave(browser, f"?post_logout_redirect_uri={address}")
    assert page.status == 200
    assert not page.location
