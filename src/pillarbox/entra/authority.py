"""One way to Entra ID for everything that asks it for tokens: MSAL in threads, on a session of ours.

MSAL is synchronous, so it works in threads. It lets REQUESTS_CA_BUNDLE win over a given CA, so it gets a session that
looks at no environment. It remembers refusals by its own clock; who asks how often is ours to say, so it forgets them.
"""

import asyncio
import io
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msal
import requests

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration
from pillarbox.core.clouds import Cloud
from pillarbox.core.errors import AuthenticationFailed, PillarboxError, Unavailable
from pillarbox.core.mail import Clock
from pillarbox.core.reasons import reason
from pillarbox.core.retry_after import seconds_of
from pillarbox.core.tls import Outbound

# What it calls errors come to us as exceptions; nothing but our own log writes to standard error.
logging.getLogger("msal").setLevel(logging.CRITICAL)

_T = TypeVar("_T")
_CODE: Final = re.compile(r"AADSTS(\d+)")
_SAID: Final = re.compile(r'AADSTS\d+[^"\\\r\n]*')
_TIMEOUT: Final = 30
_THREADS: Final = 8
_ANEW: Final = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
"""OAuth errors after which only a person's sign-in helps (RFC 6749 section 5.2, and Microsoft's own)."""


class TokenRefused(AuthenticationFailed):
    """Entra ID refuses a token for a reason that a person must mend. `number` is AADSTS's, 0 where it said none."""

    def __init__(self, code: str, /, *, number: int = 0, **params: object) -> None:
        super().__init__(code, **params)
        self.number = number

    @property
    def of_credential(self) -> bool:
        """Whether it is the credential that is refused, so that another one may do."""
        explanation = catalogue.explain_aadsts(self.number)
        return explanation is not None and explanation.kind == "secret"


class SignInNeeded(TokenRefused):
    """What a person gave by signing in is at its end: they must sign in again."""


class TokenUnavailable(Unavailable):
    """Entra ID could not be asked, or is busy; `retry_after` are the seconds that it asks to wait, if it said."""

    def __init__(self, code: str, /, *, retry_after: float | None = None, **params: object) -> None:
        super().__init__(code, **params)
        self.retry_after = retry_after


class Authority:
    """Makes MSAL's clients and runs their calls. Open it and close it with the service."""

    def __init__(self, cloud: Cloud, outbound: Outbound, clock: Clock = time.time) -> None:
        self.cloud = cloud
        self.session = Session(outbound, cloud.authority_url, clock)
        # Threads of its own: a token endpoint that hangs must not hold up name look-ups and the like.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="msal")

    def close(self) -> None:
        """Close the connections to Entra ID."""
        self.session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def confidential(
        self, app: AppRegistration, credential: Any, cache: msal.TokenCache
    ) -> msal.ConfidentialClientApplication:
        """MSAL's client of an app with a credential in MSAL's form. Making it asks Entra ID: do it in `run`."""
        return msal.ConfidentialClientApplication(app.client_id, client_credential=credential, **self._ways(app, cache))

    def public(self, app: AppRegistration, cache: msal.TokenCache) -> msal.PublicClientApplication:
        """MSAL's client of an app that shows no credential. Making it asks Entra ID: do it in `run`."""
        return msal.PublicClientApplication(app.client_id, **self._ways(app, cache))

    def _ways(self, app: AppRegistration, cache: msal.TokenCache) -> dict[str, Any]:
        return {
            "authority": f"{self.cloud.authority_url}/{app.tenant_id}",
            # The authority is a setting of the administrator: MSAL need not ask Microsoft whether it is one.
            "instance_discovery": False,
            "token_cache": cache,
            "http_client": self.session,
            "http_cache": _Forgetful(),
            # We answer the challenges of continuous access evaluation.
            "client_capabilities": ["CP1"],
        }

    async def run(self, work: Callable[[], _T]) -> _T:
        """Run MSAL's blocking work in a thread, its many exceptions translated into ours.

        Raises TokenRefused, TokenUnavailable.
        """
        host = urlsplit(self.cloud.authority_url).netloc

        def why(error: Exception) -> str:
            return reason(innermost(error), self.session.proxy)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except PillarboxError:
            raise
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


