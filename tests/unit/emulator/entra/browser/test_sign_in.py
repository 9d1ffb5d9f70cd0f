"""The sign-in pages: who gets in, who does not, and what the browser remembers."""

import dataclasses

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Clock
from tests.unit.emulator.entra.conftest import Browser
from tests.unit.emulator.visitor import Page

ALICE = "alice@contoso.example"


async def enter(browser: Browser, name: str, password: str, **fields: str | None) -> Page:
    return await browser.visitor.submit(await browser.open(**fields), login=name, passwd=password)  # type: ignore[arg-type]


async def test_form_has_labels_language_and_focus(browser: Browser) -> None:
    page = await browser.open()
    assert '<html lang="en">' in page.html
    assert '<label for="login">' in page.html
    assert '<label for="passwd">' in page.html
    assert page.html.count(" autofocus") == 1


async def test_hint_is_filled_in(browser: Browser) -> None:
    form = (await browser.open(login_hint=ALICE)).form("passwd")
    assert form
    assert form.fields["login"] == ALICE


@pytest.mark.parametrize(
    ("name", "password", "number"),
    [
        (ALICE, "wrong", 50126),
        (ALICE, "", 50126),
        ("nobody@contoso.example", "x", 50034),
        ("nobody@nowhere.example", "x", 50034),
        ("nobody", "x", 50034),
        ("", "", 50034),
    ],
)
async def test_wrong_credentials_are_told_on_the_form(browser: Browser, name: str, password: str, number: int) -> None:
    page = await enter(browser, name, password)
    assert page.status == 200
    assert page.alert.startswith(f"AADSTS{number}: ")
    form = page.form("passwd")
    assert form
    assert form.fields["login"] == name
    assert form.fields["passwd"] == ""


async def test_form_takes_the_right_password_after_a_wrong_one(browser: Browser) -> None:
    page = await enter(browser, ALICE, "wrong")
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    assert page.sent["code"]


async def test_alias_is_no_user_name(browser: Browser, planted: Seed) -> None:
    planted.tenant.add(
        dataclasses.replace(planted.user("alice"), id="x", upn="a@contoso.example", aliases=["b@contoso.example"])
    )
    page = await enter(browser, "b@contoso.example", browser.password("alice"))
    assert page.alert.startswith("AADSTS50034: ")


async def test_disabled_account_is_told_on_the_form(browser: Browser, planted: Seed) -> None:
    planted.user("alice").enabled = False
    page = await enter(browser, ALICE, browser.password("alice"))
    assert page.alert.startswith("AADSTS50057: ")
    assert page.form("passwd")


@pytest.mark.parametrize("number", [53003, 50105, 53000])
async def test_policy_is_shown_with_its_number(browser: Browser, planted: Seed, number: int) -> None:
    planted.user("alice").refusal = number
    page = await enter(browser, ALICE, browser.password("alice"))
    assert page.status == 400
    assert page.alert.startswith(f"AADSTS{number}: ")


async def test_policy_holds_for_who_is_signed_in_already(browser: Browser, planted: Seed) -> None:
    await browser.sign_in()
    planted.user("alice").refusal = 53003
    assert (await browser.open()).alert.startswith("AADSTS53003: ")


async def test_other_account_may_be_tried_after_a_refusal(browser: Browser, planted: Seed) -> None:
    planted.user("alice").refusal = 53003
    page = await enter(browser, ALICE, browser.password("alice"))
    page = await browser.visitor.submit(page, ("account", "other"))
    assert (await browser.go_on(page, "bob")).sent["code"]


async def test_federated_user_signs_in_on_the_page(browser: Browser, planted: Seed) -> None:
    planted.user("alice").federated = True
    assert (await browser.sign_in()).sent["code"]


async def test_too_many_wrong_passwords_lock_the_account(browser: Browser) -> None:
    for _ in range(10):
        await enter(browser, ALICE, "wrong")
    assert (await enter(browser, ALICE, browser.password("alice"))).alert.startswith("AADSTS50053: ")


async def test_user_of_another_tenant_is_shown_the_door(browser: Browser, emulator: Emulator, planted: Seed) -> None:
    fabrikam = emulator.world.add_tenant("fabrikam.example", name="Fabrikam")
    emulator.world.add_user(fabrikam, "dora", password="secret")
    page = await enter(browser, "dora@fabrikam.example", "secret")
    assert page.status == 400
    assert page.alert.startswith("AADSTS50020: ")


async def test_personal_account_needs_an_app_for_them(browser: Browser, emulator: Emulator, planted: Seed) -> None:
    personal = emulator.world.add_consumers("outlook.example")
    emulator.world.add_user(personal, "dora", password="secret")
    planted.web.audience = "AzureADMultipleOrgs"
    page = await enter(browser, "dora@outlook.example", "secret", tenant="common")
    assert page.alert.startswith("AADSTS9002332: ")
    planted.web.audience = "AzureADandPersonalMicrosoftAccount"
    page = await enter(browser, "dora@outlook.example", "secret", tenant="organizations")
    assert page.alert.startswith("AADSTS500208: ")
    page = await enter(browser, "dora@outlook.example", "secret", tenant="consumers")
    assert page.title == "Permissions requested"


