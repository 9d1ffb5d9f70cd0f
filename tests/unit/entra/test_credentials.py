"""Every kind of credential gets a token; two at once make a rotation without a gap."""

import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import msal
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pillarbox.core.accounts import AppRegistration, Credential, CredentialKind
from pillarbox.core.errors import ConfigError
from pillarbox.core.log import make_logger
from pillarbox.core.scopes import Resource
from pillarbox.core.vault import Secret, Vault
from pillarbox.emulator.announce import ready_facts
from pillarbox.emulator.world import FederatedCredential, KeyCredential
from pillarbox.entra import certificates
from pillarbox.entra.acquire import Acquire
from pillarbox.entra.authority import Authority, TokenRefused, TokenUnavailable
from pillarbox.entra.certificates import KeyPair
from pillarbox.entra.credentials import IdentityRefused, in_order, managed_identity_client, msal_credential
from pillarbox.entra.sources import Sources
from pillarbox.entra.tokens import Tokens
from pillarbox.store.accounts import Accounts
from pillarbox.store.sealed import SealedValues
from pillarbox.store.sqlite import open_sqlite
from tests.conftest import Log, Microsoft
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.entra.test_certificates import pfx

ISSUER = "https://oidc.cluster.example"
EXCHANGE = "api://AzureADTokenExchange"
NO_SECRET = Secret("")


class Steps:
    """A clock that goes one second further at each look: what is added later is newer."""

    now = 1_795_176_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    yield Accounts(database, Vault(bytes(32)), Steps())
    await database.close()


@pytest.fixture
def tokens(authority: Authority, accounts: Accounts, sources: Sources) -> Tokens:
    log = make_logger(Log(), "info", "text", time.time)
    acquire = Acquire(authority, accounts, sources.read, time.time, log)
    return Tokens(acquire, accounts, time.time, log)


Add = Callable[..., Any]


@pytest.fixture
def add(accounts: Accounts, microsoft: Microsoft) -> Add:
    async def make(
        material: Secret = NO_SECRET,
        kind: CredentialKind = CredentialKind.SECRET,
        source: str = "",
        client_id: str = "",
    ) -> AppRegistration:
        client_id = client_id or microsoft.seed.gateway.client_id
        added = await accounts.add_app(
            "contoso", microsoft.seed.tenant.id, client_id, material, kind=kind, source=source
        )
        assert added is not None
        return added

    return make


def claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def upload(microsoft: Microsoft, public_pem: str) -> None:
    """As an administrator does in the portal."""
    der = x509.load_pem_x509_certificate(public_pem.encode()).public_bytes(serialization.Encoding.DER)
    microsoft.seed.gateway.secrets.clear()
    microsoft.seed.gateway.certificates.append(KeyCredential("1", der, 0.0, 1e12))


# ---- each kind


async def test_a_secret_gets_a_token(tokens: Tokens, add: Add, microsoft: Microsoft) -> None:
    seed = microsoft.seed
    app = await add(Secret(seed.secrets[seed.gateway.client_id]))
    assert claims(await tokens.token(app))["appidacr"] == "1"


@pytest.mark.parametrize("form", ["made here", "PEM", "PFX"])
async def test_a_certificate_gets_a_token(
    tokens: Tokens, add: Add, microsoft: Microsoft, pair: KeyPair, app_key: AppKey, form: str
) -> None:
    if form == "PEM":
        pair = certificates.read_pem(Secret(app_key.private_pem + app_key.public_pem))
    if form == "PFX":
        pair = certificates.read_pfx(pfx(pair), Secret("correct horse"))
    upload(microsoft, pair.public.pem)
    app = await add(pair.pem, CredentialKind.CERTIFICATE)
    assert claims(await tokens.token(app))["appidacr"] == "2"


async def test_a_certificate_signs_ps256_and_names_itself_by_sha_256(
    authority: Authority, gateway_app: AppRegistration, sources: Sources, pair: KeyPair
) -> None:
    credential = Credential("c", CredentialKind.CERTIFICATE, pair.pem)
    given = msal_credential(credential, sources.read)
    client = await authority.run(lambda: authority.confidential(gateway_app, given, msal.TokenCache()))
    header = jwt.get_unverified_header(client.client.client_assertion())
    digest = bytes.fromhex(pair.public.sha256)
    assert (header["alg"], jwt.utils.base64url_decode(header["x5t#S256"])) == ("PS256", digest)


