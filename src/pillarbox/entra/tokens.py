"""Access tokens of app registrations by MSAL: fetched once, whoever waits for them, and kept sealed in the store.

MSAL is synchronous, so it works in threads; it has no single flight, so ours is around it; and it lets
REQUESTS_CA_BUNDLE win over a given CA, so it gets a session of ours that looks at no environment.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import msal
import requests

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration
from pillarbox.core.clouds import Cloud
from pillarbox.core.errors import AuthenticationFailed, PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret

_T = TypeVar("_T")
_CODE: Final = re.compile(r"AADSTS(\d+)")
_TIMEOUT: Final = 30
_EARLY: Final = 300
"""A token is renewed this many seconds before its end, or after nine tenths of a shorter life."""


class TokenStore(Protocol):
    """Where token caches and client secrets are kept. `store.accounts.Accounts` is one."""

    async def load_token_cache(self, owner: str) -> bytes | None:
        """What `save_token_cache` kept last for this owner."""

    async def save_token_cache(self, owner: str, content: bytes) -> None:
        """Keep a cache until the next one comes."""

    async def client_secret(self, app: AppRegistration) -> Secret:
        """The secret of an app registration."""


class TokenRefused(AuthenticationFailed):
    """Entra ID refuses a token for a reason that a person must mend."""


class TokenUnavailable(Unavailable):
    """Entra ID could not be asked, or is busy."""


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    renew_at: float


class _App:
    """One app registration's MSAL application, its last token, and the lock that makes requests one at a time."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.token: _Token | None = None
        self.cache = msal.SerializableTokenCache()
        self.client: msal.ConfidentialClientApplication | None = None


class Tokens:
    """Gives access tokens for Graph."""

    def __init__(self, cloud: Cloud, outbound: Outbound, store: TokenStore, clock: Clock, log: Logger) -> None:
        self._cloud = cloud
        self._store = store
        self._clock = clock
        self._log = log
        self._apps: dict[int, _App] = {}
        self._session = _Session(outbound, cloud.authority_url)

    def close(self) -> None:
        """Close the connections to Entra ID."""
        self._session.close()

    async def app_token(self, app: AppRegistration, rejected: str | None = None) -> str:
        """A token of the app itself (client credentials) for Graph's application permissions.

        With `rejected`, a token that Graph refused, never that one again. Raises TokenRefused, TokenUnavailable.
        """
        state = self._apps.setdefault(app.id, _App())
        if token := self._usable(state, rejected):
            return token
        async with state.lock:
            # Whoever held the lock before may have fetched what we need.
            if token := self._usable(state, rejected):
                return token
            if state.client is None:
                state.client = await self._new_client(app, state.cache)
            state.token = await self._fetch(app, state.client, renew=rejected is not None)
            if state.cache.has_state_changed:
                await self._store.save_token_cache(_owner(app), state.cache.serialize().encode())
            return state.token.value

    def _usable(self, state: _App, rejected: str | None) -> str | None:
        token = state.token
        if token is None or token.value == rejected or token.renew_at <= self._clock():
            return None
        return token.value

    async def _new_client(
        self, app: AppRegistration, cache: msal.SerializableTokenCache
    ) -> msal.ConfidentialClientApplication:
        secret = await self._store.client_secret(app)
        if stored := await self._store.load_token_cache(_owner(app)):
            cache.deserialize(stored.decode())
        return await _in_thread(self._cloud.authority_url, lambda: self._make_client(app, secret, cache))

    def _make_client(
        self, app: AppRegistration, secret: Secret, cache: msal.SerializableTokenCache
    ) -> msal.ConfidentialClientApplication:
        # The authority is a setting of the administrator: MSAL need not ask Microsoft whether it is one.
        return msal.ConfidentialClientApplication(
            app.client_id,
            client_credential=secret.reveal(),
            authority=f"{self._cloud.authority_url}/{app.tenant_id}",
            instance_discovery=False,
            token_cache=cache,
            http_client=self._session,
        )

    async def _fetch(self, app: AppRegistration, client: msal.ConfidentialClientApplication, *, renew: bool) -> _Token:
        def acquire() -> dict[str, Any]:
            if renew:
                client.remove_tokens_for_client()
            return client.acquire_token_for_client([self._cloud.graph_scope]) or {}

        result = await _in_thread(self._cloud.authority_url, acquire)
        if "access_token" not in result:
            raise _refusal(result)
        life = float(result["expires_in"])
        if result.get("token_source") != "cache":
            self._log.info("token.fetched", app=app.name, seconds=int(life))
        return _Token(result["access_token"], self._clock() + max(life - _EARLY, life * 0.9))


class _Session(requests.Session):
    """A session whose CA and proxy are ours: no environment variable changes them."""

    def __init__(self, outbound: Outbound, authority_url: str) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = str(outbound.ca_file)
        if proxy := outbound.proxy_for(authority_url):
            self.proxies = {"https": proxy}

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As `requests.Session.request`, never without a time-out."""
        return super().request(*args, **{"timeout": _TIMEOUT, **kwargs})


async def _in_thread(authority_url: str, work: Callable[[], _T]) -> _T:
    """Run MSAL's blocking work in a thread, its many exceptions translated into ours."""
    host = urlsplit(authority_url).netloc
    try:
        return await asyncio.to_thread(work)
    except requests.exceptions.SSLError as error:
        raise TokenRefused("microsoft.tls", host=host, reason=_innermost(error)) from error
    except requests.exceptions.RequestException as error:
        raise TokenUnavailable("microsoft.unreachable", host=host, reason=_innermost(error)) from error
    except ValueError as error:
        # MSAL's word for a discovery document that is refused (a wrong tenant) or an answer that is no JSON.
        raise _refusal({"error_description": str(error), "error_codes": _CODE.findall(str(error))}) from error


def _refusal(result: Mapping[str, Any]) -> PillarboxError:
    """Entra's error as one of ours: what its number means decides, the text is only shown."""
    text = str(result.get("error_description") or result.get("error") or "an answer without a token").splitlines()[0]
    codes = result.get("error_codes") or []
    explanation = next(filter(None, map(catalogue.explain_aadsts, codes)), None)
    transient = explanation is not None and explanation.kind == "transient"
    if transient or result.get("error") == "temporarily_unavailable":
        return TokenUnavailable("microsoft.token_unavailable", text=text)
    remedy = explanation.remedy if explanation else "The text above is Microsoft's; search for its AADSTS number."
    return TokenRefused("microsoft.token_refused", text=text, remedy=remedy)


def _innermost(error: BaseException) -> BaseException:
    """What really happened, below the layers of requests and urllib3."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _owner(app: AppRegistration) -> str:
    return f"app/{app.id}"
