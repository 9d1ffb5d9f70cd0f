"""MSAL Python as the judge: every grant it has, against the running emulator."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import msal
import pytest
import requests
from requests.adapters import HTTPAdapter

from pillarbox.emulator import App, Emulator
from pillarbox.emulator.announce import ready_facts
from pillarbox.emulator.entra.scopes import parse
from pillarbox.emulator.seed import CALLBACK, Seed
from pillarbox.emulator.world import FederatedCredential
from tests.unit.emulator.conftest import Clock
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.emulator.entra.judges.test_azure_identity import machine
from tests.unit.emulator.entra.sign_ins import EXCHANGE_MAIL, unverified

GRAPH = ["https://graph.microsoft.com/.default"]
Judge = Callable[..., Awaitable[Any]]


@pytest.fixture
def session(emulator: Emulator, clock: Clock) -> Iterator[requests.Session]:
    """A session that no environment variable can mislead; MSAL looks at the real clock, so the emulator does too."""
    clock.now = time.time()
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(emulator.ca_file)
        yield session


@pytest.fixture
def confidential(emulator: Emulator, planted: Seed, session: requests.Session) -> Judge:
    """Makes a confidential client of an app, which asks for the discovery documents at once."""

    async def make(app: App, credential: Any, tenant: str | None = None) -> Any:
        return await asyncio.to_thread(
            msal.ConfidentialClientApplication,
            app.client_id,
            credential,
            authority=f"{emulator.url}/{tenant or planted.tenant.id}",
            instance_discovery=False,
            http_client=session,
        )

    return make


@pytest.fixture
async def public(emulator: Emulator, planted: Seed, session: requests.Session) -> Any:
    """A public client of the desktop app."""
    return await asyncio.to_thread(
        msal.PublicClientApplication,
        planted.desktop.client_id,
        authority=f"{emulator.url}/{planted.tenant.id}",
        instance_discovery=False,
        http_client=session,
    )


async def work(call: Callable[..., Any], *arguments: Any, **more: Any) -> dict[str, Any]:
    """What MSAL answers; it blocks, so it has a thread."""
    return dict(await asyncio.to_thread(call, *arguments, **more))


async def test_a_secret_gets_a_token(confidential: Judge, planted: Seed) -> None:
    app = planted.gateway
    found = await work((await confidential(app, planted.secrets[app.client_id])).acquire_token_for_client, GRAPH)
    assert found["token_type"] == "Bearer"
    assert 3500 < found["expires_in"] <= 3599


async def test_the_domain_is_a_tenant(confidential: Judge, planted: Seed) -> None:
    client = await confidential(planted.gateway, planted.secrets[planted.gateway.client_id], "contoso.example")
    assert "access_token" in await work(client.acquire_token_for_client, GRAPH)


async def test_a_refusal_is_reported(confidential: Judge, planted: Seed) -> None:
    found = await work((await confidential(planted.gateway, "wrong")).acquire_token_for_client, GRAPH)
    assert (found["error"], found["error_codes"]) == ("invalid_client", [7000215])


@pytest.mark.parametrize("with_certificate", [True, False], ids=["PS256", "RS256 by thumbprint"])
async def test_a_certificate_gets_a_token(
    confidential: Judge, planted: Seed, app_key: AppKey, with_certificate: bool
) -> None:
    planted.gateway.certificates.append(app_key.credential)
    credential = {"private_key": app_key.private_pem}
    credential |= {"public_certificate": app_key.public_pem} if with_certificate else {"thumbprint": app_key.sha1}
    found = await work((await confidential(planted.gateway, credential)).acquire_token_for_client, GRAPH)
    assert unverified(found["access_token"])["appidacr"] == "2"


async def test_a_federated_assertion_gets_a_token(
    confidential: Judge, planted: Seed, emulator: Emulator, app_key: AppKey
) -> None:
    issuer, audience = "https://oidc.cluster.example", "api://AzureADTokenExchange"
    planted.gateway.federated.append(FederatedCredential("1", "cluster", issuer, "pod", [audience]))
    emulator.world.issuers[issuer] = app_key.key_set()
    claims = {"iss": issuer, "sub": "pod", "aud": audience, "exp": int(time.time()) + 60}
    token = app_key.sign(claims, "RS256", kid="1")
    client = await confidential(planted.gateway, {"client_assertion": lambda: token})
    assert "access_token" in await work(client.acquire_token_for_client, GRAPH)


async def test_a_code_flow_and_a_second_resource(
    confidential: Judge, planted: Seed, emulator: Emulator, clock: Clock
) -> None:
    client = await confidential(planted.web, planted.secrets[planted.web.client_id])
    flow = await work(client.initiate_auth_code_flow, ["Mail.Send"], redirect_uri=CALLBACK, response_mode="form_post")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(flow["auth_uri"]).query).items()}
    code = emulator.authority.pending.add_code(
        client_id=asked["client_id"],
        tenant_id=planted.tenant.id,
        user_id=planted.user("alice").id,
        redirect_uri=asked["redirect_uri"],
        scopes=parse(asked["scope"], emulator.url),
        challenge=asked["code_challenge"],
        method=asked["code_challenge_method"],
        nonce=asked["nonce"],
        now=clock.now,
    )
    found = await work(client.acquire_token_by_auth_code_flow, flow, {"code": code.value, "state": asked["state"]})
    assert found["id_token_claims"]["preferred_username"] == planted.user("alice").upn
    (account,) = client.get_accounts()
    assert account["home_account_id"] == f"{planted.user('alice').id}.{planted.tenant.id}"
    again = await work(client.acquire_token_silent, ["Mail.Send"], account)
    assert again["access_token"] == found["access_token"]
    other = await work(client.acquire_token_silent, [EXCHANGE_MAIL], account)
    assert unverified(other["access_token"])["aud"] == "https://outlook.office.com"


async def test_a_device_flow(public: Any, emulator: Emulator, planted: Seed) -> None:
    flow = await work(public.initiate_device_flow, ["Mail.Send"])
    device = emulator.authority.pending.device_by_user_code(flow["user_code"])
    assert device
    pending = await work(public.acquire_token_by_device_flow, flow, exit_condition=lambda flow: True)
    assert pending["error"] == "authorization_pending"
    del flow["latest_attempt_at"]  # As if the interval had passed.
    device.state, device.tenant_id, device.user_id = "approved", planted.tenant.id, planted.user("bob").id
    found = await work(public.acquire_token_by_device_flow, flow)
    assert found["id_token_claims"]["name"] == "Bob"


class Ported(HTTPAdapter):
    """MSAL asks for the user realm at the host without its port: this puts the port back."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def send(self, request: requests.PreparedRequest, *arguments: Any, **more: Any) -> requests.Response:
        """Send it to the port of the emulator."""
        request.url = (request.url or "").replace("https://localhost/", f"{self._base}/")
        return super().send(request, *arguments, **more)


