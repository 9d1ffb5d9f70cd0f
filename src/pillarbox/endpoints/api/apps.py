"""App registrations and their credentials at the API. Secrets come in, and never go out."""

import asyncio
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from fastapi import FastAPI, Response
from pydantic import Field, SecretStr, StrictBool, StrictFloat

from pillarbox.admin import apps, end_dates
from pillarbox.core.accounts import AppRegistration, Credential, CredentialKind
from pillarbox.core.caller import Scope
from pillarbox.core.errors import ConfigError, InvalidInput, PillarboxError
from pillarbox.core.flaws import Flaws, at
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.etags import IfMatch, Versions
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.paging import Paging
from pillarbox.entra import certificates

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_LONG_ENOUGH: Final = 30
"""Characters of a client secret of which three may be shown."""


class NewCredential(Model):
    """Exactly one credential of an app registration. Times are seconds since 1970.

    `client_secret`, or `client_secret_from` where it is read anew each time (`env:NAME`, `file:/PATH`,
    `keyvault:URL`), both perhaps with `ends_at`; `certificate` as PEM with its private key, or `new_certificate`;
    `federated` (`file:/PATH` of the token, or `managed-identity:CLIENT_ID`); `managed_identity`. `authority_host` is
    AZURE_AUTHORITY_HOST of the pod that is federated: it must be the cloud that the settings name.
    """

    client_secret: SecretStr | None = None
    client_secret_from: str | None = None
    ends_at: StrictFloat | None = Field(None, ge=0, lt=253_402_300_800)  # the end of the year 9999
    certificate: SecretStr | None = None
    new_certificate: StrictBool = False
    federated: str | None = None
    managed_identity: Literal["system", "user"] | None = None
    authority_host: str = ""


class NewApp(NewCredential):
    """An app registration: a name for it, its two IDs and a credential.

    `public` in the place of a credential: people sign in through it by themselves, and it does nothing alone.
    """

    name: str = Field(min_length=1, max_length=64)
    tenant_id: str
    client_id: str
    public: StrictBool = False


class AppIds(Model):
    """The two IDs of an app registration."""

    tenant_id: str
    client_id: str


class CredentialOut(Model):
    """A credential: what it is, never its material. The thumbprints and `public_pem` are those of a certificate.

    `hint` is how the client secret begins: the three characters that the portal goes on showing, to tell it by.

    `broken` says why it cannot be used: its sealed value does not open.
    """

    id: str
    kind: CredentialKind
    source: str
    ends_at: float | None
    created_at: float
    hint: str = ""
    sha1: str = ""
    sha256: str = ""
    public_pem: str = ""
    broken: str = ""

    @classmethod
    def of(cls, credential: Credential) -> "CredentialOut":
        """From our word."""
        shown = cls(
            id=credential.id,
            kind=credential.kind,
            source=credential.source,
            ends_at=credential.ends_at,
            created_at=credential.created_at,
        )
        if credential.broken:
            shown.broken = credential.broken.sentence
        elif credential.kind is CredentialKind.SECRET and len(credential.material.reveal()) >= _LONG_ENOUGH:
            shown.hint = credential.material.reveal()[:3]
        elif credential.kind is CredentialKind.CERTIFICATE and not credential.source:
            public = certificates.public_of(credential.material)
            shown.sha1, shown.sha256, shown.public_pem = public.sha1, public.sha256, public.pem
        return shown


class WarningOut(Model):
    """Something that looks odd and was taken all the same."""

    code: str
    title: str
    hint: str

    @classmethod
    def of(cls, error: PillarboxError) -> "WarningOut":
        """From our word."""
        return cls(code=error.code, title=error.sentence, hint=error.cure)


class App(Model):
    """An app registration and how many credentials it has.

    `ends_at` is the nearest of their end dates that is to come; where all have passed, the last one.
    """

    name: str
    tenant_id: str
    client_id: str
    credentials: int
    ends_at: float | None

    @classmethod
    def of(cls, app: AppRegistration, credentials: list[Credential], now: float) -> "App":
        """From our words."""
        return cls(
            name=app.name,
            tenant_id=app.tenant_id,
            client_id=app.client_id,
            credentials=len(credentials),
            ends_at=end_dates.end_of(credentials, now),
        )


class Apps(Model):
    """App registrations, by name; `next` is the cursor of the following page."""

    data: list[App]
    next: str | None


class Added(Model):
    """What was added; no credential to a public client."""

    name: str
    tenant_id: str
    client_id: str
    credential: CredentialOut | None
    warnings: list[WarningOut]

    @classmethod
    def of(cls, added: apps.Added) -> "Added":
        """From our word."""
        return cls(
            name=added.app.name,
            tenant_id=added.app.tenant_id,
            client_id=added.app.client_id,
            credential=CredentialOut.of(added.credential) if added.credential else None,
            warnings=[WarningOut.of(each) for each in added.warnings],
        )


