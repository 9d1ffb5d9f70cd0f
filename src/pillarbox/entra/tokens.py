"""Access tokens of app registrations by MSAL: fetched once, whoever waits for them, and kept sealed in the store.

MSAL is synchronous, so it works in threads; it has no single flight, so ours is around it; and it lets
REQUESTS_CA_BUNDLE win over a given CA, so it gets a session of ours that looks at no environment.
"""

import asyncio
import io
import json
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import msal
import requests

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration
from pillarbox.core.clouds import Cloud
from pillarbox.core.errors import AuthenticationFailed, ConfigError, PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.reasons import reason
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret

# What it calls errors come to us as exceptions; nothing but our own log writes to standard error.
logging.getLogger("msal").setLevel(logging.CRITICAL)

_T = TypeVar("_T")
_CODE: Final = re.compile(r"AADSTS(\d+)")
_SAID: Final = re.compile(r'AADSTS\d+[^"\\\r\n]*')
_TIMEOUT: Final = 30
_THREADS: Final = 8
_DOUBT_AFTER: Final = 60
"""Seconds that a token with which a right was missing is still used, so that refusals make no storm of requests."""
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
    fetched_at: float


class _App:
    """One app registration's MSAL application, its last token, and the lock that makes requests one at a time."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.token: _Token | None = None
        self.cache = msal.SerializableTokenCache()
        self.client: msal.ConfidentialClientApplication | None = None
        self.doubted = False


class Tokens:
    """Gives access tokens for Graph."""

    def __init__(self, cloud: Cloud, outbound: Outbound, store: TokenStore, clock: Clock, log: Logger) -> None:
        self._cloud = cloud
        self._store = store
        self._clock = clock
        self._log = log
        self._apps: dict[int, _App] = {}
        self._session = _Session(outbound, cloud.authority_url)
        # Threads of its own: a token endpoint that hangs must not hold up name look-ups and the like.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="msal")

    async def doubt(self, app: AppRegistration) -> None:
        """A right was missing: a consent given meanwhile shows in a new token only, so do not keep this one long."""
        state = self._apps.get(app.id)
        if state is None or state.doubted or state.client is None:
            return
        state.doubted = True
        state.client.remove_tokens_for_client()
        await self._keep(app, state.cache)

    def forget(self, app: AppRegistration) -> None:
        """Begin anew with this app registration: its secret has changed."""
        self._apps.pop(app.id, None)

    def close(self) -> None:
        """Close the connections to Entra ID."""
        self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

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
            renew = rejected is not None or state.doubted
            # Until a good one is there: what MSAL has got and kept may be the reason that this fails.
            state.doubted = True
            state.token = await self._fetch(app, state.client, renew=renew)
            state.doubted = False
            if state.cache.has_state_changed:
                await self._keep(app, state.cache)
            return state.token.value

    async def _keep(self, app: AppRegistration, cache: msal.SerializableTokenCache) -> None:
        try:
            await self._store.save_token_cache(app.cache_owner, cache.serialize().encode())
        except Unavailable as error:
            # The token is good all the same: a full disk must not keep mail from leaving.
            self._log.error("store.unusable", where="token cache", code=error.code, reason=error.sentence)

    def _usable(self, state: _App, rejected: str | None) -> str | None:
        token = state.token
        now = self._clock()
        if token is None or token.value == rejected or token.renew_at <= now:
            return None
        if state.doubted and token.fetched_at + _DOUBT_AFTER <= now:
            return None
        return token.value

    async def _new_client(
        self, app: AppRegistration, cache: msal.SerializableTokenCache
    ) -> msal.ConfidentialClientApplication:
        secret = await self._store.client_secret(app)
        try:
            if stored := await self._store.load_token_cache(app.cache_owner):
                cache.deserialize(stored.decode())
        except ConfigError as error:
            # A cache is only a cache: one that does not open is fetched anew.
            self._log.warning("store.unusable", where="token cache", code=error.code, reason=error.sentence)
        return await self._in_thread(lambda: self._make_client(app, secret, cache))

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

        result = await self._in_thread(acquire)
        if "access_token" not in result:
            raise _refusal(result)
        value, life = _token_of(result)
        now = self._clock()
        fresh = result.get("token_source") != "cache"
        if fresh:
            self._log.info("token.fetched", app=app.name, seconds=int(life))
        return _Token(value, now + max(life - _EARLY, life * 0.9), now if fresh else 0.0)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        """Run MSAL's blocking work in a thread, its many exceptions translated into ours."""
        host = urlsplit(self._cloud.authority_url).netloc

        def why(error: Exception) -> str:
            return reason(_innermost(error), self._session.proxy)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except requests.exceptions.SSLError as error:
            raise TokenRefused("microsoft.tls", host=host, reason=why(error)) from error
        except requests.exceptions.RequestException as error:
            raise TokenUnavailable("microsoft.unreachable", host=host, reason=why(error)) from error
        except msal.exceptions.MsalServiceError as error:
            # A status of 500 or more.
            raise TokenUnavailable("microsoft.token_unavailable", text=f"{error}.") from error
        except ValueError as error:
            raise _refusal_of(error) from error
        except Exception as error:
            # An answer that MSAL did not foresee. Nothing of the mail was sent.
            raise TokenUnavailable("microsoft.token_unavailable", text=f"{type(error).__name__}: {error}") from error


