"""A secret of a key vault by Microsoft's own SDK, challenge and all, from the emulator behind a proxy."""

import asyncio
import os
import re
import sys
import time
from pathlib import Path

import msal
import pytest
from azure.keyvault.secrets._shared import http_challenge_cache

from pillarbox.core.accounts import AppRegistration, Credential, CredentialKind
from pillarbox.core.errors import ConfigError, PillarboxError, Unavailable
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret
from pillarbox.emulator import Certificates
from pillarbox.emulator.world import FederatedCredential, ServicePrincipal
from pillarbox.emulator.world.key_vaults import KeyVault as Vault
from pillarbox.entra import keyvault
from pillarbox.entra.authority import Authority, TokenUnavailable
from pillarbox.entra.credentials import msal_credential
from pillarbox.entra.keyvault import KeyVault
from pillarbox.entra.sources import Sources
from tests.conftest import Microsoft
from tests.journeys.test_proxy import Proxy
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.entra.test_credentials import EXCHANGE, ISSUER, machine

URL = "https://contoso.vault.azure.net/secrets/gateway"
VALUE = "abc8Q" + "~what-the-vault-keeps"
LOGIN = "login.microsoftonline.com:443"


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    """The emulator's certificate, good for vaults too."""
    return Certificates.make()


@pytest.fixture
def vault(microsoft: Microsoft) -> Vault:
    """A vault that nobody may read yet, and that the SDK has not heard of."""
    http_challenge_cache.clear()
    world = microsoft.emulator.world
    made = world.add_key_vault("contoso")
    made.put("gateway", VALUE, world.entropy)
    return made


def reader(vault: Vault, principal: ServicePrincipal | None) -> None:
    assert principal is not None
    vault.readers.add(principal.id)


def by_secret(microsoft: Microsoft, vault: Vault) -> None:
    """The environment of a service that is the gateway's app, by its secret."""
    app = microsoft.seed.gateway
    reader(vault, app.principal)
    os.environ["AZURE_TENANT_ID"] = microsoft.seed.tenant.id
    os.environ["AZURE_CLIENT_ID"] = app.client_id
    os.environ["AZURE_CLIENT_SECRET"] = microsoft.seed.secrets[app.client_id]


@pytest.fixture
def key_vault(microsoft: Microsoft, proxy: Proxy) -> KeyVault:
    return KeyVault(Outbound(microsoft.emulator.ca_file, proxy.url), "https://login.microsoftonline.com")


async def read(key_vault: KeyVault, url: str = URL) -> Secret:
    return await asyncio.to_thread(key_vault.read, url)


async def refusal(key_vault: KeyVault, url: str = URL) -> PillarboxError:
    with pytest.raises(PillarboxError) as caught:
        await read(key_vault, url)
    assert VALUE not in str(caught.value) + repr(caught.value)
    return caught.value


# ---- who reads


async def test_a_client_secret_of_the_environment_reads_by_the_challenge(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault, proxy: Proxy
) -> None:
    by_secret(microsoft, vault)
    assert await read(key_vault) == Secret(VALUE)
    assert microsoft.emulator.ledger.requests["GET /secrets/{name}"] == 2
    assert set(proxy.asked) == {"contoso.vault.azure.net:443", LOGIN}


async def test_a_pods_workload_identity_reads(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault, app_key: AppKey, tmp_path: Path
) -> None:
    app = microsoft.seed.gateway
    reader(vault, app.principal)
    app.federated.append(FederatedCredential("1", "cluster", ISSUER, "pod", [EXCHANGE]))
    microsoft.emulator.world.issuers[ISSUER] = app_key.key_set()
    told = {"iss": ISSUER, "sub": "pod", "aud": [EXCHANGE], "exp": int(time.time()) + 60}
    (tmp_path / "token").write_text(app_key.sign(told, "RS256", kid="1"))
    os.environ["AZURE_FEDERATED_TOKEN_FILE"] = str(tmp_path / "token")
    os.environ["AZURE_TENANT_ID"] = microsoft.seed.tenant.id
    os.environ["AZURE_CLIENT_ID"] = app.client_id
    assert await read(key_vault) == Secret(VALUE)


