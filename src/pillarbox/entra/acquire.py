"""How a token is asked for: by the app with its credentials, or by what a person's sign-in left in the token cache."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msal

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration, Credential, CredentialKind, Mailbox, SignIn
from pillarbox.core.errors import ConfigError, PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.scopes import Resource, app_scope, token_scopes, with_identity
from pillarbox.core.vault import Secret
from pillarbox.entra.authority import Authority, SignInNeeded, TokenRefused, refusal
from pillarbox.entra.credentials import in_order, managed_identity_client, msal_credential
from pillarbox.entra.password import by_password

Read = Callable[[str], Secret]
"""Reads a credential anew from the place that `Credential.source` names. Blocks: it is called in a thread."""


class CredentialStore(Protocol):
    """Where credentials are kept. `store.accounts.Accounts` is one."""

    async def credentials(self, app: AppRegistration) -> list[Credential]:
        """The credentials of an app registration, newest first."""


@dataclass(frozen=True, slots=True)
class Want:
    """What is asked for: `renew` a new token, not one that the cache has; `claims` that it must satisfy."""

    resource: Resource
    renew: bool = False
    claims: str = ""


@dataclass(slots=True)
class Memory:
    """What one owner's requests leave for the next: MSAL's token cache, and its client, which knows the tenant."""

    cache: msal.SerializableTokenCache = field(default_factory=msal.SerializableTokenCache)
    _client: msal.ClientApplication | None = None
    _made_of: object = None

    def client(self, made_of: object, make: Callable[[], msal.ClientApplication]) -> msal.ClientApplication:
        """The client that was made of the same credential, or a new one."""
        if self._client is None or self._made_of != made_of:
            self._client, self._made_of = make(), made_of
        return self._client


class Acquire:
    """Asks Entra ID. Each method gives MSAL's result, an access token in it, and changes the memory it is given."""

    def __init__(self, authority: Authority, store: CredentialStore, read: Read, clock: Clock, log: Logger) -> None:
        self._authority = authority
        self._store = store
        self._read = read
        self._clock = clock
        self._log = log

    async def by_app(self, app: AppRegistration, memory: Memory, want: Want) -> Mapping[str, Any]:
        """A token of the app itself: client credentials, or its managed identity.

        Raises TokenRefused, TokenUnavailable, ConfigError for a credential that cannot be read.
        """

        return await self._with_a_credential(app, lambda credential: self._as_app(app, credential, memory, want))

    async def each_credential(
        self, app: AppRegistration, resource: Resource
    ) -> list[tuple[Credential, PillarboxError | None]]:
        """What becomes of each credential of an app, in the order in which they are tried: None, or why not."""
        found: list[tuple[Credential, PillarboxError | None]] = []
        for credential in in_order(await self._store.credentials(app), self._clock()):
            ask = functools.partial(self._as_app, app, credential, Memory(), Want(resource))
            try:
                await self._asked(ask, delegated=False)
                found.append((credential, None))
            except PillarboxError as error:
                found.append((credential, error))
        return found

    def _as_app(self, app: AppRegistration, credential: Credential, memory: Memory, want: Want) -> Mapping[str, Any]:
        scope = app_scope(self._authority.cloud, want.resource)
        if credential.kind is CredentialKind.MANAGED_IDENTITY:
            fresh = msal.SerializableTokenCache() if want.renew else memory.cache
            identity = managed_identity_client(credential, app, self._authority.session, fresh)
            return identity.acquire_token_for_client(resource=scope.removesuffix("/.default")) or {}
        client = self._confidential(app, credential, memory)
        if want.renew:
            client.remove_tokens_for_client()
        return client.acquire_token_for_client([scope], claims_challenge=want.claims or None) or {}

    async def by_sign_in(self, mailbox: Mailbox, memory: Memory, want: Want) -> Mapping[str, Any]:
        """A token of the person who signed in for a mailbox: their refresh token, or the password where it is kept.

        Raises SignInNeeded where that is at its end, else as `by_app`.
        """
        assert mailbox.sign_in is not None
        sign_in, app = mailbox.sign_in, mailbox.app
        scopes = token_scopes(self._authority.cloud, sign_in.permissions, want.resource, shared=sign_in.shared)
        if not scopes:
            raise TokenRefused("token.not_connected_for", mailbox=mailbox.address, resource=want.resource.value)

        def silently(client: msal.ClientApplication) -> Mapping[str, Any]:
            accounts = client.get_accounts()
            if not accounts and any(memory.cache.search(msal.TokenCache.CredentialType.REFRESH_TOKEN)):
                # The sign-in was made at another authority: it is not at its end for that.
                raise ConfigError("token.other_authority", mailbox=mailbox.address)
            if not accounts:
                return {"error": "login_required", "error_description": "no sign-in is kept"}
            found: Mapping[str, Any] | None = client.acquire_token_silent_with_error(
                scopes, accounts[0], force_refresh=want.renew, claims_challenge=want.claims or None
            )
            return found or {"error": "login_required", "error_description": "no refresh token is kept"}

        try:
            return await self.by_person(app, sign_in.public, memory, silently, delegated=True)
        except SignInNeeded:
            if not sign_in.password_source:
                raise
            return await self._by_kept_password(mailbox, sign_in, scopes, memory)

    async def app_secret(self, app: AppRegistration) -> Secret | None:
        """The client secret of an app, for the password grant; None where it has none."""
        for credential in in_order(await self._store.credentials(app), self._clock()):
            if credential.kind is CredentialKind.SECRET:
                return Secret(await self._authority.run(functools.partial(msal_credential, credential, self._read)))
        return None

    async def keep_refresh_token(
        self, app: AppRegistration, public: bool, refresh_token: str, scopes: Sequence[str], memory: Memory
    ) -> Mapping[str, Any]:
        """Put a refresh token that did not come by MSAL into its cache, by using it once. Raises as `by_app`."""

        def import_into(client: msal.ClientApplication) -> Mapping[str, Any]:
            found: Mapping[str, Any] = client.acquire_token_by_refresh_token(refresh_token, list(scopes))
            return found

        return await self.by_person(app, public, memory, import_into, delegated=True)

    async def _by_kept_password(
        self, mailbox: Mailbox, sign_in: SignIn, scopes: Sequence[str], memory: Memory
    ) -> Mapping[str, Any]:
        password = await self._authority.run(lambda: self._read(sign_in.password_source))
        secret = None if sign_in.public else await self.app_secret(mailbox.app)
        username = sign_in.account.upn if sign_in.account else mailbox.address
        asked = with_identity(scopes)
        result = await by_password(self._authority, mailbox.app, secret, username, password, asked, kept=True)
        if refresh_token := result.get("refresh_token"):
            return await self.keep_refresh_token(mailbox.app, sign_in.public, refresh_token, scopes, memory)
        return result

    async def by_person(
        self,
        app: AppRegistration,
        public: bool,
        memory: Memory,
        ask: Callable[[msal.ClientApplication], Mapping[str, Any]],
        *,
        delegated: bool,
    ) -> Mapping[str, Any]:
        """Ask as the client that the person signed in to: with the app's credential, or as a public one without."""
        if not public:
            return await self._with_a_credential(
                app, lambda credential: ask(self._confidential(app, credential, memory)), delegated=delegated
            )

        def as_public() -> Mapping[str, Any]:
            return ask(memory.client("public", lambda: self._authority.public(app, memory.cache)))

        return await self._asked(as_public, delegated=delegated)

    def _confidential(self, app: AppRegistration, credential: Credential, memory: Memory) -> msal.ClientApplication:
        """MSAL's client with this credential, as it is in its source just now."""
        # A federated one is a function that reads its file at each request; the others are compared.
        given = msal_credential(credential, self._read)
        made_of = credential.id if credential.kind is CredentialKind.FEDERATED else (credential.id, given)
        return memory.client(made_of, lambda: self._authority.confidential(app, given, memory.cache))

    async def _with_a_credential(
        self, app: AppRegistration, ask: Callable[[Credential], Mapping[str, Any]], *, delegated: bool = False
    ) -> Mapping[str, Any]:
        """Ask with each credential in turn until one is taken: while they are rotated one may be gone at Microsoft."""
        first: PillarboxError | None = None
        for credential in in_order(await self._store.credentials(app), self._clock()):
            try:
                return await self._asked(lambda given=credential: ask(given), delegated=delegated)  # type: ignore[misc]
            except (TokenRefused, ConfigError) as error:
                if isinstance(error, TokenRefused) and not _is_of(credential, error):
                    raise
                if isinstance(error, TokenRefused):
                    self._log.warning(
                        "credential.refused", app=app.name, credential=credential.id, reason=error.sentence
                    )
                else:
                    self._log.warning(
                        "credential.unusable", app=app.name, credential=credential.id, reason=error.sentence
                    )
                first = first or error
        raise first or TokenRefused("app.no_credential", name=app.name)

    async def _asked(self, work: Callable[[], Mapping[str, Any]], *, delegated: bool) -> Mapping[str, Any]:
        result = await self._authority.run(work)
        if "access_token" not in result:
            raise refusal(result, delegated=delegated)
        return result


def _is_of(credential: Credential, error: TokenRefused) -> bool:
    """Whether it is this credential that is refused, so that another one may do."""
    if error.of_credential:
        return True
    # A foreign token is refused in many words: for its subject, issuer, audience, form.
    explanation = catalogue.explain_aadsts(error.number)
    federated = credential.kind is CredentialKind.FEDERATED
    return federated and explanation is not None and explanation.kind in ("config", "request")
