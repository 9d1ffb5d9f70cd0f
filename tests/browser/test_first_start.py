"""From the link that `serve` writes to the first mail of a device: by the mouse, and by the keyboard alone."""

import pytest
from playwright.async_api import Page, expect

from pillarbox.emulator.fault import Fault
from tests.browser.conftest import OpenSite
from tests.browser.furnish import letter
from tests.browser.hands import Keyboard, Mouse, stays
from tests.browser.site import NOBODY, PASSWORD, Site

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]
SCANNER = "scanner@contoso.example"


async def become_the_administrator(site: Site, hands: Mouse) -> None:
    link = (site.folder / "state" / "first-admin").read_text().strip()
    await hands.page.goto(link)
    await hands.fill("Name", "anna")
    await hands.fill("Password", PASSWORD)
    await hands.fill("The same password again", PASSWORD)
    await hands.press("Become the administrator")
    await hands.is_at("What do you want to do?")


async def type_in_the_app(site: Site, hands: Mouse, secret: str) -> None:
    seed = site.office.seed
    await hands.fill("Name, for you", "contoso")
    await hands.fill("Application (client) ID", seed.gateway.client_id)
    await hands.fill("Directory (tenant) ID", seed.tenant.id)
    await hands.fill("Client secret", secret)
    await hands.press("Keep and go on")


async def password_shown(page: Page) -> str:
    return await page.locator("dt:text-is('Password') + dd code").first.inner_text()


@pytest.mark.parametrize("by", [Mouse, Keyboard])
async def test_from_the_link_of_the_service_to_the_first_mail_of_a_device(new_site: OpenSite, by: type[Mouse]) -> None:
    site = await new_site()
    secret = site.office.seed.secrets[site.office.seed.gateway.client_id]
    async with site.visitor(NOBODY) as page:
        hands = by(page)
        await become_the_administrator(site, hands)
        await hands.press("Connect devices")
        await hands.is_at("Register Pillarbox at Microsoft")
        # The id of the secret in the place of its value: told at the field, and nothing that was typed is lost.
        await type_in_the_app(site, hands, "5b0e9a2c-1111-4222-8333-444455556666")
        await expect(page.locator("#w-secret")).to_be_visible()
        await expect(page.get_by_label("Name, for you")).to_have_value("contoso")
        await expect(page.get_by_label("Client secret", exact=True)).to_have_value("")
        # A secret that is none: the test tells it, with what helps.
        await hands.fill("Client secret", "wrong-" * 7)
        await hands.press("Keep and go on")
        await hands.is_at("Which mailbox do they send from?")
        await hands.fill("Address", SCANNER)
        await hands.press("Go on to the test")
        await hands.is_at(f"Test {SCANNER}")
        await hands.press("Test")
        failed = page.locator(".trials > li.bad").first
        await expect(failed).to_contain_text("Sign-in at Microsoft")
        await expect(failed.locator(".notice.bad")).to_contain_text("secret")
        await hands.press("Change the values of the app registration")
        await hands.fill("Client secret", secret)
        await hands.press("Keep and go on")
        await hands.is_at("Which mailbox do they send from?")
        await hands.press(SCANNER)
        await hands.fill("Send a real mail to", "alice@contoso.example")
        await hands.press("Test")
        await hands.press("Next: the device")
        await hands.is_at("Which device or program sends?")
        await hands.fill("Name", "printer")
        await hands.press("Make its password")
        await hands.is_at("Type this into printer")
        site.names["password of printer"] = await password_shown(page)
        await hands.press("I have typed it in (hides the password)")
        await expect(page.locator("#waiting")).to_contain_text("Waiting for the first mail from printer")
        await expect(page.locator("main")).not_to_contain_text(site.names["password of printer"])
        await expect(page.get_by_role("link", name="Look again")).to_be_hidden()
        async with stays(page):
            await site.send(letter("The first scan"), "alice@contoso.example")
            await expect(page.locator("#first-mail .notice.ok")).to_be_visible()
        await hands.press("See what became of it")
        await expect(page.locator("#state .badge.ok")).to_have_text("sent")


async def test_the_page_that_shows_a_password_turns_green_by_itself_and_shows_it_still(site: Site) -> None:
    async with site.visitor() as page:
        await page.goto(f"{site.url}/start/mailbox/scanner%40contoso.example/device")
        await Mouse(page).fill("Name", "plotter")
        await Mouse(page).press("Make its password")
        password = site.names["password of plotter"] = await password_shown(page)
        await expect(page.locator("#waiting")).to_contain_text("Waiting for the first mail from plotter")
        async with stays(page):
            await site.send(letter(), "alice@contoso.example", user="plotter")
            await expect(page.locator("#first-mail .notice.ok")).to_contain_text("The first mail from plotter is here.")
        assert await password_shown(page) == password


async def test_without_scripts_the_way_is_the_same_but_for_looking_again(new_site: OpenSite) -> None:
    site = await new_site()
    async with site.visitor(NOBODY, java_script_enabled=False) as page:
        hands = Mouse(page)
        await become_the_administrator(site, hands)
        await hands.press("Connect devices")
        await type_in_the_app(site, hands, site.office.seed.secrets[site.office.seed.gateway.client_id])
        await hands.fill("Address", SCANNER)
        await hands.press("Go on to the test")
        await hands.press("Test")
        await hands.press("Next: the device")
        await hands.fill("Name", "printer")
        await hands.press("Make its password")
        site.names["password of printer"] = await password_shown(page)
        await hands.press("I have typed it in (hides the password)")
        await expect(page.get_by_text("This turns green by itself when it comes.")).to_be_hidden()
        await site.send(letter(), "alice@contoso.example")
        await hands.press("Look again")
        await expect(page.locator("#first-mail .notice.ok")).to_be_visible()


async def test_the_wizard_can_be_left_and_taken_up_again(new_site: OpenSite) -> None:
    site = await new_site()
    async with site.visitor(NOBODY) as page:
        hands = Mouse(page)
        await become_the_administrator(site, hands)
        await hands.press("Connect devices")
        await type_in_the_app(site, hands, site.office.seed.secrets[site.office.seed.gateway.client_id])
        await hands.is_at("Which mailbox do they send from?")
        await page.goto(f"{site.url}/")
        await hands.is_at("What do you want to do?")
        await hands.press("Name a mailbox for the app registration contoso")
        await hands.is_at("Which mailbox do they send from?")


@pytest.mark.parametrize(
    ("fault", "step", "cure"),
    [
        (Fault(path="/token", status=401, code="AADSTS7000222"), "Sign-in at Microsoft", "make a new one"),
        (Fault(path="/token", status=400, code="AADSTS700016"), "Sign-in at Microsoft", "client"),
        (Fault(path="/token", cut=True), "Sign-in at Microsoft", "firewall"),
    ],
    ids=["secret ended", "app unknown", "no network"],
)
async def test_a_failed_step_shows_its_cure(site: Site, fault: Fault, step: str, cure: str) -> None:
    rules = list(site.office.emulator.faults)
    site.office.emulator.faults.replace([fault])
    try:
        async with site.visitor() as page:
            await page.goto(f"{site.url}/mailboxes/erp%40contoso.example/test")
            await Mouse(page).press("Test")
            await expect(page.locator(".verdict")).to_be_visible()
            failed = page.locator(".trials > li.bad").first
            await expect(failed).to_contain_text(step)
            await expect(failed.locator(".notice.bad")).to_contain_text(cure, ignore_case=True)
            await expect(page.locator(".verdict.bad")).to_be_visible()
    finally:
        site.office.emulator.faults.replace(rules)
