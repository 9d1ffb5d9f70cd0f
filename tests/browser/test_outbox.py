"""The outbox tells what happens while somebody looks, and takes many decisions at once."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.browser.furnish import letter
from tests.browser.hands import Keyboard, Mouse, stays
from tests.browser.site import PASSWORD, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
_TURNS = """
(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""
"""As if somebody turned to another tab, or back."""


async def test_a_mail_appears_by_itself_and_then_that_it_was_sent(site: Site) -> None:
    async with site.visitor() as page:
        await page.goto(f"{site.url}/outbox")
        async with stays(page):
            queue_id = await site.send(letter(), "live@fabrikam.example")
            row = page.locator(f"tr:has(a[href$='/outbox/{queue_id}'])")
            await expect(row.locator(".badge")).to_have_text("sent")


async def test_a_page_whose_session_is_over_goes_to_the_sign_in_that_leads_back(site: Site) -> None:
    await site.api("post", "/api/v1/people", {"name": "leo", "roles": ["operator"], "password": PASSWORD})
    async with site.context() as (context, watch):
        page = await context.new_page()
        await site.sign_in(page, "leo")
        await page.goto(f"{site.url}/outbox?state=held")
        await site.api("delete", "/api/v1/people/leo")
        await _held(site)
        await expect(page).to_have_url(f"{site.url}/sign-in?next=%2Foutbox%3Fstate%3Dheld")
        watch.wrong.clear()  # Chromium tells of the stream that was refused.


async def test_a_page_says_that_the_service_does_not_answer_and_goes_on_when_it_does(site: Site) -> None:
    is_down = True

    async def answer(route: Route) -> None:
        by_script = route.request.resource_type in ("eventsource", "fetch")
        await (route.abort() if is_down and by_script else route.continue_())

    async with site.context() as (context, watch):
        page = await context.new_page()
        await site.sign_in(page)
        await page.route("**/*", answer)
        await page.goto(f"{site.url}/outbox")
        async with stays(page):
            await expect(page.get_by_role("alert")).to_contain_text("does not answer")
            is_down = False
            queue_id = await site.send(letter(), "again@fabrikam.example")
            # A browser waits some seconds before it comes again.
            await expect(page.locator(f"tr:has(a[href$='/outbox/{queue_id}'])")).to_be_visible(timeout=20_000)
            await expect(page.get_by_role("alert")).to_have_count(0)
        watch.wrong.clear()  # Chromium tells of what got no answer.


async def test_a_page_whose_stream_was_refused_once_listens_again(site: Site) -> None:
    asked = 0
    again = asyncio.Event()

    async def refuse_once(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await route.fulfill(status=404)
        else:
            again.set()
            await route.continue_()

    async with site.visitor() as page:
        await page.route("**/live?*", refuse_once)
        await page.goto(f"{site.url}/outbox")
        async with stays(page):
            await asyncio.wait_for(again.wait(), 20)
            queue_id = await site.send(letter(), "heard@fabrikam.example")
            await expect(page.locator(f"tr:has(a[href$='/outbox/{queue_id}'])")).to_be_visible()


async def test_what_somebody_types_stays_while_the_page_tells_news(site: Site) -> None:
    queue_id = await _held(site)
    async with site.visitor() as page:
        await page.goto(f"{site.url}/outbox/{queue_id}")
        await page.locator("#state details.really summary").click()
        why = page.get_by_label("Why", exact=True)
        await why.fill("Nobody ordered it.")
        await page.locator("h1").click()
        async with stays(page):
            await site.api("post", f"/api/v1/sends/{queue_id}:approve")
            await expect(page.locator("#trace")).to_contain_text("Microsoft accepted it")
        await expect(why).to_have_value("Nobody ordered it.")


async def test_what_was_chosen_stays_chosen_while_mail_comes(site: Site) -> None:
    queue_id = await _held(site)
    async with site.visitor() as page:
        await page.goto(f"{site.url}/outbox")
        chosen = page.locator(f"input[value='{queue_id}']")
        await chosen.check()
        await page.locator("h1").click()
        async with stays(page):
            # What the first answer brought is shown by the time of the second one.
            for _ in range(2):
                async with page.expect_response(lambda answer: answer.request.resource_type == "fetch"):
                    await site.send(letter(), "chosen@fabrikam.example")
        await expect(chosen).to_be_checked()


async def test_a_page_that_nobody_looks_at_has_no_stream(site: Site) -> None:
    async with site.visitor() as page:
        async with page.expect_response("**/live?*"):
            await page.goto(f"{site.url}/outbox")
        async with page.expect_event("requestfailed", lambda request: "/live?" in request.url):
            await page.evaluate(_TURNS, True)
        async with page.expect_response("**/live?*"):
            await page.evaluate(_TURNS, False)


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