async def password_token(
    confidential: Judge, planted: Seed, emulator: Emulator, session: requests.Session
) -> dict[str, Any]:
    """What MSAL gets for alice's password."""
    session.mount("https://localhost/common/userrealm/", Ported(emulator.url))
    client = await confidential(planted.web, planted.secrets[planted.web.client_id])
    name = "alice@contoso.example"
    password = planted.passwords[name]
    return await work(client.acquire_token_by_username_password, name, password, ["Mail.Send"])


async def test_a_password(confidential: Judge, planted: Seed, emulator: Emulator, session: requests.Session) -> None:
    found = await password_token(confidential, planted, emulator, session)
    assert unverified(found["access_token"])["upn"] == "alice@contoso.example"
    assert emulator.ledger.requests["GET /common/userrealm/{user}"] == 1


async def test_the_id_token_is_verified_by_the_published_keys(
    confidential: Judge, planted: Seed, emulator: Emulator, session: requests.Session
) -> None:
    found = await password_token(confidential, planted, emulator, session)
    base = f"{emulator.url}/{planted.tenant.id}/v2.0"
    configuration = (await asyncio.to_thread(session.get, f"{base}/.well-known/openid-configuration")).json()
    keys = jwt.PyJWKSet.from_dict((await asyncio.to_thread(session.get, configuration["jwks_uri"])).json())
    claims = jwt.decode(
        found["id_token"],
        keys[jwt.get_unverified_header(found["id_token"])["kid"]].key,
        algorithms=configuration["id_token_signing_alg_values_supported"],
        audience=planted.web.client_id,
        issuer=configuration["issuer"],
    )
    assert claims["oid"] == planted.user("alice").id


@pytest.mark.parametrize("app_service", [False, True])
async def test_managed_identities(
    emulator: Emulator, planted: Seed, session: requests.Session, app_service: bool
) -> None:
    emulator.world.add_managed_identity("senders", ["Mail.Read"], user_assigned=True)
    facts = ready_facts(emulator.announcement)
    os.environ.update(machine(facts, app_service=app_service))
    own, shared = facts["managed_identities"]
    choices: list[tuple[Any, Any]] = [
        (own, msal.SystemAssignedManagedIdentity()),
        (shared, msal.UserAssignedManagedIdentity(client_id=shared["client_id"])),
        (shared, msal.UserAssignedManagedIdentity(object_id=shared["object_id"])),
        (shared, msal.UserAssignedManagedIdentity(resource_id=shared["resource_id"])),
    ]
    for identity, choice in choices:
        client = msal.ManagedIdentityClient(choice, http_client=session)
        found = await work(client.acquire_token_for_client, resource="https://graph.microsoft.com")
        assert unverified(found["access_token"])["oid"] == identity["object_id"]
        assert 3500 < found["expires_in"] <= 3599


async def test_a_machine_without_identity_is_refused(
    emulator: Emulator, planted: Seed, session: requests.Session
) -> None:
    emulator.world.managed_identities.clear()
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = emulator.url
    client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=session)
    found = await work(client.acquire_token_for_client, resource="https://graph.microsoft.com")
    assert found["error"] == "invalid_request"
