"""Every AADSTS number that the emulator gives by itself, with a request that reaches it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pillarbox.emulator import App, Tenant
from pillarbox.emulator.entra.aadsts import read_codes
from pillarbox.emulator.world import FederatedCredential
from tests.unit.emulator.conftest import NOON, Reply
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.emulator.entra.clients.test_certificates import ask, claims_of
from tests.unit.emulator.entra.sign_ins import MAIL, OFFLINE, SignIns

DAY = 86400.0
GUID = "0c0ffee0-0000-4000-8000-000000000000"
KEY = AppKey()
Scenario = Callable[[SignIns], Awaitable[Reply]]
REACHED: list[tuple[int, str, Scenario]] = []


def reaches(number: int) -> Callable[[Scenario], Scenario]:
    """Note a scenario; its name is the name of the function."""

    def note(scenario: Scenario) -> Scenario:
        REACHED.append((number, scenario.__name__, scenario))
        return scenario

    return note


def table(*rows: tuple[int, str, Scenario]) -> None:
    REACHED.extend(rows)


def foreign(given: SignIns, *, personal: bool = False) -> Tenant:
    """Another tenant, with the user dora."""
    world = given.emulator.world
    tenant = world.add_consumers("outlook.example") if personal else world.add_tenant("fabrikam.example")
    world.add_user(tenant, "dora", password="secret of dora")
    return tenant


def certified(given: SignIns) -> App:
    app = given.seed.gateway
    app.certificates = [KEY.credential]
    return app


def federated(given: SignIns) -> App:
    app = given.seed.gateway
    app.federated = [FederatedCredential("1", "pod", "https://oidc.example", "pod", ["api://x"])]
    given.emulator.world.issuers["https://oidc.example"] = KEY.key_set()
    return app


async def assertion(given: SignIns, **changes: Any) -> Reply:
    app = certified(given)
    return await ask(given.client, app, KEY.sign(claims_of(app, given.emulator, given.seed.tenant.id, **changes)))


async def pod(given: SignIns, **changes: Any) -> Reply:
    claims = {"iss": "https://oidc.example", "sub": "pod", "aud": "api://x", "exp": NOON + 60} | changes
    return await ask(given.client, federated(given), KEY.sign(claims, "RS256", kid="1"))


async def dora(given: SignIns, app: App, **fields: Any) -> Reply:
    fields = {"password": "secret of dora"} | fields
    return await given.password(fields.pop("name", "dora@fabrikam.example"), app, **fields)


def multi_tenant(given: SignIns, app: App) -> App:
    app.audience = "AzureADMultipleOrgs"
    return app


# ---- requests that need no preparation

table(
    (28003, "empty scope with a code", lambda given: given.redeem(given.code(), scope=" ")),
    (50011, "redirect URI not registered", lambda given: given.redeem(given.code(), redirect_uri="https://x.example")),
    (50027, "malformed assertion", lambda given: ask(given.client, given.seed.gateway, "x")),
    (50027, "assertion for another audience", lambda given: assertion(given, aud="https://x.example")),
    (50034, "unknown user", lambda given: given.password("nobody")),
    (50048, "issuer is not subject", lambda given: assertion(given, sub="x")),
    (50059, "client credentials on common", lambda given: given.client.ask_token(tenant="common")),
    (50126, "wrong password", lambda given: given.password("alice", password="x")),
    (50194, "single-tenant app on common", lambda given: given.refresh("x", tenant="common")),
    (65005, "unknown short scope", lambda given: given.password("alice", scope="Mail.Everything")),
    (70000, "unknown code", lambda given: given.redeem(given.code(), code="x")),
    (70000, "unknown refresh token", lambda given: given.refresh("x")),
    (70000, "code of another app", lambda given: given.redeem(given.code(given.seed.desktop))),
    (70003, "unknown grant", lambda given: given.client.ask_token(grant_type="x")),
    (70011, "unknown scope of a resource", lambda given: given.password("alice", scope=f"{MAIL}x")),
    (90002, "unknown tenant", lambda given: given.client.ask_token(tenant="x.example")),
    (90002, "unknown tenant id", lambda given: given.client.ask_token(tenant=GUID)),
    (90027, "personal accounts at v1", lambda given: given.client.ask_token(tenant="consumers", v1=True)),
    (90100, "malformed claims", lambda given: given.client.ask_token(claims="x")),
    (500011, "unknown resource", lambda given: given.client.ask_token(scope="https://x.example/.default")),
    (500011, "unknown v1 resource", lambda given: given.client.ask_token(v1=True, resource="https://x.example")),
    (
        500011,
        "unknown resource of a permission",
        lambda given: given.password("alice", scope="https://x.example/Mail.Send"),
    ),
    (501481, "wrong verifier", lambda given: given.redeem(given.code(challenge="c" * 43), code_verifier="v" * 43)),
    (700016, "unknown app", lambda given: given.client.ask_token(client_id=GUID)),
    (
        700022,
        "two resources",
        lambda given: given.password("alice", scope=f"{MAIL} https://outlook.office.com/SMTP.Send"),
    ),
    (700024, "assertion too old", lambda given: assertion(given, exp=NOON - DAY)),
    (700025, "public client with a secret", lambda given: given.password("alice", client_secret="x")),
    (700027, "certificate not on the app", lambda given: ask(given.client, given.seed.reader, KEY.sign({}))),
    (700213, "federated subject differs", lambda given: pod(given, sub="other")),
    (7002138, "only the case of the subject differs", lambda given: pod(given, sub="POD")),
    (70021, "federated issuer differs", lambda given: pod(given, iss="https://oidc.example/")),
    (900023, "tenant is no name", lambda given: given.client.ask_token(tenant="x y")),
    (900144, "no scope", lambda given: given.client.ask_token(scope=None)),
    (901002, "resource at v2.0", lambda given: given.client.ask_token(resource="https://graph.microsoft.com")),
    (901002, "resource at v2.0 with a password", lambda given: given.password("alice", resource="x")),
    (901002, "resource at v2.0 with a code", lambda given: given.redeem(given.code(), resource="x")),
    (1002012, "client credentials for one permission", lambda given: given.client.ask_token(scope=MAIL)),
    (7000215, "wrong secret", lambda given: given.client.ask_token(client_secret="x")),
    (7000218, "no secret", lambda given: given.client.ask_token(client_secret=None)),
    (9001023, "password on common", lambda given: given.password("alice", tenant="common")),
)


# ---- requests that need some


@reaches(50020)
async def user_of_another_tenant(given: SignIns) -> Reply:
    foreign(given)
    return await dora(given, given.seed.desktop)


@reaches(50020)
async def refresh_at_another_tenant(given: SignIns) -> Reply:
    foreign(given)
    app = multi_tenant(given, given.seed.web)
    return await given.refresh(await given.refresh_token(), app, tenant="fabrikam.example")


@reaches(50049)
async def unknown_authority_host(given: SignIns) -> Reply:
    return await given.client.request("GET", "/common/discovery/instance?authorization_endpoint=https://x.example/")


@reaches(50053)
async def too_many_wrong_passwords(given: SignIns) -> Reply:
    for _ in range(10):
        await given.password("alice", password="x")
    return await given.password()


@reaches(50057)
async def disabled_user(given: SignIns) -> Reply:
    given.seed.user("alice").enabled = False
    return await given.password()


@reaches(50076)
async def second_factor(given: SignIns) -> Reply:
    given.seed.user("alice").second_factor = "enrolled"
    return await given.password()


@reaches(50079)
async def second_factor_to_be_set_up(given: SignIns) -> Reply:
    given.seed.user("alice").second_factor = "demanded"
    return await given.password()


@reaches(50128)
async def unknown_domain(given: SignIns) -> Reply:
    app = multi_tenant(given, given.seed.desktop)
    return await given.password("x@nowhere.example", app, tenant="organizations")


@reaches(50173)
async def revoked_sessions(given: SignIns) -> Reply:
    token = await given.refresh_token()
    given.seed.user("alice").sessions_valid_from = NOON + 1
    return await given.refresh(token)


@reaches(50196)
async def loop(given: SignIns) -> Reply:
    given.emulator.world.token_loop_limit = 1
    await given.client.ask_token()
    return await given.client.ask_token()


@reaches(54005)
async def code_used_twice(given: SignIns) -> Reply:
    code = given.code()
    await given.redeem(code)
    return await given.redeem(code)


@reaches(65001)
async def no_consent(given: SignIns) -> Reply:
    given.seed.tenant.grants.clear()
    return await given.password()


@reaches(65001)
async def nothing_consented_on_the_resource(given: SignIns) -> Reply:
    given.seed.tenant.grants.clear()
    return await given.password("alice", scope="https://graph.microsoft.com/.default")


@reaches(65001)
async def app_unknown_to_the_users_tenant(given: SignIns) -> Reply:
    foreign(given)
    return await dora(given, multi_tenant(given, given.seed.desktop), tenant="organizations")


@reaches(70008)
async def code_too_old(given: SignIns) -> Reply:
    code = given.code()
    given.clock.now += 600
    return await given.redeem(code)


@reaches(70016)
async def device_waits(given: SignIns) -> Reply:
    return await given.poll(await given.device())


@reaches(70017)
async def device_declined(given: SignIns) -> Reply:
    device = await given.device()
    device.state = "declined"
    return await given.poll(device)


@reaches(70018)
async def unknown_device_code(given: SignIns) -> Reply:
    return await given.poll(await given.device(), device_code="x")


@reaches(70020)
async def device_code_too_old(given: SignIns) -> Reply:
    device = await given.device()
    given.clock.now += 900
    return await given.poll(device)


@reaches(90023)
async def secret_and_assertion(given: SignIns) -> Reply:
    secret = given.seed.secrets[given.seed.gateway.client_id]
    return await ask(given.client, given.seed.gateway, "x", client_secret=secret)


@reaches(500112)
async def another_redirect_uri_than_before(given: SignIns) -> Reply:
    given.seed.web.redirect_uris.append("https://localhost/other")
    return await given.redeem(given.code(), redirect_uri="https://localhost/other")


@reaches(500208)
async def personal_account_at_organizations(given: SignIns) -> Reply:
    foreign(given, personal=True)
    app = multi_tenant(given, given.seed.desktop)
    return await dora(given, app, name="dora@outlook.example", tenant="organizations")


@reaches(650057)
async def v1_resource_not_on_the_registration(given: SignIns) -> Reply:
    wanted = {"v1": True, "resource": "https://outlook.office.com"}
    return await given.password("alice", given.seed.setup, client_secret=None, **wanted)


@reaches(700005)
async def code_of_another_tenant(given: SignIns) -> Reply:
    foreign(given)
    return await given.redeem(given.code(), multi_tenant(given, given.seed.web), tenant="fabrikam.example")


@reaches(700016)
async def foreign_app_without_principal(given: SignIns) -> Reply:
    foreign(given)
    return await given.client.ask_token(multi_tenant(given, given.seed.gateway), tenant="fabrikam.example")


@reaches(700022)
async def refresh_for_two_resources(given: SignIns) -> Reply:
    return await given.refresh(await given.refresh_token(), scope=f"{MAIL} https://outlook.office.com/SMTP.Send")


@reaches(700082)
async def refresh_token_too_old(given: SignIns) -> Reply:
    token = await given.refresh_token()
    given.clock.now += 90 * DAY
    return await given.refresh(token)


@reaches(700084)
async def refresh_token_of_a_page_too_old(given: SignIns) -> Reply:
    given.seed.web.spa_redirect_uris.append("https://spa.contoso.example/")
    code = given.code(redirect_uri="https://spa.contoso.example/")
    facts = {"client_id": code.client_id, "tenant_id": code.tenant_id, "user_id": code.user_id}
    tokens = given.emulator.authority.refresh_tokens
    token = tokens.add(**facts, scopes=code.scopes, platform="spa", signed_in=NOON - DAY, now=NOON)
    form = {"grant_type": "refresh_token", "client_id": code.client_id, "refresh_token": token.value}
    path = f"/{code.tenant_id}/oauth2/v2.0/token"
    return await given.client.request("POST", path, data=form, headers={"Origin": "https://spa.contoso.example"})


@reaches(900561)
async def wrong_method(given: SignIns) -> Reply:
    return await given.client.request("GET", "/common/oauth2/v2.0/token")


@reaches(7000112)
async def app_switched_off(given: SignIns) -> Reply:
    assert given.seed.gateway.principal
    given.seed.gateway.principal.enabled = False
    return await given.client.ask_token()


@reaches(7000222)
async def secret_ended(given: SignIns) -> Reply:
    secret = given.emulator.world.add_secret(given.seed.gateway, ends_at=NOON)
    return await given.client.ask_token(client_secret=secret)


@reaches(7000229)
async def no_service_principal(given: SignIns) -> Reply:
    assert given.seed.gateway.principal
    given.seed.tenant.remove_principal(given.seed.gateway.principal)
    return await given.client.ask_token()


@reaches(9002313)
async def parameter_twice(given: SignIns) -> Reply:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return await given.client.request("POST", "/common/oauth2/v2.0/token", data=b"a=1&a=1", headers=headers)


@reaches(9002326)
async def web_app_from_a_browser(given: SignIns) -> Reply:
    code = given.code()
    form = {"grant_type": "authorization_code", "code": code.value, "redirect_uri": code.redirect_uri}
    form |= {"client_id": code.client_id}
    path = f"/{code.tenant_id}/oauth2/v2.0/token"
    return await given.client.request("POST", path, data=form, headers={"Origin": "https://x.example"})


@reaches(9002327)
async def page_without_browser(given: SignIns) -> Reply:
    given.seed.web.spa_redirect_uris.append("https://spa.contoso.example/")
    code = given.code(redirect_uri="https://spa.contoso.example/")
    return await given.redeem(code, client_secret=None)


@reaches(9002332)
async def app_of_organizations_on_consumers(given: SignIns) -> Reply:
    form = {"client_id": given.seed.desktop.client_id, "scope": OFFLINE}
    return await given.client.request("POST", "/consumers/oauth2/v2.0/devicecode", data=form)


@pytest.mark.parametrize(
    ("number", "scenario"), [pytest.param(row[0], row[2], id=f"{row[0]} {row[1]}") for row in REACHED]
)
async def test_the_number_is_reached(sign_ins: SignIns, number: int, scenario: Scenario) -> None:
    answer = await scenario(sign_ins)
    code = read_codes()[number]
    assert (answer.json["error_codes"], answer.status, answer.json["error"]) == (
        [number],
        code.status,
        code.oauth_error,
    )
    assert answer.json["error_description"].startswith(f"AADSTS{number}: ")
