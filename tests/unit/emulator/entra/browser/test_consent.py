"""The consent page: what it lists, who may accept, and what is remembered."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import EXCHANGE, GRAPH
from pillarbox.emulator.world.permissions import named
from tests.unit.emulator.entra.conftest import Browser, forget_consents
from tests.unit.emulator.visitor import Page

ADMIN_ONLY = "User.Read.All Mail.Send"


@pytest.fixture(autouse=True)
def nothing_granted(planted: Seed) -> None:
    forget_consents(planted)


async def ask(browser: Browser, user: str = "alice", **fields: str | None) -> Page:
    """The first page after the password."""
    page = await browser.open(prompt="login", **fields)  # type: ignore[arg-type]
    return await browser.visitor.submit(page, login=f"{user}@contoso.example", passwd=browser.password(user))


def granted(planted: Seed, user: str) -> set[str]:
    assert planted.web.principal
    return planted.tenant.scopes_of(planted.web.principal, GRAPH, planted.user(user))


async def test_page_names_app_publisher_and_each_permission(browser: Browser) -> None:
    page = await ask(browser, scope="Mail.Send offline_access https://outlook.office.com/SMTP.Send")
    assert page.title == "Permissions requested"
    assert "Web mail by Contoso (contoso.example)" in page.text
    assert "Send mail as you Mail.Send (Microsoft Graph)" in page.text
    assert "Maintain access to data you have given it access to" in page.text
    assert "SMTP.Send (Office 365 Exchange Online)" in page.text


async def test_name_of_an_app_is_text_and_no_markup(browser: Browser, planted: Seed) -> None:
    planted.web.name = "<script>alert(1)</script>"
    page = await ask(browser)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.html
    assert "<script>" not in page.html


async def test_consent_is_remembered_for_the_user_alone(browser: Browser, planted: Seed) -> None:
    assert (await browser.sign_in("alice")).sent["code"]
    assert granted(planted, "alice") == {"Mail.Send", "openid", "offline_access"}
    assert granted(planted, "bob") == set()
    assert (await browser.open(prompt="none")).sent["code"]


async def test_scopes_of_several_resources_are_granted_at_once(browser: Browser, planted: Seed) -> None:
    await browser.go_on(await browser.open(scope="Mail.Send https://outlook.office.com/SMTP.Send"))
    assert planted.web.principal
    assert planted.tenant.scopes_of(planted.web.principal, EXCHANGE, planted.user("alice")) == {"SMTP.Send"}


async def test_only_what_is_missing_is_asked(browser: Browser) -> None:
    await browser.sign_in()
    page = await browser.open(scope="Mail.Send Mail.Read")
    assert "Mail.Read (Microsoft Graph)" in page.text
    assert "Mail.Send" not in page.text


async def test_consent_prompt_asks_again(browser: Browser) -> None:
    await browser.sign_in()
    page = await browser.open(prompt="consent")
    assert page.title == "Permissions requested"
    assert "Mail.Send (Microsoft Graph)" in page.text
    assert (await browser.go_on(page)).sent["code"]


async def test_declined_consent_goes_back_and_is_not_remembered(browser: Browser, planted: Seed) -> None:
    page = await browser.go_on(await browser.open(), accept=False)
    assert page.sent["error"] == "access_denied"
    assert page.sent["error_subcode"] == "cancel"
    assert page.sent["error_description"].startswith("AADSTS65004: ")
    assert page.sent["error_uri"].endswith("/error?code=65004")
    assert page.sent["state"] == "12 3&4"
    assert granted(planted, "alice") == set()


@pytest.mark.parametrize("by_policy", [False, True])
async def test_user_is_told_that_an_admin_must_approve(browser: Browser, planted: Seed, by_policy: bool) -> None:
    planted.tenant.users_may_consent = not by_policy
    page = await ask(browser, scope="Mail.Send" if by_policy else ADMIN_ONLY)
    assert page.title == "Need admin approval"
    assert "Error code AADSTS90094" in page.text
    page = await browser.visitor.submit(page, ("decision", "cancel"))
    assert page.sent["error"] == "access_denied"
    assert page.sent["error_description"].startswith("AADSTS90094: ")


async def test_user_cannot_accept_what_needs_an_admin(browser: Browser, planted: Seed) -> None:
    page = await ask(browser, scope=ADMIN_ONLY)
    page = await browser.visitor.submit(page, ("decision", "accept"))
    assert page.sent["error"] == "access_denied"
    assert granted(planted, "alice") == set()


async def test_admin_may_step_in(browser: Browser, planted: Seed) -> None:
    page = await ask(browser, scope=ADMIN_ONLY)
    page = await browser.visitor.submit(page, ("account", "other"))
    page = await browser.visitor.submit(page, login="admin@contoso.example", passwd=browser.password("admin"))
    assert "Consent on behalf of Contoso" in page.text
    assert (await browser.visitor.submit(page, ("decision", "accept"))).sent["code"]
    assert granted(planted, "admin") == {"User.Read.All", "Mail.Send"}
    assert granted(planted, "alice") == set()


async def test_admin_may_accept_for_all(browser: Browser, planted: Seed) -> None:
    page = await ask(browser, "admin", scope=ADMIN_ONLY)
    await browser.visitor.submit(page, ("decision", "accept"), for_all="true")
    assert granted(planted, "alice") == {"User.Read.All", "Mail.Send"}


async def test_user_cannot_accept_for_all(browser: Browser, planted: Seed) -> None:
    page = await ask(browser)
    assert "Consent on behalf" not in page.text
    await browser.visitor.submit(page, ("decision", "accept"), for_all="true")
    assert granted(planted, "bob") == set()


async def test_default_stands_for_the_registration(browser: Browser, planted: Seed) -> None:
    page = await ask(browser, scope="https://graph.microsoft.com/.default")
    assert "Mail.ReadWrite (Microsoft Graph)" in page.text
    assert "SMTP.Send (Office 365 Exchange Online)" in page.text
    await browser.go_on(page)
    assert "Mail.ReadWrite" in granted(planted, "alice")


async def test_default_asks_nothing_once_something_was_granted(browser: Browser) -> None:
    await browser.go_on(await browser.open(scope="Mail.Send"))
    assert (await browser.open(scope="https://graph.microsoft.com/.default")).sent["code"]


async def test_default_needs_something_on_the_registration(browser: Browser, planted: Seed) -> None:
    planted.web.requested_permissions = [named("Mail.Send", "application")]
    form = await browser.open(scope="https://graph.microsoft.com/.default")
    page = await browser.go_on(form)
    assert page.sent["error_description"].startswith("AADSTS650056: ")
    assert (await browser.go_on(form)).alert.startswith("AADSTS50089: ")


async def test_consent_brings_a_multi_tenant_app_into_the_tenant(
    browser: Browser, emulator: Emulator, planted: Seed
) -> None:
    fabrikam = emulator.world.add_tenant("fabrikam.example", name="Fabrikam")
    emulator.world.add_user(fabrikam, "dora", password="secret")
    planted.web.audience = "AzureADMultipleOrgs"
    page = await browser.visitor.sign_in(browser.url(tenant="common"), "dora@fabrikam.example", "secret")
    assert page.sent["code"]
    principal = fabrikam.principal(planted.web.client_id)
    assert principal
    assert fabrikam.scopes_of(principal, GRAPH, fabrikam.users[next(iter(fabrikam.users))]) >= {"Mail.Send"}
    assert not planted.tenant.grants


async def test_consent_without_canary_is_refused(browser: Browser, planted: Seed) -> None:
    page = await ask(browser)
    form = page.form("decision")
    assert form
    del form.fields["canary"]
    page = await browser.visitor.submit(page, ("decision", "accept"))
    assert page.alert.startswith("AADSTS165000: ")
    assert granted(planted, "alice") == set()


async def test_only_what_was_shown_is_granted(browser: Browser, planted: Seed) -> None:
    page = await ask(browser, scope="https://graph.microsoft.com/.default")
    planted.web.requested_permissions.append(named("Mail.Send.Shared", "delegated"))
    await browser.visitor.submit(page, ("decision", "accept"))
    assert "Mail.Send" in granted(planted, "alice")
    assert "Mail.Send.Shared" not in granted(planted, "alice")


async def test_declined_consent_cannot_be_given_afterwards(browser: Browser, planted: Seed) -> None:
    page = await ask(browser)
    await browser.visitor.submit(page, ("decision", "cancel"))
    page = await browser.visitor.submit(page, ("decision", "accept"))
    assert page.alert.startswith("AADSTS50089: ")
    assert granted(planted, "alice") == set()
