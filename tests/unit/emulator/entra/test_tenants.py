"""Apps of several tenants, and people of several kinds."""

import pytest

from pillarbox.emulator import App, Emulator, Tenant
from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.people import check_audience
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.entra.sign_ins import SignIns, unverified

SECRET = "secret of dora"


@pytest.fixture
def fabrikam(emulator: Emulator, planted: Seed) -> Tenant:
    tenant = emulator.world.add_tenant("fabrikam.example", name="Fabrikam")
    emulator.world.add_user(tenant, "dora", password=SECRET)
    return tenant


@pytest.fixture
def consumers(emulator: Emulator, planted: Seed) -> Tenant:
    tenant = emulator.world.add_consumers("outlook.example")
    emulator.world.add_user(tenant, "dora", password=SECRET)
    return tenant


def spread(app: App, tenant: Tenant, emulator: Emulator) -> None:
    """Let an app into another tenant, with all that its registration asks for."""
    app.audience = "AzureADMultipleOrgs"
    principal = emulator.world.add_principal(tenant, app)
    tenant.grant(principal, app.requested_permissions, None, emulator.world.entropy)


async def test_an_app_has_its_own_rights_in_each_tenant(
    client: Client, planted: Seed, fabrikam: Tenant, emulator: Emulator
) -> None:
    spread(planted.gateway, fabrikam, emulator)
    principal = fabrikam.principal(planted.gateway.client_id)
    assert principal
    principal.roles.clear()
    claims = unverified((await client.ask_token(tenant="fabrikam.example")).json["access_token"])
    assert (claims["tid"], claims["oid"]) == (fabrikam.id, principal.id)
    assert "roles" not in claims
    assert unverified(await client.token())["roles"] == ["Mail.Send"]


async def test_a_user_of_another_tenant_signs_in_at_organizations(
    sign_ins: SignIns, planted: Seed, fabrikam: Tenant, emulator: Emulator
) -> None:
    spread(planted.desktop, fabrikam, emulator)
    fields = {"password": SECRET, "tenant": "organizations"}
    answer = await sign_ins.password("dora@fabrikam.example", planted.desktop, **fields)
    assert unverified(answer.json["access_token"])["tid"] == fabrikam.id


async def test_a_code_of_another_tenant_is_redeemed_at_common(
    sign_ins: SignIns, planted: Seed, fabrikam: Tenant, emulator: Emulator
) -> None:
    spread(planted.web, fabrikam, emulator)
    dora = fabrikam.user_by_address("dora@fabrikam.example")
    answer = (await sign_ins.redeem(sign_ins.code(user=dora), planted.web, tenant="common")).json
    assert unverified(answer["access_token"])["tid"] == unverified(answer["id_token"])["tid"] == fabrikam.id
    assert (await sign_ins.refresh(answer["refresh_token"], planted.web, tenant="fabrikam.example")).status == 200


async def test_a_personal_account_needs_an_app_that_takes_them(
    sign_ins: SignIns, planted: Seed, consumers: Tenant, emulator: Emulator
) -> None:
    spread(planted.web, consumers, emulator)
    code = sign_ins.code(user=consumers.user_by_address("dora@outlook.example"))
    assert (await sign_ins.redeem(code, planted.web, tenant="consumers")).json["error_codes"] == [9002332]
    planted.web.audience = "AzureADandPersonalMicrosoftAccount"
    answer = await sign_ins.redeem(code, planted.web, tenant="consumers")
    assert unverified(answer.json["access_token"])["tid"] == "9188040d-6c67-4c5b-b112-36a304b66dad"


async def test_personal_accounts_have_no_password_grant(sign_ins: SignIns, planted: Seed, consumers: Tenant) -> None:
    planted.desktop.audience = "AzureADandPersonalMicrosoftAccount"
    for tenant in ("consumers", consumers.id, "outlook.example"):
        answer = await sign_ins.password("dora@outlook.example", planted.desktop, password=SECRET, tenant=tenant)
        assert answer.json["error_codes"] == [9001023]


async def test_an_app_of_one_tenant_is_unknown_to_another(client: Client, fabrikam: Tenant) -> None:
    assert (await client.ask_token(tenant="fabrikam.example")).json["error_codes"] == [700016]


async def test_a_tenant_takes_its_own_people_only(
    sign_ins: SignIns, planted: Seed, fabrikam: Tenant, emulator: Emulator
) -> None:
    spread(planted.desktop, fabrikam, emulator)
    answer = await sign_ins.password("dora@fabrikam.example", planted.desktop, password=SECRET)
    assert answer.json["error_codes"] == [50020]


async def test_an_app_that_was_called_back_takes_no_foreign_people(
    sign_ins: SignIns, planted: Seed, fabrikam: Tenant, emulator: Emulator
) -> None:
    spread(planted.desktop, fabrikam, emulator)
    planted.desktop.audience = "AzureADMyOrg"
    fields = {"password": SECRET, "tenant": "fabrikam.example"}
    answer = await sign_ins.password("dora@fabrikam.example", planted.desktop, **fields)
    assert answer.json["error_codes"] == [50020]


def test_an_app_of_organizations_takes_no_personal_accounts(planted: Seed, consumers: Tenant) -> None:
    planted.desktop.audience = "AzureADMultipleOrgs"
    with pytest.raises(EntraError) as caught:
        check_audience(planted.desktop, planted.tenant, consumers)
    assert caught.value.number == 9002332