@pytest.mark.parametrize("app_service", [False, True])
@pytest.mark.parametrize("which", ["the machine's own", "user-assigned"])
async def test_a_managed_identity_reads(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault, proxy: Proxy, which: str, app_service: bool
) -> None:
    identity = microsoft.seed.identity
    if which == "user-assigned":
        identity = microsoft.emulator.world.add_managed_identity("vaults", user_assigned=True)
        os.environ["AZURE_CLIENT_ID"] = identity.principal.client_id
    reader(vault, identity.principal)
    machine(microsoft, app_service=app_service)
    assert await read(key_vault) == Secret(VALUE)
    assert set(proxy.asked) == {"contoso.vault.azure.net:443"}  # The machine itself is not asked by a proxy.


async def test_the_authority_of_the_environment_counts(microsoft: Microsoft, vault: Vault, proxy: Proxy) -> None:
    by_secret(microsoft, vault)
    os.environ["AZURE_AUTHORITY_HOST"] = "https://login.microsoftonline.com"
    outbound = Outbound(microsoft.emulator.ca_file, proxy.url)
    assert await read(KeyVault(outbound, "https://login.microsoftonline.us")) == Secret(VALUE)


async def test_no_ca_and_no_proxy_of_the_environment_counts(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault, tmp_path: Path
) -> None:
    by_secret(microsoft, vault)
    other = tmp_path / "other-ca.pem"
    other.write_bytes(Certificates.make().ca)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        os.environ[name] = str(other)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        os.environ[name] = "http://127.0.0.1:1"
    assert await read(key_vault) == Secret(VALUE)


async def test_a_ca_that_is_not_ours_gets_no_token(
    microsoft: Microsoft, vault: Vault, proxy: Proxy, tmp_path: Path
) -> None:
    by_secret(microsoft, vault)
    other = tmp_path / "other-ca.pem"
    other.write_bytes(Certificates.make().ca)
    os.environ["REQUESTS_CA_BUNDLE"] = str(microsoft.emulator.ca_file)
    error = await refusal(KeyVault(Outbound(other, proxy.url), "https://login.microsoftonline.com"))
    assert (error.code, "CERTIFICATE_VERIFY_FAILED" in error.sentence) == ("keyvault.unreachable", True)
    assert microsoft.emulator.ledger.token_requests == 0


async def test_a_secret_that_lies_in_a_vault_gets_a_token(
    authority: Authority, gateway_app: AppRegistration, microsoft: Microsoft, vault: Vault, proxy: Proxy
) -> None:
    reader(vault, microsoft.seed.identity.principal)
    machine(microsoft)
    vault.put("gateway", microsoft.seed.secrets[gateway_app.client_id], microsoft.emulator.world.entropy)
    sources = Sources(os.environ, Outbound(microsoft.emulator.ca_file, proxy.url), authority)
    credential = Credential("c", CredentialKind.SECRET, Secret(""), f"keyvault:{URL}")

    def ask() -> dict[str, str]:
        client = authority.confidential(gateway_app, msal_credential(credential, sources.read), msal.TokenCache())
        return dict(client.acquire_token_for_client(["https://graph.microsoft.com/.default"]))

    assert "access_token" in await authority.run(ask)


# ---- what is read


async def test_a_version_is_read_by_its_id(key_vault: KeyVault, microsoft: Microsoft, vault: Vault) -> None:
    by_secret(microsoft, vault)
    old = vault.secrets["gateway"][0]
    vault.put("gateway", "newer", microsoft.emulator.world.entropy)
    assert await read(key_vault) == Secret("newer")
    assert await read(key_vault, f"{URL}/{old.id}") == Secret(VALUE)


