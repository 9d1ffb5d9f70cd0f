"""Admin consent: an administrator allows an app for the whole organization."""

from typing import Any
from urllib.parse import urlencode

import pytest

from pillarbox.emulator.seed import CALLBACK, Seed
from pillarbox.emulator.world import EXCHANGE, GRAPH, App
from pillarbox.emulator.world.permissions import named
from tests.unit.emulator.entra.conftest import Browser, forget_consents

DEFAULT = "https://graph.microsoft.com/.default"


@pytest.fixture
def app(planted: Seed) -> App:
    """Wants application and delegated permissions, and has none of them yet."""
    forget_consents(planted)
    assert planted.setup.principal
    planted.setup.principal.roles.clear()
    planted.setup.redirect_uris.append(CALLBACK)
    return planted.setup


def url(browser: Browser, app: App, v1: bool = False, **change: Any) -> str:
    tenant = change.pop("tenant", None) or browser.planted.tenant.id
    asked = {"client_id": app.client_id, "redirect_uri": CALLBACK, "state": "s&1", "scope": None if v1 else DEFAULT}
    words = urlencode({name: value for name, value in (asked | change).items() if value is not None})
    return f"{browser.client.emulator.url}/{tenant}{'' if v1 else '/v2.0'}/adminconsent?{words}"


async def test_page_lists_both_kinds_of_permissions(browser: Browser, app: App) -> None:
    page = await browser.visitor.open(url(browser, app))
    page = await browser.visitor.submit(page, login="admin@contoso.example", passwd=browser.password("admin"))
    assert "Review for Contoso" in page.text
    assert "Application.ReadWrite.All Microsoft Graph, without a signed-in user" in page.text
    assert "RoleManagement.ReadWrite.Exchange Microsoft Graph" in page.text


async def test_everything_is_granted_for_all(browser: Browser, planted: Seed, app: App) -> None:
    page = await browser.go_on(await browser.visitor.open(url(browser, app)), "admin")
    assert page.app_address == CALLBACK
    sent = page.sent
    assert sent.keys() == {"admin_consent", "tenant", "scope", "state"}
    assert (sent["admin_consent"], sent["tenant"], sent["state"]) == ("True", planted.tenant.id, "s&1")
    assert "https://graph.microsoft.com/Application.ReadWrite.All" in sent["scope"].split()
    assert app.principal
    assert set(app.consented) == set(app.requested)
    assert "Application.ReadWrite.All" in planted.tenant.scopes_of(app.principal, GRAPH, planted.user("alice"))


async def test_v1_takes_the_whole_registration(browser: Browser, app: App) -> None:
    page = await browser.go_on(await browser.visitor.open(url(browser, app, v1=True)), "admin")
    assert page.sent.keys() == {"admin_consent", "tenant", "state"}
    assert set(app.consented) == set(app.requested)


async def test_default_of_one_resource_asks_for_the_whole_registration(
    browser: Browser, planted: Seed, app: App
) -> None:
    """The page v2-admin-consent: `/.default` works like the v1.0 endpoint."""
    app.requested_permissions.append(named("exchange:SMTP.SendAsApp", "application"))
    app.requested_permissions.append(named("exchange:SMTP.Send", "delegated"))
    page = await browser.go_on(await browser.visitor.open(url(browser, app)), "admin")
    assert "https://outlook.office365.com/SMTP.SendAsApp" in page.sent["scope"].split()
    assert set(app.consented) == set(app.requested)
    assert app.principal
    assert planted.tenant.scopes_of(app.principal, EXCHANGE, planted.user("bob")) == {"SMTP.Send"}


async def test_named_scopes_alone_are_granted(browser: Browser, planted: Seed, app: App) -> None:
    page = await browser.go_on(await browser.visitor.open(url(browser, app, scope="Mail.Send User.Read.All")), "admin")
    assert page.sent["scope"] == "https://graph.microsoft.com/Mail.Send https://graph.microsoft.com/User.Read.All"
    assert app.principal
    assert planted.tenant.scopes_of(app.principal, GRAPH, planted.user("bob")) == {"Mail.Send", "User.Read.All"}
    assert not app.consented


async def test_app_that_nobody_used_gets_its_principal(browser: Browser, planted: Seed, app: App) -> None:
    assert app.principal
    planted.tenant.remove_principal(app.principal)
    await browser.go_on(await browser.visitor.open(url(browser, app)), "admin")
    assert app.principal
    assert set(app.consented) == set(app.requested)


async def test_refusal_still_says_admin_consent(browser: Browser, planted: Seed, app: App) -> None:
    page = await browser.go_on(await browser.visitor.open(url(browser, app)), "admin", accept=False)
    assert page.sent["error"] == "consent_required"
    assert "error_subcode" not in page.sent
    assert page.sent["admin_consent"] == "True"
    assert page.sent["error_description"].startswith("AADSTS65004: ")
    assert page.sent["state"] == "s&1"
    assert not planted.tenant.grants


@pytest.mark.parametrize("decision", ["accept", "cancel"])
async def test_ordinary_user_can_only_go_back(browser: Browser, planted: Seed, app: App, decision: str) -> None:
    page = await browser.visitor.open(url(browser, app))
    page = await browser.visitor.submit(page, login="alice@contoso.example", passwd=browser.password("alice"))
    assert page.title == "Need admin approval"
    page = await browser.visitor.submit(page, ("decision", decision))
    assert page.sent["error"] == "permission_denied"
    assert page.sent["admin_consent"] == "True"
    assert not planted.tenant.grants
    assert not app.consented


async def test_account_is_picked_even_by_who_is_signed_in(browser: Browser, app: App) -> None:
    await browser.sign_in("alice")
    assert (await browser.visitor.open(url(browser, app))).title == "Pick an account"


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (700016, {"client_id": "x"}),
        (900144, {"client_id": None}),
        (50011, {"redirect_uri": "https://app.example"}),
        (900971, {"redirect_uri": None}),
        (90002, {"tenant": "fabrikam.example"}),
    ],
)
async def test_errors_before_the_redirect_uri_is_known_are_shown(
    browser: Browser, app: App, number: int, change: dict[str, Any]
) -> None:
    page = await browser.visitor.open(url(browser, app, **change))
    assert page.status == 400
    assert page.alert.startswith(f"AADSTS{number}: ")


@pytest.mark.parametrize(
    ("number", "scope"),
    [
        (900144, None),
        (500011, "https://nowhere.example/.default"),
        (650056, "https://outlook.office.com/.default"),
    ],
)
async def test_other_errors_go_back(browser: Browser, app: App, number: int, scope: str | None) -> None:
    page = await browser.visitor.open(url(browser, app, scope=scope))
    assert page.sent["error_description"].startswith(f"AADSTS{number}: ")
    assert page.sent["admin_consent"] == "True"


async def test_decision_is_final(browser: Browser, planted: Seed, app: App) -> None:
    page = await browser.visitor.open(url(browser, app))
    page = await browser.visitor.submit(page, login="admin@contoso.example", passwd=browser.password("admin"))
    await browser.visitor.submit(page, ("decision", "cancel"))
    page = await browser.visitor.submit(page, ("decision", "accept"))
    assert page.alert.startswith("AADSTS50089: ")
    assert not planted.tenant.grants
