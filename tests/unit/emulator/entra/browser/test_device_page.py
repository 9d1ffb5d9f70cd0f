"""The page for device codes: a person allows a device, or does not."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Clock, Reply
from tests.unit.emulator.entra.conftest import Browser, forget_consents
from tests.unit.emulator.visitor import Page

ALICE = "alice@contoso.example"


async def begin(client: Client) -> dict[str, str]:
    """What the device shows."""
    form = {"client_id": client.planted.desktop.client_id, "scope": "Mail.Send offline_access"}
    reply = await client.request("POST", f"/{client.planted.tenant.id}/oauth2/v2.0/devicecode", data=form)
    shown: dict[str, str] = reply.json
    return shown


async def poll(client: Client, shown: dict[str, str]) -> Reply:
    return await client.ask_token(
        client.planted.desktop,
        grant_type="urn:ietf:params:oauth:grant-type:device_code",
        device_code=shown["device_code"],
        scope=None,
    )


async def enter(browser: Browser, code: str) -> Page:
    page = await browser.visitor.open(f"{browser.client.emulator.url}/devicelogin")
    return await browser.visitor.submit(page, otc=code)


async def test_device_gets_its_token_after_the_person_agreed(browser: Browser, client: Client) -> None:
    shown = await begin(client)
    assert (await poll(client, shown)).json["error"] == "authorization_pending"
    page = await enter(browser, shown["user_code"].lower())
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    assert page.title == "Are you trying to sign in to Desktop mail?"
    page = await browser.visitor.submit(page, ("decision", "accept"))
    assert "You may now close this window" in page.text
    assert (await poll(client, shown)).json["access_token"]


async def test_address_that_the_device_shows_leads_to_the_page(browser: Browser, client: Client) -> None:
    page = await browser.visitor.open((await begin(client))["verification_uri"])
    assert page.title == "Enter code to allow access"


async def test_code_may_come_with_the_address(browser: Browser) -> None:
    page = await browser.visitor.open(f"{browser.client.emulator.url}/common/oauth2/deviceauth?otc=ABC%3C")
    form = page.form("otc")
    assert form
    assert form.fields["otc"] == "ABC<"


async def test_declined_device_is_refused(browser: Browser, client: Client) -> None:
    shown = await begin(client)
    page = await browser.go_on(await enter(browser, shown["user_code"]), accept=False)
    assert page.title == "You cancelled the sign-in"
    assert (await poll(client, shown)).json["error"] == "authorization_declined"


async def test_consent_is_asked_where_it_is_missing(browser: Browser, client: Client, planted: Seed) -> None:
    forget_consents(planted)
    shown = await begin(client)
    page = await enter(browser, shown["user_code"])
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    page = await browser.visitor.submit(page, ("decision", "accept"))
    assert page.title == "Permissions requested"
    await browser.visitor.submit(page, ("decision", "accept"))
    assert (await poll(client, shown)).json["access_token"]


async def test_user_cannot_allow_what_needs_an_admin(browser: Browser, client: Client, planted: Seed) -> None:
    forget_consents(planted)
    planted.tenant.users_may_consent = False
    shown = await begin(client)
    page = await browser.go_on(await enter(browser, shown["user_code"]))
    assert page.title == "Need admin approval"
    page = await browser.visitor.submit(page, ("decision", "accept"))
    assert page.alert.startswith("AADSTS90094: ")
    assert (await poll(client, shown)).json["error"] == "authorization_pending"


async def test_device_with_consent_needs_no_admin(browser: Browser, client: Client, planted: Seed) -> None:
    planted.tenant.users_may_consent = False
    shown = await begin(client)
    await browser.go_on(await enter(browser, shown["user_code"]))
    assert (await poll(client, shown)).json["access_token"]


@pytest.mark.parametrize(("code", "number"), [("", 90119), ("NONSENSE", 70018), ("<b>", 70018)])
async def test_wrong_code_is_told_on_the_form(browser: Browser, code: str, number: int) -> None:
    page = await enter(browser, code)
    assert page.alert.startswith(f"AADSTS{number}: ")
    form = page.form("otc")
    assert form
    assert form.fields["otc"] == code


async def test_expired_code_is_told_on_the_form(browser: Browser, client: Client, clock: Clock) -> None:
    shown = await begin(client)
    clock.now += 900
    assert (await enter(browser, shown["user_code"])).alert.startswith("AADSTS70019: ")


async def test_code_that_expires_meanwhile_is_refused(browser: Browser, client: Client, clock: Clock) -> None:
    shown = await begin(client)
    page = await enter(browser, shown["user_code"])
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    clock.now += 900
    assert (await browser.visitor.submit(page, ("decision", "accept"))).alert.startswith("AADSTS70019: ")


async def test_code_is_answered_once(browser: Browser, client: Client) -> None:
    shown = await begin(client)
    await browser.go_on(await enter(browser, shown["user_code"]))
    assert (await enter(browser, shown["user_code"])).alert.startswith("AADSTS90120: ")


async def test_code_needs_the_form_of_this_browser(browser: Browser, client: Client, emulator: Emulator) -> None:
    shown = await begin(client)
    page = await browser.visitor.post(f"{emulator.url}/devicelogin", {"otc": shown["user_code"]})
    assert page.alert.startswith("AADSTS165000: ")


async def test_app_that_is_switched_off_is_shown(browser: Browser, client: Client, planted: Seed) -> None:
    shown = await begin(client)
    assert planted.desktop.principal
    planted.desktop.principal.enabled = False
    page = await browser.go_on(await enter(browser, shown["user_code"]))
    assert page.alert.startswith("AADSTS7000112: ")


async def test_sign_in_ends_with_the_answer(browser: Browser, client: Client) -> None:
    shown = await begin(client)
    page = await enter(browser, shown["user_code"])
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    await browser.visitor.submit(page, ("decision", "accept"))
    assert (await browser.visitor.submit(page, ("decision", "cancel"))).alert.startswith("AADSTS50089: ")