async def test_a_certificate_that_is_not_uploaded_is_told_as_such(tokens: Tokens, add: Add, pair: KeyPair) -> None:
    app = await add(pair.pem, CredentialKind.CERTIFICATE)
    with pytest.raises(TokenRefused, match="AADSTS700027"):
        await tokens.token(app)


@pytest.fixture
def pod(microsoft: Microsoft, app_key: AppKey, tmp_path: Path) -> Callable[[str], str]:
    """Writes the token of a pod with this id into its file, as Kubernetes does; the source of it."""
    microsoft.seed.gateway.federated.append(FederatedCredential("1", "cluster", ISSUER, "pod", [EXCHANGE]))
    microsoft.emulator.world.issuers[ISSUER] = app_key.key_set()
    file = tmp_path / "token"

    def write(ident: str, lifetime: int = 60) -> str:
        told = {"iss": ISSUER, "sub": "pod", "aud": [EXCHANGE], "exp": int(time.time()) + lifetime, "jti": ident}
        file.write_text(app_key.sign(told, "RS256", kid="1") + "\n")
        return f"file:{file}"

    return write


async def test_a_federated_file_is_read_anew_each_time(
    tokens: Tokens,
    add: Add,
    pod: Callable[..., str],
    authority: Authority,
    gateway_app: AppRegistration,
    sources: Sources,
) -> None:
    app = await add(kind=CredentialKind.FEDERATED, source=pod("first", -3600))
    with pytest.raises(TokenRefused, match="AADSTS700024"):
        await tokens.token(app)
    credential = Credential("c", CredentialKind.FEDERATED, NO_SECRET, pod("second"))
    given = msal_credential(credential, sources.read)
    client = await authority.run(lambda: authority.confidential(gateway_app, given, msal.TokenCache()))

    def sent() -> str:
        """What the client would send now; the client itself is the same."""
        return str(claims(client.client.client_assertion())["jti"])

    assert sent() == "second"
    pod("third")
    assert sent() == "third"
    assert "roles" in claims(await tokens.fresh(app))


@pytest.mark.parametrize("app_service", [False, True], ids=["virtual machine", "App Service"])
@pytest.mark.parametrize("which", ["system", "user"])
async def test_a_managed_identity_gets_a_token(
    tokens: Tokens, add: Add, microsoft: Microsoft, which: str, app_service: bool
) -> None:
    shared = microsoft.emulator.world.add_managed_identity("senders", ["Mail.ReadWrite"], user_assigned=True)
    machine(microsoft, app_service=app_service)
    identity = shared if which == "user" else microsoft.seed.identity
    app = await add(kind=CredentialKind.MANAGED_IDENTITY, source=which, client_id=identity.principal.client_id)
    found = claims(await tokens.token(app))
    assert (found["oid"], found["aud"]) == (identity.principal.id, "https://graph.microsoft.com")


def machine(microsoft: Microsoft, *, app_service: bool = False) -> None:
    """The variables of a machine in Azure."""
    found = dict(ready_facts(microsoft.emulator.announcement)["managed_identity"])
    host = found.pop("AZURE_POD_IDENTITY_AUTHORITY_HOST")
    os.environ.update(found if app_service else {"AZURE_POD_IDENTITY_AUTHORITY_HOST": host})


async def test_a_managed_identity_gets_a_token_for_exchange(tokens: Tokens, add: Add, microsoft: Microsoft) -> None:
    machine(microsoft)
    app = await add(kind=CredentialKind.MANAGED_IDENTITY, source="system")
    assert claims(await tokens.token(app, Resource.EXCHANGE))["aud"] == "https://outlook.office365.com"


