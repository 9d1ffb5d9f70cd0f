"""What console.js adds to pages that work without it; what it tells of news is in test_outbox.py."""

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.hands import Mouse, stays
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def answered_by_nothing(page: Page, address: str) -> list[str]:
    """Requests to an address from here on: the page stays, as where a file is the answer."""
    asked = list[str]()

    async def stay(route: Route) -> None:
        asked.append(route.request.url)
        await route.fulfill(status=204)

    await page.route(address, stay)
    return asked


async def test_what_can_be_copied_is_copied_and_its_button_keeps_its_name(site: Site) -> None:
    async with site.visitor(permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.clock.install()
        await page.goto(f"{site.url}/start/users")
        copied = page.locator(".card .copy").first
        for _ in range(2):
            await copied.locator("button").click()
        await expect(copied.locator("button")).to_have_text("\u2713")
        assert await page.evaluate("navigator.clipboard.readText()") == f"{site.url}/signin/callback"
        await page.clock.run_for(2000)
        await expect(copied.locator("button")).to_have_text("Copy", timeout=1)


async def test_the_language_is_changed_by_its_button_and_not_by_looking_at_the_choices(site: Site) -> None:
    async with site.visitor() as page:
        await page.goto(f"{site.url}/about")
        choices = page.get_by_label("Language")
        async with stays(page):
            await choices.focus()
            for _ in range(3):
                await page.keyboard.press("ArrowDown")
            await expect(choices).to_be_focused()
            await expect(choices).to_have_value("uk")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("html")).to_have_attribute("lang", "uk")


async def test_a_form_that_does_something_is_sent_once(site: Site) -> None:
    async with site.visitor() as page:
        await page.goto(f"{site.url}/about")
        asked = await answered_by_nothing(page, "**/language")
        for _ in range(2):
            await page.get_by_role("button", name="Change").click()
        await expect(page.get_by_role("button", name="Change")).to_have_attribute("aria-busy", "true")
        assert len(asked) == 1


async def test_a_form_that_asks_is_sent_again_where_a_file_was_the_answer(site: Site) -> None:
    async with site.visitor() as page:
        await page.goto(f"{site.url}/outbox")
        asked = await answered_by_nothing(page, "**/outbox?*")
        for state in ("held", "failed"):
            await page.get_by_label("State", exact=True).select_option(state)
            async with page.expect_request("**/outbox?*"):
                await Mouse(page).press("Show")
        assert ["state=held" in asked[0], "state=failed" in asked[1]] == [True, True]


async def test_all_messages_of_a_page_are_chosen_at_once(site: Site) -> None:
    async with site.visitor() as page:
        await page.goto(f"{site.url}/outbox")
        boxes = page.locator("input[name=id]")
        await page.get_by_label("All of this page").check()
        assert await boxes.count() == await page.locator("input[name=id]:checked").count() > 1


async def test_times_are_those_of_the_readers_clock(site: Site) -> None:
    async with site.visitor(timezone_id="Asia/Taipei") as page:
        await page.goto(f"{site.url}/outbox")
        time = page.locator("table time").first
        told = await time.evaluate("(one) => new Date(one.dateTime * 1000).getHours() % 12 || 12")
        await expect(time).to_contain_text(f" {told}:")
        assert (await time.get_attribute("title") or "").endswith("UTC")
        await page.get_by_text("More filters").click()
        await Mouse(page).fill("Accepted after", "2026-11-20T08:00")
        await Mouse(page).press("Show")
        await page.wait_for_url("**/outbox?*offset=-480*")


async def test_files_that_are_too_large_are_told_before_they_are_sent(site: Site) -> None:
    async with site.visitor() as page:
        await page.goto(f"{site.url}/compose")
        files = page.locator("input[type=file]")
        await files.evaluate("(one) => { one.dataset.most = 3 }")
        for content, told in ((b"four", await files.get_attribute("data-says")), (b"two", "")):
            await files.set_input_files({"name": "scan.pdf", "mimeType": "application/pdf", "buffer": content})
            assert await files.evaluate("(one) => one.validationMessage") == told


async def test_the_menu_of_a_telephone_keeps_the_focus_until_it_is_closed(site: Site) -> None:
    async with site.visitor(viewport={"width": 360, "height": 700}) as page:
        await page.goto(f"{site.url}/outbox")
        await page.get_by_role("link", name="Menu", exact=True).press("Enter")
        for _ in range(await page.locator(".menu a").count() + 3):
            await page.keyboard.press("Tab")
            assert await page.locator("body > :not(.menu) :focus, body > a:focus").count() == 0
        await page.get_by_role("link", name="Close").press("Enter")
        await page.keyboard.press("Tab")
        await expect(page.locator("main :focus")).to_be_visible()