async def test_a_secret_is_asked_for_again_after_five_minutes(microsoft: Microsoft, vault: Vault, proxy: Proxy) -> None:
    by_secret(microsoft, vault)
    now = [0.0]
    outbound = Outbound(microsoft.emulator.ca_file, proxy.url)
    key_vault = KeyVault(outbound, "https://login.microsoftonline.com", os.environ, lambda: now[0])
    await read(key_vault)
    vault.put("gateway", "newer", microsoft.emulator.world.entropy)
    now[0] = 299.0
    assert await read(key_vault) == Secret(VALUE)
    now[0] = 300.0
    assert await read(key_vault) == Secret("newer")


# ---- what is refused


async def test_a_secret_that_is_disabled_is_told(key_vault: KeyVault, microsoft: Microsoft, vault: Vault) -> None:
    by_secret(microsoft, vault)
    vault.secrets["gateway"][0].enabled = False
    error = await refusal(key_vault)
    assert (error.code, "Enable it" in error.cure) == ("keyvault.disabled", True)


async def test_who_may_not_read_is_told_which_role_is_missing(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault
) -> None:
    by_secret(microsoft, vault)
    vault.readers.clear()
    error = await refusal(key_vault)
    assert (error.code, "Key Vault Secrets User" in error.cure) == ("keyvault.forbidden", True)
    assert "\n" not in error.sentence


async def test_a_secret_that_is_not_there_is_told(key_vault: KeyVault, microsoft: Microsoft, vault: Vault) -> None:
    by_secret(microsoft, vault)
    error = await refusal(key_vault, URL.replace("gateway", "other"))
    assert (error.code, "no secret other" in error.sentence) == ("keyvault.no_secret", True)


async def test_a_wrong_secret_of_the_environment_is_told_in_entras_words(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault
) -> None:
    by_secret(microsoft, vault)
    os.environ["AZURE_CLIENT_SECRET"] = "wrong"
    error = await refusal(key_vault)
    assert (error.code, "AADSTS7000215" in error.sentence) == ("keyvault.no_identity", True)


async def test_a_machine_that_is_nobody_is_told_what_to_give_it(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault
) -> None:
    machine(microsoft)
    os.environ["AZURE_CLIENT_ID"] = "66666666-7777-4888-9999-aaaaaaaaaaaa"
    error = await refusal(key_vault)
    assert (error.code, "managed identity" in error.cure) == ("keyvault.no_identity", True)


async def test_a_machine_that_does_not_answer_may_answer_later(key_vault: KeyVault, vault: Vault) -> None:
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://127.0.0.1:1"
    error = await refusal(key_vault)
    assert (type(error), error.code, error.entry.exit) == (TokenUnavailable, "identity.unreachable", 75)
    assert "does not answer: Connection refused." in error.sentence


@pytest.mark.parametrize("status", [408, 429, 503])
async def test_a_token_endpoint_that_is_busy_may_be_asked_later(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault, status: int
) -> None:
    by_secret(microsoft, vault)
    microsoft.emulator.faults.add(path="/token", status=status)
    error = await refusal(key_vault)
    assert (type(error), error.code, str(status) in error.sentence) == (
        TokenUnavailable,
        "microsoft.token_unavailable",
        True,
    )


async def test_a_token_endpoint_that_is_not_reached_may_be_reached_later(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault, proxy: Proxy
) -> None:
    by_secret(microsoft, vault)
    # The vault answers with its challenge, then nothing else does.
    proxy.answers = ["", *["502 Bad Gateway"] * 10]
    error = await refusal(key_vault)
    assert (type(error), error.code) == (TokenUnavailable, "microsoft.unreachable")
    assert error.sentence == "login.microsoftonline.com cannot be reached: Tunnel connection failed: 502 Bad Gateway."


async def test_a_connection_that_fails_is_told_in_the_systems_words(microsoft: Microsoft, vault: Vault) -> None:
    key_vault = KeyVault(Outbound(microsoft.emulator.ca_file), "https://login.microsoftonline.com")
    error = await refusal(key_vault, "https://contoso.vault.localhost:1/secrets/gateway")
    assert error.code == "keyvault.unreachable"
    # Where the resolver does not know names below localhost, it says that.
    assert re.search(r"be reached: (Connection refused|[A-Z][a-z ]*(resolution|not known))\.$", error.sentence)


