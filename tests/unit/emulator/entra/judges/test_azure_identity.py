"""azure-identity as the judge: its credentials get tokens from the emulator as from Microsoft."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import azure.identity as azure
import pytest
from azure.core.exceptions import ClientAuthenticationError

from pillarbox.emulator import Emulator
from pillarbox.emulator.announce import ready_facts
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import FederatedCredential
from tests.unit.emulator.conftest import Clock
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.emulator.entra.sign_ins import unverified

SCOPE = "https://graph.microsoft.com/.default"
ISSUER = "https://oidc.cluster.example"


@pytest.fixture
def host(emulator: Emulator, clock: Clock) -> dict[str, Any]:
    """Where the authority is; azure-identity looks at the real clock, so the emulator does too."""
    clock.now = time.time()
    # azure-core lets this win over `connection_verify`, as it does in the environments that people have.
    os.environ["REQUESTS_CA_BUNDLE"] = str(emulator.ca_file)
    return {"authority": emulator.url, "disable_instance_discovery": True}


async def token_of(credential: Any, *scopes: str, **more: Any) -> dict[str, Any]:
    """The claims of the token that a credential gets; it blocks, so it has a thread."""
    with credential:
        found = await asyncio.to_thread(credential.get_token, *(scopes or (SCOPE,)), **more)
    assert found.expires_on > time.time() + 3500
    return unverified(found.token)


async def test_client_secret_credential(host: dict[str, Any], planted: Seed) -> None:
    app = planted.gateway
    secret = planted.secrets[app.client_id]
    claims = await token_of(azure.ClientSecretCredential(planted.tenant.id, app.client_id, secret, **host))
    assert (claims["appid"], claims["roles"]) == (app.client_id, ["Mail.Send"])


async def test_capabilities_are_understood(host: dict[str, Any], planted: Seed) -> None:
    app = planted.gateway
    secret = planted.secrets[app.client_id]
    credential = azure.ClientSecretCredential(planted.tenant.id, app.client_id, secret, **host)
    assert (await token_of(credential, enable_cae=True))["xms_cc"] == ["CP1"]


async def test_a_wrong_secret_is_an_authentication_error(host: dict[str, Any], planted: Seed) -> None:
    credential = azure.ClientSecretCredential(planted.tenant.id, planted.gateway.client_id, "wrong", **host)
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        await token_of(credential)


@pytest.mark.parametrize("send_chain", [False, True])
async def test_certificate_credential(host: dict[str, Any], planted: Seed, app_key: AppKey, send_chain: bool) -> None:
    app = planted.gateway
    app.certificates.append(app_key.credential)
    pem = (app_key.private_pem + app_key.public_pem).encode()
    credential = azure.CertificateCredential(
        planted.tenant.id, app.client_id, certificate_data=pem, send_certificate_chain=send_chain, **host
    )
    assert (await token_of(credential))["appidacr"] == "2"


@pytest.fixture
def pod(planted: Seed, emulator: Emulator, app_key: AppKey) -> str:
    """The token of a pod that may speak for the gateway."""
    audience = "api://AzureADTokenExchange"
    planted.gateway.federated.append(FederatedCredential("1", "cluster", ISSUER, "pod", [audience]))
    emulator.world.issuers[ISSUER] = app_key.key_set()
    claims = {"iss": ISSUER, "sub": "pod", "aud": [audience], "exp": int(time.time()) + 60}
    return app_key.sign(claims, "RS256", kid="1")


async def test_client_assertion_credential(host: dict[str, Any], planted: Seed, pod: str) -> None:
    app = planted.gateway
    credential = azure.ClientAssertionCredential(planted.tenant.id, app.client_id, lambda: pod, **host)
    assert (await token_of(credential))["appid"] == app.client_id


async def test_workload_identity_credential(host: dict[str, Any], planted: Seed, pod: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(pod)
    os.environ["AZURE_CLIENT_ID"] = planted.gateway.client_id
    os.environ["AZURE_TENANT_ID"] = planted.tenant.id
    os.environ["AZURE_FEDERATED_TOKEN_FILE"] = str(file)
    assert (await token_of(azure.WorkloadIdentityCredential(**host)))["appid"] == planted.gateway.client_id


async def test_device_code_credential(host: dict[str, Any], planted: Seed, emulator: Emulator) -> None:
    def approve(uri: str, user_code: str, expires: Any) -> None:
        assert uri == f"{emulator.url}/devicelogin"
        device = emulator.authority.pending.device_by_user_code(user_code)
        assert device
        device.state, device.tenant_id, device.user_id = "approved", planted.tenant.id, planted.user("bob").id

    credential = azure.DeviceCodeCredential(
        planted.desktop.client_id, tenant_id=planted.tenant.id, prompt_callback=approve, **host
    )
    assert (await token_of(credential, "Mail.Send"))["upn"] == "bob@contoso.example"


def machine(facts: dict[str, Any], *, app_service: bool) -> dict[str, str]:
    """The variables of one kind of machine, from the facts that the emulator prints."""
    found = dict(facts["managed_identity"])
    host = found.pop("AZURE_POD_IDENTITY_AUTHORITY_HOST")
    return found if app_service else {"AZURE_POD_IDENTITY_AUTHORITY_HOST": host}


@pytest.mark.parametrize("app_service", [False, True])
async def test_managed_identity_credential(
    host: dict[str, Any], planted: Seed, emulator: Emulator, app_service: bool
) -> None:
    emulator.world.add_managed_identity("senders", user_assigned=True)
    facts = ready_facts(emulator.announcement)
    os.environ.update(machine(facts, app_service=app_service))
    own, shared = facts["managed_identities"]
    claims = await token_of(azure.ManagedIdentityCredential())
    assert (
        (claims["oid"], claims["roles"])
        == (own["object_id"], own["roles"])
        == (planted.identity.principal.id, ["Mail.Send"])
    )
    claims = await token_of(azure.ManagedIdentityCredential(client_id=shared["client_id"]))
    assert claims["oid"] == shared["object_id"]


async def test_default_credential_finds_the_machine(host: dict[str, Any], planted: Seed, emulator: Emulator) -> None:
    os.environ.update(ready_facts(emulator.announcement)["managed_identity"])
    assert (await token_of(azure.DefaultAzureCredential()))["oid"] == planted.identity.principal.id