async def test_personal_account_is_not_signed_in_to_an_app_for_work(
    browser: Browser, emulator: Emulator, planted: Seed
) -> None:
    personal = emulator.world.add_consumers("outlook.example")
    emulator.world.add_user(personal, "dora", password="secret")
    planted.web.audience = "AzureADandPersonalMicrosoftAccount"
    await browser.visitor.sign_in(browser.url(tenant="common"), "dora@outlook.example", "secret")
    assert (await browser.open(tenant="common", prompt="none")).sent["code"]
    planted.web.audience = "AzureADMultipleOrgs"
    assert (await browser.open(tenant="common", prompt="none")).sent["error"] == "login_required"


async def test_enrolled_user_types_a_code(browser: Browser, planted: Seed) -> None:
    planted.user("alice").second_factor = "enrolled"
    page = await enter(browser, ALICE, browser.password("alice"))
    assert page.title == "Enter code"
    assert "Emulator: the code is 000000" in page.text
    page = await browser.visitor.submit(page, otc="123456")
    assert page.alert.startswith("AADSTS500121: ")
    assert (await browser.visitor.submit(page, otc="000000")).sent["code"]


async def test_second_factor_is_remembered_with_the_session(browser: Browser, planted: Seed) -> None:
    planted.user("alice").second_factor = "enrolled"
    await browser.sign_in()
    assert (await browser.open(prompt="none")).sent["code"]


async def test_session_without_second_factor_must_bring_it_after(browser: Browser, planted: Seed) -> None:
    await browser.sign_in()
    planted.user("alice").second_factor = "enrolled"
    assert (await browser.open()).title == "Enter code"


async def test_user_is_enrolled_where_the_tenant_demands_it(browser: Browser, planted: Seed) -> None:
    planted.user("alice").second_factor = "demanded"
    page = await enter(browser, ALICE, browser.password("alice"))
    assert page.title == "More information required"
    assert (await browser.go_on(page)).sent["code"]
    assert planted.user("alice").second_factor == "enrolled"


async def test_password_alone_makes_no_session_where_a_code_is_wanted(browser: Browser, planted: Seed) -> None:
    planted.user("alice").second_factor = "enrolled"
    await enter(browser, ALICE, browser.password("alice"))
    assert (await browser.open(prompt="none")).sent["error"] == "login_required"


async def test_session_cookie_is_out_of_reach_for_scripts_and_plain_http(browser: Browser) -> None:
    page = await browser.open()
    value, *flags = page.headers["Set-Cookie"].split("; ")
    assert value.startswith("ESTSAUTH=")
    assert flags == ["Path=/", "Secure", "HttpOnly", "SameSite=None"]


async def test_session_gets_another_id_at_the_sign_in(browser: Browser) -> None:
    before = (await browser.open()).headers["Set-Cookie"]
    after = (await browser.sign_in()).headers["Set-Cookie"]
    assert after.startswith("ESTSAUTH=")
    assert after != before
    assert "Set-Cookie" not in (await browser.open(prompt="none")).headers


async def test_session_is_found_among_cookies_of_others(browser: Browser) -> None:
    await browser.sign_in()
    jar = browser.visitor.session.cookie_jar
    cookie = next(each.value for each in jar if each.key == "ESTSAUTH")
    jar.clear()
    headers = {"Cookie": f'a={{"b": "c, d"}}; e; ESTSAUTH={cookie}; f=g'}
    reply = await browser.client.request(
        "GET",
        browser.url(prompt="none").removeprefix(browser.client.emulator.url),
        headers=headers,
        allow_redirects=False,
    )
    assert "code=" in reply.headers["Location"]


async def test_session_ends_after_a_day_without_use(browser: Browser, clock: Clock) -> None:
    await browser.sign_in()
    clock.now += 86399
    assert (await browser.open(prompt="none")).sent["code"]
    clock.now += 86400
    assert (await browser.open(prompt="none")).sent["error"] == "login_required"


async def test_signed_in_person_is_asked_nothing(browser: Browser) -> None:
    await browser.sign_in()
    assert (await browser.open()).sent["code"]
    assert (await browser.open(login_hint=ALICE)).sent["code"]


async def test_hint_at_somebody_else_asks_for_the_password(browser: Browser) -> None:
    await browser.sign_in()
    form = (await browser.open(login_hint="bob@contoso.example")).form("passwd")
    assert form
    assert form.fields["login"] == "bob@contoso.example"


async def test_login_prompt_asks_for_the_password_again(browser: Browser) -> None:
    await browser.sign_in()
    assert (await browser.open(prompt="login")).form("passwd")