@pytest.mark.parametrize("which", ["the machine's own", "user-assigned"])
async def test_a_managed_identity_stands_for_the_secret_of_an_app(
    tokens: Tokens, add: Add, microsoft: Microsoft, which: str
) -> None:
    world = microsoft.emulator.world
    shared = world.add_managed_identity("senders", user_assigned=True)
    machine(microsoft)
    identity = shared if which == "user-assigned" else microsoft.seed.identity
    issuer = f"{microsoft.emulator.url}/{microsoft.seed.tenant.id}/v2.0"
    trusted = FederatedCredential("1", "identity", issuer, identity.principal.id, [EXCHANGE])
    microsoft.seed.gateway.federated.append(trusted)
    source = f"managed-identity:{shared.principal.client_id if identity is shared else ''}"
    app = await add(kind=CredentialKind.FEDERATED, source=source)
    assert claims(await tokens.token(app))["appid"] == microsoft.seed.gateway.client_id


async def test_a_managed_identity_that_the_machine_lacks_is_told(
    tokens: Tokens, add: Add, microsoft: Microsoft
) -> None:
    machine(microsoft)
    app = await add(kind=CredentialKind.MANAGED_IDENTITY, source="user")
    with pytest.raises(IdentityRefused, match="Identity not found"):
        await tokens.token(app)


async def test_a_machine_that_is_not_in_azure_is_told_as_such(
    authority: Authority, gateway_app: AppRegistration, tmp_path: Path
) -> None:
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://127.0.0.1:1"
    credential = Credential("c", CredentialKind.MANAGED_IDENTITY, NO_SECRET, "system")
    client = managed_identity_client(credential, gateway_app, authority.session, msal.TokenCache())
    with pytest.raises(TokenUnavailable) as caught:
        await authority.run(lambda: client.acquire_token_for_client(resource="https://graph.microsoft.com"))
    assert caught.value.code == "identity.unreachable"


async def test_something_else_at_the_address_of_the_identity_is_told(
    authority: Authority, gateway_app: AppRegistration, microsoft: Microsoft
) -> None:
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = f"{microsoft.emulator.url}/elsewhere"
    credential = Credential("c", CredentialKind.MANAGED_IDENTITY, NO_SECRET, "system")
    client = managed_identity_client(credential, gateway_app, authority.session, msal.TokenCache())
    with pytest.raises(TokenUnavailable) as caught:
        await authority.run(lambda: client.acquire_token_for_client(resource="https://graph.microsoft.com"))
    assert "something else" in caught.value.sentence


def test_nobody_signs_in_to_a_managed_identity(sources: Sources) -> None:
    with pytest.raises(TokenRefused, match="people cannot sign in"):
        msal_credential(Credential("c", CredentialKind.MANAGED_IDENTITY, NO_SECRET, "system"), sources.read)


# ---- read anew


