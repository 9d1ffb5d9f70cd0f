"""To come in: by Microsoft, and by a password with the code of an authenticator."""

import pyotp
import pytest
from playwright.async_api import Page, expect

from tests.browser.hands import Mouse
from tests.browser.looks import looks_well
from tests.browser.pages import sends
from tests.browser.site import NOBODY, PASSWORD, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def come_by_microsoft(page: Page, site: Site, name: str) -> None:
    upn = f"{name}@contoso.example"
    await page.goto(f"{site.url}/mailboxes")
    await Mouse(page).press("Sign in with Microsoft")
    await page.fill("[name=login]", upn)
    await page.fill("[name=passwd]", site.office.seed.passwords[upn])
    await page.locator("form:has([name=passwd]) button").first.click()
    accept = page.locator("button[name=decision][value=accept]")
    await page.locator("button[name=decision], header.top").first.wait_for()
    if await accept.count():
        await accept.click()


async def test_a_person_of_the_tenant_comes_in_by_microsoft_and_goes_on_where_they_wanted(site: Site) -> None:
    async with site.visitor(NOBODY) as page:
        await come_by_microsoft(page, site, "alice")
        await expect(page).to_have_url(f"{site.url}/mailboxes")
        await expect(page.locator(".who")).to_contain_text("alice")


async def test_who_has_no_role_stays_outside_and_reads_why(site: Site) -> None:
    async with site.visitor(NOBODY) as page:
        await come_by_microsoft(page, site, "bob")
        await expect(page.locator(".notice.bad")).to_contain_text("role")
        assert "code=" not in page.url
        await page.goto(f"{site.url}/mailboxes")
        assert "/sign-in" in page.url


async def test_with_a_second_factor_a_code_comes_behind_the_password(site: Site) -> None:
    await site.api("post", "/api/v1/people", {"name": "tilda", "roles": ["operator"], "password": PASSWORD})
    async with site.visitor("tilda") as page:
        await page.goto(f"{site.url}/account/second-factor")
        await sends("/account/second-factor", password=PASSWORD)(page)
        codes = pyotp.TOTP((await page.locator("main code").first.inner_text()).replace(" ", ""))
        await page.locator("[name=code]").fill(codes.now())
        await page.locator("main form button.primary").click()
        recovery, *_ = (await page.locator("main pre").inner_text()).split()
        await looks_well(page)
    async with site.visitor(NOBODY) as page:
        await page.goto(f"{site.url}/sign-in?next=/outbox")
        await page.fill("[name=name]", "tilda")
        await page.fill("[name=password]", PASSWORD)
        await page.locator("main button.primary").click()
        await expect(page.locator("[name=password]")).to_have_count(0)
        await page.goto(f"{site.url}/outbox")
        assert "/sign-in" in page.url, "the password alone is enough"
        await page.goto(f"{site.url}/sign-in/code?next=/outbox")
        # A code counts once, and that of this half minute is used up.
        await page.fill("[name=code]", recovery)
        await page.locator("main button.primary").click()
        await expect(page).to_have_url(f"{site.url}/outbox")


async def test_a_form_that_is_sent_after_the_session_is_over_says_so_and_is_found_again(site: Site) -> None:
    await site.api("post", "/api/v1/people", {"name": "mira", "roles": ["admin"], "password": PASSWORD})
    async with site.context() as (context, _):
        page = await context.new_page()
        await site.sign_in(page, "mira")
        await page.goto(f"{site.url}/keys/:new")
        await site.api("post", "/api/v1/people/mira:sign-out")
        await sends("/keys", name="never")(page)
        await expect(page.locator(".notice.warn")).to_contain_text("what you sent was not done")
        await page.fill("[name=name]", "mira")
        await page.fill("[name=password]", PASSWORD)
        await page.click("main button.primary")
        await expect(page).to_have_url(f"{site.url}/keys/:new")


async def test_a_key_that_was_made_is_no_second_time_made_or_shown(site: Site) -> None:
    async with site.visitor() as page:
        await page.goto(f"{site.url}/keys/:new")
        await sends("/keys", name="once", scopes="send")(page)
        await expect(page.locator("main .notice.ok")).to_contain_text("never again")
        await page.reload()
        await expect(page).to_have_url(f"{site.url}/keys/once")
        await expect(page.locator("main .notice")).to_have_count(0)