async def test_account_is_picked_when_asked_for_or_when_there_are_several(browser: Browser) -> None:
    await browser.sign_in()
    page = await browser.open(prompt="select_account")
    assert page.title == "Pick an account"
    page = await browser.go_on(page, "bob")
    assert page.sent["code"]
    page = await browser.open()
    assert [text for _, _, text in page.forms[0].buttons] == [
        "Alice alice@contoso.example",
        "Bob bob@contoso.example",
        "Use another account",
    ]
    assert (await browser.go_on(page, "alice")).sent["code"]


async def test_account_that_is_not_signed_in_cannot_be_picked(browser: Browser, planted: Seed) -> None:
    await browser.sign_in()
    page = await browser.open(prompt="select_account")
    page = await browser.visitor.submit(page, ("account", planted.user("bob").id))
    assert page.form("passwd")


async def test_form_of_another_session_is_refused(browser: Browser) -> None:
    page = await browser.open()
    form = page.form("passwd")
    assert form
    form.fields["canary"] = "x"
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    assert page.status == 400
    assert page.alert.startswith("AADSTS165000: ")


async def test_form_without_cookie_is_refused(browser: Browser) -> None:
    page = await browser.open()
    browser.visitor.session.cookie_jar.clear()
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    assert page.alert.startswith("AADSTS165000: ")


async def test_sign_in_of_another_browser_cannot_be_finished(browser: Browser) -> None:
    stranger = (await browser.open()).form("passwd")
    browser.visitor.session.cookie_jar.clear()
    page = await browser.open()
    form = page.form("passwd")
    assert stranger
    assert form
    form.fields["flowToken"] = stranger.fields["flowToken"]
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    assert page.alert.startswith("AADSTS50089: ")


async def test_sign_in_ends_after_an_hour(browser: Browser, clock: Clock) -> None:
    page = await browser.open()
    clock.now += 3600
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    assert page.status == 400
    assert page.alert.startswith("AADSTS50089: ")


async def test_sign_in_is_finished_once(browser: Browser) -> None:
    page = await browser.open()
    assert (await browser.go_on(page)).sent["code"]
    again = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    assert again.alert.startswith("AADSTS50089: ")


@pytest.mark.parametrize("path", ["/common/SAS/ProcessAuth", "/common/Consent/Set", "/common/appverify"])
async def test_page_cannot_be_skipped(browser: Browser, planted: Seed, path: str) -> None:
    planted.user("alice").second_factor = "enrolled"
    page = await enter(browser, ALICE, browser.password("alice"))
    form = page.form("otc")
    assert form
    if path == form.action:  # Its turn would be now: go back to the password first.
        page = await browser.visitor.post(page.url.replace(path, "/common/login"), form.fields | {"account": "other"})
        form = page.form("passwd")
        assert form
    fields = form.fields | {"decision": "accept", "otc": "000000"}
    page = await browser.visitor.post(f"{browser.client.emulator.url}{path}", fields)
    assert page.alert.startswith("AADSTS165000: ")


@pytest.mark.parametrize("body", [b"\xff", b"login=%ff&canary=%fe", b"a=1&a=2", b"", b"\x00" * 100_000])
async def test_bad_bodies_are_refused_as_a_page(browser: Browser, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = await browser.client.request("POST", "/common/login", data=body, headers=headers)
    assert reply.status == 400
    assert b"AADSTS" in reply.body


@pytest.mark.parametrize("path", ["login", "SAS/ProcessAuth", "Consent/Set", "appverify"])
async def test_address_of_a_form_cannot_be_opened(browser: Browser, path: str) -> None:
    page = await browser.visitor.open(f"{browser.client.emulator.url}/common/{path}")
    assert page.alert.startswith("AADSTS900561: ")


async def test_app_that_is_removed_meanwhile_is_refused(browser: Browser, planted: Seed) -> None:
    page = await browser.open()
    planted.tenant.remove_app(planted.web)
    page = await browser.visitor.submit(page, login=ALICE, passwd=browser.password("alice"))
    assert page.alert.startswith("AADSTS700016: ")


async def test_account_that_is_disabled_meanwhile_is_refused(browser: Browser, planted: Seed) -> None:
    planted.user("alice").second_factor = "enrolled"
    page = await enter(browser, ALICE, browser.password("alice"))
    planted.user("alice").enabled = False
    page = await browser.visitor.submit(page, otc="000000")
    assert page.alert.startswith("AADSTS50133: ")


async def test_account_of_a_world_that_is_gone_is_not_signed_in(
    browser: Browser, emulator: Emulator, planted: Seed
) -> None:
    await browser.sign_in()
    emulator.world.tenants.clear()
    another = emulator.world.add_tenant("contoso.example", ident=planted.tenant.id)
    another.apps[planted.web.client_id] = planted.web
    emulator.world.add_user(another, "alice", password="other")
    assert (await browser.open(prompt="none")).sent["error"] == "login_required"