class _Session(requests.Session):
    """A session whose CA and proxy are ours: no environment variable changes them."""

    def __init__(self, outbound: Outbound, authority_url: str) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = str(outbound.ca_file)
        self.proxy = outbound.proxy_for(authority_url)
        if self.proxy:
            self.proxies = {"https": self.proxy}

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As `requests.Session.request`, never without a time-out; throttling is said in the form of OAuth."""
        answer = super().request(*args, **{"timeout": _TIMEOUT, **kwargs})
        return _slow_down(answer) if answer.status_code == 429 else answer


def _token_of(result: Mapping[str, Any]) -> tuple[str, float]:
    """The token and the seconds that it lives. Raises TokenUnavailable for what cannot be one."""
    try:
        value, life = str(result["access_token"]), float(result["expires_in"])
    except (KeyError, ValueError, TypeError):
        value, life = "", 0.0
    # It goes into a header: visible ASCII and nothing else (RFC 6750 section 2.1).
    if not re.fullmatch(r"[!-~]+", value):
        raise TokenUnavailable("microsoft.token_unavailable", text=catalogue.sentence("microsoft.no_token"))
    return value, life


def _slow_down(answer: requests.Response) -> requests.Response:
    """A 429 whose body MSAL understands: Entra's own may be empty. Status and headers make MSAL wait."""
    made = requests.Response()
    made.status_code, made.headers, made.url, made.request = 429, answer.headers, answer.url, answer.request
    made.raw = io.BytesIO(
        json.dumps(
            {"error": "temporarily_unavailable", "error_description": catalogue.sentence("microsoft.slow_down")}
        ).encode()
    )
    return made


def _refusal_of(error: ValueError) -> PillarboxError:
    """MSAL's word for a discovery document that is refused (a wrong tenant), or for an answer that is no JSON."""
    # MSAL hides what Entra said behind a sentence of its own.
    told = error if isinstance(error, json.JSONDecodeError) else error.__context__ or error
    if "HTTP status: 429" in str(told):
        return TokenUnavailable("microsoft.token_unavailable", text=catalogue.sentence("microsoft.slow_down"))
    if isinstance(told, json.JSONDecodeError):
        # Not Entra's refusal: a proxy in between.
        return TokenUnavailable("microsoft.token_unavailable", text=catalogue.sentence("microsoft.no_json"))
    found = _SAID.search(str(told))
    text = found[0] if found else str(error)
    return _refusal({"error_description": text, "error_codes": _CODE.findall(text)})


def _refusal(result: Mapping[str, Any]) -> PillarboxError:
    """Entra's error as one of ours: what its number means decides, the text is only shown."""
    text = str(result.get("error_description") or result.get("error") or "an answer without a token").splitlines()[0]
    codes = result.get("error_codes") or []
    explanation = next(filter(None, map(catalogue.explain_aadsts, codes)), None)
    transient = explanation is not None and explanation.kind == "transient"
    if transient or result.get("error") == "temporarily_unavailable":
        return TokenUnavailable("microsoft.token_unavailable", text=text)
    remedy = explanation.remedy if explanation else catalogue.entry("microsoft.unexplained").cure
    return TokenRefused("microsoft.token_refused", text=text, remedy=remedy)


def _innermost(error: BaseException) -> BaseException:
    """What really happened, below the layers of requests and urllib3."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