async def test_a_vault_that_cannot_be_reached_may_be_reached_later(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault, proxy: Proxy
) -> None:
    by_secret(microsoft, vault)
    proxy.answers = ["502 Bad Gateway"] * 10
    error = await refusal(key_vault)
    assert (type(error), error.code) == (TokenUnavailable, "keyvault.unreachable")
    proxy.answers = []
    assert await read(key_vault) == Secret(VALUE)


async def test_a_vault_that_is_busy_may_be_asked_later(key_vault: KeyVault, microsoft: Microsoft, vault: Vault) -> None:
    by_secret(microsoft, vault)
    microsoft.emulator.faults.add(path="/secrets", status=503, code="ServiceUnavailable")
    error = await refusal(key_vault)
    assert (error.code, error.entry.exit) == ("keyvault.unreachable", 75)


async def test_a_vault_that_wants_a_token_for_somebody_else_gets_none(
    key_vault: KeyVault, microsoft: Microsoft, vault: Vault
) -> None:
    by_secret(microsoft, vault)
    told = 'Bearer authorization="https://login.microsoftonline.com/x", resource="https://graph.microsoft.com"'
    microsoft.emulator.faults.add(path="/secrets", status=401, headers={"WWW-Authenticate": told})
    error = await refusal(key_vault)
    assert (error.code, microsoft.emulator.ledger.token_requests) == ("keyvault.untrusted", 0)


async def test_an_address_that_is_no_vaults_gets_nothing(key_vault: KeyVault, proxy: Proxy) -> None:
    error = await refusal(key_vault, "https://fabrikam.example/secrets/gateway")
    assert (error.code, proxy.asked) == ("keyvault.bad_url", [])


# ---- the master key, and a house without the extra


async def test_the_master_key_is_read_and_a_failure_stops_the_start_with_its_cure(
    microsoft: Microsoft, vault: Vault, proxy: Proxy
) -> None:
    by_secret(microsoft, vault)
    outbound = Outbound(microsoft.emulator.ca_file, proxy.url)
    given = (outbound, "https://login.microsoftonline.com")
    assert await asyncio.to_thread(keyvault.read_master_key_text, URL, *given) == Secret(VALUE)
    vault.readers.clear()
    for answers, kind, code, exit_code in (
        ([], ConfigError, "vault.key_vault", 78),
        (["502 Bad Gateway"] * 10, Unavailable, "vault.key_vault_unreachable", 75),
    ):
        proxy.answers = answers
        with pytest.raises(kind) as caught:
            await asyncio.to_thread(keyvault.read_master_key_text, URL, *given)
        assert (caught.value.code, caught.value.entry.exit) == (code, exit_code)
        assert "key vault" in caught.value.sentence
        assert caught.value.cure


async def test_without_the_extra_a_check_of_the_settings_says_so(tmp_path: Path) -> None:
    program = (
        "import importlib.util, sys; sys.modules['azure.keyvault'] = None\n"
        "from pillarbox.entra import keyvault\n"
        f"keyvault.check({URL!r})\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    _, errors = await process.communicate()
    assert errors.decode().splitlines()[-1].endswith("ConfigError: Reading a key vault needs two packages more.")


def test_a_check_of_the_settings_knows_what_is_no_secret_of_a_vault() -> None:
    keyvault.check(URL)
    with pytest.raises(ConfigError) as caught:
        keyvault.check("https://fabrikam.example/secrets/gateway")
    assert caught.value.code == "keyvault.bad_url"


async def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['azure'] = sys.modules['azure.core'] = None\n"
        "from pathlib import Path\n"
        "from pillarbox.core.tls import Outbound\n"
        "from pillarbox.entra.keyvault import KeyVault\n"
        f"KeyVault(Outbound(Path('x')), 'https://login.microsoftonline.com').read({URL!r})\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    _, errors = await process.communicate()
    assert errors.decode().splitlines()[-1].endswith("ConfigError: Reading a key vault needs two packages more.")
