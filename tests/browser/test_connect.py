"""A person connects their mailbox: our page, Microsoft's as the emulator plays them, and the result."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.looks import looks_well
from tests.browser.site import LOCALES, NOBODY, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def link_for(site: Site, name: str) -> str:
    """A new person at Microsoft, and a link for them."""
    person = site.office.person(name)
    wish = {"app": "people", "address": person.upn, "permissions": ["send", "mail"]}
    made = await site.api("post", "/api/v1/connect-links", wish)
    return str(made["url"])


async def sign_in_at_microsoft(page: Page, site: Site, upn: str) -> None:
    await page.locator("form button.primary").click()
    await page.wait_for_url(f"{site.office.emulator.url}/**")
    await page.fill("[name=login]", upn)
    await page.fill("[name=passwd]", site.office.seed.passwords[upn])
    await page.locator("form:has([name=passwd]) button").first.click()


@pytest.mark.parametrize("language", LOCALES)
async def test_a_person_connects_their_mailbox_in_their_language(site: Site, language: str) -> None:
    name = f"connects-{language.lower()}"
    upn = f"{name}@contoso.example"
    async with site.visitor(NOBODY, language) as page:
        await page.goto(await link_for(site, name))
        assert await page.get_attribute("html", "lang") == language
        await expect(page.locator("h1")).to_contain_text(upn)
        await sign_in_at_microsoft(page, site, upn)
        await page.locator("button[name=decision][value=accept]").click()
        await expect(page.locator(".notice.ok")).to_contain_text(upn)
        assert await page.get_attribute("html", "lang") == language
        assert "code=" not in page.url
        # How it went is no page of tests/browser/pages.py: nobody comes to it but by a sign-in.
        await looks_well(page)
    mailbox = await site.api("get", f"/api/v1/mailboxes/{upn}")
    assert (mailbox["state"], mailbox["signed_in"]) == ("ok", upn)


async def test_somebody_else_than_expected_is_told_so(site: Site) -> None:
    other = site.office.person("somebody-else").upn
    async with site.visitor(NOBODY) as page:
        await page.goto(await link_for(site, "expected"))
        await sign_in_at_microsoft(page, site, other)
        await page.locator("button[name=decision][value=accept]").click()
        told = page.locator(".notice.bad")
        await expect(told).to_contain_text(other)
        await expect(told).to_contain_text("expected@contoso.example")
        await looks_well(page)


async def test_who_does_not_agree_reads_who_can_help(site: Site) -> None:
    async with site.visitor(NOBODY) as page:
        await page.goto(await link_for(site, "declines"))
        await sign_in_at_microsoft(page, site, "declines@contoso.example")
        await page.locator("button[name=decision][value=cancel]").click()
        await expect(page.locator(".notice.bad")).to_be_visible()
        await expect(page.get_by_role("heading", name="Who can help")).to_be_visible()
        await expect(page.get_by_role("heading", name="Send this link to your administrator")).to_be_visible()
        await looks_well(page)