class Credentials(Model):
    """All credentials of an app registration, newest first."""

    data: list[CredentialOut]


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes."""
    accounts, log = services.accounts, services.log
    # Its credentials have routes of their own.
    versions = Versions(volatile=frozenset({"credentials", "ends_at"}))

    async def shown(one: AppRegistration) -> App:
        return App.of(one, await accounts.credentials(one), services.clock())

    async def shown_now(name: str) -> App:
        return await shown(await apps.get(accounts, name))

    @app.get("/api/v1/apps", dependencies=[needs(Scope.ADMIN)])
    async def list_apps(paging: Paging) -> Apps:
        """List the app registrations."""
        page, following = paging.cut(await accounts.apps(), key=lambda one: one.name)
        return Apps(data=[await shown(one) for one in page], next=following)

    @app.get("/api/v1/apps/{name}", dependencies=[needs(Scope.ADMIN)])
    async def show_app(name: str, response: Response) -> App:
        """Show an app registration."""
        return versions.tell(response, await shown_now(name))

    @app.post("/api/v1/apps", status_code=201, dependencies=[needs(Scope.ADMIN)])
    async def add_app(new: NewApp) -> Added:
        """Add an app registration with its first credential."""
        flaws = Flaws()
        with flaws.collected():
            await apps.check_new(accounts, new.name, new.tenant_id, new.client_id)
        with flaws.collected():
            if new.public and any(_given(new)):
                raise InvalidInput("app.one_credential")
            credential = None if new.public else await _credential(new, new.name, services)
        flaws.tell()
        added = await apps.add(accounts, new.name, new.tenant_id, new.client_id, credential)
        log.info("account.changed", what="app", name=added.app.name, change="added")
        return Added.of(added)

    @app.put("/api/v1/apps/{name}", dependencies=[needs(Scope.ADMIN)])
    async def change_app(name: str, ids: AppIds, response: Response, if_match: IfMatch = None) -> App:
        """Give an app registration other IDs; its credentials stay."""
        async with versions.changing(if_match, lambda: shown_now(name)):
            changed = await apps.change(accounts, name, ids.tenant_id, ids.client_id)
        services.changed(changed)
        log.info("account.changed", what="app", name=name, change="other IDs")
        return versions.tell(response, await shown(changed))

    @app.delete("/api/v1/apps/{name}", status_code=204, dependencies=[needs(Scope.ADMIN)])
    async def remove_app(name: str, if_match: IfMatch = None) -> None:
        """Remove an app registration that no mailbox needs."""
        async with versions.changing(if_match, lambda: shown_now(name)):
            services.changed(await apps.remove(accounts, name))
        log.info("account.changed", what="app", name=name, change="removed")

    @app.get("/api/v1/apps/{name}/credentials", dependencies=[needs(Scope.ADMIN)])
    async def list_credentials(name: str) -> Credentials:
        """List the credentials of an app registration: what they are, never their secrets."""
        found = await accounts.credentials(await apps.get(accounts, name))
        return Credentials(data=[CredentialOut.of(one) for one in found])

    @app.post("/api/v1/apps/{name}/credentials", status_code=201, dependencies=[needs(Scope.ADMIN)])
    async def add_credential(name: str, new: NewCredential) -> Added:
        """Give an app registration one more credential, which is used from now on."""
        await apps.get(accounts, name)
        added = await apps.add_credential(accounts, name, await _credential(new, name, services))
        services.changed(added.app)
        kind = added.credential.kind if added.credential else ""
        log.info("account.changed", what="app", name=name, change=f"new {kind}")
        return Added.of(added)

    @app.delete("/api/v1/apps/{name}/credentials/{credential_id}", status_code=204, dependencies=[needs(Scope.ADMIN)])
    async def remove_credential(name: str, credential_id: str) -> None:
        """Remove a credential of an app registration."""
        services.changed(await apps.remove_credential(accounts, name, credential_id))
        log.info("account.changed", what="app", name=name, change=f"removed {credential_id}")


def _given(new: NewCredential) -> list[bool]:
    return [
        new.client_secret is not None,
        new.client_secret_from is not None,
        new.certificate is not None,
        new.new_certificate,
        new.federated is not None,
        new.managed_identity is not None,
    ]


async def _credential(new: NewCredential, name: str, services: "Services") -> apps.NewCredential:
    """What was given, checked. Raises InvalidInput, and what reading it from its source raises."""
    if _given(new).count(True) != 1:
        raise InvalidInput("app.one_credential")
    if new.ends_at is not None and new.client_secret is None and new.client_secret_from is None:
        raise InvalidInput("request.invalid", reason="ends_at goes with a client secret")
    now = services.clock()
    if new.client_secret is not None:
        with at("/client_secret"):
            return apps.client_secret(_secret(new.client_secret), name, new.ends_at, now)
    if new.client_secret_from is not None:
        read = services.clients().read
        return await asyncio.to_thread(apps.client_secret_from, new.client_secret_from, name, new.ends_at, now, read)
    if new.certificate is not None:
        with at("/certificate"):
            return apps.certificate(_secret(new.certificate), now)
    if new.new_certificate:
        return await asyncio.to_thread(apps.new_certificate, name, now)
    if new.federated is not None:
        _check_cloud(new.authority_host, services)
        return apps.federated(new.federated)
    assert new.managed_identity is not None
    return apps.managed_identity(new.managed_identity)


def _check_cloud(found: str, services: "Services") -> None:
    """A pod says in which cloud it runs; tokens of another would be useless. Raises ConfigError."""
    if found and _host(found) != _host(expected := services.clients().cloud.authority_url):
        raise ConfigError("app.other_cloud", found=found, expected=expected)


def _host(url: str) -> str:
    return urlsplit(url if "://" in url else f"https://{url}").netloc.lower()


def _secret(given: SecretStr) -> Secret:
    return Secret(given.get_secret_value())
