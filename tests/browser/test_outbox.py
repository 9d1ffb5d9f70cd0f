"""The outbox tells what happens while somebody looks, and takes many decisions at once."""

import pytest
from playwright.async_api import expect

from tests.browser.furnish import letter
from tests.browser.hands import Keyboard, Mouse, stays
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_mail_appears_by_itself_and_then_that_it_was_sent(site: Site) -> None:
    async with site.visitor() as page:
        await page.goto(f"{site.url}/outbox")
        async with stays(page):
            queue_id = await site.send(letter(), "live@fabrikam.example")
            row = page.locator(f"tr:has(a[href$='/outbox/{queue_id}'])")
            # What happened before the page listened is told by the next tick (pages/live.py), after 15 seconds.
            await expect(row.locator(".badge")).to_have_text("sent", timeout=20_000)


async def test_without_scripts_all_but_the_live_view_works(site: Site) -> None:
    queue_id = await _held(site)
    async with site.visitor(java_script_enabled=False) as page:
        await page.goto(f"{site.url}/outbox?state=held")
        await page.check(f"input[value='{queue_id}']")
        await page.locator("button[name=act][value=approve]").click()
        await expect(page.locator("main")).to_contain_text("1")
    await site.settled(queue_id, "sent")


@pytest.mark.parametrize("by", [Mouse, Keyboard])
async def test_what_cannot_be_taken_back_asks_once_more(site: Site, by: type[Mouse]) -> None:
    queue_id = await _held(site)
    async with site.visitor() as page:
        await page.goto(f"{site.url}/outbox/{queue_id}")
        really = page.locator("#state details.really")
        await expect(really.locator("form")).to_be_hidden()
        summary = really.locator("summary")
        if by is Keyboard:
            await summary.focus()
            await page.keyboard.press("Enter")
        else:
            await summary.click()
        await by(page).fill("Why", "Nobody ordered it.")
        await by(page).press("Reject")
        await expect(page.locator("#state .badge").first).to_have_text("canceled")


async def test_enter_in_a_reason_presses_none_of_the_buttons_for_many(site: Site) -> None:
    queue_id = await _held(site)
    async with site.visitor() as page:
        await page.goto(f"{site.url}/outbox?state=held")
        await page.check(f"input[value='{queue_id}']")
        await page.locator(".bulk summary", has_text="Reject").click()
        why = page.locator(".bulk").get_by_label("Why")
        await why.fill("Nobody ordered it.")
        await why.press("Enter")
        await page.locator(".bulk button[value=reject]").click()
        await expect(page.locator("main .notice").first).to_have_text("Rejected. Messages: 1.")


async def _held(site: Site) -> str:
    wish = {"from": "scanner@contoso.example", "to": ["alice@contoso.example"], "subject": "x", "text": "x"}
    made = await site.api("post", "/api/v1/sends", {**wish, "hold": True})
    return str(made["id"])