class Session(requests.Session):
    """A session whose CA and proxy are ours: no environment variable changes them."""

    def __init__(self, outbound: Outbound, authority_url: str, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.trust_env = False
        self.verify = str(outbound.ca_file)
        self.proxy = outbound.proxy_for(authority_url)
        if self.proxy:
            self.proxies = {"https": self.proxy}

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As `requests.Session.request`, never without a time-out; throttling is said in the form of OAuth."""
        answer = super().request(*args, **{"timeout": _TIMEOUT, **kwargs})
        busy = answer.status_code == 429 or (answer.status_code == 503 and "Retry-After" in answer.headers)
        return _slow_down(answer, self._clock()) if busy else answer


class _Forgetful(dict[str, Any]):
    """MSAL's memory of HTTP answers, without memory: a mended app must show at the next question, not in a minute."""

    def __setitem__(self, key: str, value: Any) -> None:
        pass


def refusal(result: Mapping[str, Any], *, delegated: bool = False) -> PillarboxError:
    """Entra's error as one of ours: what its number means decides, the text is only shown.

    `delegated` says that a person's sign-in is being used, which may be at its end.
    """
    text = str(result.get("error_description") or result.get("error") or "an answer without a token").splitlines()[0]
    codes = result.get("error_codes") or _CODE.findall(text)
    explanation = next(filter(None, map(catalogue.explain_aadsts, codes)), None)
    transient = explanation is not None and explanation.kind == "transient"
    if transient or result.get("error") == "temporarily_unavailable":
        return TokenUnavailable("microsoft.token_unavailable", text=text, retry_after=result.get("retry_after"))
    remedy = explanation.remedy if explanation else catalogue.entry("microsoft.unexplained").cure
    number = int(codes[0]) if codes else 0
    needs_sign_in = delegated and result.get("error") in _ANEW
    kind = SignInNeeded if needs_sign_in else TokenRefused
    return kind("microsoft.token_refused", number=number, text=text, remedy=remedy)


def _slow_down(answer: requests.Response, now: float) -> requests.Response:
    """A throttling answer whose body MSAL understands: Entra's own may be empty."""
    told = {"error": "temporarily_unavailable", "error_description": catalogue.sentence("microsoft.slow_down")}
    made = requests.Response()
    made.status_code, made.url, made.request = 429, answer.url, answer.request
    retry_after = answer.headers.get("Retry-After")
    wait = {"retry_after": seconds_of(retry_after, now)} if retry_after else {}
    made.raw = io.BytesIO(json.dumps({**told, **wait}).encode())
    return made


def _refusal_of(error: ValueError) -> PillarboxError:
    """MSAL's word for a discovery document that is refused (a wrong tenant), or for an answer that is no JSON."""
    # MSAL hides what Entra said behind a sentence of its own.
    told = error if isinstance(error, json.JSONDecodeError) else error.__context__ or error
    if "HTTP status: 429" in str(told):
        found = re.search(r'"retry_after": ([0-9.]+)', str(told))
        slow = {"error": "temporarily_unavailable", "error_description": catalogue.sentence("microsoft.slow_down")}
        return refusal({**slow, "retry_after": float(found[1]) if found else None})
    if isinstance(told, json.JSONDecodeError):
        # Not Entra's refusal: a proxy in between.
        return TokenUnavailable("microsoft.token_unavailable", text=catalogue.sentence("microsoft.no_json"))
    found = _SAID.search(str(told))
    text = found[0] if found else str(error)
    return refusal({"error_description": text})


def innermost(error: BaseException) -> BaseException:
    """What really happened, below the layers of requests and urllib3."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