async def test_a_secret_in_a_file_is_read_anew(tokens: Tokens, add: Add, microsoft: Microsoft, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("not-the-secret")
    app = await add(source=f"file:{file}")
    with pytest.raises(TokenRefused, match="AADSTS7000215"):
        await tokens.token(app)
    file.write_text(microsoft.seed.secrets[app.client_id])
    assert await tokens.fresh(app)


async def test_a_certificate_in_a_file_that_is_none_any_more_is_told(sources: Sources, tmp_path: Path) -> None:
    file = tmp_path / "pair.pem"
    file.write_text("something else")
    credential = Credential("c", CredentialKind.CERTIFICATE, NO_SECRET, f"file:{file}")
    with pytest.raises(ConfigError) as caught:
        msal_credential(credential, sources.read)
    assert caught.value.code == "certificate.no_key"


# ---- several at once


async def test_of_two_the_newer_is_used_though_the_old_one_is_gone_at_microsoft(
    tokens: Tokens, add: Add, accounts: Accounts, microsoft: Microsoft
) -> None:
    gateway = microsoft.seed.gateway
    app = await add(Secret(microsoft.seed.secrets[gateway.client_id]))
    new = microsoft.emulator.world.add_secret(gateway)
    await accounts.add_credential(app, CredentialKind.SECRET, Secret(new))
    del gateway.secrets[0]
    assert await tokens.token(app)
    assert microsoft.emulator.ledger.token_requests == 1


async def test_until_the_newer_one_is_known_at_microsoft_the_old_one_is_used(
    tokens: Tokens, add: Add, accounts: Accounts, microsoft: Microsoft, pair: KeyPair
) -> None:
    app = await add(Secret(microsoft.seed.secrets[microsoft.seed.gateway.client_id]))
    await accounts.add_credential(app, CredentialKind.CERTIFICATE, pair.pem)
    assert claims(await tokens.token(app))["appidacr"] == "1"
    upload(microsoft, pair.public.pem)
    assert claims(await tokens.fresh(app))["appidacr"] == "2"


async def test_a_newer_one_that_cannot_be_read_is_left_out(
    tokens: Tokens, add: Add, accounts: Accounts, microsoft: Microsoft
) -> None:
    app = await add(Secret(microsoft.seed.secrets[microsoft.seed.gateway.client_id]))
    await accounts.add_credential(app, CredentialKind.SECRET, NO_SECRET, source="env:NOT_SET")
    assert await tokens.token(app)


async def test_one_that_the_vault_does_not_open_is_left_out_shown_and_can_be_removed(
    tokens: Tokens, add: Add, accounts: Accounts, microsoft: Microsoft
) -> None:
    app = await add(Secret(microsoft.seed.secrets[microsoft.seed.gateway.client_id]))
    await accounts.add_credential(app, CredentialKind.SECRET, Secret("newer"))
    newer, older = await accounts.credentials(app)
    values = SealedValues(accounts._database)
    async for page in values.pages(b"", 10):
        moved = {each.id: each for each in page}
        await values.replace([(moved[newer.id], moved[older.id].sealed)])
        break
    assert await tokens.token(app)
    broken, _good = await accounts.credentials(app)
    assert broken.broken is not None
    assert (broken.id, broken.broken.code) == (newer.id, "app.credential_damaged")
    assert await accounts.remove_credential(app, newer.id)
    assert [each.id for each in await accounts.credentials(app)] == [older.id]


async def test_a_machine_without_the_identity_falls_back_to_the_secret(
    tokens: Tokens, add: Add, accounts: Accounts, microsoft: Microsoft
) -> None:
    machine(microsoft)
    app = await add(Secret(microsoft.seed.secrets[microsoft.seed.gateway.client_id]))
    await accounts.add_credential(app, CredentialKind.MANAGED_IDENTITY, NO_SECRET, source="user")
    assert claims(await tokens.token(app))["appidacr"] == "1"


async def test_a_foreign_token_that_does_not_fit_falls_back_to_the_secret(
    tokens: Tokens, add: Add, accounts: Accounts, microsoft: Microsoft, tmp_path: Path
) -> None:
    app = await add(Secret(microsoft.seed.secrets[microsoft.seed.gateway.client_id]))
    (tmp_path / "token").write_text("no.token.at-all")
    source = f"file:{tmp_path / 'token'}"
    await accounts.add_credential(app, CredentialKind.FEDERATED, NO_SECRET, source=source)
    assert claims(await tokens.token(app))["appidacr"] == "1"


def test_what_has_ended_is_tried_last() -> None:
    def of(ident: str, ends_at: float | None) -> Credential:
        return Credential(ident, CredentialKind.SECRET, NO_SECRET, ends_at=ends_at)

    found = in_order([of("ended", 100.0), of("good", 200.0), of("ends now", 150.0), of("for ever", None)], 150.0)
    assert [each.id for each in found] == ["good", "for ever", "ended", "ends now"]


# ---- what is wrong with a secret


@pytest.mark.parametrize(
    ("mistake", "number", "words"),
    [("wrong", 7000215, "Value"), ("the Secret ID", 7000215, "Value"), ("expired", 7000222, "new")],
)
async def test_a_secret_that_is_refused_says_what_to_do(
    tokens: Tokens, add: Add, microsoft: Microsoft, mistake: str, number: int, words: str
) -> None:
    (secret,) = microsoft.seed.gateway.secrets
    given = {"wrong": "x" * 40, "the Secret ID": secret.id, "expired": secret.value}[mistake]
    if mistake == "expired":
        secret.ends_at = 1.0
    app = await add(Secret(given))
    with pytest.raises(TokenRefused) as caught:
        await tokens.token(app)
    assert (caught.value.number, words in caught.value.cure) == (number, True)
    assert given not in str(caught.value) + caught.value.cure + repr(caught.value)
