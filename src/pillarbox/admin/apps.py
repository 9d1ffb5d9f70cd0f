"""App registrations and their credentials: added, rotated, taken away."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.admin import end_dates, pasted
from pillarbox.core import sources
from pillarbox.core.accounts import NAME, AppRegistration, Credential, CredentialKind
from pillarbox.core.errors import Conflict, InvalidInput, NotFound, PillarboxError
from pillarbox.core.flaws import Flaws
from pillarbox.core.vault import Secret
from pillarbox.entra import certificates
from pillarbox.store.accounts import Accounts

_NONE: Final = Secret("")


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential that was checked and is not kept yet; `warnings` is what looks odd about it."""

    kind: CredentialKind
    material: Secret = _NONE
    source: str = ""
    ends_at: float | None = None
    warnings: tuple[PillarboxError, ...] = ()


@dataclass(frozen=True, slots=True)
class Added:
    """What was added to which app registration, and what looks odd about it; no credential to a public client."""

    app: AppRegistration
    credential: Credential | None
    warnings: tuple[PillarboxError, ...]


# ---- what can be a credential


def client_secret(secret: Secret, name: str, ends_at: float | None, now: float) -> NewCredential:
    """A client secret that was pasted. Raises InvalidInput."""
    clean, odd = pasted.secret(secret, name)
    warnings = (*odd, *end_dates.judge(ends_at, now))
    return NewCredential(CredentialKind.SECRET, clean, ends_at=ends_at, warnings=warnings)


def client_secret_from(
    source: str, name: str, ends_at: float | None, now: float, read: Callable[[str], Secret]
) -> NewCredential:
    """A client secret that is read anew each time; it is read once now, so that a mistake shows. Blocks.

    Raises InvalidInput, and what `read` raises.
    """
    sources.check(source, "env", "file", "keyvault")
    found = client_secret(read(source), name, ends_at, now)
    return NewCredential(found.kind, source=source, ends_at=ends_at, warnings=found.warnings)


def certificate(pem: Secret, now: float) -> NewCredential:
    """A certificate with its private key, not encrypted. Raises InvalidInput, for one that is over too."""
    pair = certificates.read_pem(pem)
    if pair.public.ends_at <= now:
        raise InvalidInput("app.end_past", date=end_dates.day(pair.public.ends_at))
    if pair.public.starts_at > now:
        raise InvalidInput("certificate.not_begun", date=end_dates.day(pair.public.starts_at))
    warnings = tuple(end_dates.near(pair.public.ends_at, now))
    return NewCredential(CredentialKind.CERTIFICATE, pair.pem, ends_at=pair.public.ends_at, warnings=warnings)


def new_certificate(name: str, now: float) -> NewCredential:
    """A certificate that is made here, under the name of the app registration. Takes a second: not on the loop."""
    pair = certificates.make(f"pillarbox {name}"[:64], now)
    return NewCredential(CredentialKind.CERTIFICATE, pair.pem, ends_at=pair.public.ends_at)


def federated(source: str) -> NewCredential:
    """Another issuer's token for a secret: `file:` of the token, or `managed-identity:`. Raises InvalidInput."""
    return NewCredential(CredentialKind.FEDERATED, source=sources.check(source, "file", "managed-identity"))


def managed_identity(which: str) -> NewCredential:
    """The identity of the machine itself: `system`, or `user` for the one that the client ID names."""
    return NewCredential(CredentialKind.MANAGED_IDENTITY, source=which)


# ---- what is done with them


def check_name(name: str) -> str:
    """The name, if it can be one. Raises InvalidInput."""
    if not NAME.fullmatch(name):
        told = pasted.shown(name) if pasted.has_secret(name) else name
        raise InvalidInput("app.bad_name", pointer="/name", name=told)
    return name


async def check_new(accounts: Accounts, name: str, tenant_id: str, client_id: str) -> tuple[str, str]:
    """Tenant and client ID of a new registration, clean.

    Raises InvalidInput for values that cannot be right, Conflict for a taken name.
    """
    flaws, known = Flaws(), await accounts.apps()
    with flaws.collected():
        ids = pasted.ids(tenant_id, client_id, known)
    with flaws.collected():
        check_name(name)
        if any(each.name == name for each in known):
            raise Conflict("app.exists", pointer="/name", name=name)
    flaws.tell()
    return ids


async def add(
    accounts: Accounts, name: str, tenant_id: str, client_id: str, credential: NewCredential | Secret | None
) -> Added:
    """Keep an app registration and its first credential; a bare Secret is a client secret without an end date.

    None is for a public client: people sign in through it, and it does nothing by itself. Raises as `check_new`.
    """
    tenant_id, client_id = await check_new(accounts, name, tenant_id, client_id)
    given = client_secret(credential, name, None, 0.0) if isinstance(credential, Secret) else credential
    if given is None:
        app = await accounts.add_app(name, tenant_id, client_id, _NONE, kind=None)
    else:
        app = await accounts.add_app(
            name, tenant_id, client_id, given.material, kind=given.kind, source=given.source, ends_at=given.ends_at
        )
    if app is None:
        raise Conflict("app.exists", name=name)
    return await _newest(accounts, app, given) if given else Added(app, None, ())


async def change(accounts: Accounts, name: str, tenant_id: str, client_id: str) -> AppRegistration:
    """Keep other IDs of an app registration. Raises NotFound, or InvalidInput for what cannot be right."""
    app = await get(accounts, name)
    others = [each for each in await accounts.apps() if each.id != app.id]
    tenant_id, client_id = pasted.ids(tenant_id, client_id, others)
    await accounts.change_app(app, tenant_id, client_id)
    return await get(accounts, name)


async def remove(accounts: Accounts, name: str) -> AppRegistration:
    """Forget an app registration. Raises NotFound, or Conflict where a mailbox uses it."""
    app = await get(accounts, name)
    if not await accounts.remove_app(app):
        raise Conflict("app.in_use", name=name)
    return app


async def add_credential(accounts: Accounts, name: str, credential: NewCredential) -> Added:
    """Keep a further credential: it is tried first, the older ones after it. Raises NotFound."""
    app = await get(accounts, name)
    await accounts.add_credential(
        app, credential.kind, credential.material, source=credential.source, ends_at=credential.ends_at
    )
    return await _newest(accounts, app, credential)


async def remove_credential(accounts: Accounts, name: str, credential_id: str) -> AppRegistration:
    """Forget a credential. Raises NotFound, or Conflict for the last one."""
    app = await get(accounts, name)
    kept = [each.id for each in await accounts.credentials(app)]
    if credential_id not in kept:
        raise NotFound("app.no_such_credential", name=name, id=credential_id)
    if not await accounts.remove_credential(app, credential_id):
        raise Conflict("app.last_credential", name=name, id=credential_id)
    return app


async def get(accounts: Accounts, name: str) -> AppRegistration:
    """The app registration of this name. Raises NotFound."""
    app = await accounts.app(name)
    if app is None:
        raise NotFound("app.not_found", name=name)
    return app


async def _newest(accounts: Accounts, app: AppRegistration, given: NewCredential) -> Added:
    newest, *_ = await accounts.credentials(app)
    return Added(app, newest, given.warnings)
